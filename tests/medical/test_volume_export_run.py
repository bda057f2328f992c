"""A DICOM export with masks for some cases and no test set: `labelfree plan`, a run to the full report, a head, and masks of new cases.

Slow: a comparison of segmentations of volumes in five folds, some minutes of one core.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from labelfree_medical.generated_dicom import write_slices
from labelfree_medical.generated_phantom import axial, seen

import labelfree
from labelfree.pipeline.stages import Run
from labelfree.planning import volumes_or_slices
from labelfree.planning.proposal import Proposal
from labelfree.planning.volumes import NARROW, Device
from labelfree.progress import Silent
from labelfree.recipe_file import change
from tests.planning.folders import table as write_table
from tests.small_runs import table

pytestmark = pytest.mark.slow
pytest.importorskip("monai")
highdicom = pytest.importorskip("highdicom")
PLUGIN = Path(__file__).parents[1] / "plugins" / "toy_volumes"
SIZE = (32, 24, 16)  # voxels
CASES, MASKED = 16, 8
LUNG, HEART = 1, 2
REDUCED = {
    "pretrain.minutes": None, "pretrain.steps": 2, "evaluate.draws": 1, "evaluate.minutes": 0.3, "evaluate.labels_per_class": [4],
    "evaluate.arms": ["statistics", "random", "imagenet", "domain"], "evaluate.primary.budget": 4, "data.leak_limit": 1.0,
}  # fmt: skip


def written(folder: Path, patient: int) -> tuple[Path, np.ndarray, np.ndarray]:
    """A CT series of one generated patient: its folder, what lies where (right, anterior, superior), and the affine of that."""
    made, draw = seen(3, patient, 0, SIZE)
    series = write_slices(folder, patient, [axial(made.hounsfield, place) for place in range(SIZE[2])], made.spacing, draw)
    affine = np.diag([*made.spacing, 1.0])
    affine[:3, 3] = [-step * (count - 1) / 2 for step, count in zip(made.spacing, SIZE, strict=True)]
    organs = np.where(np.isin(made.organs, (LUNG, HEART)), made.organs, 0).astype(np.uint8)
    return series, organs, affine


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a PACS writes it, and beside it the masks that somebody drew, with a table that names them."""
    folder = tmp_path_factory.mktemp("hospital")
    (folder / "masks").mkdir()
    rows = []
    for patient in range(CASES):
        series, organs, affine = written(folder / "export", patient)
        if patient < MASKED:
            mask = folder / "masks" / f"case{patient}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(organs, affine), mask)  # type: ignore[attr-defined,no-untyped-call]
            rows.append((series.relative_to(folder / "export").as_posix(), mask))
    write_table(folder / "labels.csv", "path,mask", rows)
    return folder


@pytest.fixture(scope="module")
def planned(export: Path) -> Iterator[Proposal]:
    """On two cores, with a network that is quickly made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGIN)
        patch.setattr(volumes_or_slices, "NARROW", replace(NARROW, name="toy_volumes:small_resnet"))
        patch.setattr(Device, "here", staticmethod(lambda: Device(8e9, 2)))
        yield labelfree.plan(export / "export", "medical", export / "labels.csv", say=Silent())


@pytest.fixture(scope="module")
def finished(planned: Proposal, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return labelfree.run(change(planned.recipe, REDUCED), out=tmp_path_factory.mktemp("run") / "out", say=Silent())


def test_a_recipe_for_volumes_is_proposed(planned: Proposal) -> None:
    recipe, said = planned.recipe, "\n".join(planned.lines())
    assert "learnt from as volumes" in said and "unit: HU" in said and recipe.reader.get("slices") is None
    assert recipe.evaluate.task == "segmentation" and recipe.evaluate.primary.protocol == "frozen"
    assert (recipe.evaluate.primary.arm, recipe.evaluate.primary.against) == ("domain", "imagenet")
    assert recipe.report.share is True and recipe.data.holdout == "auto"


def test_every_arm_is_scored_in_folds(finished: Run) -> None:
    rows = [row for row in table(finished.folder / "results.csv") if row["metric"] == "dice"]
    assert {row["arm"] for row in rows} == {"statistics", "random", "imagenet", "domain"} and len({row["fold"] for row in rows}) > 1
    told = [float(row["value"]) for row in rows if (row["arm"], row["protocol"]) == ("statistics", "frozen")]
    assert np.mean(told) > 0.35, "lungs are dark"
    assert finished.report is not None and "different architecture" in finished.report.read_text(encoding="utf-8")


def test_names_of_patients_stay_in_private(finished: Run) -> None:
    shared = [file for file in finished.folder.rglob("*") if file.is_file() and "private" not in file.parts]
    told = [file.name for file in shared if b"PHANTOM00" in file.read_bytes() or "PHANTOM" in file.name]
    assert told == []


def test_a_new_case_is_mapped_where_it_lies(finished: Run, tmp_path: Path) -> None:
    """The head that the run recommends, on a series that it has never seen: highdicom places its segments on the patient."""
    series, organs, affine = written(tmp_path / "new", 31)
    labelfree.predict(finished.folder, series, tmp_path / "out", say=Silent())
    (file,) = (tmp_path / "out").rglob("*.dcm")
    said = highdicom.seg.segread(file).get_volume(combine_segments=True).to_patient_orientation("RAH")
    expected = np.diag([-1, -1, 1, 1]) @ affine  # DICOM counts in LPS
    assert np.allclose(said.affine[:3, :3], expected[:3, :3], atol=1e-2)
    first = (np.linalg.inv(expected) @ said.affine)[:3, 3]  # slices that hold no segment are in no file
    assert np.allclose(first, first.round(), atol=1e-2)
    mapped = np.zeros_like(organs)
    mapped[tuple(slice(start, start + count) for start, count in zip(first.round().astype(int), said.array.shape, strict=True))] = (
        said.array
    )
    lungs = mapped == LUNG, organs == LUNG
    assert 2 * (lungs[0] & lungs[1]).sum() / (lungs[0].sum() + lungs[1].sum()) > 0.3
