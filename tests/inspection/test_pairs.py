"""Which pictures show one part under several lights, and which tiles lie side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from labelfree_inspection import Inspection, generated_parts

from labelfree.data.manifest import load_manifest
from labelfree.data.pool import build_pool
from labelfree.data.positives import find_positives
from labelfree.domain import Pairs, Row, Shown, Window
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.recipe import Data


def shown(name: str, corner: tuple[int, int] = (0, 0), **row: object) -> Shown:
    return Shown(Row(name, Path(name), **row), None, corner)  # type: ignore[arg-type]


def pairs(kind: str, *images: Shown, within: float | None = None) -> list[list[int]]:
    return [sorted(others) for others in Inspection().partners(kind, images, within)]


def test_the_domain_knows_pairs() -> None:
    assert isinstance(Inspection(), Pairs) and set(Inspection().positives) == {"light", "neighbours"}


@pytest.mark.parametrize(
    ("first", "second", "other"),
    [
        ("lamp1/p01.png", "lamp2/p01.png", "lamp2/p02.png"),
        ("a/p01_lightLEFT.bmp", "a/p01_lightRIGHT.bmp", "b/p01_lightRIGHT.bmp"),
        ("lot3/darkfield/7.tif", "lot3/brightfield/7.tif", "lot4/brightfield/7.tif"),
        ("17_exp-1.png", "17_exp-3.png", "18_exp-1.png"),
        ("Teil 4 Licht oben.png", "Teil 4 Licht unten.png", "Teil 5 Licht unten.png"),
    ],
)
def test_names_tell_the_light(first: str, second: str, other: str) -> None:
    assert pairs("light", shown(first), shown(second), shown(other)) == [[1], [0], []]


def test_words_that_hold_a_light_are_none() -> None:
    names = ("delight1.png", "delight2.png", "ledge1/a.png", "ledge2/a.png", "good/000.png", "scratch/000.png")
    assert pairs("light", *map(shown, names)) == [[]] * 6


def test_without_such_names_a_small_group_is_a_part_and_a_large_one_a_lot() -> None:
    part = [shown(f"exp{n}_num_{n}07.png", group="107") for n in range(3)]
    lot = [shown(f"{n:03d}.png", group="lot") for n in range(9)]
    found = pairs("light", *part, *lot)
    assert found[:3] == [[1, 2], [0, 2], [0, 1]] and found[3:] == [[]] * 9


def test_tiles_are_paired_with_the_same_tile_under_the_other_light() -> None:
    images = [shown(f"lamp{lamp}/a.png", (0, at)) for lamp in (1, 2) for at in (0, 64)]
    assert pairs("light", *images) == [[2], [3], [0], [1]]


def test_neighbours_are_the_tiles_around_in_the_same_image() -> None:
    grid = [shown("a.png", (48 * down, 64 * across)) for down in range(3) for across in range(3)]
    found = pairs("neighbours", *grid, shown("b.png", (0, 0)))
    assert found[4] == [0, 1, 2, 3, 5, 6, 7, 8] and found[0] == [1, 3, 4] and found[9] == []
    assert pairs("neighbours", *grid, within=50)[4] == [1, 7]


def test_neighbours_of_a_line_and_of_windows() -> None:
    line = [shown("scan.png", (0, 40 * at)) for at in range(4)]
    assert pairs("neighbours", *line) == [[1], [0, 2], [1, 3], [2]]
    windows = [shown("scan.png", (0, 0), window=Window((at * 128, 0), (128, 128))) for at in range(3)]
    assert pairs("neighbours", *windows) == [[1], [0, 2], [1]]
    assert pairs("neighbours", shown("a.png"), shown("b.png")) == [[], []]


def test_the_sample_of_two_lamps_pairs_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generated_parts, "SPLITS", {"pretrain": 1})
    domain = Inspection()
    domain.generate(tmp_path, variant="lights")
    rows = load_manifest(Data(root=tmp_path), domain).rows
    pool = build_pool(rows, domain.read, domain.settings(), tmp_path / "pool", say=Silent(), tile=None)
    entries = np.arange(len(pool))
    found, said = find_positives(Data(root=tmp_path, positives="light"), domain, pool, entries)
    assert found is not None and len(found.others) == len(rows) == 32 and "32 of 32 have one" in said[0]
    for one, other in enumerate(found.others):
        first, second = (pool.rows[position].id for position in (one, int(other)))
        assert first != second and first.replace("lamp1", "lamp2") == second.replace("lamp1", "lamp2")
    with pytest.raises(DataError, match=r"none of the 32 images to pretrain on has a partner; cut images into tiles \(pool\.tile\)"):
        find_positives(Data(root=tmp_path, positives="neighbours"), domain, pool, entries)
