"""What a decoder is made for: which levels of features there are, and how they lie over a tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

FINEST = 16  # channels of what a decoder computes for every pixel
Grid = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Of levels, finest first. `pixels`: channels of those that have a cell for every pixel; `levels`: of the coarser ones. `grids`: cells
    of the coarser ones along each axis, of a tile of `shape`.
    """

    pixels: tuple[int, ...]
    levels: tuple[int, ...]
    grids: tuple[Grid, ...]
    shape: Grid

    @classmethod
    def of(cls, levels: Sequence[Tensor], shape: Grid) -> Layout:
        """Of levels (B, C_l, *grid_l) of tiles of `shape`."""
        grids = [tuple(level.shape[2:]) for level in levels]
        fine = sum(all(map(int.__ge__, grid, shape)) for grid in grids)
        widths = [int(level.shape[1]) for level in levels]
        return cls(tuple(widths[:fine]), tuple(widths[fine:]), tuple(grids[fine:]), tuple(shape))

    @property
    def equal(self) -> bool:
        """Whether the coarser levels are as fine as each other: the blocks of a ViT."""
        return len(self.grids) > 1 and len(set(self.grids)) == 1


class Body(nn.Module):
    """A decoder itself. `axes`: of the maps that it reads. `out`: channels of what it gives.

    Its arguments are channels of levels with a cell for every pixel, those of coarser ones, the most channels of its own, and what `placed`
    says of a layout, as JSON keeps it. Raises RecipeError for a pyramid that it cannot read.
    """

    axes: ClassVar[int] = 2
    out: int

    @staticmethod
    def placed(layout: Layout) -> dict[str, Any]:
        """What it must know of where levels lie, before it is made: further arguments."""
        return {}

    def forward(self, pixels: list[Tensor], levels: list[Tensor], shape: Grid) -> Tensor:
        """Levels (B, C, *shape), and coarser ones, finest first -> (B, out, *grid)."""
        raise NotImplementedError
