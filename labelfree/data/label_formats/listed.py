"""What a file of labels says, before it is known which images there are: the records that every format is read into."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from labelfree.data.label_formats.regions import Corners, Region

Kind = Literal["object", "crowd", "line", "unknown"]
Outside = Literal["background", "ignore"]
IGNORED = "ignore"  # the class that `data.classes` gives to what is neither learnt nor scored
BACKGROUND = "background"  # what lies outside of objects; an object or a number that is called so shows that nothing else is there


@dataclass(frozen=True)
class Drawn:
    """One thing drawn on an image. `where`: what sentences call it, such as "annotation 13" or "line 2".

    `box`: None of lines, and of what holds no pixel. `kind`: an object; a crowd, of which nobody counted what is in it; a line, which
    encloses nothing; or unknown, of which nobody says what it is: objects lie above it. `region`: its outline or pixels, None where only a
    box was drawn.
    """

    name: str
    box: Corners | None
    where: str
    kind: Kind = "object"
    region: Region | None = None


@dataclass
class ListedImage:
    """An image that a file of labels lists, drawn on or not.

    `name`: as the file writes it. `where`: the file and place that lists it, for sentences. `size`: (width, height) as listed, None where
    it is not. `labels`: classes of the whole image. `faulty`: sentences on what was drawn and cannot be used. `fractions`: coordinates are
    shares of the picture's width and height. `split`, `group`: as in a table of labels. `outside`: what lies outside of all that is drawn:
    background, or nobody knows ("ignore").
    """

    name: str
    where: str
    size: tuple[int, int] | None = None
    drawn: list[Drawn] = field(default_factory=list)
    labels: tuple[str, ...] = ()
    faulty: list[str] = field(default_factory=list)
    fractions: bool = False
    split: str = ""
    group: str = ""
    frame: int | None = None  # of a video, where the file numbers frames and names none
    other_name: str = ""  # that it has where no image has the first
    outside: Outside = "background"

    @property
    def objects(self) -> list[Drawn]:
        """What is drawn and to be learnt, faulty or not."""
        return [drawn for drawn in self.drawn if drawn.kind == "object" and drawn.name != IGNORED]

    @property
    def negative(self) -> bool:
        """Whether somebody looked and saw nothing: no object, no line, no class of the whole image."""
        return not (self.drawn or self.faulty or self.labels)

    @property
    def digest(self) -> str:
        """Identity of what is drawn."""
        unknown = () if self.outside == "background" else (self.outside,)  # nothing of an image as most formats list it
        seen = hashlib.blake2b(repr((self.size, self.labels, self.faulty, self.fractions, *unknown)).encode(), digest_size=8)
        for drawn in self.drawn:
            seen.update(repr((drawn.name, drawn.box, drawn.kind)).encode() + (drawn.region.content if drawn.region is not None else b""))
        return seen.hexdigest()


@dataclass(frozen=True)
class Listing:
    """All that a file or folder of labels says. `form`: the format in a word. `ids`: the numbers of classes in it, by name.

    `faults`: what is wrong with it, one sentence each. `notes`: sentences on how it was read. `rows_chosen`: whether `data.where` chose
    among its rows; `left`: the images of the others.
    """

    form: str
    images: list[ListedImage]
    ids: Mapping[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows_chosen: bool = False
    left: list[ListedImage] = field(default_factory=list)
