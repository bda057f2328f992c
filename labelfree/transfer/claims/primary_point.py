"""What both arms of a run's primary answered at its point: what tables beside the claim are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from labelfree.training.files import read_json
from labelfree.transfer.claims.scores import Scores, read_scores


@dataclass(frozen=True)
class PrimaryPoint:
    """`answers`: of each arm, a table a cell. `times`: in how many scorings each image stands, draws times seeds."""

    scores: Scores
    protocol: str
    budget: str
    answers: dict[str, list[pa.Table]]
    times: dict[str, int]

    def told(self) -> dict[str, Any]:
        """As its files begin."""
        return {"protocol": self.protocol, "budget": self.budget}


def primary_point(folder: Path) -> PrimaryPoint | None:
    """That of a run whose claims are saved; None where nothing was claimed."""
    primary = read_json(folder / "claims.json").get("primary")
    if not primary:
        return None
    scores, protocol, budget = read_scores(folder, primary["metric"]), str(primary["protocol"]), str(primary["budget"])
    answers, times = {}, {}
    for arm in (str(primary["arm"]), str(primary["against"])):
        point = (arm, protocol, budget)
        answers[arm] = [cell.answers for cell in scores.cells[point].values()]
        times[arm] = len(scores.draws(point)) * len(scores.seeds(point))
    return PrimaryPoint(scores, protocol, budget, answers, times)
