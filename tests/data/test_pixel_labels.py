"""What pixels show: one answer for the same shapes, whichever file they are kept in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from faster_coco_eval.core import mask as peer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from labelfree.data.label_formats.listed import IGNORED, Drawn, ListedImage
from labelfree.data.label_formats.regions import Outline, Runs, rectangle
from labelfree.data.manifest import Manifest, load_manifest
from labelfree.data.pixel_labels import BACKGROUND, PixelLabels, pixel_labels
from labelfree.domain import IGNORE, Row, Sample, Window
from labelfree.errors import DataError
from labelfree.reader_settings import domain_with
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain

SIZE = (40, 50)


def sample_of(shape: tuple[int, ...]) -> Sample:
    return Sample(torch.zeros(1, *shape), ("a",), (1.0,), (0.0,), "stored")


def labels_of(rows: Sequence[Row], shape: tuple[int, ...] = SIZE, **keys: object) -> PixelLabels:
    return pixel_labels(rows, PillowDomain(), lambda row: sample_of(row.window.size if row.window else shape), **keys)  # type: ignore[arg-type]


def drawn(*objects: tuple[str, tuple[float, float, float, float]], **listed: object) -> Row:
    """An image with these rectangles as outlines."""
    shapes = [Drawn(name, box, f"object {place}", region=rectangle(*box)) for place, (name, box) in enumerate(objects)]
    return Row("a", Path("a.npy"), boxes="coco.json", listed=ListedImage("a", "coco.json: image 1", (50, 40), shapes, **listed))  # type: ignore[arg-type]


def test_later_objects_lie_above_earlier_ones_and_what_is_ignored_above_all() -> None:
    row = drawn(("pit", (0, 0, 20, 10)), ("rust", (10, 0, 30, 10)), (IGNORED, (25, 0, 40, 10)))
    found = labels_of([row])
    assert found.classes == (BACKGROUND, "pit", "rust")
    mask, objects = found.mask(row, sample_of(SIZE)), found.instances(row, sample_of(SIZE))
    assert mask.dtype == np.int16 and objects is not None and objects.dtype == np.int32
    assert mask[5, [5, 15, 27, 45]].tolist() == [1, 2, IGNORE, 0] and objects[5, [5, 15, 27, 45]].tolist() == [1, 2, IGNORE, 0]
    assert found.pixels == {"a": {BACKGROUND: 2000 - 400, "pit": 100, "rust": 150}}


def test_nobody_knows_which_pixels_of_a_box_are_the_objects_and_boxes_alone_are_no_labels() -> None:
    boxed = drawn(("pit", (0, 0, 20, 10)))
    assert boxed.listed is not None
    boxed.listed.drawn.append(Drawn("pit", (10, 0, 30, 10), "a box"))
    mask = labels_of([boxed]).mask(boxed, sample_of(SIZE))
    assert mask[5, [15, 25, 35]].tolist() == [1, IGNORE, 0]
    boxed.listed.drawn.pop(0)
    assert labels_of([boxed]).pixels == {}


def test_a_negative_is_background_where_others_have_areas() -> None:
    negative = Row("b", Path("b.npy"), boxes="coco.json", listed=ListedImage("b", "coco.json: image 2", (50, 40)))
    assert labels_of([negative]).pixels == {}
    assert labels_of([drawn(("pit", (0, 0, 20, 10))), negative]).pixels["b"] == {BACKGROUND: 2000}


def test_where_nobody_looked_for_a_class_no_pixel_is_background() -> None:
    row = drawn(("pit", (0, 0, 20, 10)), ("cloud", (30, 0, 40, 10)))
    found = labels_of([row], absent=["cloud"])
    assert found.classes == ("pit", "cloud") or found.classes == ("cloud", "pit")
    assert found.pixels == {"a": {"cloud": 100, "pit": 200}}
    told = labels_of([row], absent=["snow"])
    assert told.classes[0] == BACKGROUND and told.faults == ("data.absent: no class is called 'snow' (cloud, pit).",)


def test_what_is_faulty_is_told_and_the_others_counted() -> None:
    row = drawn(("pit", (0, 0, 20, 10)), ("pit", (90, 90, 99, 99)))
    other = Row("b", Path("b.npy"), mask="no.png")
    found = labels_of([row, other])
    assert list(found.pixels) == ["a"] and len(found.faults) == 2
    assert "no.png: there is no such mask" in found.faults[0] and "lies wholly outside its image" in found.faults[1]


def save(path: Path, mask: np.ndarray) -> str:
    Image.fromarray(mask).save(path)
    return str(path)


def test_numbers_of_masks_are_told_for_the_whole_set(tmp_path: Path) -> None:
    first, second = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    first[:10], second[:5], second[5:8] = 255, 1, 255
    rows = [Row(name, Path(name), mask=save(tmp_path / f"{name}.png", mask)) for name, mask in (("a", first), ("b", second))]
    found = labels_of(rows)
    assert found.classes == (BACKGROUND, "1") and found.pixels == {"a": {BACKGROUND: 1500}, "b": {BACKGROUND: 1600, "1": 250}}
    assert (found.mask(rows[0], sample_of(SIZE))[:10] == IGNORE).all() and found.instances(rows[0], sample_of(SIZE)) is None
    named = labels_of(rows, classes={"0": "land", "1": "water", "255": "ignore"})
    assert named.classes == ("land", "water") and named.digest != found.digest
    assert labels_of(rows[:1]).classes == (BACKGROUND, "foreground")


def test_volumes_have_masks_and_no_drawings(tmp_path: Path) -> None:
    volume = np.zeros((4, 5, 6), np.uint8)
    volume[1, 2:4, :] = 1
    np.save(tmp_path / "mask.npy", volume)

    def read(row: Row) -> Sample:
        return Sample(torch.from_numpy(volume)[None], ("a",), (1.0,), (0.0,), "stored")

    row = Row("a", tmp_path / "mask.npy", mask=str(tmp_path / "mask.npy"))
    found = pixel_labels([row], PillowDomain(), read)
    assert found.pixels == {"a": {BACKGROUND: 108, "1": 12}} and np.array_equal(found.mask(row, read(row)), volume)
    assert any("objects are drawn on pictures" in fault for fault in labels_of([drawn(("pit", (0, 0, 9, 9)))], (3, 40, 50)).faults)


corners = st.floats(-15, 65, allow_nan=False).map(lambda number: round(number, 2))
rings = st.lists(st.tuples(corners, corners), min_size=3, max_size=7, unique=True).map(np.array)


@settings(deadline=None, max_examples=200)
@example([np.array([(3.0, 0.0), (9.5, 63.75), (51.5, -12.38)])], 0, 0)  # an edge that lies between two fifths of a pixel
@given(st.lists(rings, min_size=1, max_size=3), st.integers(0, 30), st.integers(0, 40))
def test_a_part_of_an_outline_is_that_part_of_the_whole_as_cocos_tools_draw_it(shapes: list[np.ndarray], top: int, left: int) -> None:
    whole = peer.decode(peer.merge(peer.frPyObjects([ring.reshape(-1).tolist() for ring in shapes], *SIZE))) > 0
    outline, frame = Outline(tuple(shapes)), (top, left, min(40, top + 13), min(50, left + 17))
    assert np.array_equal(outline.mask(*SIZE), whole)
    patch = outline.patch(frame)
    seen = np.zeros(SIZE, bool)
    seen[patch.place] = patch.pixels
    inside = np.zeros(SIZE, bool)
    inside[frame[0] : frame[2], frame[1] : frame[3]] = True
    assert np.array_equal(seen, whole & inside)
    runs = Runs.of(whole).patch(frame)
    seen[:] = False
    seen[runs.place] = runs.pixels
    assert np.array_equal(seen, whole & inside)


def test_an_outline_that_passes_beside_a_part_of_its_picture_shows_nothing_there() -> None:
    beside = Outline((np.array([(6400.0, 5000.0), (9000.0, 5000.0), (9000.0, 9000.0), (5000.0, 20000.0)]),))
    assert not beside.patch((6000, 6000, 6256, 6256)).pixels.any()
    assert beside.patch((6000, 6300, 6256, 6556)).pixels.any()


def test_a_hole_is_no_part_and_an_island_in_it_is() -> None:
    ring: Callable[[float, float], np.ndarray] = lambda low, high: rectangle(low, low, high, high).rings[0]  # noqa: E731
    mask = Outline((ring(2, 38), ring(8, 30), ring(12, 20)), (False, True, False)).mask(*SIZE)
    assert mask.sum() == 36**2 - 22**2 + 8**2 and mask[15, 15] and not mask[10, 10]


@settings(deadline=None)
@given(st.lists(rings, min_size=1, max_size=4), st.integers(0, 20), st.integers(0, 30))
def test_a_window_of_a_scene_is_that_part_of_it(shapes: list[np.ndarray], top: int, left: int) -> None:
    def row(window: Window | None) -> Row:
        outlines = [Outline((ring,)) for ring in shapes]
        objects = [Drawn("ab"[n % 2], each.box, "x", region=each) for n, each in enumerate(outlines)]
        return Row("a", Path("a"), boxes="x", listed=ListedImage("a", "x", (50, 40), objects), window=window)

    whole, part = row(None), row(Window((top, left), (16, 20)))
    found = labels_of([whole])
    if found.pixels:
        mask = found.mask(whole, sample_of(SIZE))[top : top + 16, left : left + 20]
        assert np.array_equal(found.mask(part, sample_of((16, 20))), mask)


def test_a_row_without_labels_is_named() -> None:
    with pytest.raises(DataError, match=r"b\.npy: has no mask and nothing drawn"):
        labels_of([drawn(("pit", (0, 0, 9, 9)))]).mask(Row("b", Path("b.npy")), sample_of(SIZE))


def of_real(root: Path, **data: object) -> tuple[Manifest, PixelLabels]:
    domain = domain_with("satellite", {})
    manifest = load_manifest(Data(root=root, **data), domain)  # type: ignore[arg-type]
    return manifest, pixel_labels(manifest.rows, domain, domain.read, manifest.renamed, (), manifest.instances)


def test_water_is_one_class_and_negatives_are_background(real_data: Callable[[str], Path]) -> None:
    manifest, found = of_real(real_data("water_multiband"), classes={1: "water"})
    masked = [row for row in manifest.rows if row.mask]
    assert found.classes == (BACKGROUND, "water") and len(found.pixels) == len(masked) and not found.faults and not found.apart
    for row in masked:
        pixels = np.asarray(Image.open(str(row.mask)))
        assert found.pixels[row.id].get("water", 0) == (pixels > 0).sum() and sum(found.pixels[row.id].values()) == pixels.size


def test_nuclei_are_told_apart(real_data: Callable[[str], Path]) -> None:
    manifest, found = of_real(real_data("nuclei_dsb2018"), classes={"object": "nucleus"})
    assert found.classes == (BACKGROUND, "nucleus") and found.apart and "data.instances=false" in found.notes[0]
    domain = domain_with("satellite", {})
    for row in [row for row in manifest.rows if row.id in found.pixels][:10]:
        sample, stored = domain.read(row), np.asarray(Image.open(str(row.mask)))
        objects = found.instances(row, sample)
        assert objects is not None and np.array_equal(objects, stored) and np.array_equal(found.mask(row, sample), stored > 0)


def test_masks_that_lost_their_edges_are_read_above_a_number(real_data: Callable[[str], Path]) -> None:
    with pytest.raises(DataError, match=r"it was smoothed; save masks without interpolation, or where they show one class"):
        of_real(real_data("magnetic_tile"))
    manifest, found = of_real(real_data("magnetic_tile"), classes={">127": "defect"})
    assert found.classes == (BACKGROUND, "defect") and not found.faults
    free = [row for row in manifest.rows if row.label == "Free" and row.id in found.pixels]
    assert free and all("defect" not in found.pixels[row.id] for row in free)


def test_boxes_of_airplanes_are_no_labels_of_pixels(real_data: Callable[[str], Path]) -> None:
    _, found = of_real(real_data("rsod"))
    assert found.pixels == {} and found.classes == () and not found.faults
