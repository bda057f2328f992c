"""Striped pictures of two kinds, as a pool holds them, and a small network that looks at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from labelfree.backbones import build
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.heads import train_head
from labelfree.transfer.network_inputs import NetworkInput, OfStored
from labelfree.transfer.protocols import Head, find_protocol
from labelfree.transfer.selection import Choice
from labelfree.transfer.tuning.images import LabelledViews
from labelfree.views import Augmentation, Dihedral, PerChannel
from tests.small_runs import picture
from tests.transfer.classes import classes

SIDE = 32
NONE: Mapping[str, int] = MappingProxyType({})
FLIPS = Augmentation(geometry=[Dihedral(axes=(-1,), transpose=False)])  # a transposed stripe would be of the other class


class Pictures:
    """`count` pictures, of class 0 and 1 in turn; with `ragged` every third is larger. Stored numbers are physical ones."""

    scale, offset = (1.0,) * 3, (0.0,) * 3

    def __init__(self, count: int, ragged: bool = False, holes: bool = False) -> None:
        sides = [SIDE + 8 * (ragged and at % 3 == 0) for at in range(count)]
        self.images = [torch.from_numpy(picture(at % 2, at, side)).permute(2, 0, 1).contiguous() for at, side in enumerate(sides)]
        self.uniform, self.holes = not ragged, holes

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, entry: int) -> Tensor:
        return self.images[entry]

    def batch(self, entries: Sequence[int]) -> Tensor:
        return torch.stack([self.images[entry] for entry in entries])

    def measured(self, entries: Sequence[int]) -> Tensor | None:
        if not self.holes:
            return None
        known = torch.ones(len(entries), *self.images[entries[0]].shape[1:], dtype=torch.bool)
        known[:, :4] = False
        return known


def encoder(
    name: str = "test_resnet", arm: str = "random", augmentation: Augmentation | None = FLIPS, options: Mapping[str, int] = NONE
) -> NetworkEncoder:
    torch.manual_seed(0)
    reads = OfStored((1.0,) * 3, (0.0,) * 3, NetworkInput(PerChannel((120.0,) * 3, (60.0,) * 3)))
    return NetworkEncoder(arm, build(name, 3, options=dict(options)), reads, (SIDE,), augmentation=augmentation)


def views(rows: int = 16, network: NetworkEncoder | None = None, pool: Pictures | None = None) -> LabelledViews:
    return LabelledViews(network or encoder(), pool or Pictures(rows), np.arange(rows), np.arange(rows) % 2, SIDE)


def probe(shown: LabelledViews, width: int = 2) -> Head:
    """Fitted on the network as it is."""
    features = shown.network.features(shown.pool, shown.entries.tolist(), SIDE)
    choice = Choice(SIDE, "centre_l2", 10.0)
    return train_head(features, classes(shown.targets, width), find_protocol("finetune"), choice)
