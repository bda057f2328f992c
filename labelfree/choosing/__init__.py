"""Which images to label next, one strategy a file: candidates in features, choices with their reasons out.

Numbers in, positions out: nothing here reads a file or knows what a class is called but for a sentence.
"""

from labelfree.choosing.base import Strategy
from labelfree.choosing.candidates import Candidates, Choice
from labelfree.choosing.neighbours import nearest
from labelfree.choosing.registry import find_strategy, strategy_names

__all__ = ["Candidates", "Choice", "Strategy", "find_strategy", "nearest", "strategy_names"]
