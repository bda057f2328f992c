"""What heads of vectors say, as a table: a row an image, appended as it is found, so that interrupted work goes on where it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from labelfree.data.pool import MOST_EMPTY, read_in_order
from labelfree.data.windows import in_windows, lenient
from labelfree.deploy.growing_tables import REASONS, SKIPPED, TABLE, UNFINISHED, Growing, begun, keep, number
from labelfree.deploy.input_images import InputImages
from labelfree.deploy.loaded_head import VectorHead
from labelfree.domain import Row, Sample, extent_of
from labelfree.errors import DataError
from labelfree.progress import Progress


def write_table(head: VectorHead, images: InputImages, out: Path, say: Progress, **asked: Any) -> tuple[list[Path], dict[str, Any]]:
    """`predictions.csv`: path, class, its score and that of each class (without classes: path and the numbers), in the order of the images.

    Scenes have a row a window, as large as the images that taught the head. What cannot be read stands in `skipped.csv` where the recipe's
    data.on_error lets it. Returns the files, and how many rows they have. Raises DataError naming the image that does not fit the head.
    """
    for option, value in asked.items():
        if value is not None:
            raise DataError(f"--{option}: this head says one thing of an image, which is a row of {TABLE}; leave --{option} out.")
    rows = in_windows(images.rows, lenient(extent_of(images.domain)), head.card.shape, tell=say.say)
    part, table = out / UNFINISHED, out / TABLE
    header = ["path", *(("class", "score") if head.classes else ()), *(f"score_{name}" if head.classes else name for name in head.columns)]
    done = begun(part, header) | begun(out / SKIPPED, REASONS)
    left = [row for row in rows if row.id not in done]
    if done:
        say.say(f"{out}: {len(done):,} of {len(rows):,} images are there already.")
    predicted = list[Row]()  # noted as their images pass
    read = _read(say.track(left, "predicting", len(left)), images, out / SKIPPED)
    with Growing(part) as lines:
        for prediction in head.predictions(_noted(read, predicted)):
            called = [prediction.name, number(prediction.score)] if prediction.name is not None else []
            lines.append([predicted.pop(0).id, *called, *map(number, prediction.scores.values())])
    skipped = len(begun(out / SKIPPED, REASONS))
    if not skipped:
        (out / SKIPPED).unlink()
    part.replace(table)
    return [table, *([out / SKIPPED] if skipped else [])], {"images": len(rows) - skipped, "skipped": skipped}


def _noted(read: Iterable[tuple[Row, Sample]], rows: list[Row]) -> Iterator[Sample]:
    for row, sample in read:
        rows.append(row)
        yield sample


def _read(rows: Iterable[Row], images: InputImages, aside: Path) -> Iterator[tuple[Row, Sample]]:
    """Each row with its image. Empty ones are noted as skipped, and those that cannot be read too, or raised."""
    for row, sample in read_in_order(images.domain.read, rows):
        if isinstance(sample, Sample) and sample.empty <= MOST_EMPTY:
            yield row, sample
        elif isinstance(sample, Sample):
            keep(aside, [row.id, "holds a measurement in less than half of its pixels"])
        elif images.lenient:
            keep(aside, [row.id, str(sample)])
        else:
            raise sample
