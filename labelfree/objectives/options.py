"""Which values an objective's options may take. A name means the same in every objective, so one table holds for all."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from labelfree.errors import RecipeError


@dataclass(frozen=True)
class Range:
    """Numbers from `least` to `most`; `least` itself only when `closed`."""

    least: float
    most: float = inf
    closed: bool = True

    def __contains__(self, value: float) -> bool:
        return (self.least <= value if self.closed else self.least < value) and value <= self.most

    def __str__(self) -> str:
        if self.most < inf:
            return f"from {self.least:g} to {self.most:g}"
        return f"{self.least:g} or more" if self.closed else f"above {self.least:g}"


SHARE, POSITIVE, COUNT, WEIGHT = Range(0, 1), Range(0, closed=False), Range(1), Range(0)
RANGES = {
    **dict.fromkeys(("momentum", "final_momentum", "centre_momentum"), SHARE),
    **dict.fromkeys(("freeze_prototypes", "mask_share", "least_masked", "most_masked"), SHARE),
    **dict.fromkeys(("temperature", "student_temperature", "teacher_temperature", "predictor_rate"), POSITIVE),
    **dict.fromkeys(("hidden", "out", "bottleneck", "queue"), COUNT),
    "prototypes": Range(2),
    "local_crops": Range(0),
    **dict.fromkeys(("ibot", "koleo"), WEIGHT),
}


def require_range(key: str, value: Any) -> None:
    """Raises RecipeError when the option `key` is a number that it cannot be."""
    if key in RANGES and value not in RANGES[key]:
        raise RecipeError(f"pretrain.options.{key}: {value:g} is not possible; take a number {RANGES[key]}.")
