"""Slices of one volume, and series of one study, as positives: by millimetres, within what is pretrained on, never across patients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labelfree_medical import Medical
from labelfree_medical.pairs import Placed, series, slices

from labelfree.data.pool import build_pool
from labelfree.data.positives import find_positives
from labelfree.domain import Row, Shown
from labelfree.errors import DataError, RecipeError
from labelfree.progress import Silent
from labelfree.recipe import Data
from tests.medical.dicom_writing import write_stack

HEIGHTS = tuple(2.0 * number for number in range(6))


def seen(volume: str, at: float, session: str | None = "study", plane: str = "axial", **known: object) -> Placed:
    return replace(Placed(volume, session, plane, at, 2.0, "grid", None), **known)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two patients; the first has a study of two series of other slices, and a study of one series."""
    for name, patient, study, number, heights in (
        ("a", "P1", "1.1", "1.1.1", HEIGHTS),
        ("b", "P1", "1.1", "1.1.2", tuple(height + 1.0 for height in HEIGHTS[:4])),
        ("c", "P1", "1.2", "1.2.1", HEIGHTS),
        ("d", "P2", "1.3", "1.3.1", HEIGHTS),
    ):
        write_stack(tmp_path / "export" / name, heights, series=number, PatientID=patient, StudyInstanceUID=study)
    return tmp_path / "export"


def rows_of(domain: Medical, folder: Path) -> list[Row]:
    return list(domain.contents(folder).rows)


def pairs(domain: Medical, rows: list[Row], kind: str, within: float | None = None) -> dict[str, set[str]]:
    """Of each row the rows that may stand for it, both by the folder and number of their slices."""

    def name(row: Row) -> str:
        return f"{row.path.parent.name}{row.key.rpartition('~')[2].split('-')[1]}" if "~" in row.key else row.path.parent.name

    found = domain.partners(kind, [Shown(row, None, (0, 0)) for row in rows], within)
    return {name(row): {name(rows[other]) for other in others} for row, others in zip(rows, found, strict=True)}


def test_the_next_slices_of_the_same_volume() -> None:
    images = [seen("a", 0.0), seen("a", 2.0), seen("a", 4.0), seen("b", 2.0), seen("a", 2.0, plane="coronal")]
    assert slices(images, None) == [[1], [0, 2], [1], [], []]
    assert slices(images, 4.0) == [[1, 2], [0, 2], [1, 0], [], []]
    assert slices(images, 1.0) == [[]] * 5
    assert slices([seen("a", 0.0, plane=""), seen("a", 0.0, plane="", corner=(0, 0, 8))], None) == [[], []]  # whole volumes have none


def test_of_another_series_the_slice_at_the_same_height() -> None:
    images = [seen("a", 0.0), seen("a", 2.0), seen("b", 1.5), seen("b", 9.0), seen("c", 0.0, session="other"), seen("d", 0.0, None)]
    assert series(images, None) == [[2], [2], [1], [], [], []]
    assert series(images, 1.0) == [[], [2], [1], [], [], []]
    unplaced = [replace(image, grid=None) for image in images]
    assert series(unplaced, None) == [[]] * 6  # heights of two volumes mean nothing then


def test_parts_of_volumes_are_paired_on_one_grid_alone() -> None:
    def part(volume: str, corner: tuple[int, ...] | None, grid: str | None = "grid") -> Placed:
        return seen(volume, 0.0, plane="", corner=corner, grid=grid)

    tiles = [part("t1", (0, 0, 0)), part("t1", (0, 0, 8)), part("flair", (0, 0, 8)), part("ct", (0, 0, 8), "coarser"), part("pet", None)]
    assert series(tiles, None) == [[], [2], [1], [], []]
    whole = [part("t1", None), part("flair", None, None)]
    assert series(whole, None) == [[1], [0]]  # whole volumes of one study show the same patient, wherever they lie


def test_slices_of_an_export_by_their_headers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    domain = Medical(slices="axial", slices_per_volume="all")
    rows = rows_of(domain, folder)
    monkeypatch.setattr(domain, "_prepared", lambda image: pytest.fail("pixels were read"))
    found = pairs(domain, rows, "slices")
    assert found["a1"] == {"a2"} and found["a3"] == {"a2", "a4"}
    assert pairs(domain, rows, "slices", 4.0)["a1"] == {"a2", "a3"}
    other = pairs(domain, rows, "series", 1.0)
    assert other["a1"] == {"b1"} and other["b1"] <= {"a1", "a2"} and len(other["b1"]) == 1
    assert other["a6"] == set()  # the other series ends below
    assert not any(other[each] for each in other if each[0] in "cd")  # one series a study, and another patient


def test_half_of_the_slices_lie_twice_as_far_apart(folder: Path) -> None:
    domain = Medical(slices="axial", slices_per_volume=3)
    found = pairs(domain, rows_of(domain, folder), "slices")
    assert found["a2"] == {"a1", "a3"} and pairs(domain, rows_of(domain, folder), "slices", 3.9)["a2"] == set()


def test_whole_volumes_of_one_study(folder: Path) -> None:
    domain = Medical()
    assert pairs(domain, rows_of(domain, folder), "series") == {"a": {"b"}, "b": {"a"}, "c": set(), "d": set()}


def test_niftis_of_one_group_and_date_are_series_of_one_study(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    for name in ("t1", "flair", "later"):
        nibabel.save(nibabel.Nifti1Image(np.zeros((6, 5, 4), np.int16), np.eye(4)), tmp_path / f"{name}.nii.gz")
    dates = {"t1": "2020-01-01", "flair": "2020-01-01", "later": "2021-01-01"}
    rows = [Row(name, tmp_path / f"{name}.nii.gz", group="P1", date=date) for name, date in dates.items()]
    assert Medical().partners("series", [Shown(row, None, (0, 0, 0)) for row in rows], None) == [[1], [0], []]


def test_partners_lie_among_what_is_pretrained_on_and_kinds_are_known(folder: Path, tmp_path: Path) -> None:
    domain = Medical(slices="axial", slices_per_volume="all")
    rows = [row for row in rows_of(domain, folder) if row.path.parent.name in "ac"]
    pool = build_pool(rows, domain.read, domain.settings(), tmp_path / "pool", say=Silent(), tile=None)
    entries = np.array([0, 1, 2, 8])  # three slices of one volume, one of another: the rest is somebody's test
    positives, (note,) = find_positives(Data(positives="slices"), domain, pool, entries)
    assert positives is not None and "3 of 4 have one" in note
    drawn = {int(other) for seed in range(30) for other in positives.draw(entries, seed)}
    assert drawn <= set(entries.tolist())
    with pytest.raises(DataError, match=r"none of the 2 images to pretrain on has a partner; set reader\.slices_per_volume=all"):
        find_positives(Data(positives="slices"), domain, pool, np.array([0, 8]))
    with pytest.raises(RecipeError, match="'date' is not known; the domain medical has self, slices, series"):
        find_positives(Data(positives="date"), domain, pool, entries)
