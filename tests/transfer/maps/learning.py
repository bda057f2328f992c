"""A stand-in for what asks a protocol of maps: images and masks in memory, features of a backbone kept for both mirror images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from labelfree.backbones import Backbone
from labelfree.transfer.maps.base import Learn


def learn_from(
    images: Tensor,
    masks: Tensor,
    classes: int,
    trunk: Callable[[], Backbone] | None = None,
    pixels: Tensor | None = None,
    **changes: object,
) -> Learn:
    """What is learned from `images` (n, C, *shape) with `masks` (n, *shape), all of them the budget.

    `trunk` makes the network. `pixels`: (n, P, *shape), statistics of every pixel, beside the network's levels or alone.
    """
    kept: list[list[Tensor]] = [[], []]
    for mirrored in (0, 1):
        seen = images.flip(-1) if mirrored else images
        beside = [] if pixels is None else [pixels.flip(-1) if mirrored else pixels]
        with torch.no_grad():
            kept[mirrored] = beside + ([] if trunk is None else trunk().eval().pyramid(seen))

    def picked(both: list[Tensor], tiles: np.ndarray, mirrored: Tensor) -> Tensor:
        return torch.stack([both[int(flip)][int(tile)] for tile, flip in zip(tiles, mirrored, strict=True)])

    learn = Learn(
        levels=lambda tiles, mirrored: [picked(list(both), tiles, mirrored) for both in zip(*kept, strict=True)],
        inputs=lambda tiles, mirrored: picked([images, images.flip(-1)], tiles, mirrored),
        masks=lambda tiles, mirrored: picked([masks, masks.flip(-1)], tiles, mirrored),
        tiles=np.arange(len(images)),
        width=classes,
        widths=tuple(int(level.shape[1]) for level in kept[0]),
        shape=tuple(images.shape[2:]),
        trunk=trunk,
    )
    return replace(learn, **changes)
