"""Pictures that bear an EXIF rotation: what was drawn on the picture as tools show it lies on the same content of the stored one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from faster_coco_eval.core import mask as peer
from PIL import Image, ImageOps

from labelfree.data.label_formats.frames import ORIENTATION, orientation
from tests.label_formats.folders import coco, cvat, picture, read, written

SHAPES = [(60, 40), (50, 50)]  # (width, height) as stored; a square one cannot be told by its size


def turned_picture(root: Path, turn: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Stores a.png with one bright rectangle in a corner and an EXIF rotation; its pixels as stored, and upright as Pillow turns it."""
    width, height = size
    pixels = np.zeros((height, width), np.uint8)
    pixels[3:13, 5:30] = 255
    picture_ = Image.fromarray(pixels)
    exif = picture_.getexif()
    exif[ORIENTATION] = turn
    picture_.save(root / "a.png", exif=exif)
    with Image.open(root / "a.png") as stored:
        return pixels > 0, np.asarray(ImageOps.exif_transpose(stored)) > 0


def drawn_on(shown: np.ndarray, how: str) -> dict[str, object]:
    """An annotation of the bright rectangle of a picture: its box, its outline, or its pixels."""
    rows, columns = np.nonzero(shown)
    x0, y0, x1, y1 = (int(edge) for edge in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    box = {"bbox": [x0, y0, x1 - x0, y1 - y0]}
    if how == "outline":
        return {**box, "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]]}
    if how == "pixels":
        runs = peer.encode(np.asfortranarray(shown, np.uint8))
        return {**box, "segmentation": {"size": list(runs["size"]), "counts": runs["counts"].decode()}}
    return box


@pytest.mark.parametrize("how", ["box", "outline", "pixels"])
@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("turn", range(1, 9))
def test_what_is_drawn_upright_lies_on_its_content(tmp_path: Path, turn: int, size: tuple[int, int], how: str) -> None:
    stored, upright = turned_picture(tmp_path, turn, size)
    listed = {"file_name": "a.png", "width": upright.shape[1], "height": upright.shape[0]}
    found = read(written(tmp_path, "c.json", coco([listed], [drawn_on(upright, how)])), tmp_path)
    assert not found.faults
    (drawn,) = found.images["a.png"].objects
    assert np.array_equal(drawn.mask(*stored.shape), stored)
    x0, y0, x1, y1 = map(int, drawn.box)
    assert stored[y0:y1, x0:x1].all() and (x1 - x0) * (y1 - y0) == stored.sum()
    tells = size[0] != size[1] and turn > 4
    assert bool(found.notes) is (turn > 1 and not tells)  # elsewhere the sizes are the same either way, and a sentence says what was taken


@pytest.mark.parametrize("how", ["box", "outline", "pixels"])
@pytest.mark.parametrize("turn", [5, 6, 7, 8])
def test_what_is_drawn_on_the_stored_picture_stays(tmp_path: Path, turn: int, how: str) -> None:
    stored, _ = turned_picture(tmp_path, turn, (60, 40))
    found = read(written(tmp_path, "c.json", coco([{"file_name": "a.png", "width": 60, "height": 40}], [drawn_on(stored, how)])), tmp_path)
    assert (found.faults, found.notes) == ((), ())
    assert np.array_equal(found.images["a.png"].objects[0].mask(40, 60), stored)


def test_run_lengths_tell_the_frame_where_no_size_is_listed(tmp_path: Path) -> None:
    stored, upright = turned_picture(tmp_path, 6, (60, 40))
    for name, shown in (("stored.json", stored), ("upright.json", upright)):
        entry = {"file_name": "a.png", "width": 0, "height": None}
        found = read(written(tmp_path, name, coco([entry], [drawn_on(shown, "pixels")])), tmp_path)
        assert (found.faults, found.notes) == ((), ())
        assert np.array_equal(found.images["a.png"].objects[0].mask(40, 60), stored)


def test_a_picture_of_another_size_is_named_with_both(tmp_path: Path) -> None:
    """Nothing is stretched to fit, and what the image holds stays unknown."""
    picture(tmp_path, "a.png", "b.png")
    listed = [{"file_name": "a.png", "width": 50, "height": 40}, {"file_name": "b.png"}]
    content = coco(listed, [{"bbox": [1, 1, 9, 9]}, {"bbox": [1, 1, 9, 9], "image_id": 2}])
    found = read(written(tmp_path, "c.json", content), tmp_path)
    assert found.faults == (
        "c.json: image 1 (a.png): is listed with 50 x 40 pixels, a.png has 100 x 80; bring the picture that was drawn on, or export its "
        "labels again.",
    )
    assert found.images["a.png"].state == "objects" and found.images["a.png"].ignored_mask().all()
    assert found.counts == {"pit": 1, "scratch": 0}


def test_shares_of_the_upright_picture_are_of_its_own_sides(tmp_path: Path) -> None:
    stored, upright = turned_picture(tmp_path, 6, (60, 40))
    rows, columns = np.nonzero(upright)
    height, width = upright.shape
    x0, y0, x1, y1 = columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height
    written(tmp_path, "a.txt", f"0 {(x0 + x1) / 2} {(y0 + y1) / 2} {x1 - x0} {y1 - y0}\n")
    found = read(written(tmp_path, "data.yaml", "names: [pit]\ntrain: .\n"), tmp_path)
    assert np.array_equal(found.images["a.png"].objects[0].mask(*stored.shape), stored)


def test_brushed_pixels_of_a_picture_on_its_side(tmp_path: Path) -> None:
    stored, upright = turned_picture(tmp_path, 8, (60, 40))
    rows, columns = np.nonzero(upright)
    left, top, across, down = columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1
    shape = f'<mask label="pit" left="{left}" top="{top}" width="{across}" height="{down}" rle="0, {across * down}"/>'
    content = cvat(shape).replace('width="100" height="80"', 'width="40" height="60"')
    found = read(written(tmp_path, "c.xml", content), tmp_path)
    assert np.array_equal(found.images["a.png"].objects[0].mask(*stored.shape), stored)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp", "a.bmp"])
def test_orientation_is_what_pillow_reads(tmp_path: Path, name: str) -> None:
    for turn in (1, 6, 9):
        turned, exif = Image.new("L", (4, 3)), Image.Exif()
        exif[ORIENTATION] = turn
        turned.convert("RGB").save(tmp_path / name, **({} if name == "a.bmp" else {"exif": exif}))
        assert orientation(tmp_path / name) == (6 if turn == 6 and name != "a.bmp" else 1)
    (tmp_path / name).write_bytes(b"no picture")
    assert orientation(tmp_path / name) == 1


def test_exif_behind_the_pixels_of_a_png_is_found(tmp_path: Path) -> None:
    """Where some tools put it; Pillow decodes the whole picture to find it, which 10,000 large pictures take minutes for."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("L", (4, 3)).save(tmp_path / "a.png", exif=exif)
    raw = (tmp_path / "a.png").read_bytes()
    start, end = raw.index(b"eXIf") - 4, raw.index(b"IDAT") - 4
    moved = raw[:start] + raw[end : raw.index(b"IEND") - 4] + raw[start:end] + raw[raw.index(b"IEND") - 4 :]
    (tmp_path / "b.png").write_bytes(moved)
    with Image.open(tmp_path / "b.png") as stored:
        assert "exif" not in stored.info and stored.getexif()[ORIENTATION] == 6
    assert orientation(tmp_path / "b.png") == orientation(tmp_path / "a.png") == 6
    for cut in range(0, len(moved), 3):
        (tmp_path / "b.png").write_bytes(moved[:cut])
        assert orientation(tmp_path / "b.png") in (1, 6)
