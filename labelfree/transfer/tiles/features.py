"""Feature maps on disk: computed once for an arm, a seed and an input size, for tiles and their mirror images."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

from labelfree.transfer.encoders import PIXELS, Encoder, NetworkEncoder
from labelfree.transfer.features import safe_name
from labelfree.transfer.tiles.tiling import Tiling, cut

if TYPE_CHECKING:
    from labelfree.data.pool import Pool
    from labelfree.domain import Size
    from labelfree.progress import Progress


Change = Callable[[list[Tensor], tuple[int, ...]], list[Tensor]]  # of the levels of tiles of a shape


@dataclass(frozen=True)
class Maps:
    """The levels of tiles and mirror images. `arrays`: one a level, (n, C_l, *grid_l). `rows`: (2, t), which of the n each tile is, and its
    mirror image; -1 where it was not asked for.
    """

    arrays: tuple[np.ndarray, ...]
    rows: np.ndarray

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return tuple(array.shape[1] for array in self.arrays)

    def read(self, straight: np.ndarray, mirrored: np.ndarray) -> None:
        """All that was asked for is there."""

    def levels(self, tiles: Sequence[int] | np.ndarray, mirrored: np.ndarray) -> list[Tensor]:
        """(b, C_l, *grid_l) float32 of each level, finest first. `mirrored`: (b,) bool."""
        rows = self.rows[np.asarray(mirrored).astype(np.int64), np.asarray(tiles)]
        if (rows < 0).any():
            raise ValueError("Features of a tile that was not asked for.")
        return [torch.from_numpy(array[rows].astype(np.float32)) for array in self.arrays]


@dataclass(frozen=True)
class Asked:
    """Tiles by their numbers, each once: those that are read as they are, and those of which mirror images are."""

    straight: np.ndarray
    mirrored: np.ndarray

    @classmethod
    def all_of(cls, tiles: int) -> Asked:
        return cls(np.arange(tiles), np.arange(tiles))

    def __len__(self) -> int:
        return len(self.straight) + len(self.mirrored)

    def first(self, count: int | None) -> Asked:
        """So many of them; None: all."""
        if count is None or count >= len(self):
            return self
        return Asked(self.straight[:count], self.mirrored[: max(0, count - len(self.straight))])

    def rows(self, tiles: int) -> np.ndarray:
        """(2, tiles): where each stands, those that are read as they are first; -1 for what is not asked for."""
        places = np.full((2, tiles), -1, np.int64)
        places[0, self.straight] = np.arange(len(self.straight))
        places[1, self.mirrored] = len(self.straight) + np.arange(len(self.mirrored))
        return places


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

    def whole(self, tiles: Sequence[int] | np.ndarray) -> Tensor:
        """(b, C, 2): of the image of each tile two pixels that have its mean and standard deviation (`Pool.whole`)."""
        return self.pool.whole(self.tiling.image[np.asarray(tiles)])


def input_size(side: tuple[int, ...], longest: int) -> Size:
    """What a tile is shown as where its longest side is to be `longest` pixels; 0: as it is."""
    if longest in (0, max(side)):
        return side
    return tuple(max(1, round(length * longest / max(side))) for length in side)


def shown_tiles(network: NetworkEncoder, tiles: Tiles, numbers: Sequence[int] | np.ndarray, mirrored: np.ndarray, longest: int) -> Tensor:
    """(b, C, *size) what a network is shown of tiles, by their numbers."""
    size = input_size(tiles.tiling.side, longest)
    return network.shown(*tiles.stored(numbers, mirrored), size, tiles.whole(numbers) if network.by_image else None)


def looked_at(
    encoder: Encoder, tiles: Tiles, numbers: Sequence[int] | np.ndarray, mirrored: np.ndarray, longest: int, change: Change | None = None
) -> tuple[list[Tensor], list[bool]]:
    """The levels of tiles, and of each whether it has a cell for every pixel. Those are kept in full, for statistics may be large; of
    coarser ones networks tell no more than half precision.
    """
    stored, measured = tiles.stored(numbers, mirrored)
    whole = {"whole": tiles.whole(numbers)} if encoder.by_image else {}
    side = tiles.tiling.side
    levels = encoder.maps(stored, measured, input_size(side, longest), **whole)
    exact = [tuple(level.shape[2:]) == side for level in levels]
    if change is None:
        return levels, exact
    changed = change(levels, side)
    return changed, [any(exact)] * len(changed)


def bytes_each(encoder: Encoder, tiles: Tiles, longest: int, change: Change | None = None) -> int:
    """How many bytes the features of a tile take on disk, by those of the first."""
    levels, exact = looked_at(encoder, tiles, [0], np.zeros(1, bool), longest, change)
    return sum(level.numel() * (4 if whole else 2) for level, whole in zip(levels, exact, strict=True))


def read_maps(
    encoder: Encoder,
    tiles: Tiles,
    size: int,
    folder: Path,
    say: Progress,
    images: str = "",
    asked: Asked | None = None,
    change: Change | None = None,
) -> Maps:
    """The maps of tiles at one input size, made where `folder` does not hold them. `images`: what identifies the images' content.

    `asked`: which tiles; None: every one and its mirror image. `change`: what is kept of their levels, all of them as they are otherwise.
    """
    asked = asked or Asked.all_of(len(tiles.tiling))
    place = kept_at(encoder, tiles, size, folder, images, asked, change)
    if not place.is_dir():
        label = f"maps of {encoder.arm}" + (f", seed {encoder.seed}" if encoder.seed else "") + (f", {size} px" if size else "")
        making = folder / f"making-{uuid4().hex[:8]}-{place.name}"
        making.mkdir(parents=True)
        try:
            _write(encoder, tiles, size, making, label, say, asked, change)
            making.replace(place)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return kept_maps(place)


def kept_at(encoder: Encoder, tiles: Tiles, size: int, folder: Path, images: str, asked: Asked, change: Change | None = None) -> Path:
    """The folder that `read_maps` keeps features in."""
    which = hashlib.sha256(asked.straight.tobytes() + b" " + asked.mirrored.tobytes()).hexdigest()[:12]
    return folder / f"{kept_name(encoder, tiles, size, images, change)}-{which}"


def kept_name(encoder: Encoder, tiles: Tiles, size: int, images: str = "", change: Change | None = None) -> str:
    """How the folders begin that `read_maps` keeps features in."""
    told = (encoder.digest, images, tiles.tiling.side, len(tiles.tiling), size, change.__name__ if change else "")
    told += ("by whole images",) if encoder.by_image else ()
    return f"{safe_name(encoder.arm)}-{encoder.seed}-{size}-{hashlib.sha256(repr(told).encode()).hexdigest()[:12]}-tiles"


def kept_maps(place: Path) -> Maps:
    """What a folder keeps."""
    levels = json.loads((place / "levels.json").read_text(encoding="utf-8"))
    arrays = tuple(np.load(place / f"{level}.npy", mmap_mode="r", allow_pickle=False) for level in range(levels))
    return Maps(arrays, np.load(place / "rows.npy", allow_pickle=False))


def _write(
    encoder: Encoder, tiles: Tiles, longest: int, place: Path, label: str, say: Progress, asked: Asked, change: Change | None
) -> None:
    """A file a level."""
    batch = max(1, PIXELS // (4 * int(np.prod(tiles.tiling.side))))
    files: list[np.memmap] = []
    done = 0
    with say.track(len(asked), label) as bar:
        for turned, all_numbers in ((False, asked.straight), (True, asked.mirrored)):
            for start in range(0, len(all_numbers), batch):
                numbers = all_numbers[start : start + batch]
                levels, exact = looked_at(encoder, tiles, numbers, np.full(len(numbers), turned), longest, change)
                if not files:
                    for number, (level, whole) in enumerate(zip(levels, exact, strict=True)):
                        kind, shape = np.float32 if whole else np.float16, (len(asked), *level.shape[1:])
                        files.append(np.lib.format.open_memmap(place / f"{number}.npy", mode="w+", dtype=kind, shape=shape))
                for file, level in zip(files, levels, strict=True):
                    file[done : done + len(numbers)] = level.numpy()
                done += len(numbers)
                bar.advance(len(numbers))
    for file in files:
        file.flush()
    np.save(place / "rows.npy", asked.rows(len(tiles.tiling)))
    (place / "levels.json").write_text(json.dumps(len(files)), encoding="utf-8")
