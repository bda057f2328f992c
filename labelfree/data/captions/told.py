"""What a source of captions says, before it is known which images there are: the records that every form is read into."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from labelfree.data.label_formats.listed import ListedImage
from labelfree.data.table_cells import spelled


@dataclass
class CaptionedImage(ListedImage):
    """An image that a source of captions names, with what it says of it, as it is written but for blanks around it."""

    captions: tuple[str, ...] = ()


@dataclass
class Told:
    """All that a source says. `form`: of what kind it is, in a word. `empty`: captions of blanks alone, which are left out.

    `faults`: what is wrong with it, one sentence each. `spare`: whether images that are not there are no fault, as of texts in a folder.
    """

    form: str
    images: list[CaptionedImage]
    empty: int = 0
    faults: list[str] = field(default_factory=list)
    spare: bool = False


class Gathering:
    """Puts captions together by image, in the order in which images are first named."""

    def __init__(self, form: str) -> None:
        self.form, self.empty, self.faults = form, 0, list[str]()
        self._images = dict[str, tuple[str, list[str]]]()  # name -> where it is named first, and its captions

    def add(self, name: str, where: str, captions: Iterable[Any]) -> None:
        """More captions of the image called `name`; `where` names the place in sentences."""
        of_image = self._images.setdefault(spelled(name), (where, []))[1]
        for caption in captions:
            if not isinstance(caption, str):
                self.faults.append(f"{where}: a caption is no text; write it in quotes.")
            elif text := caption.strip():
                of_image.append(text)
            else:
                self.empty += 1

    def told(self) -> Told:
        images = [CaptionedImage(name, where, captions=tuple(captions)) for name, (where, captions) in self._images.items()]
        return Told(self.form, images, self.empty, self.faults)
