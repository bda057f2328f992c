"""Masks in their place: each voxel of an image takes the number that its mask has at the voxel's centre (nearest neighbour)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelfree.data.tiles import by
from labelfree.domain import IGNORE
from labelfree.errors import DataError
from labelfree_medical.masks.grids import Grid

SNAP = 4  # digits of an index that count: a ten-thousandth of a voxel is no other place
PARALLEL = 0.05  # voxels that grids may drift apart from edge to edge and still count as parallel
BEYOND = 0.5  # voxels of the coarser grid that an image may reach beyond its mask
MOST_LOOKED_AT = 100_000  # voxels of a mask's segments that are looked for in its image
FEWEST = 0.5  # share of an image that a mask turned against it must cover


@dataclass(frozen=True)
class NumberedVoxels:
    """`numbers`: (*grid.size) int32, `IGNORE` where nobody knows. `cropped`: whether the format stores only what is around its segments."""

    numbers: np.ndarray
    grid: Grid
    cropped: bool = False


def placed(path: Path, mask: NumberedVoxels, onto: Grid, called: str, whole: Grid | None = None) -> np.ndarray:
    """(*onto.size) int32: the numbers of a mask on another grid.

    `whole`: the grid of the image as it is stored, where `onto` is a part of it or was prepared: a mask without coordinates lies on it
    voxel by voxel, and it is what the mask must cover. `called`: the image, in sentences. What a cropped mask leaves out is 0, what lies
    outside of others `IGNORE`. Raises `DataError` naming mask and image where one misses the other.
    """
    stored = whole or onto
    theirs = mask.grid
    if theirs.affine is None or stored.affine is None:
        numbers = _voxel_by_voxel(path, mask, stored, called)
        if onto.size == stored.size and _same(onto.affine, stored.affine):
            return numbers
        if stored.affine is None or onto.affine is None:
            raise DataError(f"{path}: has no coordinates, and its image {called} was resampled; give a mask with the image's own.")
        return _nearest(numbers, _steps(path, stored, onto), onto, IGNORE)
    if theirs.size == onto.size and _same(theirs.affine, onto.affine):
        return mask.numbers
    _require_cover(path, mask, stored, called)
    return _nearest(mask.numbers, _steps(path, theirs, onto), onto, 0 if mask.cropped else IGNORE)


def _same(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    if first is None or second is None:
        return first is second
    return bool(np.allclose(first, second, rtol=0, atol=10**-SNAP))


def _voxel_by_voxel(path: Path, mask: NumberedVoxels, image: Grid, called: str) -> np.ndarray:
    """A mask or an image of which nobody knows where it lies: only equal sizes say that they fit.

    Where their kinds of file store axes in opposite orders, sizes must tell that they stand alike here.
    """
    numbers = mask.numbers
    if numbers.ndim > len(image.size):  # a volume of one slice
        numbers = numbers.reshape([length for length in numbers.shape if length > 1] or [1])
    if len(image.size) == 2 and mask.grid.affine is not None:  # files of volumes name the column first, or as a script has it
        if image.size[0] == image.size[1] == numbers.shape[0]:
            raise DataError(
                f"{path}: is a volume's file of {by(numbers.shape)}: nobody knows which axis is the rows of {called}; save PNG."
            )
        if numbers.shape == image.size[::-1]:
            numbers = numbers.T
    if numbers.shape != image.size:
        sizes = f"{by(mask.grid.size)} voxels, its image {called} has {by(image.size)}"
        raise DataError(f"{path}: {sizes}; give a mask of that size, or mask and image with coordinates.")
    if mask.grid.axes != image.axes and len(image.size) == 3 and image.size[0] == image.size[2] > 1:
        orders = f"its axes stand as {', '.join(mask.grid.axes)} and those of its image {called} as {', '.join(image.axes)}"
        either = f"{by(image.size)} voxels fit either way, and one of them has no coordinates"
        raise DataError(f"{path}: {orders}, as files of their kinds do; {either}: save the mask as NIfTI with the image's affine.")
    return numbers


def _steps(path: Path, theirs: Grid, ours: Grid) -> np.ndarray:
    """(3, 4): an index of ours and 1 to an index of theirs."""
    assert theirs.affine is not None and ours.affine is not None
    try:
        steps: np.ndarray = (np.linalg.inv(theirs.affine) @ ours.affine)[:3]
    except np.linalg.LinAlgError:
        raise DataError(f"{path}: its affine is singular, so it lies nowhere; save it again with the affine of its image.") from None
    return steps


def _require_cover(path: Path, mask: NumberedVoxels, image: Grid, called: str) -> None:
    """Raises `DataError` for a mask beside its image, or one that ends within it though its format does not crop."""
    steps, theirs = _steps(path, mask.grid, image), mask.grid.spatial
    corners = np.array(np.meshgrid(*([0, length - 1] for length in image.spatial), indexing="ij")).reshape(3, -1)
    reached = steps[:, :3] @ corners + steps[:, 3:]  # (3, 8)
    slack = BEYOND * np.maximum(1, np.abs(steps[:, :3]).max(1))
    inside = (reached.min(1) >= -0.5 - slack) & (reached.max(1) <= np.array(theirs) - 0.5 + slack)
    if inside.all() or (mask.cropped and _meets(path, mask, image)):
        return
    share = _share(steps, image, theirs)
    if mask.cropped or share <= FEWEST or _axes(steps, image) is not None:
        raise DataError(f"{path}: {_difference(mask.grid, image, share, called)}; save the mask on the grid of its image.")


def _meets(path: Path, mask: NumberedVoxels, image: Grid) -> bool:
    """Whether anything of what a mask shows lies in its image; where it shows nothing there is nothing to miss."""
    drawn = np.argwhere(mask.numbers.reshape(mask.grid.spatial) > 0)
    drawn = drawn[:: max(1, len(drawn) // MOST_LOOKED_AT)].T
    steps = _steps(path, image, mask.grid)
    return drawn.shape[1] == 0 or bool(_within(steps[:, :3] @ drawn + steps[:, 3:], image.spatial).any())


def _share(steps: np.ndarray, image: Grid, size: tuple[int, ...]) -> float:
    """Share of an image's voxels, of at most some 30 along each axis, that lie within a grid of this size."""
    places = [np.unique(np.linspace(0, length - 1, min(length, 30)).round()) for length in image.spatial]
    index = np.array(np.meshgrid(*places, indexing="ij")).reshape(3, -1)
    return float(_within(steps[:, :3] @ index + steps[:, 3:], size).mean())


def _within(index: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(n,) bool: which of the indices (3, n) lie in a grid of this size."""
    nearest = _rounded(index)
    return np.asarray(((nearest >= 0) & (nearest < np.array(size)[:, None])).all(0))


def _difference(mask: Grid, image: Grid, share: float, called: str) -> str:
    """How a mask and its image differ in place and size."""
    assert mask.affine is not None
    apart = float(np.linalg.norm(mask.centre - image.centre))
    place = f"lies {apart:.3g} mm beside its image {called}" if not share else f"covers {share:.0%} of its image {called}"
    beside = f" and lies {apart:.3g} mm off" if share and apart > max(image.spacing) * PARALLEL else ""
    sizes = "" if mask.spatial == image.spatial else f" ({by(mask.size)} voxels, the image has {by(image.size)})"
    identity = np.allclose(np.abs(mask.affine), np.eye(4)) and mask.spatial == image.spatial
    forgotten = ": its affine is the identity, as scripts write where they forget the image's" if identity else ""
    return f"{place}{beside}{sizes}{forgotten}"


def _rounded(index: np.ndarray) -> np.ndarray:
    """The voxel that an index lies in; on an edge between two the further."""
    return np.floor(np.round(index, SNAP) + 0.5).astype(np.int64)


def _axes(steps: np.ndarray, ours: Grid) -> list[int] | None:
    """For each axis of theirs the axis of ours along it; None where grids are turned against each other."""
    travelled = np.abs(steps[:, :3]) * (np.array(ours.spatial) - 1)
    axes = [int(axis) for axis in np.abs(steps[:, :3]).argmax(1)]
    if sorted(axes) != [0, 1, 2]:
        return None
    across = [travelled[axis].sum() - travelled[axis, along] for axis, along in enumerate(axes)]
    return axes if max(across) < PARALLEL else None


def _nearest(numbers: np.ndarray, steps: np.ndarray, ours: Grid, outside: int) -> np.ndarray:
    """(*ours.size) int32: a number for each voxel of ours."""
    numbers = numbers.reshape((1,) * (3 - numbers.ndim) + numbers.shape)
    axes = _axes(steps, ours)
    shown = _turned(numbers, steps, ours.spatial, outside) if axes is None else _along(numbers, steps, axes, ours.spatial, outside)
    return shown.reshape(ours.size)


def _along(numbers: np.ndarray, steps: np.ndarray, axes: list[int], size: tuple[int, ...], outside: int) -> np.ndarray:
    """Grids that are parallel: each axis by itself."""
    middle = (np.array(size) - 1) / 2
    shown, beyond = numbers, []
    for axis, along in enumerate(axes):
        drift = sum(steps[axis, other] * middle[other] for other in range(3) if other != along)
        nearest = _rounded(steps[axis, along] * np.arange(size[along]) + drift + steps[axis, 3])
        beyond.append((nearest < 0) | (nearest >= numbers.shape[axis]))
        shown = shown.take(nearest.clip(0, numbers.shape[axis] - 1), axis)
    for axis, outer in enumerate(beyond):
        if outer.any():
            np.moveaxis(shown, axis, 0)[outer] = outside
    return np.ascontiguousarray(shown.transpose(np.argsort(axes)))


def _turned(numbers: np.ndarray, steps: np.ndarray, size: tuple[int, ...], outside: int) -> np.ndarray:
    """Grids turned against each other: slice by slice, to hold few indices at a time."""
    shown = np.full(size, outside, np.int32)
    rows, columns = np.meshgrid(np.arange(size[1]), np.arange(size[2]), indexing="ij")
    limits = np.array(numbers.shape)[:, None, None]
    plane = steps[:, 1, None, None] * rows + steps[:, 2, None, None] * columns + steps[:, 3, None, None]
    for first in range(size[0]):
        nearest = _rounded(plane + first * steps[:, 0, None, None])
        known = ((nearest >= 0) & (nearest < limits)).all(0)
        shown[first][known] = numbers[tuple(nearest[:, known])]
    return shown
