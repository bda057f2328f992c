"""A made-up comparison: features whose strength is known, served by encoders that count how often they are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from labelfree.recipe import Evaluate
from labelfree.transfer.question import Question
from tests.transfer.classes import TASK
from tests.transfer.classes import classes as of_classes


class MadeUp:
    """Class means plus noise; `strength` says how far the classes lie apart, and more so at the larger size."""

    def __init__(
        self, arm: str, targets: np.ndarray, strength: float, sizes: tuple[int, ...] = (32, 64), width: int = 24, seed: int = 0
    ) -> None:
        self.arm, self.seed, self.sizes, self.backbone = arm, seed, sizes, "made_up_net"
        self.blocks, self.digest, self.asked = (width,), f"{arm}-{seed}-{strength}", 0
        noise = np.random.default_rng([len(arm), seed])
        means = np.random.default_rng(1).normal(size=(int(targets.max()) + 1, width))
        self.rows = {
            size: (noise.normal(size=(len(targets), width)) + strength * (1 + at / 4) * means[targets]).astype(np.float32)
            for at, size in enumerate(sizes or (0,))
        }

    def features(self, pool: Any, entries: Sequence[int], size: int) -> np.ndarray:
        self.asked += 1
        return self.rows[size][np.asarray(entries)]


class Entries:
    """Stands for a pool whose pixels nobody reads."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count


@pytest.fixture(scope="session")
def made_up() -> type[MadeUp]:
    return MadeUp


@pytest.fixture(scope="session")
def entries() -> type[Entries]:
    return Entries


@pytest.fixture(scope="session")
def ask() -> Callable[..., Question]:
    """A question over `train` and `score` rows in three classes; `score=0`: cross-validation. Every `group` rows share one group."""

    def make(train: int = 60, score: int = 45, classes: int = 3, group: int = 0, seed: int = 0) -> Question:
        total = train + score
        targets = np.arange(total) % classes if not group else np.arange(total) // group % classes
        return Question(
            dataset="made-up",
            split="dev",
            task=TASK,
            ids=tuple(f"{i:03}.png" for i in range(total)),
            groups=tuple(f"scene {i // group}" if group else None for i in range(total)),
            strata=tuple(f"class {k}" for k in targets),
            targets=of_classes(targets, classes),
            train=np.arange(train),
            score=np.arange(train, total) if score else None,
            seed=seed,
        )

    return make


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A run folder that holds a recipe with these `evaluate` settings."""

    def make(settings: Evaluate, name: str = "run") -> Path:
        folder = tmp_path_factory.mktemp(name)
        (folder / "recipe.yaml").write_text(
            yaml.safe_dump({"domain": "satellite", "seed": 0, "evaluate": settings.model_dump(mode="json")})
        )
        return folder

    return make
