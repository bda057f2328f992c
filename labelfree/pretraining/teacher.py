"""A trained network that stands still beside a pretraining and says of each crop what an objective learns to say."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from labelfree.backbones import Backbone, Features
from labelfree.backbones.base import weights_digest
from labelfree.domain import Size, sides
from labelfree.objectives.base import Widths


class Teacher:
    """`backbone` in evaluation mode, without gradient. It's no module, so that what holds it neither trains, saves nor exports it.

    `to_input`: (physical (B, C, *spatial), size, measured (B, *spatial) bool or None) -> its input. `size`: the pixels that it is shown,
    one number or one an axis; `key` names that in sentences.
    Raises RecipeError where the network does not take that size.
    """

    def __init__(self, backbone: Backbone, to_input: Callable[[Tensor, Size, Tensor | None], Tensor], size: Size, key: str) -> None:
        backbone.require_size(size, key)
        self.backbone = backbone.eval().requires_grad_(False)
        self.to_input, self.size = to_input, size

    def __call__(self, physical: Tensor, measured: Tensor | None = None) -> Features:
        """What it says of crops in the pool's physical units, on their device."""
        self.backbone.to(physical.device)  # once: it stays there
        with torch.no_grad():
            said: Features = self.backbone(self.to_input(physical, self.size, measured))
        return said

    @cached_property
    def widths(self) -> Widths:
        """Of what it says."""
        like = next(self.backbone.parameters())
        with torch.no_grad():
            said = self.backbone(like.new_zeros(1, self.backbone.channels, *sides(self.size, self.backbone.dims)))
        return Widths(said.pooled.shape[1], None if said.tokens is None else said.tokens.shape[1])

    @cached_property
    def digest(self) -> str:
        """Of its weights and of how crops are shown to it: a pretraining goes on with the same teacher only."""
        return weights_digest(self.backbone, f"{self.size}")
