"""What every strategy shares: the rules that hold whatever it looks for."""

from __future__ import annotations

from collections.abc import Iterator

from labelfree.choosing.candidates import Candidates, Choice
from labelfree.choosing.spread import Spread
from labelfree.errors import RecipeError


class Strategy:
    """A way to choose what to label next.

    `name`: as on the command line. `words`: what it does, to go on after "chosen". `needs_features`: it looks at them.
    `needs_outputs`: it asks the head so far.

    A strategy of one's own derives from this one, writes `picks`, and is installed under the entry points `labelfree.strategies`.
    """

    name: str
    words: str
    needs_features: bool = True
    needs_outputs: bool = False

    def choose(self, candidates: Candidates, budget: int, seed: int = 0) -> list[Choice]:
        """At most `budget` open images in the order to label them: fewer where fewer are open or unlike what is labelled.

        Every strategy spreads over groups and refuses near-duplicates (`Spread`); the same candidates and seed give the same choices,
        and equals are taken by position. Raises RecipeError where the strategy needs a head and there is none.
        """
        if self.needs_outputs and candidates.outputs is None:
            raise RecipeError(f"strategy: {self.name} asks a head what it hesitates about, and there is none; take typical first.")
        return list(self.picks(candidates, Spread(candidates, budget), seed))

    def picks(self, candidates: Candidates, spread: Spread, seed: int) -> Iterator[Choice]:
        """The choices one by one, each taken from `spread`, while it has any left."""
        raise NotImplementedError

    def note(self, candidates: Candidates) -> str:
        """A sentence on how it will choose from these candidates, where that depends on them; else empty."""
        return ""
