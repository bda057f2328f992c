"""A question to an index, by an image or by words, and what is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelfree.data.windows import window_of, windowed
from labelfree.deploy.output_folder import require_empty
from labelfree.domain import ReadsRemote, Row, Sample, Window
from labelfree.errors import DataError, RecipeError
from labelfree.progress import Progress
from labelfree.retrieval.answer_files import Pictured, write_answer
from labelfree.retrieval.image_parts import boxed, read_part
from labelfree.retrieval.opened_index import Hit, Index

SKIPPING = ", or set data.on_error=skip"  # what a reader says to those who read a set; a query is one image


@dataclass(frozen=True)
class Found:
    """What an index holds that is most alike a query. `files`: what was written, the table first; none where no folder was named."""

    hits: tuple[Hit, ...]
    files: tuple[Path, ...] = ()

    def lines(self) -> Iterator[str]:
        """What was found, for a person to read."""
        for rank, hit in enumerate(self.hits, 1):
            yield f"{rank:>3}  {hit.score:.3f}  {hit.row.id}{f'  {hit.row.label}' if hit.row.label else ''}"
        if self.files:
            yield f"Written: {', '.join(map(str, self.files))}"


@dataclass(frozen=True)
class Query:
    """What is looked for: an image, of it a box, or words. Raises RecipeError where that is none, or both."""

    image: str | Path | Sample | None
    text: str | None
    box: Sequence[int] | None

    def __post_init__(self) -> None:
        if (self.image is None) == (self.text is None):
            raise RecipeError("Say what to look for: an image with --image, or words with --text.")
        if self.text is not None and not self.text.strip():
            raise RecipeError("--text: holds no word; say what to look for.")
        if self.box is not None and self.image is None:
            raise RecipeError("--box: is a part of an image; name that with --image.")

    @property
    def window(self) -> Window | None:
        """The box, its axes in the order of an image's."""
        if self.box is None:
            return None
        half = len(self.box) // 2
        first, last = self.box[:half], self.box[half:]
        if half not in (2, 3) or len(self.box) % 2 or min(first) < 0 or any(a >= b for a, b in zip(first, last, strict=True)):
            raise RecipeError(f"--box {','.join(map(str, self.box))}: give x0,y0,x1,y1 in pixels, 0 <= x0 < x1 and 0 <= y0 < y1.")
        return Window(tuple(reversed(first)), tuple(b - a for a, b in zip(reversed(first), reversed(last), strict=True)))


def ask(index: Index, query: Query, k: int, out: Path | None, say: Progress) -> Found:
    """The `k` images most alike. `out`: a new or empty folder for search.csv, search.geojson and contact_sheet.png.

    Raises RecipeError or DataError for what cannot be asked; nothing is written then.
    """
    if k < 1:
        raise RecipeError(f"-k {k}: ask for one image or more.")
    if out is not None:
        require_empty(out)
    if not len(index):
        raise DataError(f"{index.path}: holds no vector; add images with `labelfree index`.")
    shown = None if query.image is None else _image(index, query.image, query.window)
    vector = index.checkpoint.of_text(query.text or "") if shown is None else index.checkpoint.of_images([shown])
    if not vector.isfinite().all():
        raise DataError(f"{query.image or query.text}: the weights make numbers of it that are not finite; ask by another one.")
    hits = index.hits(vector, k)
    if out is None:
        return Found(tuple(hits))
    first = Pictured(None if shown is None else index.domain.preview(shown), "query", query.text or _named(query))
    pictures = [Pictured(_picture(index, hit), f"{rank}  {hit.score:.3f}", _told(hit)) for rank, hit in enumerate(hits, 1)]
    return Found(tuple(hits), tuple(write_answer(out, hits, [first, *say.track(pictures, "pictures", len(pictures))])))


def _image(index: Index, image: str | Path | Sample, box: Window | None) -> Sample:
    """What is shown to the network, read as the images of the index were."""
    if isinstance(image, Sample):
        return boxed(image, box, image.source or "the image")
    remote = str(image) if isinstance(index.domain, ReadsRemote) and index.domain.remote(str(image)) else None
    path = Path(image)
    part = None if remote else window_of(path)
    holder = Path(str(path).rpartition("#")[0] or path)  # of one of several images, by the name that an answer gives it
    if remote is None and not path.exists() and not holder.exists():
        raise DataError(f"--image {image}: no such image.")
    row = Row(path.name, path, remote=remote) if part is None else windowed(Row(part[0].name, part[0]), part[1])
    try:
        return read_part(index.domain, row, box)
    except DataError as error:
        raise DataError(str(error).replace(SKIPPING, "")) from error


def _picture(index: Index, hit: Hit) -> np.ndarray | None:
    """As the field shows it; None where its file has gone since it was embedded."""
    try:
        return index.domain.preview(read_part(index.domain, hit.row))
    except DataError:
        return None


def _named(query: Query) -> str:
    """What the query's picture is called."""
    name = query.image.source if isinstance(query.image, Sample) else Path(str(query.image)).name
    return f"{name}, {','.join(map(str, query.box))}" if query.box else name


def _told(hit: Hit) -> str:
    return f"{hit.row.label}: {hit.row.id}" if hit.row.label else hit.row.id
