"""Words beside images: tokenizers, text towers, and weight files that hold what joins a text tower to a backbone."""

from labelfree.language.loading import load_towers
from labelfree.language.towers import TextSide

__all__ = ["TextSide", "load_towers"]
