"""The generated phantom: repeatable, split by patient, organs where they lie in people, files as their formats want them."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from labelfree_medical import generated_phantom
from labelfree_medical.generated_phantom import FINDINGS, ORGANS, VOLUME, axial, generate, phantom
from PIL import Image

from labelfree.data.table_cells import captions_in
from labelfree.errors import DataError

FEW = {"pretrain": 4, "train": 4, "dev": 4, "test": 4}  # patients
LUNG, HEART, LIVER, SPINE, LESION = range(1, 6)


@pytest.fixture(scope="module", params=["", "slices"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("phantom"), request.param)


def written(directory: Path, variant: str, seed: int = 3) -> Path:
    """A small sample of a kind: fewer patients."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generated_phantom, "SPLITS", FEW)
        patch.setattr(generated_phantom, "CASES", 6)
        generate(directory, seed, variant)
    return directory


def table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def contents(directory: Path) -> dict[str, bytes]:
    return {file.relative_to(directory).as_posix(): file.read_bytes() for file in sorted(directory.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("variant", ["", "slices", "volumes", "dicom"])
def test_same_seed_same_files(variant: str, tmp_path: Path) -> None:
    first, again, other = (contents(written(tmp_path / name, variant, seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert first == again and first.keys() == other.keys() and first != other
    assert b"GENERATED" in first["GENERATED.txt"]


def test_patients_never_straddle_splits_and_every_finding_is_in_each(made: Path) -> None:
    splits, findings = defaultdict(set), defaultdict[str, Counter[str]](Counter)
    for row in table(made / "splits.csv"):
        splits[row["group"]].add(row["split"])
        findings[row["split"]][row["label"]] += 1
    assert all(len(found) == 1 for found in splits.values()) and len(splits) == 16
    assert set(findings) == set(FEW) and all(set(found) == set(FINDINGS) for found in findings.values())


def test_reports_name_the_finding_and_its_side(made: Path) -> None:
    """The patient's right lies on the left of a film."""
    sides = 0
    for row in table(made / "splits.csv"):
        captions = " ".join(captions_in(row["text"])).lower()
        assert ("nodule" in captions) is (row["label"] == "nodule")
        assert ("effusion" in captions or "fluid" in captions) is (row["label"] == "effusion")
        if row["label"] in ("nodule", "effusion"):
            lesion = np.asarray(Image.open(made / row["mask"])) == LESION
            if not lesion.any():  # a slice beside it
                continue
            columns = np.nonzero(lesion)[1]
            assert ("right" if columns.mean() < lesion.shape[1] / 2 else "left") in captions and not (
                "left" in captions and "right" in captions
            )
            sides += 1
    assert sides > 8


def test_masks_and_boxes_belong_to_their_images(made: Path) -> None:
    boxed = 0
    for row in table(made / "splits.csv"):
        image, mask = (np.asarray(Image.open(made / row[key])) for key in ("path", "mask"))
        assert image.shape == mask.shape and image.dtype == np.uint8 and 20 < image.mean() < 230 and image.std() > 20
        assert set(np.unique(mask)) <= set(range(len(ORGANS) + 1))
        lesion = mask == LESION
        assert lesion.any() <= (row["label"] in ("nodule", "effusion"))
        boxes = list(ElementTree.parse(made / row["boxes"]).iter("bndbox"))
        assert len(boxes) == int(lesion.any())
        for box in boxes:
            left, top, right, bottom = (int(box.findtext(key) or -1) for key in ("xmin", "ymin", "xmax", "ymax"))
            assert lesion[top:bottom, left:right].sum() == lesion.sum()
            assert lesion[top].any() and lesion[bottom - 1].any() and lesion[:, left].any() and lesion[:, right - 1].any()
            boxed += 1
    assert boxed >= 8


def test_a_film_shows_the_patients_right_on_the_left_and_the_head_above() -> None:
    for image in generated_phantom.films(0, 4):
        rows, columns = np.indices(image.mask.shape)
        middle = {organ: (rows[image.mask == organ].mean(), columns[image.mask == organ].mean()) for organ in (LUNG, HEART, LIVER)}
        half = image.mask.shape[1] / 2
        assert middle[HEART][1] > half > middle[LIVER][1], "the heart lies on the patient's left, the liver on the right"
        assert middle[LUNG][0] < middle[LIVER][0] and middle[LUNG][0] < middle[HEART][0]
        lungs, liver = image.pixels[image.mask == LUNG].mean(), image.pixels[image.mask == LIVER].mean()
        assert lungs < 0.7 * liver, "air is dark"


@pytest.mark.parametrize("finding", FINDINGS)
def test_findings_are_what_they_are_called(finding: str) -> None:
    for seed in range(6):
        made, normal = (phantom(VOLUME, np.random.default_rng(seed), np.random.default_rng(9 + seed), name) for name in (finding, "normal"))
        lesion = made.organs == LESION
        assert lesion.any() == (finding in ("nodule", "effusion"))
        assert not lesion.any() or (made.hounsfield[lesion] == 60).all()
        hearts = [int((one.organs == HEART).sum()) for one in (made, normal)]
        assert (hearts[0] > 1.3 * hearts[1]) == (finding == "large heart")
        if finding == "effusion":
            above = np.cumsum(lesion[:, :, ::-1], 2)[:, :, ::-1] > lesion
            assert not (above & (made.organs == LUNG)).any(), "there is air below the fluid"


def test_tissue_has_its_hounsfield_units() -> None:
    made = phantom(VOLUME, np.random.default_rng(0), np.random.default_rng(1), "normal")
    means = {organ: float(made.hounsfield[made.organs == organ].mean()) for organ in (LUNG, HEART, LIVER, SPINE)}
    assert -900 < means[LUNG] < -700 and 30 < means[HEART] < 60 < means[LIVER] + 10 < 90 and means[SPINE] > 250
    assert made.hounsfield[0, 0, 0] == -1000


def test_volumes_are_placed(tmp_path: Path) -> None:
    import nibabel

    directory = written(tmp_path, "volumes")
    rows = table(directory / "splits.csv")
    assert len(rows) == 6
    for row in rows:
        image, mask = (nibabel.load(directory / row[key]) for key in ("path", "mask"))
        assert image.shape == mask.shape == VOLUME and np.array_equal(image.affine, mask.affine)
        assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
        organs = np.asarray(mask.dataobj)
        heart = nibabel.affines.apply_affine(image.affine, np.argwhere(organs == HEART)).mean(0)
        assert heart[0] < -5 and heart[1] > 0, "the heart lies left and in front"


def test_an_export_is_what_another_reader_makes_of_it(tmp_path: Path) -> None:
    """SimpleITK puts the slices in order by themselves: the phantom comes out, at its place."""
    import SimpleITK

    directory = written(tmp_path, "dicom")
    labels = table(directory / "labels.csv")
    assert [row["label"] for row in labels] == list(FINDINGS) and not (directory / "splits.csv").exists()
    assert len([file for file in directory.rglob("IM*") if file.suffix == ""]) == 6 * VOLUME[2]
    folder = directory / labels[1]["path"]
    reader = SimpleITK.ImageSeriesReader()
    names = reader.GetGDCMSeriesFileNames(str(folder))
    assert list(names) != sorted(names), "names tell the order"
    reader.SetFileNames(names)
    volume = reader.Execute()
    expected, _ = generated_phantom.seen(3, 1, 0, VOLUME)
    stack = np.stack([axial(expected.hounsfield, place) for place in range(VOLUME[2])])
    np.testing.assert_allclose(SimpleITK.GetArrayFromImage(volume), stack.round().clip(-1024, 3071), atol=0.5)
    assert volume.GetSpacing() == pytest.approx(expected.spacing, rel=1e-4)
    middle = volume.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in volume.GetSize()])
    assert middle == pytest.approx((0, 0, 0), abs=1e-3)


def test_unknown_variants_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="variant 'pet': the generated sample comes as '' \\(films\\), 'slices', 'volumes'"):
        generate(tmp_path, variant="pet")
