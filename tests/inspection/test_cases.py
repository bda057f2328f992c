"""The acceptance cases below $LABELFREE_CASES/inspection: read, checked and planned as a person types it.

What their files of drawn labels hold is compared in tests/label_formats/test_cases.py.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelfree_inspection import Inspection

import labelfree
from labelfree import cli
from labelfree.domain import Row
from labelfree.errors import DataError
from labelfree.progress import Silent
from tests.cases.case import cases_on_disk

CASES = cases_on_disk("inspection")


def expected(folder: Path) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads((folder / "expect.json").read_text(encoding="utf-8"))
    return stored


def typed(command: dict[str, Any], folder: Path) -> list[str]:
    return [word.replace("DIR", str(folder / "data")) for word in command["run"][1:]]


def wrong(command: dict[str, Any], code: object, said: str) -> list[str]:
    """What is not as the case expects of a command."""
    said = re.sub(r"\s+", " ", said)
    found = [] if code in command["exit"] else [f"exit code {code}, right is {command['exit']}"]
    found += [f"does not say /{text}/" for text in command["says"] if not re.search(text, said, re.IGNORECASE)]
    return found + [f"says /{text}/" for text in command["never"] if re.search(text, said, re.IGNORECASE)]


@pytest.mark.parametrize("folder", CASES)
def test_commands(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LABELFREE_CACHE", str(tmp_path))
    for command in expected(folder)["commands"]:
        monkeypatch.setattr(cli.State, "console", None)  # a process has one, with the streams that it began with
        with pytest.raises(SystemExit) as ended:
            cli.main(typed(command, folder))
        said = "".join(capsys.readouterr())
        found = wrong(command, ended.value.code, said)
        assert not found, f"{command['verb']}: {found} in {said}"


@pytest.mark.slow  # every command in a process of its own, which imports everything again
@pytest.mark.parametrize("folder", CASES)
def test_commands_as_typed(folder: Path, tmp_path: Path) -> None:
    for command in expected(folder)["commands"]:
        ran = subprocess.run(
            [sys.executable, "-m", "labelfree", *typed(command, folder)], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8"
        )
        found = wrong(command, ran.returncode, ran.stdout + ran.stderr)
        assert not found, f"{command['verb']}: {found} in {ran.stdout}{ran.stderr}"


@pytest.mark.parametrize("folder", CASES)
def test_every_level_is_there(folder: Path) -> None:
    """Pixels of single files, and how many images there are."""
    right = expected(folder)
    for name, wanted in right.get("pixels", {}).items():
        sample = labelfree.read(folder / "data" / name, domain="inspection")
        data = sample.data.numpy()
        assert list(data.shape) == wanted["shape"] and str(data.dtype) == wanted["dtype"], name
        assert (data.min(), data.max(), data.sum(dtype=np.int64)) == (wanted["min"], wanted["max"], wanted["sum"]), name
        assert len(np.unique(data)) == wanted["levels"], name
        assert {at: int(data[tuple(map(int, at.split(",")))]) for at in wanted["at"]} == wanted["at"], name
        assert list(sample.channels) == wanted.get("channels", list(sample.channels)), name
    for name, ones in right.get("ones", {}).items():
        data = labelfree.read(folder / "data" / name, domain="inspection").data
        assert len(data.unique()) == 2 and int((data > 0).sum()) == ones, name
    found = labelfree.show_data(folder / "data", labels_of(folder), "inspection").manifest.rows
    assert len(found) - len(right.get("broken", ())) == right["images"]


def labels_of(folder: Path) -> list[str]:
    """`data.labels=…` as the case types it first."""
    return [word for word in typed(expected(folder)["commands"][0], folder) if word.startswith("data.")]


@pytest.mark.parametrize("folder", CASES)
def test_what_single_cases_expect(folder: Path) -> None:
    """Depth, files of another scale, junk, masks, classes and splits; a key that nothing looks at is looked at elsewhere."""
    right, root = expected(folder), folder / "data"
    for key in right.keys() & KEYS.keys():
        KEYS[key](root, right)


def depth(root: Path, right: dict[str, Any]) -> None:
    reader = labelfree.plan(root, "inspection", say=Silent()).recipe.reader
    assert {"bits": reader["depth"], "shift": reader["shift"] or 0} == right["depth"]


def odd_scale(root: Path, right: dict[str, Any]) -> None:
    faults = labelfree.check_data(root, (), "inspection", say=Silent()).faults
    assert sorted(Path(fault.partition(":")[0]).name for fault in faults) == right["odd_scale"]


def files(root: Path, right: dict[str, Any]) -> None:
    domain = Inspection()
    found = [path.name for path in domain.files(root)]
    assert found == sorted([*right["files"], *right["broken"]])
    for name in right["files"]:
        assert domain.read(Row(name, root / name)).data.numel()


def mask_pixels(root: Path, right: dict[str, Any]) -> None:
    """Of masks that a table names; the one class of a mask of two numbers has no name of its own."""
    if not (root / "labels.csv").is_file():
        return
    try:
        found = labelfree.annotations(root, root / "labels.csv", "inspection", say=Silent()).images
    except DataError as error:
        assert "sentence and exit 3" in right.get("accept", ()) and "PNG" in str(error)
        return
    for name, wanted in right["mask_pixels"].items():
        got = found[name].pixels()
        assert (got if "mask_names" not in right else {"defect": sum(got.values())}) == wanted, name
        assert int(found[name].ignored_mask().sum()) == right.get("ignored_pixels", {}).get(name, 0), name
    assert len({each for image in found.values() for each in image.pixels()}) + 1 == right["classes_in_masks"]
    assert Counter(image.state for image in found.values())["negative"] == right["negative"]
    assert Counter(image.state for image in found.values())["unlabelled"] == right["unlabelled"]


def labels(root: Path, right: dict[str, Any]) -> None:
    rows = labelfree.show_data(root, (), "inspection").manifest.rows
    assert Counter(row.label for row in rows) == right["labels"] and Counter(row.split for row in rows) == right["splits"]


KEYS = {"depth": depth, "odd_scale": odd_scale, "files": files, "mask_pixels": mask_pixels, "labels": labels}
