"""The primaries of several runs tested as one family (Holm 1979; docs/protocol.md, 13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelfree.comparing.runs import ComparedRun
from labelfree.data.chosen import INDICATIVE
from labelfree.transfer.claims import holm

ALPHA = 0.05
TIE = "no significant difference"


@dataclass(frozen=True)
class Tested:
    """One primary of the family.

    `alpha`: the level it was tested at; `low`, `high`: bounds at confidence 1 - `alpha`, None where the labels allow none. `verdict`:
    `better`, `worse`, `no significant difference`, `no claim`, `indicative only`; `reason`: why, where the test alone does not say.
    """

    run: ComparedRun
    p: float
    alpha: float
    low: float | None
    high: float | None
    verdict: str
    reason: str = ""

    @property
    def claimed(self) -> bool:
        return self.verdict in ("better", "worse") and not self.run.doubt

    @property
    def level(self) -> float:
        """Confidence of the interval."""
        return 1 - self.alpha

    @property
    def budget(self) -> str:
        """Where the primary was tested: its recipe's budget, or the one it moved to."""
        comparison = self.run.comparison
        return str(self.run.primary.budget) if comparison is None else comparison.budget

    @property
    def mean(self) -> float | None:
        """The difference."""
        comparison = self.run.comparison
        return None if comparison is None else comparison.mean


def family(runs: Sequence[ComparedRun]) -> list[Tested]:
    """Every run's primary, in the order given. One that may claim nothing has p = 1 and makes the others harder to claim."""
    tested = []
    verdicts = holm([run.p for run in runs], ALPHA)
    failed = min((verdict.alpha for verdict in verdicts if not verdict.rejected), default=ALPHA)
    for run, verdict in zip(runs, verdicts, strict=True):
        low, high = (None, None) if run.comparison is None else run.comparison.bounds(verdict.alpha)
        stopped = not verdict.rejected and verdict.p <= verdict.alpha and verdict.alpha > failed
        after = "a smaller p of the family was not significant, so its own is not tested" if stopped else ""
        tested.append(Tested(run, verdict.p, verdict.alpha, low, high, _verdict(run, verdict.rejected), run.reason or after or run.doubt))
    return tested


def _verdict(run: ComparedRun, rejected: bool) -> str:
    main = run.comparison
    if run.reason or main is None:
        return INDICATIVE.lower() if main is not None and main.verdict == INDICATIVE.lower() else "no claim"
    if not rejected:
        return TIE
    better = (main.mean > 0) == run.metric.higher_is_better
    return "better" if better else "worse"
