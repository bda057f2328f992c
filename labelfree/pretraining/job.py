"""What one pretraining is given: nothing in it is `auto` any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelfree.backbones import Backbone
from labelfree.data.pool import Pool
from labelfree.data.positives import Positives
from labelfree.domain import Size, as_size
from labelfree.objectives import Objective
from labelfree.objectives.base import Widths
from labelfree.objectives.registry import make_objective
from labelfree.pretraining.captions import Captions
from labelfree.pretraining.label_monitor import LabelledImages
from labelfree.pretraining.teacher import Teacher
from labelfree.training.randomness import generator, mixed
from labelfree.views import ViewPipeline


@dataclass(frozen=True)
class Plan:
    """The resolved numbers of one pretraining; stored with its checkpoints, so that a resumed run keeps them.

    `continues`: it starts from weights. `warmup` and `head_only` are in steps. `size`, `local_size` in pixels, one number or one an axis.
    `threads` is torch's: sums depend on it. `seconds_per_step` where the backbone learns, `head_seconds` in the head-only start.
    `minutes`: asked for, 0 where nothing was. `look`: the step before which the steps are revised once by the pace seen until then; 0 where
    they stand, because they were given or have been revised. `trained`: share of the network's layers that learn, the last ones.
    Everything random follows from `base`, the recipe's seed, and `seed`, the pretraining's.
    """

    objective: str
    options: dict[str, Any]
    steps: int
    batch_size: int
    size: Size
    local_size: Size
    optimiser: str
    lr: float
    weight_decay: float
    warmup: int
    head_only: int
    frozen_norm: bool
    precision: str
    clip_grad: float
    check_every: int
    checkpoint_minutes: float
    on_collapse: str
    base: int
    seed: int
    threads: int
    seconds_per_step: float = 0.0
    head_seconds: float = 0.0
    minutes: float = 0.0
    look: int = 0
    continues: bool = True
    trained: float = 1.0

    def __post_init__(self) -> None:
        for key in ("size", "local_size"):  # a list where it was stored
            object.__setattr__(self, key, as_size(getattr(self, key)))

    @property
    def source(self) -> int:
        """The one number that all randomness of this pretraining starts from."""
        return mixed("pretraining", self.base, self.seed)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Job:
    """One pretraining: `entries` of `pool` are learnt from, `start` builds the backbone it begins with.

    `positives`: where second views come from; None: from the image itself. `labelled`: what `pretrain.watch_labels` shows the
    accuracy of; never learnt from. `teacher` loads the network that the objective learns from, to be
    shown crops of a size; None: it learns from none. `captions`: what is said of the entries, where the objective reads captions.
    """

    arm: str
    plan: Plan
    pool: Pool
    entries: np.ndarray
    views: ViewPipeline
    start: Callable[[], Backbone]
    folder: Path
    labelled: LabelledImages | None = None
    positives: Positives | None = None
    teacher: Callable[[Size], Teacher] | None = None
    captions: Captions | None = None

    def objective(self, taught: Widths | None = None) -> Objective:
        """A fresh objective; heads depend on the recipe's and the pretraining's seed. `taught`: of its teacher, None: as its backbone's."""
        backbone = self.start()
        backbone.hold_first_layers(1 - self.plan.trained)
        torch.manual_seed(mixed("heads", self.plan.source))
        if self.plan.frozen_norm:
            backbone.freeze_statistics()
        return make_objective(self.plan.objective, backbone, self.plan.options, taught)

    def generator(self, step: int, rank: int) -> torch.Generator:
        """The generator of this step's views, on the host whatever the device."""
        return generator("views", self.plan.source, step, rank)
