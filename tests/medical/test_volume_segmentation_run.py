"""Ragged volumes with masks from end to end: heads of voxels, their scores and pictures, and a new volume's map on its own grid.

Slow: one whole run of a comparison with a network that trains along, some twenty seconds of one core.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from labelfree_medical.generated_phantom import seen
from PIL import Image

import labelfree
from labelfree.errors import DataError
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent
from labelfree.transfer.maps import training
from tests.small_runs import table

pytestmark = pytest.mark.slow
pytest.importorskip("monai")
PLUGIN = Path(__file__).parents[1] / "plugins" / "toy_volumes"
ORGANS = {1: 1, 2: 2}  # lungs and heart; the rest is background
RECIPE = """
domain: medical
reader: {{crop: true, normalise: image}}
data: {{root: {root}, labels: {root}/labels.csv, leak_limit: 1.0}}
backbone: {{name: "toy_volumes:small_resnet", init: random, options: {{width: 4}}}}
evaluate:
  task: segmentation
  arms: [statistics, random]
  protocols: [linear, frozen, finetune]
  labels_per_class: [6]
  draws: 1
  primary: {{arm: statistics, against: random, protocol: frozen, budget: 6, metric: dice}}
"""


def written(folder: Path, patient: int) -> tuple[Path, np.ndarray, np.ndarray]:
    """A phantom of a size of its own, lying on its side: its file, organs (*voxels) and affine."""
    size = (24 + patient % 3, 20, 18 - patient % 2)
    made, _ = seen(3, patient, 0, size)
    affine = np.diag([*made.spacing, 1.0]) @ np.array([[0.0, 1, 0, 0], [-1, 0, 0, 5], [0, 0, 1, -9], [0, 0, 0, 1]])
    organs = np.select([made.organs == old for old in ORGANS], list(ORGANS.values()), 0).astype(np.uint8)
    file = folder / f"p{patient:02d}.nii.gz"
    nibabel.save(nibabel.Nifti1Image(made.hounsfield.round().astype(np.int16), affine), file)  # type: ignore[attr-defined,no-untyped-call]
    return file, organs, affine


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    root = tmp_path_factory.mktemp("phantoms")
    for part in ("images", "masks"):
        (root / part).mkdir()
    rows = []
    for patient in range(10):
        file, organs, affine = written(root / "images", patient)
        nibabel.save(nibabel.Nifti1Image(organs, affine), root / "masks" / file.name)  # type: ignore[attr-defined,no-untyped-call]
        rows.append((f"images/{file.name}", f"masks/{file.name}", f"p{patient}", "train" if patient < 6 else "test"))
    with (root / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "mask", "group", "split"), *rows])
    recipe = root / "recipe.yaml"
    recipe.write_text(RECIPE.format(root=root), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGIN)
        patch.setattr(training, "STEPS", 12)
        yield labelfree.run(recipe, out=root / "run", say=Silent())


def test_every_protocol_tells_voxels(finished: Run) -> None:
    rows = table(finished.folder / "results.csv")
    asked = {("statistics", "linear"), ("statistics", "frozen"), ("random", "linear"), ("random", "frozen"), ("random", "finetune")}
    assert {(row["arm"], row["protocol"]) for row in rows} == asked
    dice = {(row["arm"], row["protocol"]): float(row["value"]) for row in rows if row["metric"] == "dice"}
    assert dice["statistics", "linear"] > 0.5, "lungs are dark"


def test_planes_through_what_matters_are_on_the_page(finished: Run) -> None:
    told = json.loads((finished.folder / "pictures" / "segments.json").read_text())
    assert {each["kind"] for each in told["images"]} >= {"best", "worst"}
    image, truth, *arms = (np.asarray(Image.open(finished.folder / "pictures" / each["file"])) for each in told["images"][0]["panels"])
    assert image.shape == truth.shape == arms[0].shape
    assert (image != truth).any(), "the structure is on the planes"
    assert finished.report is not None and "data:image" in finished.report.read_text()


def test_a_new_volume_is_mapped_on_its_own_grid(finished: Run, tmp_path: Path) -> None:
    file, organs, affine = written(tmp_path, 21)
    labelfree.predict(finished.folder, file, tmp_path / "out", say=Silent())
    read = nibabel.load(tmp_path / "out" / "maps" / "p21.nii.gz")  # type: ignore[attr-defined]
    said = np.asarray(read.dataobj)  # type: ignore[attr-defined]
    assert said.shape == organs.shape and np.allclose(read.affine, affine, atol=1e-3)  # type: ignore[attr-defined]
    lung = (said == 1, organs == 1)
    assert 2 * (lung[0] & lung[1]).sum() / (lung[0].sum() + lung[1].sum()) > 0.5


def test_heads_of_volumes_are_not_exported(finished: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="only heads of pictures are exported; use `labelfree predict`"):
        labelfree.export(finished.folder, tmp_path / "export", say=Silent())
