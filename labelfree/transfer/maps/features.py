"""Feature maps on disk: computed once for an arm, a seed and an input size, for every tile and its mirror image."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

from labelfree.transfer.encoders import PIXELS, Encoder, NetworkEncoder
from labelfree.transfer.features import safe_name
from labelfree.transfer.maps.tiling import Tiling, cut

if TYPE_CHECKING:
    from labelfree.data.pool import Pool
    from labelfree.domain import Size
    from labelfree.progress import Progress


@dataclass(frozen=True)
class Maps:
    """The levels of all tiles. `arrays`: one a level, (2, t, C_l, *grid_l): tiles, then their mirror images."""

    arrays: tuple[np.ndarray, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return tuple(array.shape[2] for array in self.arrays)

    def levels(self, tiles: Sequence[int] | np.ndarray, mirrored: np.ndarray) -> list[Tensor]:
        """(b, C_l, *grid_l) float32 of each level, finest first. `mirrored`: (b,) bool."""
        side, numbers = np.asarray(mirrored).astype(np.int64), np.asarray(tiles)
        return [torch.from_numpy(array[side, numbers].astype(np.float32)) for array in self.arrays]


@dataclass(frozen=True)
class Tiles:
    """The tiles of a pool's images as they are stored."""

    pool: Pool
    tiling: Tiling

    def stored(self, tiles: Sequence[int] | np.ndarray, mirrored: np.ndarray) -> tuple[Tensor, Tensor | None]:
        """(b, C, *side) in the stored dtype, and (b, *side) bool where they are measured, None: everywhere."""
        pixels, known = [], []
        for tile, turned in zip(np.asarray(tiles).tolist(), np.asarray(mirrored).tolist(), strict=True):
            image, corner = int(self.tiling.image[tile]), self.tiling.corner[tile].tolist()
            measured = self.pool.measured([image])
            parts = [cut(self.pool[image].numpy(), corner, self.tiling.side)]
            parts += [cut(measured.numpy(), corner, self.tiling.side)] if measured is not None else []
            parts = [np.ascontiguousarray(part[..., ::-1]) if turned else part for part in parts]
            pixels.append(torch.from_numpy(np.ascontiguousarray(parts[0])))
            known.append(torch.from_numpy(np.ascontiguousarray(parts[1][0])) if len(parts) > 1 else None)
        if all(each is None for each in known):
            return torch.stack(pixels), None
        whole = torch.ones(self.tiling.side, dtype=torch.bool)
        return torch.stack(pixels), torch.stack([whole if each is None else each for each in known])


def input_size(side: tuple[int, ...], longest: int) -> Size:
    """What a tile is shown as where its longest side is to be `longest` pixels; 0: as it is."""
    if longest in (0, max(side)):
        return side
    return tuple(max(1, round(length * longest / max(side))) for length in side)


def shown_tiles(network: NetworkEncoder, tiles: Tiles, numbers: Sequence[int] | np.ndarray, mirrored: np.ndarray, longest: int) -> Tensor:
    """(b, C, *size) what a network is shown of tiles, by their numbers."""
    return network.shown(*tiles.stored(numbers, mirrored), input_size(tiles.tiling.side, longest))


def read_maps(encoder: Encoder, tiles: Tiles, size: int, folder: Path, say: Progress, images: str = "") -> Maps:
    """The maps of every tile at one input size, made where `folder` does not hold them. `images`: what identifies the images' content."""
    tiling = tiles.tiling
    key = hashlib.sha256(repr((encoder.digest, images, tiling.side, len(tiling), size)).encode()).hexdigest()[:12]
    place = folder / f"{safe_name(encoder.arm)}-{encoder.seed}-{size}-{key}-maps"
    if not place.is_dir():
        label = f"maps of {encoder.arm}" + (f", seed {encoder.seed}" if encoder.seed else "") + (f", {size} px" if size else "")
        making = place.with_name(f"{place.name}.making-{uuid4().hex[:8]}")
        making.mkdir(parents=True)
        try:
            _write(encoder, tiles, input_size(tiling.side, size), making, label, say)
            making.replace(place)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    levels = json.loads((place / "levels.json").read_text(encoding="utf-8"))
    return Maps(tuple(np.load(place / f"{level}.npy", mmap_mode="r", allow_pickle=False) for level in range(levels)))


def _write(encoder: Encoder, tiles: Tiles, size: Size, place: Path, label: str, say: Progress) -> None:
    """A file a level. Cells coarser than a pixel are kept in half precision: networks do not tell more of them."""
    side, count = tiles.tiling.side, len(tiles.tiling)
    batch = max(1, PIXELS // (4 * int(np.prod(side))))
    files: list[np.memmap] = []
    with say.track(2 * count, label) as bar:
        for turned in (0, 1):
            for start in range(0, count, batch):
                numbers = np.arange(start, min(start + batch, count))
                stored, measured = tiles.stored(numbers, np.full(len(numbers), bool(turned)))
                levels = encoder.maps(stored, measured, size)
                if not files:
                    for number, level in enumerate(levels):
                        kind = np.float32 if tuple(level.shape[2:]) == side else np.float16
                        shape = (2, count, *level.shape[1:])
                        files.append(np.lib.format.open_memmap(place / f"{number}.npy", mode="w+", dtype=kind, shape=shape))
                for file, level in zip(files, levels, strict=True):
                    file[turned, numbers] = level.numpy()
                bar.advance(len(numbers))
    for file in files:
        file.flush()
    (place / "levels.json").write_text(json.dumps(len(files)), encoding="utf-8")
