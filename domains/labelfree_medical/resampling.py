"""Images on a grid of another spacing: linear between voxels, averaged where several fall into one, by what was measured alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from labelfree.errors import DataError
from labelfree_medical.amounts import with_one_scale
from labelfree_medical.stored import Stored

if TYPE_CHECKING:
    import numpy as np

COARSE = 3.0  # files' steps to one that is read, from which on it is said
SAME = 1e-3  # steps that differ by less than this share are the same


@dataclass(frozen=True)
class Axis:
    """One axis before and after. The middle of the image stays where it is, so that turning and resampling may change places.

    `before`, `after`: voxels. `step`: of a new voxel in old ones.
    """

    before: int
    after: int
    step: float

    @property
    def first(self) -> float:
        """Where the first new voxel lies among the old ones."""
        return (self.before - 1) / 2 - self.step * (self.after - 1) / 2

    def positions(self) -> np.ndarray:
        """(after,) of new voxels among the old ones."""
        import numpy as np

        return self.first + self.step * np.arange(self.after)

    def nearest(self) -> np.ndarray:
        """(after,) the old voxel that each new one lies in."""
        import numpy as np

        return np.clip(np.floor(self.positions() + 0.5).astype(int), 0, self.before - 1)

    def taps(self) -> tuple[np.ndarray, np.ndarray]:
        """Old voxels (after, taps) and their weights, of a triangle as wide as a step of either grid; outside there is none."""
        import numpy as np

        width, middle = max(1.0, self.step), self.positions()[:, None]
        reach = np.arange(-int(np.ceil(width)) + 1, int(np.ceil(width)) + 1)
        voxels = np.floor(middle).astype(int) + reach
        weights = np.clip(1 - np.abs(voxels - middle) / width, 0, None) * ((voxels >= 0) & (voxels < self.before))
        return np.clip(voxels, 0, self.before - 1), weights / weights.sum(axis=1, keepdims=True)


def axes_for(shape: Sequence[int], spacing: Sequence[float], wanted: Sequence[float | None]) -> list[Axis]:
    """The axes of a grid of `wanted` mm, None where an axis stays."""
    axes = []
    for size, step, want in zip(shape, spacing, wanted, strict=True):
        ratio = 1.0 if want is None or abs(want / step - 1) < SAME else want / step
        axes.append(Axis(size, max(1, round(size / ratio)), ratio))
    return axes


def with_spacing(
    stored: Stored, wanted: Sequence[float | None], mask: np.ndarray | None = None, called: str = ""
) -> tuple[Stored, np.ndarray | None]:
    """The image and its mask (*spatial, nearest) with `wanted` mm along each axis; whole numbers stay so, rounded.

    `called`: the file, in sentences. Raises `DataError` naming it where its spacing is not known, or it has other axes.
    """
    import numpy as np

    if stored.spacing is None:
        raise DataError(f"{called}: no file says how large its pixels are; leave reader.spacing out, or give files that say so.")
    if len(wanted) != len(stored.spacing):
        raise DataError(f"{called}: has {len(stored.spacing)} axes and reader.spacing {len(wanted)} numbers; give one an axis.")
    axes = axes_for(stored.data.shape[1:], stored.spacing, wanted)
    if all(axis.step == 1 for axis in axes):
        return stored, mask
    stored = with_one_scale(stored)
    weight = None if stored.measured is None else stored.measured.astype(np.float32)
    known = stored.data if weight is None else np.where(weight > 0, stored.data, 0)
    data = np.zeros((len(known), *(axis.after for axis in axes)))  # of a frame without channels
    data = np.stack([_resampled(channel, axes) for channel in known]) if len(known) else data
    if weight is not None:
        share = _resampled(weight, axes)
        data /= np.maximum(share, np.finfo(np.float32).tiny)
        weight = share
    moved = None if stored.affine is None else stored.affine @ _map(axes)
    result = replace(
        stored,
        data=as_before(data, stored.data.dtype),
        affine=moved,
        spacing=tuple(step * axis.step for step, axis in zip(stored.spacing or (), axes, strict=True)),
        measured=None if weight is None else weight >= 0.5,
        notes=(*stored.notes, *_coarser(axes, wanted)),
    )
    return result, None if mask is None else mask[np.ix_(*[axis.nearest() for axis in axes])]


def _coarser(axes: Sequence[Axis], wanted: Sequence[float | None]) -> list[str]:
    """A sentence where much of what the files hold is averaged away."""
    if max(axis.step for axis in axes) < COARSE:
        return []
    read = " x ".join("as stored" if want is None else f"{want:g}" for want in wanted)
    return [f"images are read at {read} mm a voxel, {COARSE:g} times as coarse as their files or more (reader.spacing=null: as they are)"]


def as_before(data: np.ndarray, dtype: np.dtype[np.generic]) -> np.ndarray:
    """Numbers computed as floats in the dtype that they had, whole ones rounded."""
    import numpy as np

    if dtype.kind == "f":
        return data.astype(dtype)
    limits = np.iinfo(dtype)  # type: ignore[type-var]
    return np.clip(np.rint(data), limits.min, limits.max).astype(dtype)


def _resampled(values: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
    """(*spatial) float, one axis after the other, those that shrink first."""
    import numpy as np

    fine = values.dtype.itemsize > 4 or (values.dtype.kind in "iu" and values.dtype.itemsize == 4)  # float32 would round those
    result = values.astype(np.float64 if fine else np.float32)
    for number in sorted(range(len(axes)), key=lambda number: -axes[number].step):
        if axes[number].step == 1:
            continue
        voxels, weights = axes[number].taps()
        beside = (slice(None),) + (None,) * (values.ndim - 1 - number)
        total = np.take(result, voxels[:, 0], axis=number) * weights[:, 0].astype(result.dtype)[beside]
        for tap in range(1, voxels.shape[1]):
            total += np.take(result, voxels[:, tap], axis=number) * weights[:, tap].astype(result.dtype)[beside]
        result = total
    return result


def _map(axes: Sequence[Axis]) -> np.ndarray:
    """(n + 1, n + 1): new indices to old ones."""
    import numpy as np

    moved = np.diag([*[axis.step for axis in axes], 1.0])
    moved[:-1, -1] = [axis.first for axis in axes]
    return moved
