"""The contract between the core and a domain: how one field's images are read, normalised, augmented and shown.

A domain is found by entry point (group `labelfree.domains`), so a third party adds a field without touching
the core. This module imports no domain, and no heavy package at import time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from labelfree.errors import RecipeError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from labelfree.views import Augmentation

GROUP = "labelfree.domains"


class Window(NamedTuple):
    """A part of an image in pixels: its first row and column, and how many follow."""

    top: int
    left: int
    height: int
    width: int


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


class LabelFields(NamedTuple):
    """Fields of a vector file: the class, and the date (None: not asked).

    `chip`: side of chips in pixels, None: from the shapes. `background`: the class of what lies outside every shape, None: nobody knows.
    `layer`: of a file that holds several.
    """

    label: str | None
    date: str | None = None
    chip: int | None = None
    background: str | None = None
    layer: str | None = None


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
    text: str | None = None
    group: str | None = None
    split: str = ""
    place: str | None = None
    date: str | None = None
    remote: str | None = None
    item: int | None = None  # position in a user's own torch Dataset
    window: Window | None = None  # the part of a large scene that this row is

    @property
    def where(self) -> str | Path:
        """What opens the image: its address, else its file."""
        return self.remote or self.path

    @property
    def called(self) -> str:
        """What sentences call it: a window by its id, which tells it from the others of its scene, anything else by what opens it."""
        return self.id if self.window else str(self.where)


@dataclass(frozen=True)
class Sample:
    """One image or volume as it is stored; `physical()` gives it in the unit named.

    `data`: (C, *spatial) in the stored dtype. `scale` and `offset`: one number a channel, physical = stored * scale + offset.
    `measured`: (*spatial) bool, False where there is no measurement and `data` holds a filling; None where all of it is measured.
    `spacing`: size of a pixel along each spatial axis, in `spacing_unit`. `bounds`: (left, bottom, right, top) in `crs`.
    """

    data: Tensor
    channels: tuple[str, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    unit: str
    spacing: tuple[float, ...] | None = None
    crs: str | None = None
    bounds: tuple[float, float, float, float] | None = None
    measured: Tensor | None = None
    source: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> float:
        """Share of the pixels that hold no measurement."""
        return 0.0 if self.measured is None else 1.0 - float(self.measured.float().mean())

    def physical(self) -> Tensor:
        """The sample in physical units: (C, *spatial) float32."""
        return to_physical(self.data[None], self.scale, self.offset)[0]


def to_physical(stored: Tensor, scale: Sequence[float], offset: Sequence[float]) -> Tensor:
    """Stored numbers (B, C, *spatial) of any dtype to float32 physical units, channel by channel."""
    import torch

    shape = (1, -1) + (1,) * (stored.ndim - 2)
    times = torch.tensor(scale, dtype=torch.float32, device=stored.device).view(shape)
    plus = torch.tensor(offset, dtype=torch.float32, device=stored.device).view(shape)
    return stored.to(torch.float32) * times + plus


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


@dataclass(frozen=True)
class Default:
    """A value that a domain suggests for a recipe key left `auto`, with the reason a person is shown."""

    value: Any
    reason: str


Defaults = Mapping[str, Default]  # dotted recipe key -> suggestion


@runtime_checkable
class Domain(Protocol):
    """One field's images. Implementations take their settings (card, bands, sensor) in the constructor."""

    name: str

    def read(self, row: Row) -> Sample:
        """Decode one file, or the window of it that the row names, stored dtype kept. Raises `DataError` naming the file.

        What it returns depends on that file and the settings alone, never on what was read before.
        """
        ...

    def settings(self) -> Mapping[str, Any]:
        """Everything that changes what `read` returns: part of the pool's key."""
        ...

    def files(self, root: Path) -> list[Path]:
        """The files under `root` that this domain reads, sorted."""
        ...

    def rgb(self, channels: Sequence[str]) -> tuple[int, int, int] | None:
        """Positions of red, green and blue among `channels`, by name; None where they cannot be named."""
        ...

    def matches(self, channels: Sequence[str], known: Sequence[str], once: bool = False) -> tuple[int | None, ...]:
        """Of each of `channels` the position of the same band among those that weights `known`, None where they do not know it.

        `once`: each known band goes to the one channel that fits it best.
        """
        ...

    def render(self, x: Tensor, channels: Sequence[str], unit: str, measured: Tensor | None = None) -> Tensor | None:
        """Physical (B, C, *spatial) to RGB (B, 3, *spatial), nominal range 0 to 1, not clamped: what an ImageNet network expects.

        `measured`: (B, *spatial) bool; where an image is stretched by its own statistics, these come from measured pixels.
        """
        ...

    def augment(self, fingerprint: Fingerprint) -> Augmentation:
        """The ops that make views of this field's images, in the fixed order geometry, physics, (normalise,) late."""
        ...

    def missing(self, channels: Sequence[str]) -> list[str]:
        """Sentences for the report: what had to be left out for want of band names, with the recipe line to add."""
        ...

    def plan(self, fingerprint: Fingerprint) -> Defaults:
        """Defaults for recipe keys left `auto`, each with its reason."""
        ...

    def preview(self, sample: Sample) -> np.ndarray:
        """(H, W, 3) uint8, what a person in this field expects to see."""
        ...

    def generate(self, directory: Path, seed: int = 0, variant: str = "") -> None:
        """Write this domain's generated sample data set (files and `splits.csv`) under `directory`."""
        ...


@runtime_checkable
class Recognises(Protocol):
    """What a domain may answer besides: whether a file itself tells that it is of its field. `labelfree plan` asks it."""

    def recognises(self, sample: Sample) -> str | None:
        """In a few words what tells, such as "it has coordinates"; None where nothing in the file does. Names of files never tell."""
        ...


@runtime_checkable
class KnowsKinds(Protocol):
    """A domain that can say what to do with files that it does not read.

    `kinds`: what it reads, in words. `advice`: ending (lower case, with its dot) -> what to do with such files, an order without a stop.
    """

    @property
    def kinds(self) -> str: ...

    @property
    def advice(self) -> Mapping[str, str]: ...


@runtime_checkable
class ReadsScenes(Protocol):
    """A domain of images that may be too large to be read whole: then `read` honours a row's window."""

    def extent(self, row: Row) -> tuple[int, int] | None:
        """Size (height, width) of an image so large that it is read in windows; None for one that is read whole."""
        ...


@runtime_checkable
class ReadsRemote(Protocol):
    """A domain that reads images which lie elsewhere: then tables may name addresses, and `read` opens a row's `remote`."""

    def remote(self, text: str) -> bool:
        """Whether what stands in a table's column `path` is such an address."""
        ...


@runtime_checkable
class ReadsShapes(Protocol):
    """A domain whose labels may be shapes in a vector file."""

    def shapes(self, file: Path, fields: LabelFields, images: Sequence[Row]) -> tuple[list[Row], list[str]] | None:
        """Rows for a vector file over `images`, and sentences for the log; None where it is no vector file.

        A labelled row for each shape, and unlabelled ones for windows of the images of the same size. Raises `DataError` naming file and
        field.
        """
        ...


class Shown(NamedTuple):
    """One entry of a pool as `Pairs` is asked about it: the image's row, where the entry lies, its first pixel within the image."""

    row: Row
    place: Place | None
    corner: tuple[int, ...]


@runtime_checkable
class Pairs(Protocol):
    """A domain in which several images show the same: the second view of one may then come from another (`data.positives`).

    `positives`: the kinds of pairs it knows, besides "self": an image and itself.
    """

    positives: tuple[str, ...]

    def partners(self, kind: str, images: Sequence[Shown], within: float | None) -> list[list[int]]:
        """Of each image the positions of those that may stand for it; none where there is no other. `within`: `data.positives_within`."""
        ...


@runtime_checkable
class Locates(Protocol):
    """A domain that knows coordinate systems: then places of several are compared, and blocks of ground are measured in metres."""

    def located(self, places: Sequence[Place]) -> list[Place]:
        """The places with `outline` and `unit`, as far as their systems tell."""
        ...


@dataclass(frozen=True)
class ForeignWeights:
    """What weights of another project expect; the words are those of a weight card. `source`: where they come from.

    `options`: of the architecture, for `timm.create_model`.
    """

    architecture: str
    channels: tuple[str, ...]
    unit: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    objective: str = ""
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    reader: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class KnowsWeights(Protocol):
    """A domain that knows what weights published by others expect."""

    def foreign(self, name: str) -> ForeignWeights:
        """What the published weights called `name` expect. Raises RecipeError where that is not known."""
        ...


@runtime_checkable
class Derives(Protocol):
    """A domain whose people compute further channels, such as vegetation indices: the arm `statistics` sees them."""

    def derived(self, x: Tensor, channels: Sequence[str], unit: str) -> Tensor:
        """Physical (B, C, *spatial) to (B, K, *spatial): what a person in this field computes from these channels; K may be 0."""
        ...


def extent_of(domain: Domain) -> Callable[[Row], tuple[int, int] | None]:
    """Tells the size of images that are read in windows; None for all where the domain has none."""
    return domain.extent if isinstance(domain, ReadsScenes) else lambda row: None


def located(domain: Domain, places: dict[str, Place]) -> dict[str, Place]:
    """Places with what the domain knows of them; of a domain that knows nothing they are compared within each system, in its own unit."""
    if not isinstance(domain, Locates):
        return places
    return dict(zip(places, domain.located(list(places.values())), strict=True))


def domain_names() -> list[str]:
    """Names of the installed domains."""
    return sorted(point.name for point in entry_points(group=GROUP))


def find_domain(name: str, settings: Mapping[str, Any] | None = None) -> Domain:
    """The installed domain called `name`, made with `settings` (`bands`, `sensor`, `unit`; None means "as the file says")."""
    found: Iterable = entry_points(group=GROUP, name=name)
    for point in found:
        try:
            make = point.load()
        except (ImportError, AttributeError) as error:
            raise RecipeError(f"domain: {name!r} is installed and cannot be imported ({error}); install what it needs.") from error
        domain: Domain = make(**(settings or {}))
        return domain
    raise RecipeError(f"domain: {name!r} is not installed; installed domains: {', '.join(domain_names()) or 'none'}.")
