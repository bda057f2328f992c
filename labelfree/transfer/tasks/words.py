"""How a task speaks: the words of its budgets, metrics and protocols, kept with a run so that its report needs no plug-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labelfree.training.files import read_json, write_json

FILE = "task.json"
SHARE = "share"  # the unit of what is printed in percent, and differences in points


@dataclass(frozen=True)
class BudgetWords:
    """What a budget counts: `one` ("label a class"), `many` ("labels a class"); `all`: the budget of all there are.

    `stratum`: one of the parts that budgets are balanced over ("class").
    """

    one: str
    many: str
    all: str = "all labels"
    stratum: str = "class"

    def of(self, budget: int | str) -> str:
        """`5 labels a class`, `1 label a class`, `all labels`."""
        return self.all if str(budget) == "all" else f"{budget} {self.one if str(budget) == '1' else self.many}"


@dataclass(frozen=True)
class MetricWords:
    """A metric as it is printed. `unit`: "share" (printed in percent, differences in points), or what stands behind a number."""

    words: str
    unit: str = SHARE
    higher_is_better: bool = True

    def value(self, value: float) -> str:
        """`71.2 %`, `0.31 m`."""
        return f"{100 * value:.1f} %" if self.unit == SHARE else f"{value:.3g}{self._behind}"

    def difference(self, value: float) -> str:
        """With its sign: `+9.2 points`, `-0.05 m`."""
        return f"{self.signed(value)} points" if self.unit == SHARE else f"{self.signed(value)}{self._behind}"

    def signed(self, value: float) -> str:
        """A difference as a number alone: `+9.2`, `-0.05`."""
        return f"{100 * value:+.1f}" if self.unit == SHARE else f"{value:+.3g}"

    @property
    def _behind(self) -> str:
        return f" {self.unit}" if self.unit else ""


@dataclass(frozen=True)
class TaskWords:
    """All the words of one task; `protocols`: name -> how it is printed."""

    name: str
    budget: BudgetWords
    metrics: Mapping[str, MetricWords]
    protocols: Mapping[str, str] = field(default_factory=dict)

    def metric(self, name: str) -> MetricWords:
        """The words of a metric; one that nobody described is a share."""
        return self.metrics.get(name) or MetricWords(name.replace("_", " "))

    def protocol(self, name: str) -> str:
        return self.protocols.get(name, name)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TaskWords:
        metrics = {name: MetricWords(**words) for name, words in stored["metrics"].items()}
        return cls(stored["name"], BudgetWords(**stored["budget"]), metrics, dict(stored["protocols"]))

    def save(self, folder: Path) -> None:
        """Keep them in a run's folder."""
        write_json(folder / FILE, self.to_dict())

    @classmethod
    def of(cls, folder: Path) -> TaskWords:
        """Those of a run folder; one that was written before there were other tasks is a classification."""
        file = folder / FILE
        return cls.from_dict(read_json(file)) if file.is_file() else CLASSIFICATION


CLASSIFICATION = TaskWords(
    "classification",
    BudgetWords("label a class", "labels a class"),
    {name: MetricWords(name.replace("_", " ")) for name in ("accuracy", "balanced_accuracy", "macro_f1", "auroc")},
    {"knn": "knn", "linear": "linear"},
)
