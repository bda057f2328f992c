"""The cells of the claimed comparison, whose scored images a report shows: which they are, and which images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from labelfree.data.budgets import Budget, largest
from labelfree.recipe import Primary
from labelfree.transfer.cells import CellKey
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.protocols import Protocol
from labelfree.transfer.question import Question
from labelfree.transfer.setup import Part, Setup, parts_of
from labelfree.transfer.tasks import Metric

EACH = 2  # images of a kind


@dataclass(frozen=True)
class ClaimedCells:
    """Both arms of the primary at its budget, first draw and fold. `encoders`: arm -> its first seed, of arms that are asked."""

    protocol: Protocol
    labels: Budget
    part: Part
    encoders: Mapping[str, Encoder]

    @classmethod
    def of(cls, encoders: Sequence[Encoder], setup: Setup, primary: Primary, question: Question) -> ClaimedCells | None:
        """None where the primary's protocol, or one of its arms under it, is not asked."""
        protocol = next((one for one in setup.protocols if one.name == primary.protocol), None)
        if protocol is None:
            return None
        asked = {one.arm: one for one in reversed(encoders) if protocol.suits(one)}
        if not {primary.arm, primary.against} <= set(asked):
            return None
        labels = primary.budget if primary.budget in setup.budgets else largest(setup.budgets)
        both = {arm: asked[arm] for arm in (primary.arm, primary.against)}
        return cls(protocol, labels, next(iter(parts_of(question, setup.draws))), both)

    def key(self, arm: str) -> CellKey:
        """The cell of one of the arms."""
        encoder = self.encoders[arm]
        return CellKey(encoder.arm, encoder.backbone, encoder.seed, self.protocol.name, self.labels, self.part.draw, self.part.fold)


def of_each(answers: pa.Table, metric: Metric) -> np.ndarray:
    """(n,) the metric of each scored image alone; NaN where it has none."""
    return np.array([metric.value(answers.slice(at, 1)) for at in range(len(answers))])


def chosen(scores: np.ndarray, empty: np.ndarray, withheld: np.ndarray) -> list[tuple[str, int]]:
    """Positions of the images shown, each once: best, middle and worst by `scores` (higher is better) of those that show an object,
    then those that show none, the worst called first. `empty`, `withheld`: (n,) bool; withheld ones are never shown.
    """
    order = [at for at in np.argsort(-scores, kind="stable").tolist() if np.isfinite(scores[at]) and not withheld[at]]
    ranked = [at for at in order if not empty[at]]
    ends = min(EACH, max(1, len(ranked) // 3))
    best, worst, rest = ranked[:ends], ranked[ends:][::-1][:ends], ranked[ends:-ends]
    first = max(0, len(rest) - EACH) // 2
    kinds = {"best": best, "middle": rest[first : first + EACH], "worst": worst}
    unscored = np.flatnonzero(empty & ~withheld & ~np.isfinite(scores)).tolist()
    nothing = [at for at in order[::-1] if empty[at]] + unscored
    return [(kind, at) for kind, found in kinds.items() for at in found] + [("empty", at) for at in nothing[:EACH]]
