"""How a task speaks: the words of its budgets, metrics and protocols, kept with a run so that its report needs no plug-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from labelfree.training.files import read_json, write_json

FILE = "task.json"
SHARE = "share"  # the unit of what is printed in percent, and differences in points


@dataclass(frozen=True)
class BudgetWords:
    """What a budget counts: `one` ("label a class"), `many` ("labels a class"); `all`: the budget of all there are.

    `stratum`: one of the parts that budgets are balanced over ("class"). `per`: what stands behind a number of labels ("a class").
    """

    one: str
    many: str
    all: str = "all labels"
    stratum: str = "class"
    per: str = ""

    @property
    def of_slices(self) -> BudgetWords:
        """The same where what is labelled are slices of images."""
        return replace(
            self, one=f"labelled slice {self.per}".rstrip(), many=f"labelled slices {self.per}".rstrip(), all="all labelled slices"
        )

    def of(self, budget: int | str) -> str:
        """`5 labels a class`, `1 label a class`, `all labels`, `no labels`."""
        if str(budget) == "0":
            return "no labels"
        return self.all if str(budget) == "all" else f"{budget} {self.one if str(budget) == '1' else self.many}"


@dataclass(frozen=True)
class MetricWords:
    """A metric as it is printed. `unit`: "share" (printed in percent, differences in points), or what stands behind a number.

    `title`: its name where there is room, "" for the same words.
    """

    words: str
    unit: str = SHARE
    higher_is_better: bool = True
    title: str = ""

    @property
    def heading(self) -> str:
        return self.title or self.words

    @property
    def scale(self) -> float:
        """What a stored number is multiplied by to be printed."""
        return 100.0 if self.unit == SHARE else 1.0

    @property
    def of_scores(self) -> str:
        """What stands behind a printed score: `%`, `m`, or nothing."""
        return "%" if self.unit == SHARE else self.unit

    @property
    def of_differences(self) -> str:
        """What stands behind a printed difference: `points`, `m`, or nothing."""
        return "points" if self.unit == SHARE else self.unit

    def difference(self, value: float) -> str:
        """With its sign: `+9.2 points`, `-0.05 m`."""
        return f"{self.signed(value)} {self.of_differences}".rstrip()

    def signed(self, value: float) -> str:
        """A difference as a number alone: `+9.2`, `-0.05`."""
        return f"{100 * value:+.1f}" if self.unit == SHARE else f"{value:+.3g}"


@dataclass(frozen=True)
class ProtocolWords:
    """A protocol as it is printed. `title`: its name where there is room; `reading`: what it does, for a reader who doubts. `plain`: the
    protocol that is the same but for unlabelled images, "" where it reads none.
    """

    words: str
    title: str = ""
    reading: str = ""
    plain: str = ""

    @property
    def heading(self) -> str:
        return self.title or self.words


@dataclass(frozen=True)
class TaskWords:
    """All the words of one task. `categorical`: a label is one of a few names, which images share; else each has its own."""

    name: str
    budget: BudgetWords
    metrics: Mapping[str, MetricWords]
    protocols: Mapping[str, ProtocolWords] = field(default_factory=dict)
    categorical: bool = True

    def metric(self, name: str) -> MetricWords:
        """The words of a metric; one that nobody described is a share."""
        return self.metrics.get(name) or MetricWords(name.replace("_", " "))

    def protocol(self, name: str) -> ProtocolWords:
        return self.protocols.get(name) or ProtocolWords(name)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TaskWords:
        metrics = {name: MetricWords(**words) for name, words in stored["metrics"].items()}
        protocols = {name: ProtocolWords(**words) for name, words in stored["protocols"].items()}
        return cls(stored["name"], BudgetWords(**stored["budget"]), metrics, protocols, stored["categorical"])

    def save(self, folder: Path) -> None:
        """Keep them in a run's folder."""
        write_json(folder / FILE, self.to_dict())

    @classmethod
    def of(cls, folder: Path) -> TaskWords:
        """Those of a run folder; one that was written before there were other tasks is a classification."""
        file = folder / FILE
        if file.is_file():
            return cls.from_dict(read_json(file))
        from labelfree.transfer.tasks.registry import find_task

        return find_task("classification").words
