"""What a protocol of maps is given, made of images and masks in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from labelfree.backbones import Backbone
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.tiles.features import Asked, Maps, Tiles
from labelfree.transfer.tiles.tiling import Tiling


@dataclass(frozen=True)
class Pictures:
    """A pool of images of one size, (n, C, *shape)."""

    images: Tensor

    def __getitem__(self, at: int) -> Tensor:
        return self.images[at]

    def pixels(self, at: int) -> np.ndarray:
        return self.images[at].numpy()

    def measured(self, entries: list[int]) -> None:
        """Everywhere."""


def learn_from(
    images: Tensor, masks: Tensor, classes: int, network: Callable[[], Backbone] | None = None, pixels: Tensor | None = None, steps: int = 2
) -> Learn:
    """What is learned from `images` (n, C, *shape) with `masks` (n, *shape), all of them the budget.

    `network`: makes the network, which reads images as they are. `pixels`: (n, P, *shape), statistics of every pixel, beside its levels or
    alone.
    """
    size = max(images.shape[2:])
    encoder = (
        None
        if network is None
        else NetworkEncoder("domain", network, lambda stored, _size, _known: stored.float(), [size], name="made up", dim=1)
    )
    levels = [[], []]
    for turned in (False, True):
        levels[turned] = [] if pixels is None else [pixels.flip(-1) if turned else pixels]
        levels[turned] += [] if encoder is None else encoder.maps(images.flip(-1) if turned else images, None, size)
    return Learn(
        network=encoder,
        maps=Maps(
            tuple(np.concatenate([straight.numpy(), mirror.numpy()]) for straight, mirror in zip(*levels, strict=True)),
            Asked.all_of(len(images)).rows(len(images)),
        ),
        all_tiles=Tiles(Pictures(images), Tiling.of([images.shape[2:]] * len(images))),
        mask_of=lambda image: masks[image].numpy().astype(np.int16),
        images=np.arange(len(images)),
        width=classes,
        size=size,
        steps=steps,
        seed=0,
    )
