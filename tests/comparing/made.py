"""Run folders whose scores are simulated: the files of a comparison, written by what writes them, with answers of known skill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from labelfree.recipe import Evaluate, Primary
from labelfree.transfer.cells import Cell, CellKey
from labelfree.transfer.question import Question
from labelfree.transfer.setup import parts_of
from labelfree.transfer.tables import write_budgets, write_tables
from tests.transfer.classes import TASK
from tests.transfer.classes import classes as of_classes

CLASSES = 3
PRIMARY = Primary(arm="domain", against="imagenet", protocol="knn", budget=2)


def question(rows: int = 60, dataset: str = "plates", crossed: bool = False, seed: int = 0, prefix: str = "", train: int = 30) -> Question:
    """`train` rows to learn from and `rows` to score, two a group; `crossed`: no others are scored."""
    total = train + (0 if crossed else rows)
    targets = np.arange(total) // 2 % CLASSES
    return Question(
        dataset=dataset,
        split="dev",
        task=TASK,
        ids=tuple(f"{prefix}{i:03}.png" for i in range(total)),
        groups=tuple(f"{prefix}lot {i // 2}" for i in range(total)),
        strata=tuple(f"class {k}" for k in targets),
        targets=of_classes(targets, CLASSES),
        train=np.arange(train),
        score=None if crossed else np.arange(train, total),
        seed=seed,
    )


def make_run(
    folder: Path,
    skill: Mapping[str, float],
    *,
    asked: Question | None = None,
    luck: int = 0,
    primary: Primary = PRIMARY,
    draws: int = 4,
    budgets: tuple[int, ...] = (1, 2, 4),
    converged: bool = True,
    **files: Any,
) -> Path:
    """A finished run. `skill`: arm -> how far its answers lean to the truth; `luck`: another number answers otherwise, but for arms called
    like a baseline, which answer alike in every run. `files`: more JSON files by name.
    """
    asked = asked or question()
    parts = list(parts_of(asked, draws))
    cells = {}
    for place, (arm, strength) in enumerate(skill.items()):
        own = 0 if arm in ("imagenet", "random") else 1 + luck
        for part in parts:
            for budget in budgets:
                generator = np.random.default_rng([place, own, budget, part.draw, part.fold])
                truth = asked.targets[part.judge]
                lean = strength * (1 + 0.2 * np.log(budget)) + generator.normal(scale=0.05)
                scores = generator.normal(size=(len(part.judge), CLASSES)) + lean * np.eye(CLASSES)[truth.values]
                answers = pa.table(TASK.answers(scores, truth))
                cell = Cell(part.judge, answers, 32, budget * CLASSES, "centre_l2", 5.0, None, converged, {})
                cells[CellKey(arm, "made_up_net", 0, "knn", budget, part.draw, part.fold)] = cell
    folder.mkdir(parents=True)
    settings = Evaluate(arms=["imagenet", "domain"], labels_per_class=list(budgets), draws=draws, protocols=["knn"], primary=primary)
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"domain": "satellite", "seed": 0, "evaluate": settings.model_dump(mode="json")}))
    for name, value in {"state": {"status": "finished"}, **files}.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    write_budgets(parts, folder / "budgets.csv")
    write_tables(asked, cells, folder)
    return folder


def change_recipe(folder: Path, **keys: Any) -> None:
    """Top-level keys of a run's recipe."""
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **keys}))


def primary(**changes: Any) -> Primary:
    """The usual primary with some keys changed."""
    return PRIMARY.model_copy(update=changes)
