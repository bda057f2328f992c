"""The scores that a run ends with are those of claims.json, a budget a column."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from labelfree.pipeline.console import announce, score_lines
from labelfree.recipe import Evaluate, Primary, Recipe
from labelfree.transfer.tasks import find_task
from labelfree.transfer.words import BudgetWords, MetricWords, TaskWords

WORDS = find_task("classification").words


def row(arm: str, budget: str, mean: float, protocol: str = "linear") -> dict[str, object]:
    return {"arm": arm, "protocol": protocol, "budget": budget, "metric": "accuracy", "mean": mean}


def test_one_line_an_arm_one_column_a_budget() -> None:
    table = [row("imagenet", "1", 0.403), row("imagenet", "5", 0.682), row("domain", "5", 0.774), row("imagenet", "5", 0.5, "knn")]
    title, imagenet, domain, *rest = score_lines({"table": table}, WORDS)
    assert title.split() == ["linear,", "accuracy", "in", "%", "at", "1", "5", "labels", "a", "class"]
    assert imagenet.split() == ["imagenet", "40.3", "68.2"]
    assert domain.split() == ["domain", "-", "77.4"]  # not measured is not zero
    assert imagenet.index("68.2") == domain.index("77.4")
    assert len(rest) == 2 and rest[1].split() == ["imagenet", "50.0"]


def test_nothing_compared_nothing_told() -> None:
    assert score_lines({}, WORDS) == []


def test_another_task_has_its_own_words_and_unit() -> None:
    words = TaskWords(
        "height", BudgetWords("labelled image", "labelled images"), {"mae": MetricWords("error", "m", higher_is_better=False)}
    )
    title, line = score_lines({"table": [{**row("imagenet", "6", 2.125), "metric": "mae"}]}, words)
    assert title.split() == ["linear,", "error", "in", "m", "at", "6", "labelled", "images"]
    assert line.split() == ["imagenet", "2.12"]


@pytest.mark.parametrize(
    ("protocols", "minutes", "told", "task"),
    [
        (["linear"], None, "(about 6 s)", "classification"),  # 4 arms, 5 budgets, a draw: 0.3 s each
        (["linear", "finetune"], 3.0, "(about 3 min)", "classification"),
        (["linear", "finetune"], None, "(how long it takes is known after the first heads: evaluate.minutes bounds it)", "classification"),
        (["linear", "emergent"], None, "(how long it takes is known after the first heads: evaluate.minutes bounds it)", "segmentation"),
    ],
)
def test_what_a_comparison_will_take(protocols: list[str], minutes: float | None, told: str, task: str, tmp_path: Path) -> None:
    """Heads that are trained by steps, and those of maps, fill the time that is given."""
    recipe = Recipe(
        domain="satellite", evaluate=Evaluate(protocols=protocols, minutes=minutes, draws=1, primary=Primary(protocol="linear"))
    )
    question = SimpleNamespace(task=find_task(task), crossed=False, ids=())
    said = list[str]()
    folder = SimpleNamespace(path=tmp_path, home=tmp_path)
    run = SimpleNamespace(say=SimpleNamespace(say=said.append), comparing=True, recipe=recipe, folder=folder)
    announce(run, SimpleNamespace(question=question, unlabelled=None), SimpleNamespace(sentences=[], jobs=[], seconds=0.0))
    assert f"then the comparison {told}" in said[-1]
