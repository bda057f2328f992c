"""`labelfree data check`: every kind of fault is found and named, and a sound set has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from labelfree.data.faults import find_faults
from labelfree.data.manifest import load_manifest
from labelfree.progress import Silent
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain, texture, write

DOMAIN = PillowDomain()


def make(root: Path) -> None:
    draw = np.random.default_rng(0)
    lines = ["path,label,split"]
    for i in range(8):
        write(root / f"{i}.png", texture(draw, 16))
        lines.append(f"{i}.png,{'ab'[i % 2]},{('train', 'test')[i // 6]}")
    (root / "splits.csv").write_text("\n".join(lines))


def faults(root: Path) -> list[str]:
    return find_faults(load_manifest(Data(root=root), DOMAIN), DOMAIN.read, Silent())


def test_a_sound_set_has_no_faults(tmp_path: Path) -> None:
    make(tmp_path)
    assert faults(tmp_path) == []


def test_every_fault_is_named(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "0.png").write_bytes(b"broken")
    write(tmp_path / "1.png", np.full((16, 16, 3), 7))
    write(tmp_path / "2.png", texture(np.random.default_rng(5), 16, 4))
    (tmp_path / "6.png").write_bytes((tmp_path / "3.png").read_bytes())
    (tmp_path / "4.png").write_bytes((tmp_path / "5.png").read_bytes())
    found = faults(tmp_path)
    expected = [
        "0.png: cannot be read",
        "2.png: bands red, green, blue, nir; most files have red, green, blue",
        "1.png: every band holds one value only",
        "6.png (test) has the same content as 3.png (train)",
        "5.png has the same content as 4.png, labelled 'a' there and 'b' here",
    ]
    assert len(found) == len(expected)
    for fact in expected:
        assert any(fact in sentence for sentence in found), fact


def test_a_class_without_enough_labels(tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path / "9.png", texture(np.random.default_rng(9), 16))
    with (tmp_path / "splits.csv").open("a") as file:
        file.write("\n9.png,rare,train\n")
    assert faults(tmp_path) == ["Class 'rare' has 1 labels to learn from; at least 2 are needed."]
