"""The contract between the core and a domain: how one field's images are read, normalised, augmented and shown.

A domain is found by entry point (group `labelfree.domains`), so a third party adds a field without touching
the core. This module imports no domain, and no heavy package at import time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from labelfree.errors import RecipeError
from labelfree.identifying import Confidential, IdentifiesByForm, IdentifyingForm
from labelfree.installed_domains import domain_names, find_domain
from labelfree.prediction_writers import NOTHING, BoxesOnGround, MapWriter, ShowsPlanes, Writes, WritesBoxes, WritesMaps
from labelfree.samples import (
    ARBITRARY,
    IGNORE,
    PART,
    Affine,
    Channel,
    Contents,
    Fingerprint,
    Place,
    Row,
    Sample,
    Size,
    Targets,
    Window,
    as_size,
    in_proportion,
    sides,
    spacing_of,
    to_physical,
)
from labelfree.stored_levels import KnowsLevels, Levels
from labelfree.suggestions import Default, Defaults, Flattens, Settles, Unites

if TYPE_CHECKING:
    import numpy as np
    from pydantic import BaseModel
    from torch import Tensor

    from labelfree.views import Augmentation, Normalise

__all__ = [
    "ARBITRARY", "IGNORE", "NOTHING", "PART", "Affine", "BoxesOnGround", "Channel", "Confidential", "Contents", "Default", "Defaults",
    "Demonstrates", "Derives", "Diagnoses", "Domain", "Finding", "Fingerprint", "Flattens", "ForeignWeights", "IdentifiesByForm",
    "IdentifyingForm", "KnowsKinds", "KnowsLevels", "KnowsSides", "KnowsWeights", "LabelFields", "Levels", "ListsImages", "Locates",
    "MapWriter", "Normalises", "Pairs", "Place", "ReadsRemote", "ReadsScenes", "ReadsShapes", "ReadsTargets", "ReadsUpright",
    "Recognises", "Row", "Sample", "Settles", "Shown", "ShowsPlanes", "Size", "Targets", "Unites", "Window", "Writes", "WritesBoxes",
    "WritesMaps", "as_size", "domain_names", "extent_of", "find_domain", "in_proportion", "located", "require", "sides", "spacing_of",
    "to_physical",
]  # fmt: skip
M = TypeVar("M", bound="BaseModel")


class LabelFields(NamedTuple):
    """Fields of a file of shapes: the class, and the date (None: not asked)."""

    label: str | None
    date: str | None = None


@runtime_checkable
class Domain(Protocol):
    """One field's images.

    What else its reader has to be told of them is its own: a class attribute `Reader`, a pydantic model of the keys that stand under
    `reader` in a recipe and in the front matter of a data card. The constructor takes the fields of one as keywords. Without `Reader`
    they are the constructor's keywords, unchecked. A property `channels` of it may tell how channels are called, in order. A class
    attribute `keys_for` says which of them tells `channels`, `unit`, `scale`, `gaps`, `zeros` (that 0 is a gap) or `objects` (pixels of
    the smallest that matters), as {"unit": "reader.unit"}: sentences of the core name them, and `plan` writes the last. A class attribute
    `choosing` names keys that only choose among the images of one folder: weights do not carry those along.
    """

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
        """Of each of `channels` the position of what shows the same among the channels `known` to weights, None where they lack it.

        `once`: each known channel goes to the one channel that fits it best.
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
        """Sentences for the report: what had to be left out for want of channel names, with the recipe line to add."""
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
class ListsImages(Protocol):
    """A domain in which a file is not yet an image: several make one, one holds several, and not all that look like one are.

    It is asked in place of `files`; `read` is given the rows that it lists, and rows of other paths, which it then looks up itself.
    """

    def contents(self, root: Path) -> Contents:
        """What lies under `root`, by headers alone, in an order that depends on the files alone."""
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
class NamesGroups(Protocol):
    """A domain whose people name folders by what belongs together: such folders are no classes, and their images stay together."""

    def names_group(self, folder: str) -> bool:
        """Whether a folder is called so."""
        ...


@runtime_checkable
class ReadsScenes(Protocol):
    """A domain of images that may be too large to be read whole: then `read` honours a row's window."""

    def extent(self, row: Row) -> tuple[int, ...] | None:
        """Spatial size, such as (height, width), of an image so large that it is read in windows; None for one that is read whole."""
        ...


@runtime_checkable
class KnowsFrames(Protocol):
    """A domain that tells from headers how large images are read, so that labels are counted without decoding them."""

    def frame(self, row: Row) -> Sample | None:
        """What `read` would give without its channels, (0, *spatial), with its place; None where only reading tells."""
        ...


@runtime_checkable
class ReadsUpright(Protocol):
    """A domain whose `read` turns pictures as their EXIF says. Labels then lie on what it reads, otherwise on pixels as they are stored."""

    upright: bool


@runtime_checkable
class ReadsRemote(Protocol):
    """A domain that reads images which lie elsewhere: then tables may name addresses, and `read` opens a row's `remote`."""

    def remote(self, text: str) -> bool:
        """Whether what stands in a table's column `path` is such an address."""
        ...


@runtime_checkable
class ReadsShapes(Protocol):
    """A domain whose labels may be shapes in a file, such as polygons."""

    def shapes(self, file: Path, fields: LabelFields, images: Sequence[Row]) -> tuple[list[Row], list[str]] | None:
        """Rows for a file of shapes over `images`, and sentences for the log; None where it is no such file.

        A labelled row for each shape, and unlabelled ones for windows of the images of the same size. Raises `DataError` naming file and
        field.
        """
        ...


@runtime_checkable
class ReadsTargets(Protocol):
    """A domain that places labels of pixels on its images: masks and boxes that tables name."""

    def read_targets(self, row: Row, sample: Sample) -> Targets:
        """The mask and the boxes of `row`, on the grid of its `sample`: placed by coordinates where both have them, else pixel by pixel.

        Raises `DataError` naming the file that is missing, broken, or does not fit.
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

    `positives`: the kinds of pairs it knows, besides "self", an image and itself; of each an order, without a stop, for people whose images
    have no partner.
    """

    positives: Mapping[str, str]

    def partners(self, kind: str, images: Sequence[Shown], within: float | None) -> list[list[int]]:
        """Of each image the positions of those that may stand for it; none where there is no other. `within`: `data.positives_within`."""
        ...


@runtime_checkable
class Locates(Protocol):
    """A domain that knows coordinate systems: then places of several are compared, and blocks are measured in metres."""

    def located(self, places: Sequence[Place]) -> list[Place]:
        """The places with `outline` and `unit`, as far as their systems tell."""
        ...


@runtime_checkable
class Normalises(Protocol):
    """A domain that chooses how its images become a network's input; of others each channel has the pool's mean and spread."""

    def normalise(self, fingerprint: Fingerprint) -> Normalise:
        """What weight cards keep: per channel, per image, a window of values or a bit depth (`labelfree.views`)."""
        ...


@runtime_checkable
class KnowsSides(Protocol):
    """A domain in whose images left and right may mean something: whether views are mirrored follows from what labels are called."""

    def mirror(self, classes: Sequence[str]) -> Default:
        """Whether views may be mirrored left to right (True or False), and why. `classes`: what labels are called; none: no labels."""
        ...


@dataclass(frozen=True)
class ForeignWeights:
    """What weights of another project expect; the words are those of a weight card. `source`: where they come from.

    `options`: of the architecture, as in a recipe. `normalisation`: as `Normalise.told` gives it; empty: by mean and std.
    `axes`: where each of this domain's spatial axes stands among those that the weights were taught on; empty: as they are.
    """

    architecture: str
    channels: tuple[str, ...]
    unit: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: Size
    objective: str = ""
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    reader: Mapping[str, Any] = field(default_factory=dict)
    normalisation: Mapping[str, Any] = field(default_factory=dict)
    axes: tuple[int, ...] = ()


@runtime_checkable
class KnowsWeights(Protocol):
    """A domain that knows what weights published by others expect."""

    def foreign(self, name: str, told: Mapping[str, Any]) -> ForeignWeights:
        """What the published weights called `name` expect. `told`: what their file holds besides tensors, such as a plan.

        Raises RecipeError where that is not known.
        """
        ...


@dataclass(frozen=True)
class Finding:
    """One thing that `labelfree doctor` looked at. `state`: ok, a warning (slower or less than possible), or wrong (it will not work)."""

    what: str
    state: Literal["ok", "warning", "wrong"]
    fact: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.fact}" + (f" -> {self.fix}" if self.fix else "")


class Diagnoses(Protocol):
    """A domain that stands on libraries, asked as a class, before one is made.

    `packages`: whose versions are kept with a run. `quiet`: environment variables that keep them from printing between our sentences.
    """

    packages: tuple[str, ...]
    quiet: Mapping[str, str]

    @staticmethod
    def diagnose() -> list[Finding]:
        """Whether what the domain reads with works here, each finding with the way out."""
        ...


class Demonstrates(Protocol):
    """A domain that `labelfree demo` can show, asked as a class. `demo`: a recipe's name or file that runs with nothing to download."""

    demo: str | Path


@runtime_checkable
class WordsClasses(Protocol):
    """A domain in whose captions things are spoken of in ways of its own. `prompts`: a text file with a template a line, `{}` where a class
    stands."""

    prompts: Path


@runtime_checkable
class Derives(Protocol):
    """A domain whose people compute further channels, such as vegetation indices: the arm `statistics` sees them."""

    def derived(self, x: Tensor, channels: Sequence[str], unit: str) -> Tensor:
        """Physical (B, C, *spatial) to (B, K, *spatial): what a person in this field computes from these channels; K may be 0."""
        ...


def extent_of(domain: Domain) -> Callable[[Row], tuple[int, ...] | None]:
    """Tells the size of images that are read in windows; None for all where the domain has none."""
    return domain.extent if isinstance(domain, ReadsScenes) else lambda row: None


def located(domain: Domain, places: dict[str, Place]) -> dict[str, Place]:
    """Places with what the domain knows of them; of a domain that knows nothing they are compared within each system, in its own unit."""
    if not isinstance(domain, Locates):
        return places
    return dict(zip(places, domain.located(list(places.values())), strict=True))


def require(model: type[M], **settings: Any) -> M:
    """A model of reader keys made in Python, as a domain's constructor does it. Raises RecipeError naming the key, as `reader.unit`."""
    from pydantic import ValidationError

    try:
        return model(**settings)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, ("reader", *problem["loc"])))
        raise RecipeError(f"{key}: {problem['msg'].removeprefix('Value error, ').rstrip('.')}.") from None
