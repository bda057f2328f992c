"""Folders called by lots, parts or days: told from classes by their names, and kept together by what `plan` proposes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from labelfree_inspection.lots import names_lot

import labelfree
from labelfree.progress import Silent
from tests.data.fake_domain import write
from tests.planning.folders import pictures, planned, told


@pytest.mark.parametrize(
    "name",
    [
        "lot_A",
        "batch 12",
        "Charge_7",
        "LOT2024-03",
        "Los-7b",
        "Werkstu\u0308ck_3",
        "part_0001",
        "PCB-12",
        "2024-05-12",
        "20240512",
        "12.05.2024",
    ],
)
def test_lots(name: str) -> None:
    assert names_lot(name)


@pytest.mark.parametrize("name", ["lot", "part_scratched", "good", "part_ok", "slot_1", "0001", "2024-13-01", "batch_normal", "", "A"])
def test_names_that_may_be_classes(name: str) -> None:
    assert not names_lot(name)


def lots(root: Path, inside: str = "") -> Path:
    names = [
        f"{lot}/{inside and f'{inside.split()[n % 2]}/'}{n}.png" for lot in ("lot_A", "batch 12", "Charge_7", "lot_B") for n in range(6)
    ]
    pictures(root, names, side=48, gray=True)
    return root


def test_lots_without_labels_are_no_classes_and_are_kept_together(tmp_path: Path) -> None:
    proposal = planned(lots(tmp_path / "parts"), "inspection")
    assert proposal.recipe.data.group_folders and "group_folders: true" in proposal.text and "compares nothing" in proposal.text
    assert "groups: 4 named" in told(proposal) and "Folder names are not taken as classes" in told(proposal)
    assert "promise too much" in proposal.text


def test_classes_within_lots_are_learnt_by_lots(tmp_path: Path) -> None:
    proposal = planned(lots(tmp_path / "parts", "pit scratch"), "inspection")
    assert proposal.recipe.data.group_folders and "classification into 2 classes" in proposal.text and "groups: 4 named" in told(proposal)


def test_lots_that_leave_no_false_alarms_to_count_are_told(tmp_path: Path) -> None:
    """Each holds good parts and bad ones, and a lot with a bad one is bad as a whole; two good lots more are enough."""
    folder = lots(tmp_path / "parts", "good scratch")
    proposal = planned(folder, "inspection")
    assert not proposal.recipe.data.group_folders and "classification into 2 classes" in proposal.text
    assert "data.group_folders=true is not proposed: nearly every folder holds something that is not normal" in told(proposal)
    draw = np.random.default_rng(99)
    for name in (f"lot_{lot}/good/{n}.png" for lot in "XY" for n in range(3)):
        write(folder / name, draw.integers(0, 255, (48, 48)))
    proposal = planned(folder, "inspection")
    assert proposal.recipe.data.group_folders and "groups: 6 named" in told(proposal)


def test_who_says_otherwise_is_heard(tmp_path: Path) -> None:
    folder = lots(tmp_path / "parts", "good scratch")
    proposal = planned(folder, "inspection", overrides=["data.group_folders=false"])
    assert not proposal.recipe.data.group_folders and "groups: none named" in told(proposal)
    assert "data.group_folders=true keeps images of one on one side" in told(proposal)


def test_lots_that_cannot_be_kept_together_are_told(tmp_path: Path) -> None:
    """A class that stands in one lot alone could be learnt or scored, not both."""
    folder = tmp_path / "parts"
    pictures(folder, [f"lot_{lot}/{name}/{n}.png" for lot, name in (("A", "good"), ("B", "scratch")) for n in range(8)], side=48, gray=True)
    proposal = labelfree.plan(folder, "inspection", say=Silent())
    assert not proposal.recipe.data.group_folders and "data.group_folders=true is not proposed: " in told(proposal)
