"""Pictures: what is written can be read again, names never come from data, a full page says what it left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelfree.errors import DataError
from labelfree.reporting import Shot, save_leak_pairs, save_neighbours, save_views
from labelfree.reporting.pictures import GAP, Album, save_picture


def plain(value: int, side: int = 8) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def test_views_stand_in_a_grid_and_small_ones_stay_small(tmp_path: Path) -> None:
    path = save_views(tmp_path, "a/b: 0", [[plain(10), plain(200, 4)], [plain(90), plain(30, 4)]], ["image", "local 1"], side=40)
    assert path.name == "views-a_b__0.png"
    grid = np.asarray(Image.open(path))
    assert grid.shape == (2 * 40 + GAP, 2 * 40 + GAP, 3)
    assert (grid[20, 20] == 10).all() and (grid[20, 40 + GAP + 20] == 200).all()
    assert (grid[4, 40 + GAP + 4] == 255).all()  # around the smaller view
    assert json.loads((tmp_path / "pictures" / "views.json").read_text())[path.name] == {
        "name": "a/b: 0",
        "columns": ["image", "local 1"],
        "images": 2,
    }


def test_neighbours_keep_label_order_and_similarity(tmp_path: Path) -> None:
    found = {"imagenet": [[Shot(plain(1), "river", 0.9), Shot(plain(2), "forest", 0.5)]]}
    index = json.loads(save_neighbours(tmp_path, [Shot(plain(0), "river")], found).read_text())
    assert index["queries"] == [{"file": "neighbours/query-0.png", "label": "river"}]
    assert [(shot["label"], shot["similarity"]) for shot in index["arms"]["imagenet"][0]] == [("river", 0.9), ("forest", 0.5)]
    assert (np.asarray(Image.open(tmp_path / "pictures" / index["arms"]["imagenet"][0][1]["file"])) == 2).all()


def test_leak_pairs_have_the_pool_on_the_left(tmp_path: Path) -> None:
    (path,) = save_leak_pairs(tmp_path, [(plain(10), plain(200))], side=16)
    pair = np.asarray(Image.open(path))
    assert (pair[8, 8] == 10).all() and (pair[8, 16 + GAP + 8] == 200).all()


@pytest.mark.parametrize("wrong", [plain(1)[..., 0], plain(1).astype(np.float32), plain(1)[..., :2]])
def test_only_colour_pictures_of_bytes_are_taken(tmp_path: Path, wrong: np.ndarray) -> None:
    with pytest.raises(DataError, match="uint8"):
        save_views(tmp_path, "x", [[wrong]], ["image"])


def test_a_full_page_counts_what_it_left_out(tmp_path: Path) -> None:
    path = save_views(tmp_path, "x", [[np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)]], ["image"])
    album = Album(limit=len(Album().uri(path) or "") + 10)
    assert album.uri(path) is not None and album.uri(path) is None
    assert album.omitted == 1


def test_pictures_that_belong_together_become_smaller_rather_than_fewer(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for path in paths:
        save_picture(random.integers(0, 255, (600, 800, 3), np.uint8), path)
    roomy, short = Album(limit=100_000_000), Album(limit=600_000)
    sizes = {len(album.uris(paths, 640)[0]) for album in (roomy, short)}
    assert len(sizes) == 2 and short.left >= 300_000 and short.omitted == 0
    assert len(short.uris(paths, 640)) == 6


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        Album().uri(tmp_path / "broken.png")
