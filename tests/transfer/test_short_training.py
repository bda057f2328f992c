"""What is said of heads by steps that lie below a solved one on the same features."""

from __future__ import annotations

import pytest

from labelfree.transfer.claims.claims import TableRow
from labelfree.transfer.claims.short_training import short_words
from labelfree.transfer.tasks import find_task

TASK = find_task("segmentation")
PROTOCOLS = [TASK.protocol(name) for name in ("linear", "frozen")]


def row(protocol: str, mean: float, budget: str = "8", arm: str = "imagenet", undertrained: int = 0, metric: str = "dice") -> TableRow:
    return TableRow(
        arm, "net", protocol, budget, float(budget), float(budget), metric, mean, mean - 0.05, mean + 0.05, 5, 1, 64, undertrained
    )


def said(*rows: TableRow) -> list[str]:
    return short_words(rows, PROTOCOLS, TASK.words)


def test_a_decoder_far_below_the_linear_head_is_told_at_the_largest_budget() -> None:
    [sentence] = said(row("linear", 0.6, "2"), row("linear", 0.85), row("frozen", 0.3, "2"), row("frozen", 0.65))
    assert sentence.startswith("imagenet, 8 labelled images: frozen is clearly worse than linear on the same features (-20.0 points)")
    assert "evaluate.minutes" in sentence


@pytest.mark.parametrize("rows", [
    (row("linear", 0.85), row("frozen", 0.80)),  # intervals overlap
    (row("linear", 0.65), row("frozen", 0.85)),
    (row("linear", 0.85, undertrained=1), row("frozen", 0.65)),  # nothing solved to compare with
    (row("linear", 0.85), row("frozen", 0.65, undertrained=1)),  # told already
    (row("linear", 0.85, arm="domain"), row("frozen", 0.65)),  # other features
    (row("linear", 0.85, "2"), row("frozen", 0.65)),
    (row("frozen", 0.65),),
], ids=["overlap", "above", "not solved", "told", "another arm", "another budget", "alone"])  # fmt: skip
def test_nothing_is_said_otherwise(rows: tuple[TableRow, ...]) -> None:
    assert said(*rows) == []


def test_lower_may_be_better() -> None:
    assert len(said(row("linear", 0.2, metric="hd95"), row("frozen", 0.9, metric="hd95"))) == 1
    assert said(row("linear", 0.9, metric="hd95"), row("frozen", 0.2, metric="hd95")) == []
