"""The scores that a run ends with are those of claims.json, a budget a column."""

from __future__ import annotations

from labelfree.pipeline.console_table import score_lines


def row(arm: str, budget: str, mean: float, protocol: str = "linear") -> dict[str, object]:
    return {"arm": arm, "protocol": protocol, "budget": budget, "metric": "accuracy", "mean": mean}


def test_one_line_an_arm_one_column_a_budget() -> None:
    table = [row("imagenet", "1", 0.403), row("imagenet", "5", 0.682), row("domain", "5", 0.774), row("imagenet", "5", 0.5, "knn")]
    title, imagenet, domain, *rest = score_lines({"table": table})
    assert title.split() == ["linear,", "accuracy", "in", "%", "at", "1", "5", "labels", "a", "class"]
    assert imagenet.split() == ["imagenet", "40.3", "68.2"]
    assert domain.split() == ["domain", "-", "77.4"]  # not measured is not zero
    assert imagenet.index("68.2") == domain.index("77.4")
    assert len(rest) == 2 and rest[1].split() == ["imagenet", "50.0"]


def test_nothing_compared_nothing_told() -> None:
    assert score_lines({}) == []
