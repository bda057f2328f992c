"""An index made of a folder, or gone on with: images that it holds already are not embedded again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from labelfree.choosing.large import LARGE
from labelfree.data.our_folders import INDEX_CARD
from labelfree.data.tiles import by
from labelfree.domain import Place, Row, Size, located
from labelfree.errors import DataError, Interrupted
from labelfree.pipeline.vectors import Embedded, FolderImages, embedded, images_of, measured, nothing_read, readable
from labelfree.progress import Progress
from labelfree.reader_settings import carried_settings
from labelfree.recipe_file import Overrides
from labelfree.retrieval.checkpoint import Checkpoint, open_checkpoint
from labelfree.retrieval.image_parts import parts_read, rows_read
from labelfree.retrieval.index_folder import IndexCard, IndexFolder, outline_of, where_is
from labelfree.retrieval.one_writer import one_writer, ours
from labelfree.retrieval.opened_index import require_same_checkpoint

ROWS, SECONDS = 4096, 60  # of a part: what an interruption loses at most


def index_images(
    folder: Path, weights: Path, out: Path, domain: str | None, tile: Size | None, overrides: Overrides, say: Progress
) -> IndexFolder:
    """Embed what `folder` holds into the index `out`, which is new or was made by the same weights of images read the same way.

    Raises DataError for an image that cannot be read (data.on_error=skip leaves it out) or does not fit the weights, for an index of other
    weights or settings, for one that another process adds to, and where there is no image; Interrupted where it was stopped: the same
    call goes on.
    """
    checkpoint = open_checkpoint(weights)
    _require_place(out)
    with one_writer(out):
        return _index(folder, checkpoint, out, domain, tile, overrides, say)


def _index(
    folder: Path, checkpoint: Checkpoint, out: Path, domain: str | None, tile: Size | None, overrides: Overrides, say: Progress
) -> IndexFolder:
    old = IndexFolder.open(out) if (out / INDEX_CARD).is_file() else None
    if old is not None:
        require_same_checkpoint(old, checkpoint)
    images = _images(folder, checkpoint, old, domain, overrides, say)
    if old is not None:
        _require_same_reading(old, images, tile)
        tile = old.card.tile
    reads = list({where_is(row): row for row in rows_read(images.rows, images.domain, tile)}.values())
    card = _card(checkpoint, images, tile, len(reads)) if old is None else old.card
    index = _Work(images, checkpoint, old, card, say).run(folder, out, reads)
    say.say(f"{out}: {len(index):,} vectors of {card.dim} numbers.")
    return index


def _require_place(out: Path) -> None:
    """Raises DataError where the folder holds something else than an index."""
    if (out / INDEX_CARD).is_file() or not out.exists():
        return
    if not out.is_dir() or not all(map(ours, out.iterdir())):
        raise DataError(f"{out}: holds something else already; name a new folder, or an index to add to, with --out.")


def _images(
    folder: Path, checkpoint: Checkpoint, old: IndexFolder | None, domain: str | None, overrides: Overrides, say: Progress
) -> FolderImages:
    """The folder's images, read as those of an index that is gone on with, else as those that the weights learnt from."""
    card = checkpoint.network.card
    if old is None:
        return images_of(folder, domain or card.domain or None, card.reader, overrides, say)
    if domain not in (None, old.card.domain):
        raise DataError(f"{old.path}: holds images of the field {old.card.domain}, not {domain}; name a new index with --out.")
    return images_of(folder, old.card.domain, old.card.reader, overrides, say)


def _require_same_reading(old: IndexFolder, images: FolderImages, tile: Size | None) -> None:
    """Raises DataError where images would be read or cut otherwise than those that an index holds."""
    reader = carried_settings(old.card.domain, images.reader)
    differing = [f"reader.{key}={reader[key]}" for key in reader if reader[key] != old.card.reader.get(key)]
    if tile not in (None, old.card.tile):
        differing.append(f"--tile {by(tile)}")
    if differing:
        way = "leave that out, or name a new index with --out"
        raise DataError(f"{old.path}: its images were read without {', '.join(differing)}; {way}.")


def _card(checkpoint: Checkpoint, images: FolderImages, tile: Size | None, rows: int) -> IndexCard:
    """What a new index of about so many rows says of itself."""
    name = images.domain.name
    return IndexCard(
        checkpoint=checkpoint.digest,
        weights=checkpoint.file.absolute().as_posix(),
        architecture=checkpoint.network.card.architecture,
        dim=checkpoint.dim,
        dtype="float16" if rows >= LARGE else "float32",
        domain=name,
        reader=carried_settings(name, images.reader),
        tile=tile,
    )


class _Work:
    """One call under way. `index`: None until there is a row to keep."""

    def __init__(self, images: FolderImages, checkpoint: Checkpoint, old: IndexFolder | None, card: IndexCard, say: Progress) -> None:
        self.images, self.checkpoint, self.index, self.card, self.say = images, checkpoint, old, card, say
        self.empty: list[str] = []  # since the last part
        self.skipped = list(images.faults)

    def run(self, folder: Path, out: Path, reads: list[Row]) -> IndexFolder:
        known = set() if self.index is None else self.index.known()
        left = [row for row in reads if where_is(row) not in known]
        if len(left) < len(reads):
            self.say.say(f"{out}: {len(reads) - len(left):,} of {len(reads):,} images are there already.")
        try:
            for some in self._embedded(left):
                if self.index is None:
                    self.index = IndexFolder.begin(out, self.card)
                outlines = [outline_of(place) for place in self._located(some)]
                self.index.append(some.rows, outlines, some.vectors.numpy(), self.empty)
                self.empty.clear()
        except KeyboardInterrupt:
            kept = f"what was embedded is in {out}" if self.index is not None else "nothing was embedded yet"
            raise Interrupted(f"Stopped; {kept}. The same command goes on.") from None
        if self.index is None:
            raise nothing_read(folder, self.skipped)
        if self.empty:
            self.index.append([], [], torch.empty(0, self.card.dim).numpy(), self.empty)
        for sentence in self.skipped:
            self.say.say(f"Left out: {sentence}")
        return self.index

    def _embedded(self, rows: list[Row]) -> Iterator[Embedded]:
        """The parts of the index that these images make."""
        if not rows:
            return
        tracked = self.say.track(rows, "embedding images", len(rows))
        read = readable(tracked, self.images.domain.read, self.images.skip, self._leave_out)
        images = measured(parts_read(read, self.card.tile), self._leave_out)
        for some in embedded(images, self.checkpoint.of_images, ROWS, SECONDS):
            faulty = (~some.vectors.isfinite().all(dim=1)).nonzero().flatten().tolist()
            if faulty:
                raise DataError(f"{some.rows[faulty[0]].called}: these weights make numbers of it that are not finite; leave it out.")
            yield some

    def _leave_out(self, row: Row, why: str | DataError) -> None:
        self.skipped.append(str(why))
        if not isinstance(why, DataError):  # one that cannot be read may be mended, and is tried again
            self.empty.append(where_is(row))

    def _located(self, some: Embedded) -> list[Place | None]:
        """Where rows lie on Earth, as far as their domain knows."""
        known = {str(at): place for at, place in enumerate(some.places) if place is not None}
        found = located(self.images.domain, known)
        return [found.get(str(at)) for at in range(len(some.rows))]
