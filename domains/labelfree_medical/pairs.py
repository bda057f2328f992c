"""Images that show the same: a neighbouring slice of one volume, or another series of one study, where the patient has not moved far."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from labelfree.domain import PART, Row, Shown
from labelfree_medical.planes import axis_across
from labelfree_medical.slices import Slice
from labelfree_medical.stored import ImageFiles, Stored

MOST_PARTNERS = 64  # of an image, the nearest
SLACK = 1e-3  # mm or slices: positions are rounded
DECIMALS = 2  # of mm, in which two grids are one


@dataclass(frozen=True)
class Placed:
    """An entry of a pool as pairs need it.

    `volume`: what it is, or is a slice of. `session`: the study that it was taken in; None: nobody knows. `plane`: that it is a slice of,
    "" of whole images, and `at`, `step`: how high it lies across that plane and how far the next slice that is read, in mm, or in slices
    where no file tells mm. `grid`: equal where voxels lie at the same places of the patient; None: no file places them. `corner`: of the
    part of the image that the entry is; None: it is the whole.
    """

    volume: Hashable
    session: Hashable | None
    plane: str
    at: float
    step: float
    grid: Hashable | None
    corner: tuple[int, ...] | None


def slices(images: Sequence[Placed], within: float | None) -> list[list[int]]:
    """Of each slice those of the same volume within so many mm (slices, where no file tells mm); default: the next ones on either side."""
    partners: list[list[int]] = [[] for _ in images]
    for members in _alike(images, lambda image: (image.volume, image.plane, image.corner) if image.plane else None):
        heights = np.array([images[member].at for member in members])
        for member, height in zip(members, heights, strict=True):
            apart = np.abs(heights - height)
            reach = (images[member].step if within is None else within) + SLACK
            near = [place for place in np.argsort(apart, kind="stable").tolist() if apart[place] <= reach and members[place] != member]
            partners[member] = [members[place] for place in near[:MOST_PARTNERS]]
    return partners


def series(images: Sequence[Placed], within: float | None) -> list[list[int]]:
    """Of each image those of the other series of its study; of a slice the nearest one of each, within so many mm (default: as far as the
    next slice that is read). Parts of images are paired where the voxels of both lie on one grid.
    """
    partners: list[list[int]] = [[] for _ in images]
    for members in _alike(images, lambda image: image.session):
        for member in members:
            mine, nearest = images[member], dict[Hashable, tuple[float, int]]()
            for other in members:
                theirs = images[other]
                if theirs.volume == mine.volume or not _same_place(mine, theirs):
                    continue
                apart = abs(theirs.at - mine.at) if mine.plane else 0.0
                if apart <= (max(mine.step, theirs.step) if within is None else within) + SLACK:
                    nearest[theirs.volume] = min(nearest.get(theirs.volume, (np.inf, other)), (apart, other))
            partners[member] = [other for _, other in sorted(nearest.values())[:MOST_PARTNERS]]
    return partners


KINDS: dict[str, Callable[[Sequence[Placed], float | None], list[list[int]]]] = {"slices": slices, "series": series}


def placed(images: Sequence[Shown], image_of: Callable[[Row], ImageFiles], frame_of: Callable[[ImageFiles], Stored]) -> Iterator[Placed]:
    """`image_of`: the files of a row. `frame_of`: a volume's size and place, upright; asked once of each, pictures have none."""
    parts = Counter((image.row.path, image.row.key, image.row.window) for image in images)
    frames: dict[Hashable, Stored | None] = {}
    for shown in images:
        image, row = image_of(shown.row), shown.row
        volume = (image.path, image.key)
        if volume not in frames:
            frames[volume] = frame_of(image) if image.kind == "volume" else None
        frame, part = frames[volume], row.key.partition(PART)[2]
        plane, at, step = _height(frame, Slice.of(part)) if part and frame is not None else ("", 0.0, 0.0)
        whole = parts[row.path, row.key, row.window] == 1
        yield Placed(volume, _session(image, row), plane, at, step, _grid(frame), None if whole else shown.corner)


def _session(image: ImageFiles, row: Row) -> Hashable | None:
    """What was taken in one sitting of a patient: a study by its headers, else what a table gives one group and date."""
    if image.study and image.study != image.path.as_posix():
        return image.patient, image.study
    return (row.group, row.date) if row.group else None


def _alike(images: Sequence[Placed], what: Callable[[Placed], Hashable | None]) -> list[list[int]]:
    """Positions of the images that have the same `what`; of None none."""
    members: dict[Hashable, list[int]] = defaultdict(list)
    for number, image in enumerate(images):
        if (key := what(image)) is not None:
            members[key].append(number)
    return list(members.values())


def _same_place(one: Placed, other: Placed) -> bool:
    """Whether entries of two images may show one part of the patient."""
    if one.plane != other.plane or one.corner != other.corner:
        return False
    if one.corner is not None:
        return one.grid is not None and one.grid == other.grid
    return not one.plane or (one.grid is not None and other.grid is not None)


def _height(frame: Stored, chosen: Slice) -> tuple[str, float, float]:
    """A slice's plane, how high it lies across it, and how far the next one that is read; in mm, in slices where no file tells mm."""
    axis = axis_across(frame, chosen.plane)
    shape = np.array(frame.data.shape[1:])
    number = chosen.at(int(shape[axis]))
    spacing = frame.spacing[axis] if frame.spacing else 1.0
    step = spacing * shape[axis] / chosen.total
    if frame.affine is None:
        return chosen.plane, number * spacing, step
    middle = (shape - 1) / 2.0
    middle[axis] = number
    return chosen.plane, float(frame.affine[axis, :3] @ middle + frame.affine[axis, 3]), step


def _grid(frame: Stored | None) -> Hashable | None:
    """What volumes have in common whose voxels lie at the same places."""
    if frame is None or frame.affine is None:
        return None
    return (*frame.data.shape[1:], *np.round(frame.affine[:3].ravel(), DECIMALS).tolist())
