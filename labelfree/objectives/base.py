"""What every self-supervised objective shares: the views it receives, the crops it asks for, the step it returns, its rules for `auto`.

Objectives know nothing of data, files or Lightning: tensors in, a loss and its logs out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from labelfree.backbones.base import Features
from labelfree.domain import Default
from labelfree.language.towers import TextSide


@dataclass(frozen=True)
class Crops:
    """How many views an objective wants of each sample. Sizes and scales are the recipe's.

    `altered`: global views but the first are altered, each in another way (`Augmentation.anomalies`), and `Views.altered` says where.
    """

    globals: int = 2
    locals: int = 0
    altered: bool = False


@dataclass(frozen=True)
class Views:
    """A batch of views, grouped by size so that each group is one forward pass.

    `globals`: (n_globals * B, C, *spatial), view-major (first B rows are view 0 of every sample).
    `locals`: (n_locals * B, C, *small) or None. `rows`: (B,) positions of the samples in the pool.
    Labels of the global views, where there are: `masks` (n_globals * B, *spatial), `boxes` (n_globals * B, n, 2 * axes).
    `text`: (B, L) int64, the numbers of one caption of each sample, where the objective reads captions.
    `hidden`: (n_globals * B, *grid) bool, the tokens that iBOT hides from the student; None: the objective draws them.
    `altered`: (n_globals * B, *spatial) bool, the pixels that `Crops.altered` had changed.
    `taught`: what the network that `Objective.learns_from` names says of the same crops, rendered as it wants them, without gradient.
    """

    globals: Tensor
    locals: Tensor | None = None
    masks: Tensor | None = None
    boxes: Tensor | None = None
    text: Tensor | None = None
    hidden: Tensor | None = None
    rows: Tensor | None = None
    taught: Features | None = None
    altered: Tensor | None = None


class Widths(NamedTuple):
    """Of what a network answers: of its pooled features and of its tokens, None where it has no map of these."""

    pooled: int
    tokens: int | None


@dataclass(frozen=True)
class Step:
    """One training step of an objective.

    `loss`: scalar to minimise. `logs`: numbers to watch, detached. `embedding`: (n_globals * B, D) what the backbone gave for the
    global views, detached: health monitors read it.
    """

    loss: Tensor
    logs: Mapping[str, Tensor] = field(default_factory=dict)
    embedding: Tensor | None = None


@dataclass(frozen=True)
class Situation:
    """What the rules for `auto` look at.

    `images` in the pool, `batch_size` images a step (all processes together), `steps` of the run, `dim` the backbone's width.
    `continues`: it starts from weights. `transformer`: it is a ViT. `optimiser`: what the recipe or the domain says, else "auto".
    `options`: those of the objective that the recipe gives.
    """

    images: int
    batch_size: int
    steps: int
    dim: int = 1280
    continues: bool = False
    transformer: bool = False
    optimiser: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Alarm:
    """A sign of collapse in an objective's own logs: `log` below `least` or above `most` on several checks in a row.

    `cause` and `fix` complete the sentences "The probable cause: …" and "The fix: …".
    """

    log: str
    cause: str
    fix: str
    least: float = float("-inf")
    most: float = float("inf")


def in_fp32(x: Tensor) -> torch.autocast:
    """Within: matrix products keep the dtype of their inputs, whatever autocast is on around. Losses and views are computed so."""
    return torch.autocast(x.device.type, enabled=False)


class Objective(nn.Module):
    """One self-supervised method around a backbone.

    `crops`: the views it wants. `steady`: submodules whose learning rate does not decay, by name, each with its factor on the peak rate.
    `alarms`: what its logs show when it collapses; `cause` and `fix` are told when the embeddings themselves collapse.
    `fewest`: different images that a batch of all processes must hold for the loss to teach anything, and `why_fewest`, said where it
    holds less. `repels`: other images of the batch (or queue) are pushed away, so that a copy among them is a false negative.
    `small_batch`: images to which `batch_size: auto` may go down on a processor where `pretrain.minutes` allow few steps; None: never.
    `learns_from`: the option that names a trained network, with `<option>_network` and `<option>_size` beside it (pipeline/teachers.py);
    what it says comes as `Views.taught`, and the constructor gets the `Widths` of that as `taught`.
    `reads_text`: the option that names its text tower; captions come as `Views.text`, and images without one are not learnt from.
    `least_crop`: the least share of an image that a global view may show. `rates`: submodules with a share of the learning rate, by name.
    `rate_from_weights`: share of the optimiser's peak rate where the network starts from weights, and why.
    """

    crops: Crops
    backbone: nn.Module
    steady: Mapping[str, float] = MappingProxyType({})
    alarms: tuple[Alarm, ...] = ()
    cause: str = "too high a learning rate"
    fix: str = "lower pretrain.lr or lengthen pretrain.warmup"
    fewest: int = 1
    why_fewest: str = ""
    repels: bool = False
    small_batch: int | None = None
    learns_from: str = ""
    reads_text: str = ""
    least_crop: float = 0.0
    rates: Mapping[str, float] = MappingProxyType({})
    rate_from_weights: Default = Default(1 / 5, "a fifth, small steps keep what the weights know")

    @classmethod
    def rules(cls, at: Situation) -> dict[str, Default]:
        """What `auto` becomes, each with its reason: `options.<name>` for an own keyword, else a key of `pretrain`.

        What changes the time of a step must not depend on `at.steps`: steps are planned from that time.
        """
        return {}

    @classmethod
    def check(cls, options: Mapping[str, Any], at: Situation) -> None:
        """Raises RecipeError for `options`, none of them `auto` any more, that cannot go together or with this pool."""

    def forward(self, views: Views) -> Step:
        raise NotImplementedError

    def before_step(self, progress: float) -> None:
        """Called after backward and before the optimiser, `progress` in [0, 1): gradients may be cancelled here."""

    def after_step(self, progress: float) -> None:
        """Called once an optimiser step, `progress` in (0, 1]: momentum encoders, queues, centres."""

    def exported(self) -> nn.Module:
        """The backbone to save: the one that was found better for transfer."""
        return self.backbone

    def exported_text(self) -> TextSide | None:
        """What to save beside it so that it can be asked in words; None where it reads no captions."""
        return None
