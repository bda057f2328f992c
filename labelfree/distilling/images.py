"""The images that a student is taught by: a folder's, but for those that are scored, their relatives, and a tenth to ask about."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import yaml

from labelfree.data.ground import overlapping
from labelfree.data.manifest import Manifest
from labelfree.data.pool import Pool
from labelfree.data.same_values import same_values
from labelfree.data.set_labels import SetLabels
from labelfree.data.windows import in_windows, lenient
from labelfree.deploy.loaded_head import VectorHead
from labelfree.domain import Domain, Fingerprint, Row, extent_of, located
from labelfree.errors import DataError
from labelfree.pipeline.inputs import Store, read_by
from labelfree.pipeline.pretrained_on import History, source_of
from labelfree.planning.folder_settings import folder_data, with_keys
from labelfree.planning.recognition import field_of
from labelfree.progress import Progress
from labelfree.recipe import Data
from labelfree.recipe_file import Overrides
from labelfree.training.files import write_text

SCORED = ("dev", "test")
HELD_OUT = 0.1  # of the groups of images without a label, at least one
FEWEST = 2  # images to learn from


@dataclass(frozen=True)
class StudentImages:
    """`data`: what named them. `pool`: every image that was read. Positions in it: `taught`, whose answers are learned; `held_out`, without
    a label, for whether student and teacher agree; `scored`, labelled and of the split that was asked for. No image of one shares a group,
    ground or values with one of another.
    """

    domain: Domain
    data: Data
    pool: Pool
    taught: np.ndarray
    held_out: np.ndarray
    scored: np.ndarray

    def rows(self, positions: np.ndarray) -> list[Row]:
        """The rows at these positions."""
        return [self.pool.images[at] for at in positions]

    def entries(self, positions: np.ndarray) -> np.ndarray:
        """Where the pool keeps them."""
        return self.pool.entries(self.rows(positions))

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """Statistics of the images that teach."""
        return self.pool.fingerprint(self.entries(self.taught))

    def remember(self, folder: Path) -> None:
        """Write what taught as a run writes its pool, so that no comparison scores a student on images whose labels it learned."""
        text, role = io.StringIO(), dict.fromkeys(self.taught.tolist(), "pool")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["path", "label", "group", "split", "role"])
        for at, row in enumerate(self.pool.images):
            table.writerow([row.id, row.label or "", row.group or "", row.split, role.get(at, "unused")])
        write_text(folder / "splits.csv", text.getvalue())
        write_text(folder / "private" / "asked.yaml", yaml.safe_dump({"data": self.data.model_dump(mode="json")}, sort_keys=False))


def student_images(head: VectorHead, folder: Path, on: str, overrides: Overrides, seed: int, say: Progress) -> StudentImages:
    """Read a folder as the head's images were. `on`: the split whose labels student and teacher are judged by.

    Rows of dev and test, those that the head's run scored, and their relatives teach nothing. Raises DataError where no image is left.
    """
    card = head.card.images
    recipe = with_keys(folder_data(folder, None), overrides, card.domain, say)
    reader = {**card.reader, **{key: value for key, value in recipe.reader.items() if value is not None}}
    field = field_of(recipe.data, reader, card.domain)
    field.manifest.require_usable(recipe.data.on_error)
    extent = lenient(extent_of(field.domain)) if recipe.data.on_error == "skip" else extent_of(field.domain)
    manifest = replace(field.manifest, rows=in_windows(field.manifest.rows, extent, head.card.shape, tell=say.say))
    manifest = read_by(head.task, SetLabels(manifest, field.domain, recipe.data.absent), say)
    store = Store(recipe, manifest.read or field.domain.read, {"domain": field.domain.name, **field.domain.settings()}, say)
    pool = store.pool(manifest.rows, tile=None)
    _require_same_images(head, pool, folder)
    relatives = _Relatives(field.domain, pool)
    closed = _scored(head, manifest, recipe.data, pool)
    free = np.setdiff1d(np.arange(len(pool.images)), relatives.of(closed))
    held_out = _drawn([at for at in free if pool.images[at].label is None], pool, seed)
    taught = np.setdiff1d(free, relatives.of(held_out))
    if len(taught) < FEWEST or not len(held_out):
        raise DataError(
            f"{folder}: {len(free):,} images are neither scored nor related to such; a student needs some without a label to learn from, "
            "and others to be asked about."
        )
    judged = [at for at in closed if pool.images[at].split == on and pool.images[at].label is not None]
    return StudentImages(field.domain, recipe.data, pool, taught, held_out, np.array(judged, dtype=np.int64))


class _Relatives:
    """Which images of a pool belong together: by their group, by the ground that they show, or because they hold the same values."""

    def __init__(self, domain: Domain, pool: Pool) -> None:
        self.pool, self.places = pool, located(domain, pool.places())

    def of(self, positions: np.ndarray) -> np.ndarray:
        """Positions of these images and their relatives."""
        rows, traces = self.pool.images, self.pool.index.traces
        these = [rows[at] for at in positions]
        groups, ids = {row.group for row in these} - {None}, {row.id for row in these}
        ids |= overlapping(rows, these, self.places)
        ids |= {rows[at].id for at, _ in same_values(traces, traces[positions])}
        return np.array([at for at, row in enumerate(rows) if row.id in ids or row.group in groups], dtype=np.int64)


def _scored(head: VectorHead, manifest: Manifest, data: Data, pool: Pool) -> np.ndarray:
    """Positions of images that the folder's splits or the head's run score on."""
    scored = {row.id for row in manifest.rows if row.split in SCORED}
    run = History.of(head.path.absolute().parent.parent, roles=SCORED)
    if run is not None and run.source == source_of(data):
        scored |= {row.id for row in run.shared(manifest.rows)}
    return np.array([at for at, row in enumerate(pool.images) if row.id in scored], dtype=np.int64)


def _drawn(positions: Sequence[int], pool: Pool, seed: int) -> np.ndarray:
    """A tenth of the groups of these images, drawn at random."""
    groups = sorted({pool.images[at].group or f"row {pool.images[at].id}" for at in positions})
    count = max(1, round(HELD_OUT * len(groups))) if groups else 0
    drawn = set(np.random.default_rng(seed).permutation(groups)[:count].tolist())
    chosen = [at for at in positions if (pool.images[at].group or f"row {pool.images[at].id}") in drawn]
    return np.array(chosen, dtype=np.int64)


def _require_same_images(head: VectorHead, pool: Pool, folder: Path) -> None:
    """Raises DataError where the pool's channels are not the head's, in its order and unit."""
    card, names = head.card.images, tuple(map(str, pool.channels))
    if (names, pool.unit) != (card.channels, card.unit):
        raise DataError(
            f"{folder}: its images have {', '.join(names)} in {pool.unit}, the head takes {', '.join(card.channels)} in {card.unit}; give "
            "the keys of `reader` that its run had."
        )
