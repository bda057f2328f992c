"""What a head finds in a volume lies where it is in the patient, on the grid of the volume's own files, however it was prepared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from labelfree_medical.masks.dicom_seg import segments_of
from labelfree_medical.put_back import Original

import labelfree
from labelfree.progress import Silent
from tests.medical.dicom_writing import slice_at, write
from tests.medical.volume_heads import bright_head
from tests.small_runs import table

highdicom = pytest.importorskip("highdicom")
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def turned(degrees: float, axis: int = 0) -> np.ndarray:
    """(3, 3): a turn about an axis."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    turn = np.eye(3)
    others = [other for other in range(3) if other != axis]
    turn[np.ix_(others, others)] = [[cosine, -sine], [sine, cosine]]
    return turn


def affine_of(directions: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = directions * spacing, (31.0, -14.0, 55.0)
    return affine


FLIPPED, SWAPPED = np.diag([-1.0, 1, -1]), np.array([[0.0, 0, 1], [-1, 0, 0], [0, 1, 0]])
GRIDS = {
    "straight": ((40, 36, 30), affine_of(np.eye(3), (1.0, 1.0, 1.0))),
    "flipped": ((40, 36, 30), affine_of(FLIPPED, (1.2, 0.9, 1.5))),
    "axes in another order": ((30, 40, 36), affine_of(SWAPPED, (1.5, 1.2, 0.9))),
    "oblique": ((40, 36, 30), affine_of(turned(25) @ turned(10, 2) @ FLIPPED, (1.0, 1.1, 1.3))),
    "thick slices": ((60, 56, 9), affine_of(np.eye(3), (0.8, 0.8, 5.0))),
    "smaller than a tile": ((18, 15, 7), affine_of(FLIPPED, (2.0, 2.0, 4.0))),
}
READERS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "cropped": {"crop": True},
    "resampled": {"crop": True, "spacing": [1.0, 1.4, 2.0]},
    "as stored": {"orientation": "stored", "spacing": 1.5},
}


def ellipsoid(size: tuple[int, ...], affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(*size) bool: in a corner of a volume, of other radii in mm along each axis of the patient; and every voxel's place (3, *size)."""
    index = np.stack(np.indices(size)).astype(float)
    places = np.einsum("ij,j...->i...", affine[:3, :3], index) + affine[:3, 3].reshape(3, 1, 1, 1)
    middle = affine[:3, :3] @ (np.array(size) * (0.4, 0.55, 0.45)) + affine[:3, 3]
    extent = np.abs(affine[:3, :3]) @ np.array(size)
    apart = (places - middle.reshape(3, 1, 1, 1)) / (extent * (0.2, 0.16, 0.24)).reshape(3, 1, 1, 1)
    return np.square(apart).sum(0) < 1, places


def scanned(size: tuple[int, ...], affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An image of a body with a bright structure in it, int16, and where that is."""
    structure, _ = ellipsoid(size, affine)
    image = np.zeros(size, np.int16)
    image[3:-2, 2:-3, 1:-1] = 300  # the body, with air around it
    image[structure] = 1000
    return image, structure


def middles(found: np.ndarray, truth: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """mm in RAS+ of what was found and of what is true."""
    one, other = (affine[:3, :3] @ np.argwhere(each).mean(0) + affine[:3, 3] for each in (found, truth))
    return one, other


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("grid", GRIDS)
def test_a_structure_is_told_where_it_lies(grid: str, reader: str, tmp_path: Path) -> None:
    size, affine = GRIDS[grid]
    image, truth = scanned(size, affine)
    nibabel.save(nibabel.Nifti1Image(image, affine), tmp_path / "scan.nii.gz")  # type: ignore[attr-defined,no-untyped-call]
    head = bright_head(tmp_path / "head.safetensors", tmp_path / "scan.nii.gz", 650, **READERS[reader])
    labelfree.predict(head, tmp_path / "scan.nii.gz", tmp_path / "out", say=Silent())
    read = nibabel.load(tmp_path / "out" / "maps" / "scan.nii.gz")  # type: ignore[attr-defined]
    said = np.asarray(read.dataobj)  # type: ignore[attr-defined]
    assert said.shape == size and np.allclose(read.affine, affine, atol=1e-4)  # type: ignore[attr-defined]
    assert set(np.unique(said)) == {0, 1}
    found = said == 1
    step = np.linalg.norm(affine[:3, :3], axis=0)
    resampled = max(2.0, step.max()) if "spacing" in READERS[reader] else step.max()
    one, other = middles(found, truth, affine)
    assert np.linalg.norm(one - other) < resampled / 2
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > (0.85 if "spacing" in READERS[reader] else 0.999)
    itk = SimpleITK.ReadImage(str(tmp_path / "out" / "maps" / "scan.nii.gz"))
    there = np.argwhere(found)[0].tolist()
    np.testing.assert_allclose((LPS @ affine @ [*there, 1])[:3], itk.TransformIndexToPhysicalPoint(there), atol=1e-3)
    row = table(tmp_path / "out" / "predictions.csv")[0]
    assert row["map"] == "maps/scan.nii.gz" and float(row["percent_structure"]) == pytest.approx(100 * found.mean(), abs=1e-3)


def write_series(folder: Path, size: tuple[int, int, int], directions: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """A CT series of (columns, rows, slices) voxels, its files in no order; the structure of `scanned`, (slices, rows, columns) bool."""
    lps = directions * spacing
    affine = LPS @ np.vstack([np.column_stack([lps, (-20.0, 33.0, -70.0)]), [0, 0, 0, 1]])
    image, structure = scanned(size, affine)
    names = np.random.default_rng(0).permutation(size[2])
    for number in range(size[2]):
        position = np.array((-20.0, 33.0, -70.0)) + number * lps[:, 2]
        dataset = slice_at(
            position.round(4).tolist(), image[..., number].T.copy(), [*directions[:, 0].round(6), *directions[:, 1].round(6)],
            PixelSpacing=[spacing[1], spacing[0]], InstanceNumber=number + 1, FrameOfReferenceUID="1.2.3.4", SliceThickness=spacing[2],
        )  # fmt: skip
        write(folder / f"IM{names[number]:03d}", dataset)
    return structure.transpose(2, 1, 0)


@pytest.mark.parametrize("reader", ["as it is", "resampled"])
@pytest.mark.parametrize(
    ("size", "directions", "spacing"),
    [
        ((40, 36, 20), np.eye(3), (1.0, 1.2, 2.0)),
        ((40, 36, 20), turned(20) @ turned(-8, 2), (1.0, 1.0, 2.0)),
        ((50, 44, 9), np.eye(3), (0.8, 0.8, 5.0)),
        ((36, 30, 24), np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]]), (1.0, 1.0, 1.5)),  # sagittal slices
    ],
    ids=["axial", "oblique", "thick", "sagittal"],
)
def test_a_series_gets_a_segmentation_that_highdicom_places(
    size: tuple[int, int, int], directions: np.ndarray, spacing: tuple[float, float, float], reader: str, tmp_path: Path
) -> None:
    truth = write_series(tmp_path / "scan", size, directions, spacing)
    first = sorted((tmp_path / "scan").iterdir())[0]
    head = bright_head(tmp_path / "head.safetensors", first, 650 - 1024, **READERS[reader])
    labelfree.predict(head, tmp_path / "scan", tmp_path / "out", say=Silent())
    (row,) = table(tmp_path / "out" / "predictions.csv")
    file = tmp_path / "out" / row["map"]
    assert file.suffix == ".dcm"
    made = highdicom.seg.segread(file)
    assert [each.SegmentLabel for each in made.SegmentSequence] == ["structure"]
    assert made.SeriesInstanceUID != "1.2.3" and made.FrameOfReferenceUID == "1.2.3.4" and made.PatientID == "P1"
    whole = made.get_volume(combine_segments=True)
    lps = np.column_stack([directions * spacing, (-20.0, 33.0, -70.0)])
    found = np.argwhere(whole.array > 0)
    place = whole.affine[:3, :3] @ found.mean(0) + whole.affine[:3, 3]
    expected = lps[:, :3] @ np.argwhere(truth).mean(0)[::-1] + lps[:, 3]
    assert np.linalg.norm(place - expected) < max(*spacing, 2.0) / 2
    if reader == "as it is":
        assert len(found) == truth.sum()
    (segment,) = segments_of(file).segments
    assert segment.name == "structure"
    percent = nibabel.load(next((tmp_path / "out" / "maps").rglob("*_confidence.nii.gz")))  # type: ignore[attr-defined]
    assert sorted(percent.shape) == sorted(size)  # type: ignore[attr-defined]


def test_headers_that_lack_what_a_segmentation_needs_get_nifti(tmp_path: Path) -> None:
    """No frame of reference: nothing says in which space the slices lie together."""
    for number in range(8):
        write(tmp_path / "scan" / f"{number}.dcm", slice_at((-10, -20, 2.0 * number), InstanceNumber=number + 1))
    head = bright_head(tmp_path / "head.safetensors", tmp_path / "scan" / "0.dcm", -950)
    labelfree.predict(head, tmp_path / "scan", tmp_path / "out", say=Silent())
    assert table(tmp_path / "out" / "predictions.csv")[0]["map"].endswith(".nii.gz")


def test_voxels_that_no_file_places_lie_on_their_own_grid(tmp_path: Path) -> None:
    image, truth = scanned((30, 26, 20), np.eye(4))
    np.save(tmp_path / "scan.npy", image)
    head = bright_head(tmp_path / "head.safetensors", tmp_path / "scan.npy", 650, crop=True)
    labelfree.predict(head, tmp_path / "scan.npy", tmp_path / "out", say=Silent())
    read = nibabel.load(tmp_path / "out" / "maps" / "scan.nii.gz")  # type: ignore[attr-defined]
    np.testing.assert_array_equal(np.asarray(read.dataobj) == 1, truth)  # type: ignore[attr-defined]


def test_nothing_is_lost_where_a_coarser_grid_ends_before_the_stored_one() -> None:
    """Ten voxels as two of four: the middle stays, so a voxel at each end lies beyond the last ones."""
    from labelfree_medical.masks.grids import Grid

    steps = np.diag([4.0, 1.0, 1.0, 1.0])
    steps[0, 3] = 2.5
    restored = Original(Grid((10, 1, 1)), steps).restored(np.array([1, 2], np.uint8).reshape(2, 1, 1), 9)
    assert restored.ravel().tolist() == [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]
