"""How many steps heads that are trained by steps take where time is short: planned first, raised again by what other cuts leave."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from labelfree.transfer.askers import ASKERS
from labelfree.transfer.asking import Trial
from labelfree.transfer.protocols import Protocol
from labelfree.transfer.setup import Setup

FITTING = 0.7  # of a comparison's time, for heads that are trained by steps; others, reading and predicting have the rest
LEAST_STEPS = 20


@dataclass(frozen=True)
class StepTimes:
    """Measured seconds that a step takes at the smallest input size. `arms`: by protocol, one an arm. `folds`: of one draw."""

    arms: Mapping[Protocol, Sequence[float]]
    folds: int

    @classmethod
    def measured(cls, trial: Trial) -> StepTimes:
        """Of every protocol whose heads are trained by steps."""
        protocols, arms = trial.setup.protocols, dict[Protocol, Sequence[float]]()
        for needs in sorted({protocol.needs for protocol in protocols}):
            arms |= ASKERS[needs].step_seconds(trial, [protocol for protocol in protocols if protocol.needs == needs])
        return cls(arms, trial.folds)

    def planned(self, setup: Setup, seconds: float) -> Setup:
        """The setup with as many steps as let all heads take FITTING of the `seconds` together, the same for every arm.

        LEAST_STEPS at least, and not more than a protocol takes where time is not short.
        """
        affordable = FITTING * seconds / sum(self._one_more(setup, protocol) for protocol in self.arms) if self.arms else 0.0
        return self._with(setup, dict.fromkeys(self.arms, affordable))

    def raised(self, setup: Setup, left: float) -> Setup:
        """The setup with as many steps more as take FITTING of the seconds that are `left`, in the same bounds."""
        short = [protocol for protocol in self.arms if setup.steps[protocol.name] < _most(protocol)]
        if left <= 0 or not short:
            return setup
        more = FITTING * left / sum(self._one_more(setup, protocol) for protocol in short)
        return self._with(setup, {protocol: setup.steps[protocol.name] + more for protocol in short})

    def _one_more(self, setup: Setup, protocol: Protocol) -> float:
        """Seconds for one step of every head of every arm."""
        heads = self.folds * sum(len(setup.draws_of(labels)) for labels in setup.budgets)
        return heads * ASKERS[protocol.needs].trainings(setup, protocol) * sum(self.arms[protocol])

    def _with(self, setup: Setup, steps: Mapping[Protocol, float]) -> Setup:
        longest = {one: ASKERS[one.needs].longest / max(self.arms[one]) for one in steps}
        whole = {one.name: min(max(int(min(count, longest[one])), LEAST_STEPS), _most(one)) for one, count in steps.items()}
        return replace(setup, steps={**setup.steps, **whole})


def _most(protocol: Protocol) -> int:
    return protocol.steps or sys.maxsize
