"""Whether volumes are learnt from as volumes or as slices, in which patches and batches: from their shape, spacing and the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from labelfree.data.tiles import auto_tile, by
from labelfree.domain import Default, Size, sides
from labelfree.planning.costs import FEWEST_IMAGES, pool_entries
from labelfree.planning.environment import cores
from labelfree.training.free_memory import KEPT, bytes_for_a_step, free_gpu_bytes

VIEWS = 2  # of each volume, in a step
MOST_IN_A_BATCH = 64
WHOLE_STEP = 8  # voxels: sides of patches are multiples of it, which networks halve three times
SHORTEST = 16  # voxels: no side is cut below, for nothing would be left of it after four halvings
LARGEST = 128**3  # voxels of a patch, as large as nnU-Net's are on large cards
LEAST = 64**3  # voxels of a patch that shows enough of any volume
SMALL = 1 / 4  # of a volume, that a patch shows at least where volumes are small
STEP_SECONDS = 3.0  # of a step on a processor, at most: in minutes there are some hundred of them


@dataclass(frozen=True)
class VolumeNetwork:
    """A network of volumes that comes with labelfree, as measured on one core. `bytes`: that a step keeps for a voxel, with room to work
    in. `speed`: voxels a second, forward and backward; forward alone is FORWARD times as fast.
    """

    name: str
    bytes: int
    speed: float
    why: str


NARROW = VolumeNetwork("monai_dynunet_16", 1100, 6.6e5, "narrow, and its first level is as fine as the voxels (docs/volume-networks.md)")
FORWARD = 3


@dataclass(frozen=True)
class Device:
    """What a step may keep of the memory that is free, in bytes, and where it runs. `cores`: of the processor; 0: a GPU."""

    memory: float
    cores: int

    @classmethod
    def here(cls) -> Device:
        import torch

        if torch.cuda.is_available():
            return cls(KEPT * free_gpu_bytes(), 0)
        return cls(bytes_for_a_step(), cores())

    def voxels(self, network: VolumeNetwork) -> float:
        """That all views of a step may have together."""
        in_memory = self.memory / network.bytes
        return min(in_memory, STEP_SECONDS * self.cores * network.speed) if self.cores else in_memory

    def bound(self, network: VolumeNetwork) -> str:
        """What allows no more."""
        gigabytes = f"{self.memory / 1e9:.3g} GB of {'this machine' if self.cores else 'the GPU'}'s free memory hold"
        timed = self.cores and STEP_SECONDS * self.cores * network.speed < self.memory / network.bytes
        return f"{self.cores} cores take {STEP_SECONDS:g} s for" if timed else gigabytes


@dataclass(frozen=True)
class VolumePlan:
    """How volumes of a median `shape` and `spacing` are learnt from. `entries`: how many there are, or tiles of `tile` cut from them."""

    network: VolumeNetwork
    device: Device
    shape: tuple[int, ...]
    spacing: tuple[float, ...] | None
    entries: int
    tile: Size | None = None

    @cached_property
    def patch(self) -> tuple[int, ...]:
        """Voxels of a view, no larger than what it is cut from."""
        return patch_of(self._source, self.spacing, min(LARGEST, self.device.voxels(self.network) / (VIEWS * FEWEST_IMAGES)))

    @property
    def _source(self) -> tuple[int, ...]:
        """Voxels of what views are cut from."""
        extent = self.shape if self.tile is None else sides(self.tile, len(self.shape))
        return tuple(min(count, length) for count, length in zip(self.shape, extent, strict=True))

    @property
    def _bound(self) -> str:
        """What allows no larger patch."""
        if self.patch == tuple(map(_whole, self._source)):
            what = "volumes" if self.tile is None else f"tiles of {by(self.tile)} voxels"
            return f"all that {what} hold in multiples of {WHOLE_STEP}"
        return f"what {self.device.bound(self.network)} in steps of {FEWEST_IMAGES} volumes, {VIEWS} views of each"

    @cached_property
    def batch(self) -> int:
        """A power of two."""
        fits = int(self.device.voxels(self.network) / (VIEWS * prod(self.patch)))
        most = max(FEWEST_IMAGES, min(fits, MOST_IN_A_BATCH, self.entries // 4))
        return 1 << (most.bit_length() - 1)

    @property
    def share(self) -> float:
        """Of a volume, that a patch shows."""
        return min(1.0, prod(self.patch) / prod(self.shape))

    @property
    def enough(self) -> bool:
        """Whether patches show enough of a volume: a quarter, or as much as 64 x 64 x 64 voxels."""
        return self.share >= SMALL or prod(self.patch) >= LEAST

    @property
    def size(self) -> Default:
        """Of a global view, for a recipe."""
        known = f", {' x '.join(f'{step:.3g}' for step in self.spacing)} a voxel" if self.spacing else ""
        return Default(list(self.patch), f"{100 * self.share:.3g}% of the median volume ({by(self.shape)} voxels{known}): {self._bound}")

    @property
    def batch_size(self) -> Default:
        why = f"volumes a step, in {VIEWS} views: what {self.device.bound(self.network)}, at least four batches a pass"
        return Default(self.batch, why)

    @property
    def reason(self) -> str:
        """Why they are learnt from as volumes, or why not."""
        shows = f"a patch of {by(self.patch)} voxels shows {100 * self.share:.3g}% of a volume of {by(self.shape)}"
        return f"{shows}, in batches of {self.batch}" if self.enough else f"{shows}, {self._bound}"

    def read_seconds(self, volumes: int, sizes: Sequence[int]) -> float:
        """For the features of so many at each longest side of `sizes`, on this machine's processors, of one network."""
        voxels = sum(prod(max(1, side * size / max(self.patch)) for side in self.patch) for size in sizes)
        return volumes * voxels / (FORWARD * self.network.speed * max(1, cores()))


def plan_volumes(
    shapes: Sequence[tuple[int, ...]], spacings: Sequence[tuple[float, ...] | None], volumes: int, network: VolumeNetwork, device: Device
) -> VolumePlan:
    """For so many volumes, of which these shapes were seen, and spacings where they are known."""
    tile = auto_tile(shapes, spacings)
    shape = tuple(int(length) for length in np.median(np.array(shapes), axis=0))
    known = [spacing for spacing in spacings if spacing is not None and len(spacing) == len(shape) and min(spacing) > 0]
    spacing = tuple(np.median(np.array(known), axis=0).tolist()) if known and len(known) == len(spacings) else None
    return VolumePlan(network, device, shape, spacing, pool_entries(volumes, shapes, tile), tile)


def patch_of(shape: Sequence[int], spacing: Sequence[float] | None, most: float) -> tuple[int, ...]:
    """A patch of at most so many voxels, as nnU-Net plans it (Isensee et al. 2021, arXiv:1904.08128).

    It begins as long in mm along every axis and no larger than a volume; then the axis of which it shows the largest share is shortened
    until it fits, or all are SHORTEST. Sides are multiples of WHOLE_STEP, one of them at least.
    """
    lengths = spacing or (1.0,) * len(shape)
    side = LARGEST ** (1 / 3) * 2 * prod(lengths) ** (1 / len(shape))  # mm of a cube of 256 x 256 x 256 voxels
    patch = [_whole(min(count, side / length)) for count, length in zip(shape, lengths, strict=True)]
    while prod(patch) > most and max(patch) > SHORTEST:
        longer = [axis for axis, count in enumerate(patch) if count > SHORTEST]
        axis = max(longer, key=lambda axis: patch[axis] / shape[axis])
        patch[axis] -= WHOLE_STEP
    return tuple(patch)


def _whole(length: float) -> int:
    return max(WHOLE_STEP, int(length) // WHOLE_STEP * WHOLE_STEP)
