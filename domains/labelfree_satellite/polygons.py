"""Polygons with a class become chips: windows of the scenes that cover them, nearest in date."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.data.ground import TOUCH
from labelfree.data.overlaps import Ground, one_by_one
from labelfree.data.table_cells import MISSING, plain_text
from labelfree.data.windows import in_windows
from labelfree.domain import Place, Row, Window
from labelfree.errors import DataError
from labelfree_satellite.drawn_shapes import DrawnShapes
from labelfree_satellite.grids import Grid
from labelfree_satellite.places import LONLAT, with_outlines
from labelfree_satellite.vectors import ShapeFields, features, read_vectors

STRIDE, SMALLEST, LARGEST = 32, 32, 256  # sides of chips in pixels: whole strides of a network


@dataclass(frozen=True)
class Footprint:
    """Where a scene lies and when it was taken. `share_measured`: share of a window without clouds and gaps."""

    row: Row
    grid: Grid
    date: str | None
    share_measured: Callable[[Window], float]

    def place(self, row: Row) -> Place:
        """Where a window of the scene lies."""
        return Place(self.grid.crs, self.grid.bounds(row.window))


def chips(file: Path, fields: ShapeFields, scenes: Sequence[Footprint]) -> tuple[list[Row], list[str]]:
    """A labelled row for each polygon that a scene covers, unlabelled ones for windows of the same size, and sentences for the log.

    With `fields.date` the scene nearest in date is taken, a cloudless one first; without, the first by name. A chip is as wide as the
    larger part of the polygons need, or `fields.chip` pixels, the same for all. With `fields.background` windows that no polygon touches
    are labelled so, as many as the classes have polygons in the middle; the ground outside polygons gives no label otherwise. On each
    labelled row is drawn what the file has there.
    Raises DataError naming file and field for what is missing.
    """
    vectors = read_vectors(file, fields)
    frame, outlines, left_out = vectors
    drawn = DrawnShapes(file, vectors, fields)
    if not scenes:
        raise DataError(f"{file}: no image has coordinates for its {features(frame, len(frame))}; give a table with path and label.")
    parts = frame.geometry.map(_largest_part)
    several = int((frame.geometry.count_geometries() > 1).sum())
    centred = {crs: _centred(parts.to_crs(crs)) for crs in {scene.grid.crs for scene in scenes}}
    placed = [(scene, centred[scene.grid.crs]) for scene in scenes]
    covering = [[scene for scene, bounds in placed if _covers(scene.grid, bounds[i])] for i in range(len(frame))]
    bounds = {scene.row.id: boxes for scene, boxes in placed}
    side = fields.chip or _side([(scene.grid, bounds[scene.row.id][i]) for i, covers in enumerate(covering) for scene in covers[:1]])
    rows, taken_from = list[Row](), list[Footprint]()
    known_on = dict[int, str]()  # of shapes with a date
    for number, covers in enumerate(covering):
        when = None if fields.date is None else _day(file, fields.date, number, frame[fields.date].iloc[number])
        nearest = sorted(covers, key=lambda scene: (_apart(scene.date, when), scene.row.id))
        windows = [(scene, _window(scene.grid, bounds[scene.row.id][number], side)) for scene in nearest]
        chosen = next((pair for pair in windows if pair[0].share_measured(pair[1]) > 0.5), windows[0] if windows else None)
        if chosen is not None:
            scene, window = chosen
            taken_from.append(scene)
            known_on |= {number: scene.row.id} if when is not None else {}
            rows.append(replace(scene.row, id=f"{file.name}#{number}", label=frame[fields.label].iloc[number], window=window))
    if not rows:
        raise DataError(_nowhere(file, frame, scenes))
    drawings = [drawn.listed(scene.row.id, scene.grid, row.window, known_on) for row, scene in zip(rows, taken_from, strict=True)]
    rows = [replace(row, listed=listed) for row, listed in zip(rows, drawings, strict=True)]
    classes = len({row.label for row in rows})
    notes = [f"{file.name}: {features(frame, len(rows))} of {classes} classes became chips of {side} pixels."]
    if lost := len(frame) - len(rows):
        notes.append(f"{file.name}: {features(frame, lost)} {'lie' if lost > 1 else 'lies'} in no scene and {_are(lost)} left out.")
    if several:
        notes.append(f"{file.name}: of {features(frame, several)} in several parts the largest part gives the chip.")
    notes += left_out
    sizes = {scene.row.path: (scene.grid.height, scene.grid.width) for scene in scenes}
    outside = in_windows(
        [scene.row for scene in scenes], lambda row: sizes[row.path], side, tell=lambda sentence: notes.append(f"{file.name}: {sentence}")
    )
    if fields.background is not None:
        around = {crs: np.asarray(outlines.geometry.to_crs(crs).bounds, dtype=np.float64) for crs in centred}
        taken = [(scene, around[scene.grid.crs]) for scene in scenes]
        outside, note = _with_background(outside, fields.background, rows, taken, drawn)
        notes.append(f"{file.name}: {note}")
    return [*rows, *outside], notes


def _with_background(
    windows: Sequence[Row], name: str, labelled: Sequence[Row], scenes: Sequence[tuple[Footprint, np.ndarray]], drawn: DrawnShapes
) -> tuple[list[Row], str]:
    """The windows, some of those that touch no polygon and no chip labelled `name`: drawn by a hash, each place once.

    `scenes`: with the bounds of every polygon, those without a class too, in the scene's coordinates.
    """
    wanted = int(np.median(list(Counter(row.label for row in labelled).values())))
    known = {scene.row.path: (scene, polygons) for scene, polygons in scenes}
    chosen: set[str] = set()
    order = sorted(windows, key=lambda row: hashlib.blake2b(row.id.encode()).digest())
    beside = _overlapping([known[row.path][0].place(row) for row in (*order, *labelled)])
    taken = np.arange(len(order) + len(labelled)) >= len(order)
    for number, row in enumerate(order):
        if len(chosen) == wanted:
            break
        scene, polygons = known[row.path]
        assert row.window is not None
        free = not _touches(np.array(scene.grid.bounds(row.window)), polygons).any() and not taken[beside[number]].any()
        if free and scene.share_measured(row.window) > 0.5:
            chosen.add(row.id)
            taken[number] = True
    relabelled = list(windows)
    for place, row in enumerate(windows):
        if row.id in chosen and row.window is not None:
            scene = known[row.path][0]
            listed = drawn.listed(scene.row.id, scene.grid, row.window, {})
            relabelled[place] = replace(row, label=name, group=scene.row.group, listed=listed)
    return relabelled, f"{len(chosen)} windows outside every polygon are labelled {name} (reader.background)."


def _overlapping(places: Sequence[Place]) -> list[np.ndarray]:
    """Of each place the positions of those that show some of its ground."""
    overlapping = [np.empty(0, dtype=np.int64) for _ in places]
    every = np.arange(len(places))
    for i, j, common, first, second in Ground.of(with_outlines(places)).sharing(every, every):
        kept = common > TOUCH * np.minimum(first, second)
        for number, others in one_by_one(i[kept], j[kept]):
            overlapping[number] = others
    return overlapping


def _touches(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether a box (4,) and each of `others` (n, 4) in one system share ground: more than the sliver that neighbours on one grid do."""
    slack = 0.01 * min(box[2] - box[0], box[3] - box[1])
    across = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    up = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    return (across > slack) & (up > slack)


def _largest_part(shape: Any) -> Any:
    return max(shape.geoms, key=lambda part: (part.area, part.length)) if hasattr(shape, "geoms") else shape


def _centred(shapes: Any) -> np.ndarray:
    """(n, 4) left, bottom, right, top: each shape's box, moved where its middle is not on the shape (a ring, an L, a line)."""
    import shapely

    boxes = np.asarray(shapes.bounds, dtype=np.float64)
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    off = ~shapely.intersects(shapes.to_numpy(), shapely.points(x, y))
    on = shapely.point_on_surface(shapes.to_numpy()[off])
    shift = np.zeros((len(boxes), 2))
    shift[off] = np.stack([shapely.get_x(on) - x[off], shapely.get_y(on) - y[off]], axis=1)
    return boxes + np.tile(shift, 2)


def _nowhere(file: Path, frame: Any, scenes: Sequence[Footprint]) -> str:
    """What to say of shapes that no scene covers: where both lie, so that swapped axes and other systems show."""
    left, bottom, right, top = frame.geometry.to_crs(LONLAT).total_bounds
    outline = with_outlines([scenes[0].place(scenes[0].row)])[0].outline
    scene_place = f", {scenes[0].row.id} at {outline[0]:.4g}, {outline[1]:.4g}" if outline else ""
    where = f"they lie at longitude and latitude {(left + right) / 2:.4g}, {(bottom + top) / 2:.4g}{scene_place}"
    sentence = f"none of its {features(frame, len(frame))} lies in any of {len(scenes)} scenes ({where})"
    return f"{file}: {sentence}; check the coordinate systems."


def _are(number: int) -> str:
    return "are" if number > 1 else "is"


def _covers(grid: Grid, box: np.ndarray) -> bool:
    left, bottom, right, top = grid.bounds()
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return bool(left <= x <= right and bottom <= y <= top)


def _side(placed: Sequence[tuple[Grid, np.ndarray]]) -> int:
    """Pixels that nine polygons in ten fit into, in whole strides."""
    extents = [max((box[3] - box[1]) / grid.spacing[0], (box[2] - box[0]) / grid.spacing[1]) for grid, box in placed]
    wanted = float(np.quantile(extents, 0.9)) if extents else SMALLEST
    return int(min(LARGEST, max(SMALLEST, math.ceil(wanted / STRIDE) * STRIDE)))


def _window(grid: Grid, box: np.ndarray, side: int) -> Window:
    """The square of `side` pixels around the middle of a box, moved to lie inside."""
    column, row = grid.pixel((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    height, width = min(side, grid.height), min(side, grid.width)
    top = min(max(0, round(row - height / 2)), grid.height - height)
    left = min(max(0, round(column - width / 2)), grid.width - width)
    return Window((top, left), (height, width))


def _day(file: Path, field: str, number: int, value: Any) -> date | None:
    """The day that a cell names; None where it is empty."""
    known = plain_text(value)
    if known is None or known in MISSING:
        return None
    try:
        return date.fromisoformat(known[:10])
    except ValueError as error:
        raise DataError(f"{file.name} feature {number + 1}: {field} is {known!r}; write dates as 2022-06-05.") from error


def _apart(taken: str | None, when: date | None) -> float:
    """Days between a scene and a polygon; scenes without a date come last."""
    if when is None:
        return 0.0
    return abs((date.fromisoformat(taken) - when).days) if taken else math.inf
