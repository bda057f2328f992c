"""What is passed on of images and volumes: their rows, where they lie, what they hold, and what a set of them looks like.

No heavy package is imported here; domains and the core find all of it in `labelfree.domain`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from labelfree.data.label_formats.listed import ListedImage


Affine = tuple[tuple[float, ...], ...]  # rows of a matrix: indices along the spatial axes and 1, to coordinates and 1
Size = int | tuple[int, ...]  # of a view or a network's input in pixels: one number for all axes, or one an axis


def sides(size: Size, dims: int) -> tuple[int, ...]:
    """The length along each of `dims` spatial axes: a single number stands for all."""
    return (size,) * dims if isinstance(size, int) else tuple(size)


def as_size(given: int | Sequence[int]) -> Size:
    """A size as recipes and weight cards write it: a number, or a list with one an axis."""
    return given if isinstance(given, int) else tuple(given)


def in_proportion(size: Size, longest: int) -> Size:
    """A size of the same proportions whose longest side is `longest`."""
    return longest if isinstance(size, int) else tuple(max(1, round(side * longest / max(size))) for side in size)


class Window(NamedTuple):
    """A part of an image or volume in pixels: its first pixel along each spatial axis, and how many follow.

    `top`, `left`, `height`, `width` are those of its last two axes, rows and columns.
    """

    start: tuple[int, ...]
    size: tuple[int, ...]

    @property
    def top(self) -> int:
        return self.start[-2]

    @property
    def left(self) -> int:
        return self.start[-1]

    @property
    def height(self) -> int:
        return self.size[-2]

    @property
    def width(self) -> int:
        return self.size[-1]

    def __str__(self) -> str:
        return f"{','.join(map(str, self.start))},{'x'.join(map(str, self.size))}"

    @classmethod
    def of(cls, text: str) -> Window | None:
        """The window that `str` wrote so; None for any other text."""
        told = re.fullmatch(r"(\d+(?:,\d+)+),(\d+(?:x\d+)+)", text)
        if told is None:
            return None
        window = cls(tuple(map(int, told[1].split(","))), tuple(map(int, told[2].split("x"))))
        return window if len(window.start) == len(window.size) else None


class Place(NamedTuple):
    """Where an image lies: `bounds` is (left, bottom, right, top) in `crs`.

    What that means on the ground a domain adds (`Locates`). `outline`: longitude and latitude (degrees, WGS 84) of the middle, then of
    the four corners in turn; None where nobody knows where on Earth that is. `unit`: metres of a unit of `crs`; None for angles, and
    where nobody knows.
    """

    crs: str
    bounds: tuple[float, float, float, float]
    outline: tuple[float, ...] | None = None
    unit: float | None = None


class Channel(str):
    """A channel's name that knows what it shows, whoever passes it on.

    `role`: what people of the field call it, such as red, nir or swir16, "" where nobody knows. `nm`: its wavelength, None: not known.
    """

    __slots__ = ("nm", "role")
    role: str
    nm: float | None

    def __new__(cls, name: str, role: str = "", nm: float | None = None) -> Channel:
        made = super().__new__(cls, name)
        made.role, made.nm = role, nm
        return made

    def __getnewargs__(self) -> tuple[str, str, float | None]:  # type: ignore[override]  # what pickle hands to __new__
        return str(self), self.role, self.nm

    @classmethod
    def of(cls, name: str) -> Channel:
        """The name, as one that knows nothing where it is a plain text."""
        return name if isinstance(name, cls) else cls(name)


PART = "~"  # in a row's key: what follows tells parts of one image apart, such as slices of a volume


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a manifest: where an image is and what is known of it.

    `id` is stable across machines: the path relative to the data root, with forward slashes.
    `split` is one of "pretrain", "train", "dev", "test", or "" when nobody said. `place`, `date`: where and when it was taken, if its
    owner says so: a name, and YYYY-MM-DD. `remote`: the address of an image that does not lie on this machine; `path` only names it then.
    """

    id: str
    path: Path
    label: str | None = None
    mask: str | None = None
    boxes: str | None = None
    captions: tuple[str, ...] = ()  # what people say of it in words: the column `text`
    questions: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # asked of it in words, each with its answer
    group: str | None = None
    split: str = ""
    chosen: str | None = None  # how it was picked for labelling: a strategy, or "audit"; None: nobody said
    place: str | None = None
    date: str | None = None
    remote: str | None = None
    item: int | None = None  # position in a user's own torch Dataset
    withheld: bool = field(default=False, compare=False, repr=False)  # its pixels tell whose it is: it is in no picture of a run
    key: str = ""  # which image of `path` it is, where that holds several; behind PART which part of that image
    files: tuple[Path, ...] = field(default=(), compare=False, repr=False)  # all that it is made of, where that is more than `path`
    mask_files: tuple[Path, ...] = field(default=(), compare=False, repr=False)  # all that its mask is made of; `mask` is the first
    window: Window | None = None  # the part of a large scene that this row is
    normal: bool | None = None  # whether its owner says that nothing is wrong with what it shows; None: nobody said
    listed: ListedImage | None = field(default=None, compare=False, repr=False)  # what a file of labels draws on it

    @property
    def where(self) -> str | Path:
        """What opens the image: its address, else its file."""
        return self.remote or self.path

    @property
    def called(self) -> str:
        """What sentences call it: a part of a file by its id, which tells it from the others, anything else by what opens it."""
        return self.id if self.window or self.key else str(self.where)


@dataclass(frozen=True)
class Sample:
    """One image or volume as it is stored; `physical()` gives it in the unit named.

    `data`: (C, *spatial) in the stored dtype. `scale` and `offset`: physical = stored * scale + offset; one number a channel, or (C, depth)
    where each slice along the first spatial axis has its own, as in PET.
    `measured`: (*spatial) bool, False where there is no measurement and `data` holds a filling; None where all of it is measured.
    `spacing`: size of a pixel along each spatial axis, in `spacing_unit`, that of `affine` where it is not given. `bounds`: (left,
    bottom, right, top) in `crs`.
    `affine`: (n + 1, n + 1) for n spatial axes, from indices in the order of `data`'s axes (whole numbers are centres of pixels) to the
    world, x first: world = affine @ (i, j, …, 1). Of a north-up image with rows down: ((0, across, x), (-down, 0, y), (0, 0, 1)).
    `notes`: sentences on how its file was understood, which name nobody; each is told once for a set.
    """

    data: Tensor
    channels: tuple[str, ...]
    scale: tuple[float, ...] | tuple[tuple[float, ...], ...]
    offset: tuple[float, ...] | tuple[tuple[float, ...], ...]
    unit: str
    spacing: tuple[float, ...] | None = None
    crs: str | None = None
    bounds: tuple[float, float, float, float] | None = None
    measured: Tensor | None = None
    source: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    affine: Affine | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.spacing is None and self.affine is not None:
            object.__setattr__(self, "spacing", spacing_of(self.affine))

    @property
    def empty(self) -> float:
        """Share of the pixels that hold no measurement."""
        return 0.0 if self.measured is None else 1.0 - float(self.measured.float().mean())

    def physical(self) -> Tensor:
        """The sample in physical units: (C, *spatial) float32."""
        return to_physical(self.data[None], self.scale, self.offset)[0]

    def with_one_scale(self) -> Sample:
        """Itself; where scale or offset differ by slice the same in float32 physical units, as nothing further on knows of slices."""
        if all(isinstance(number, (int, float)) for number in (*self.scale, *self.offset)):
            return self
        channels = len(self.channels)
        return replace(self, data=self.physical(), scale=(1.0,) * channels, offset=(0.0,) * channels)


@dataclass(frozen=True)
class Contents:
    """What a folder holds, where a file is not yet an image: several make one, one holds several, and some are none.

    `rows`: its images; ids are paths relative to the folder, with `#` and the row's key where a path holds several. `files`: all that they,
    `aside` and `faults` speak of. `aside`: sentences on what is no image, which is no fault. `faults`: relative path -> a sentence on what
    should be an image and cannot be trusted. `mixed`: why these images are no one set, and which key chooses; "" where they are one.
    `names`: what else tables may call them by, such as a patient's number -> ids; what leaves the house shows none of them. `classes`: what
    numbers of masks mean. `notes`: sentences for the report, which name nobody.
    """

    rows: tuple[Row, ...]
    files: frozenset[Path] = frozenset()
    aside: tuple[str, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)
    mixed: str = ""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


ARBITRARY = "arbitrary"  # unit of numbers that mean nothing beside those of another image, as of MR: no two need be on one scale
IGNORE = -1  # in a mask: nobody knows what the pixel shows


@dataclass(frozen=True)
class Targets:
    """Labels of an image on the grid of its sample.

    `mask`: (*spatial) whole numbers as the file names classes, `IGNORE` where nobody knows; None where there is none.
    `boxes`: (n, 2 * axes) in pixels from the outer edge of the first, the least corner, then the largest, each in the order of the spatial
    axes: (top, left, bottom, right) in a picture. None where there are none to know of; `names`: (n,) their classes.
    `ignored`: (m, 2 * axes) boxes around regions that are neither object nor background: crowds, classes called so, what is faulty.
    """

    mask: Tensor | None = None
    boxes: Tensor | None = None
    names: tuple[str, ...] = ()
    ignored: Tensor | None = None


def to_physical(stored: Tensor, scale: Sequence[Any], offset: Sequence[Any]) -> Tensor:
    """Stored numbers (B, C, *spatial) of any dtype to float32 physical units.

    `scale`, `offset`: (C,), one number a channel, or (C, depth), one a slice of the first spatial axis.
    """
    import torch

    def beside(numbers: Sequence[Any]) -> Tensor:
        values = torch.tensor(numbers, dtype=torch.float32, device=stored.device)
        return values.view(1, *values.shape, *(1,) * (stored.ndim - 1 - values.ndim))

    return stored.to(torch.float32) * beside(scale) + beside(offset)


def spacing_of(affine: Affine) -> tuple[float, ...]:
    """Size of a pixel along each spatial axis: the length of the step that each index makes in the world."""
    return tuple(math.hypot(*(row[axis] for row in affine[:-1])) for axis in range(len(affine) - 1))


@dataclass(frozen=True)
class Fingerprint:
    """What a data set looks like, measured on the pretraining pool alone (never on scored rows).

    `mean`, `std`, `low`, `high` (the smallest and the largest value): one number a channel, in physical units, of what was measured.
    `smallest`, `largest`: spatial size.
    """

    count: int
    channels: tuple[str, ...]
    dtype: str
    unit: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    smallest: tuple[int, ...]
    largest: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    spacing: tuple[float, ...] | None = None
    digest: str = ""
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
