"""The images of a folder as they are chosen from: read once into the pool, each with its group and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from labelfree.data.chosen import AUDIT
from labelfree.data.ground import overlapping, spatial_groups
from labelfree.data.manifest import Manifest
from labelfree.data.pool import Pool
from labelfree.data.same_values import groups_of_copies
from labelfree.data.windows import in_windows, lenient
from labelfree.domain import Domain, Place, Row, extent_of, located
from labelfree.errors import DataError
from labelfree.pipeline.inputs import Store, tile_of
from labelfree.planning.recognition import field_of
from labelfree.progress import Progress
from labelfree.recipe import Data, Recipe
from labelfree.selecting.joining import joined

SCORED = ("dev", "test")
FEWEST_BLOCKS = 10  # on the ground, below which smaller ones stand in for groups


@dataclass(frozen=True)
class Images:
    """`pool`: all images but those that somebody else scores on. `groups`: a name an image of it, its own where it has none.

    Images that are exact copies share a group. `data`: what named them. `manifest`: with the rows that are scored elsewhere.
    `places`: where images lie, by row id. `spatial`: how many groups are blocks on the ground.
    """

    data: Data
    domain: Domain
    manifest: Manifest
    pool: Pool
    groups: list[str]
    places: Mapping[str, Place]
    spatial: int

    @property
    def rows(self) -> list[Row]:
        """Of each image."""
        return self.pool.images

    @cached_property
    def grouped(self) -> bool:
        """Whether some images share a group."""
        return len(set(self.groups)) < len(self.groups)

    @cached_property
    def labelled(self) -> list[int]:
        """Positions of images with a class that a head may learn from."""
        return [i for i, row in enumerate(self.rows) if row.label is not None and row.split not in SCORED]

    @cached_property
    def audited(self) -> list[int]:
        """Positions of images that an earlier audit drew."""
        return [i for i, row in enumerate(self.rows) if row.chosen == AUDIT]

    @cached_property
    def free(self) -> list[int]:
        """Positions of images without a label of any task that were not chosen before, in no group that is scored elsewhere."""
        closed = {row.group for row in self.manifest.rows if row.split in SCORED and row.chosen != AUDIT} - {None}
        return [i for i, row in enumerate(self.rows) if _unlabelled(row) and row.chosen is None and row.group not in closed]

    @cached_property
    def waiting(self) -> list[int]:
        """Positions of images that were chosen before and have no label: skipped, or not come to yet."""
        return [i for i, row in enumerate(self.rows) if _unlabelled(row) and row.chosen not in (None, AUDIT)]

    def groups_of(self, positions: Sequence[int]) -> set[str]:
        """The groups that these images are of."""
        return {self.groups[position] for position in positions}

    def apart(self, positions: Sequence[int], others: Sequence[int]) -> list[int]:
        """Those `positions` whose images share neither group nor ground with one of the `others`."""
        away = self.groups_of(others)
        loose = [at for at in positions if self.groups[at] not in away]
        shown = overlapping([self.rows[at] for at in loose], [self.rows[at] for at in others], self.places)
        return [at for at in loose if self.rows[at].id not in shown]


def read_images(recipe: Recipe, domain: str | None, say: Progress) -> Images:
    """Read what `recipe.data` names, scenes in windows; a pool that a pretraining of the same folder left is found again.

    Raises DataError naming a file that cannot be read, unless `data.on_error=skip`.
    """
    field = field_of(recipe.data, recipe.reader, domain, sure=False)
    field.manifest.require_usable(recipe.data.on_error)
    extent = lenient(extent_of(field.domain)) if recipe.data.on_error == "skip" else extent_of(field.domain)
    tile = tile_of(recipe)
    rows = in_windows(field.manifest.rows, extent, None if tile == "auto" else tile, tell=say.say)
    manifest = replace(field.manifest, rows=rows)
    for note in manifest.notes:
        say.say(note)
    mine = [row for row in manifest.rows if row.split not in SCORED or row.chosen == AUDIT]
    if not mine:
        raise DataError(f"{manifest.root}: every image is dev or test, so none may be chosen.")
    if recipe.data.labels is not None:  # a table comes first, whatever it lists: the pool is that of the folder without it
        mine.sort(key=lambda row: (row.path, row.window.start if row.window else ()))
    store = Store(recipe, manifest.read or field.domain.read, {"domain": field.domain.name, **field.domain.settings()}, say)
    pool = store.pool(mine, tile)
    places = located(field.domain, pool.places())
    blocks, _ = spatial_groups(pool.images, places, _enough)
    copies = [(first, other) for first, *others in groups_of_copies(pool.index.traces) for other in others]
    groups = joined([blocks.get(row.id) or row.group or f"row {row.id}" for row in pool.images], copies)
    return Images(recipe.data, field.domain, manifest, pool, groups, places, len(set(blocks.values())))


def _enough(groups: dict[str, str]) -> bool:
    return len(set(groups.values())) >= FEWEST_BLOCKS


def _unlabelled(row: Row) -> bool:
    return row.label is None and row.mask is None and row.boxes is None and row.normal is None
