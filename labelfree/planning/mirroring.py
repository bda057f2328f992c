"""Whether views are mirrored left to right: what the recipe says, else what a domain makes of the labels' names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from labelfree.domain import Default, Domain, KnowsSides, Row
from labelfree.planning.comparison_design import ComparisonDesign
from labelfree.transfer.tasks import Task


def mirror(asked: bool | Literal["auto"], domain: Domain, classes: Iterable[str]) -> Default | None:
    """Whether views may be mirrored (`value`), and why; None where nobody says and the domain knows no sides: its views stay as they are.

    `asked`: `pretrain.mirror`. `classes`: what labels are called.
    """
    if asked != "auto":
        return Default(asked, "the recipe says so")
    return domain.mirror(sorted(set(classes))) if isinstance(domain, KnowsSides) else None


def proposed(domain: Domain, asked: ComparisonDesign) -> Default | None:
    """The same for a recipe that is to be written, by the labels that it asks of."""
    return mirror("auto", domain, called(asked.task, [*asked.roles.train, *(asked.roles.score or ())]))


def called(task: Task, rows: Iterable[Row]) -> set[str]:
    """What the labels of these rows are called."""
    return {name for row in rows if task.labelled(row) for name in task.taught(row)}
