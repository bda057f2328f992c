"""`labelfree plan` on folders of volumes: a network of volumes where a patch shows enough of one, else slices, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from labelfree.planning import volumes_or_slices
from labelfree.planning.volumes import NARROW, Device
from tests.planning.folders import planned, table, told

PLUGIN = Path(__file__).parents[1] / "plugins" / "toy_volumes"
NETWORK = "toy_volumes:small_resnet"


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same machine for every test, and a network that is quickly made."""
    monkeypatch.syspath_prepend(PLUGIN)
    monkeypatch.setattr(volumes_or_slices, "NARROW", replace(NARROW, name=NETWORK))
    on(monkeypatch, Device(8e9, 2))


def on(monkeypatch: pytest.MonkeyPatch, device: Device) -> None:
    monkeypatch.setattr(Device, "here", staticmethod(lambda: device))


def volumes(folder: Path, shape: Sequence[int], masks: bool = False, count: int = 16) -> Path:
    """NIfTI of noise, voxels of 1 x 1 x 2 mm, half of them labelled in a table."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    draw, affine, rows = np.random.default_rng(0), np.diag([1.0, 1.0, 2.0, 1.0]), []
    for number in range(count):
        name = f"{number:02d}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(draw.integers(0, 900, shape).astype(np.int16), affine), folder / "images" / name)
        if number % 2 and masks:
            mask = np.zeros(shape, np.uint8)
            mask[2:6, 2:6, 2:5] = 1
            nibabel.save(nibabel.Nifti1Image(mask, affine), folder / "masks" / name)
        if number % 2:
            rows.append((f"images/{name}", f"masks/{name}" if masks else "ab"[number // 2 % 2]))
    return table(folder / "labels.csv", "path,mask" if masks else "path,label", rows)


def test_small_volumes_are_learnt_from_as_volumes(tmp_path: Path) -> None:
    labels = volumes(tmp_path / "mine", (26, 20, 17))
    found = planned(tmp_path / "mine", "medical", labels)
    assert "learnt from as volumes: a patch of 24 x 16 x 16 voxels shows 69.5% of a volume of 26 x 20 x 17, in batches of 8" in told(found)
    assert "reader.slices=axial reads them as pictures" in told(found)
    recipe = found.recipe
    assert (recipe.backbone.name, recipe.backbone.init) == (NETWORK, "random")
    assert (recipe.pretrain.size, recipe.pretrain.batch_size) == ([24, 16, 16], 8)
    assert recipe.evaluate.arms == ["statistics", "random", "imagenet", "domain"]
    assert (recipe.evaluate.primary.arm, recipe.evaluate.primary.against) == ("domain", "imagenet")
    text = " ".join(found.text.replace("#", " ").split())
    assert "slice by slice: another architecture, so a claim has to beat random as well" in text
    assert "1 x 1 x 2 a voxel" in text and recipe.reader.get("slices") is None


def test_large_volumes_are_read_as_slices_on_a_small_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = volumes(tmp_path / "mine", (64, 64, 40), count=12)
    on(monkeypatch, Device(2e8, 1))
    found = planned(tmp_path / "mine", "medical", labels)
    assert found.recipe.reader["slices"] == "axial" and found.recipe.backbone.init == "imagenet"
    assert "reader.slices=axial: slices of volumes are read as pictures: a patch of" in told(found)
    assert "what 0.2 GB of this machine's free memory hold in steps of 8 volumes" in told(found)
    on(monkeypatch, Device(4e10, 0))
    assert planned(tmp_path / "mine", "medical", labels).recipe.reader.get("slices") is None


def test_masks_ask_for_segmentation_of_volumes(tmp_path: Path) -> None:
    found = planned(tmp_path / "mine", "medical", volumes(tmp_path / "mine", (26, 20, 17), masks=True))
    assert found.recipe.evaluate.task == "segmentation"
    assert (found.recipe.backbone.name, found.recipe.pretrain.size) == (NETWORK, [24, 16, 16])
    assert found.recipe.evaluate.primary.protocol == "frozen"


def test_where_no_network_can_be_made_slices_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = volumes(tmp_path / "mine", (26, 20, 17), count=12)
    monkeypatch.setattr(volumes_or_slices, "NARROW", replace(NARROW, name="nobody:made"))
    found = planned(tmp_path / "mine", "medical", labels)
    assert found.recipe.reader["slices"] == "axial" and "no network for those can be made here (nobody:made)" in told(found)
