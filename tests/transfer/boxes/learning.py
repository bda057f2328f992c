"""What a protocol of boxes is given, made of images and boxes in memory; and discs to be found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from labelfree.backbones import Backbone
from labelfree.data.boxes import Boxes
from labelfree.transfer.boxes.learning import LearnBoxes
from labelfree.transfer.boxes.strides import reduced
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.tiles.features import Asked, Maps, Tiles
from labelfree.transfer.tiles.tiling import Tiling
from tests.transfer.maps.learning import Pictures

KINDS = 2


def discs(count: int, seed: int, channels: int = 3, side: int = 64) -> tuple[Tensor, list[Boxes]]:
    """Two bright discs on noise in each image (count, channels, side, side), in the first channel or in the last, and their boxes."""
    rng = np.random.default_rng(seed)
    images = 0.3 * rng.standard_normal((count, channels, side, side))
    rows, columns = np.mgrid[:side, :side] + 0.5
    drawn = []
    for image in images:
        corners, label = [], []
        for kind in range(KINDS):
            radius = rng.uniform(7, 11)
            y, x = rng.uniform(radius, side - radius, 2)
            there = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
            image[:, there] = 0.3 * rng.standard_normal((channels, there.sum()))
            image[-kind if channels > 1 else 0][there] += 1.5 if channels > 1 or kind else -1.5
            corners.append([x - radius, y - radius, x + radius, y + radius])
            label.append(kind)
        drawn.append(Boxes.of(corners, label))
    return torch.from_numpy(images).float(), drawn


def learn_boxes(
    images: Tensor, drawn: Sequence[Boxes], network: Callable[[], Backbone] | None = None, pixels: Tensor | None = None, steps: int = 2
) -> LearnBoxes:
    """What is learned from `images` (n, C, *shape), all of them the budget.

    `network`: makes the network, which reads images as they are. `pixels`: (n, P, *shape), statistics of every pixel, beside its levels or
    alone.
    """
    shape = tuple(images.shape[2:])
    encoder = (
        None
        if network is None
        else NetworkEncoder("domain", network, lambda stored, _size, _known: stored.float(), [max(shape)], name="made up", dim=1)
    )
    sides: list[list[Tensor]] = []
    for turned in (False, True):
        levels = [] if pixels is None else [pixels.flip(-1) if turned else pixels]
        levels += [] if encoder is None else encoder.maps(images.flip(-1) if turned else images, None, max(shape))
        sides.append(reduced(levels, shape))
    return LearnBoxes(
        network=encoder,
        maps=Maps(
            tuple(np.concatenate([straight.numpy(), mirror.numpy()]) for straight, mirror in zip(*sides, strict=True)),
            Asked.all_of(len(images)).rows(len(images)),
        ),
        all_tiles=Tiles(Pictures(images), Tiling.of([shape] * len(images))),
        boxes_of=lambda image: drawn[image],
        images=np.arange(len(images)),
        width=KINDS,
        size=max(shape),
        steps=steps,
        seed=0,
    )
