"""Several files that are one mask: DICOM-SEGs of one series, and a file a class; where they cannot be, it is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from labelfree_medical import Medical
from labelfree_medical.masks.joining import joined

from labelfree.data.manifest import Manifest, load_manifest
from labelfree.data.pixel_labels import pixel_labels
from labelfree.domain import IGNORE
from labelfree.errors import DataError
from labelfree.recipe import Data
from tests.medical.mask_files import slices, write_nifti, write_seg

pytestmark = pytest.mark.usefixtures("own_cache")
LIVER, SPLEEN = (slice(1, 3), slice(1, 5), slice(1, 5)), (slice(3, 5), slice(5, 8), slice(5, 8))


def organ(*places: tuple[slice, ...], value: int = 1) -> np.ndarray:
    """(slices, rows, columns)."""
    shown = np.zeros((6, 8, 9), np.uint8)
    for place in places:
        shown[place] = value
    return shown


def write_scan(folder: Path, drawn: Sequence[tuple[str, np.ndarray]]) -> None:
    """A CT and a segmentation of it for each (name of its segment, voxels)."""
    sources = slices()
    for number, source in enumerate(sources):
        source.PixelData = np.full((8, 9), number, np.int16).tobytes()
        source.save_as(folder / f"IM{number}", enforce_file_format=True)
    for number, (name, voxels) in enumerate(drawn):
        write_seg(folder / f"seg{number}.dcm", sources, voxels, [name])


def shown_by(manifest: Manifest, domain: Medical) -> dict[str, np.ndarray]:
    """The voxels of each class on the only image."""
    row = manifest.rows[0]
    labels = pixel_labels(manifest.rows, domain, domain.read, manifest.renamed)
    assert not labels.faults, labels.faults
    mask = labels.mask(row, domain.read(row))
    return {name: mask == place for place, name in enumerate(labels.classes)}


def test_segmentations_of_one_series_with_segments_of_their_own_are_one_mask(tmp_path: Path) -> None:
    write_scan(tmp_path, [("liver", organ(LIVER)), ("spleen", organ(SPLEEN))])
    domain = Medical(orientation="stored")
    shown = shown_by(load_manifest(Data(root=tmp_path), domain), domain)
    assert np.array_equal(shown["liver"], organ(LIVER) > 0) and np.array_equal(shown["spleen"], organ(SPLEEN) > 0)


def test_two_that_draw_the_same_are_named_and_a_table_chooses(tmp_path: Path) -> None:
    write_scan(tmp_path, [("liver", organ(LIVER)), ("liver", organ(SPLEEN))])
    domain = Medical(orientation="stored")
    manifest = load_manifest(Data(root=tmp_path), domain)
    assert manifest.rows[0].mask is None
    told = "2 segmentations of one series draw 'liver' more than once (seg0.dcm, seg1.dcm), so none is its mask"
    assert [note for note in manifest.aside if note.startswith(told)]
    (tmp_path / "labels.csv").write_text("path,mask\nIM0,seg1.dcm\n", encoding="utf-8")
    chosen = load_manifest(Data(root=tmp_path, labels=tmp_path / "labels.csv"), domain)
    assert np.array_equal(shown_by(chosen, domain)["liver"], organ(SPLEEN) > 0)


def test_a_table_chooses_one_of_those_that_would_be_joined(tmp_path: Path) -> None:
    write_scan(tmp_path, [("liver", organ(LIVER)), ("spleen", organ(SPLEEN))])
    (tmp_path / "labels.csv").write_text("path,mask\nIM0,seg0.dcm\n", encoding="utf-8")
    domain = Medical(orientation="stored")
    shown = shown_by(load_manifest(Data(root=tmp_path, labels=tmp_path / "labels.csv"), domain), domain)
    assert np.array_equal(shown["liver"], organ(LIVER) > 0) and "spleen" not in shown


@pytest.mark.parametrize("value", [1, 255])
def test_a_file_a_class_is_a_mask_with_classes_by_their_names(value: int, tmp_path: Path) -> None:
    organs = {"liver": organ(LIVER, value=value), "spleen": organ(SPLEEN, value=value), "colon": organ()}
    (tmp_path / "P0" / "segmentations").mkdir(parents=True)
    write_nifti(tmp_path / "P0" / "ct.nii.gz", np.arange(432, dtype=np.int16).reshape(6, 8, 9))
    for name, voxels in organs.items():
        write_nifti(tmp_path / "P0" / "segmentations" / f"{name}.nii.gz", voxels)
    domain = Medical()
    manifest = load_manifest(Data(root=tmp_path), domain)
    assert list(domain.contents(tmp_path).classes.values()) == ["colon", "liver", "spleen"]
    shown = shown_by(manifest, domain)
    assert np.array_equal(shown["liver"], organs["liver"] > 0) and np.array_equal(shown["spleen"], organs["spleen"] > 0)
    before = pixel_labels(manifest.rows, domain, domain.read, manifest.renamed).digest
    write_nifti(tmp_path / "P0" / "segmentations" / "spleen.nii.gz", organ((slice(3, 4), slice(5, 8), slice(5, 8))))
    other = Medical()
    again = load_manifest(Data(root=tmp_path), other)
    assert pixel_labels(again.rows, other, other.read, again.renamed).digest != before  # of all files, not of the first alone


@pytest.mark.parametrize(
    ("spleen", "said"),
    [
        (organ(LIVER, SPLEEN), r"liver\.nii\.gz: overlaps spleen\.nii\.gz in 32 voxels, more than half of what both mark.* data\.labels"),
        (organ(SPLEEN) + organ((slice(5, 6),) * 3) * 2, r"spleen\.nii\.gz: lies among files of one class each and holds 2 numbers"),
    ],
)
def test_files_that_cannot_be_one_mask_are_refused(spleen: np.ndarray, said: str, tmp_path: Path) -> None:
    (tmp_path / "segmentations").mkdir()
    write_nifti(tmp_path / "ct.nii.gz", np.arange(432, dtype=np.int16).reshape(6, 8, 9))
    write_nifti(tmp_path / "segmentations" / "liver.nii.gz", organ(LIVER))
    write_nifti(tmp_path / "segmentations" / "spleen.nii.gz", spleen)
    domain = Medical()
    row = load_manifest(Data(root=tmp_path), domain).rows[0]
    with pytest.raises(DataError, match=said):
        domain.read_targets(row, domain.read(row))


def test_a_lesion_in_its_organ_is_the_lesion_and_it_is_said(tmp_path: Path) -> None:
    organs = {"liver": organ(LIVER), "lesion": organ((slice(2, 4), slice(3, 6), slice(2, 4)))}  # a part of it lies outside
    (tmp_path / "segmentations").mkdir()
    write_nifti(tmp_path / "ct.nii.gz", np.arange(432, dtype=np.int16).reshape(6, 8, 9))
    for name, voxels in organs.items():
        write_nifti(tmp_path / "segmentations" / f"{name}.nii.gz", voxels)
    domain = Medical()
    manifest = load_manifest(Data(root=tmp_path), domain)
    assert any("where two of them overlap, the smaller structure is taken" in note for note in manifest.aside)
    shown = shown_by(manifest, domain)
    assert np.array_equal(shown["lesion"], organs["lesion"] > 0)
    assert np.array_equal(shown["liver"], (organs["liver"] > 0) & (organs["lesion"] == 0))


def test_of_three_that_overlap_the_smallest_is_on_top() -> None:
    whole, part, core = np.zeros((3, 12), np.int32)
    whole[:], part[6:], core[4:8] = 1, 2, 3
    shown = joined({Path("core"): core, Path("whole"): whole, Path("part"): part})
    assert shown.tolist() == [1, 1, 1, 1, 3, 3, 3, 3, 2, 2, 2, 2]


def test_what_one_file_does_not_know_another_may() -> None:
    shown = joined({Path("a"): np.array([IGNORE, IGNORE, 0, 1]), Path("b"): np.array([2, 0, 0, IGNORE])})
    assert shown.tolist() == [2, IGNORE, 0, 1]
