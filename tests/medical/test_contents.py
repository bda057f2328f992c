"""What a folder holds as tables speak of it: modalities and series chosen, patients as groups, words for images, slices as rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from labelfree_medical.choice import mixture, several_series, summary
from labelfree_medical.contents import contents_of
from labelfree_medical.files.voxels import times
from labelfree_medical.slices import Slice
from labelfree_medical.stored import ImageFiles, Listing, NoImage, Untrusted

from labelfree.errors import DataError

ROOT = Path("/hospital")


def image(name: str, modality: str = "CT", kind: str = "volume", **known: str) -> ImageFiles:
    path = ROOT / name
    ids = {"patient": name[0], "study": f"study {name[0]}", "series": f"series {name}", **known}
    return ImageFiles(path, (path, path.with_name("z.dcm")) if kind == "volume" else (path,), kind, modality=modality, **ids)  # type: ignore[arg-type]


CT, MR, FILM = image("a/ct.dcm"), image("a/mr.dcm", "MR"), image("a/cr.dcm", "CR", "picture")


def rows_of(*images: ImageFiles, **chosen: tuple[str, ...]) -> list[str]:
    return [row.id for row in contents_of(ROOT, Listing(images), **chosen).rows]


def test_what_there_is_is_counted_by_modality_and_kind():
    cine = image("b/us.dcm", "US", "picture")
    assert summary([CT, CT, FILM]) == "2 CT and 1 CR"
    assert summary([cine, replace(cine, kind="volume")]) == "1 US pictures and 1 US volumes"
    assert summary([replace(CT, modality=""), replace(FILM, modality="")]) == "1 volumes and 1 pictures"


@pytest.mark.parametrize(
    ("images", "mixed"),
    [
        ((CT, CT), False),
        ((CT, MR), True),
        ((CT, FILM), True),
        ((FILM, image("b/dx.dcm", "DX", "picture")), False),  # projections look alike, whichever plate made them
        ((replace(CT, modality=""), CT), False),  # a NIfTI file does not say, and the unit will
        ((replace(CT, modality=""), replace(FILM, modality="")), True),
        ((), False),
    ],
)
def test_ct_mr_and_films_are_no_one_set(images, mixed):
    assert bool(mixture(ROOT, images)) is mixed


def test_the_sentence_on_a_mixture_names_the_keys_that_choose():
    sentence = mixture(ROOT, [CT, MR, FILM])
    assert sentence.endswith("choose with reader.modality=CT, reader.modality=MR, reader.modality=CR.")


def test_modality_and_series_choose():
    thin, thick = image("a/1.dcm", description="THIN 1.0", kernel="B70f"), image("a/2.dcm", description="thick", series="1.2.3")
    assert rows_of(CT, MR, FILM, modality=("mr", "CR")) == ["a/mr.dcm", "a/cr.dcm"]
    assert rows_of(CT, FILM, modality=("pictures",)) == ["a/cr.dcm"]
    for asked in ("thin*", "THIN 1.0", "b70f"):
        assert rows_of(thin, thick, series=(asked,)) == ["a/1.dcm"]
    assert rows_of(thin, thick, series=("1.2.3",)) == ["a/2.dcm"]


def test_a_choice_that_fits_nothing_tells_what_there_is():
    with pytest.raises(DataError, match=r"reader\.modality=US fits none of its images; there are 1 CT and 1 MR"):
        rows_of(CT, MR, modality=("US",))
    with pytest.raises(DataError, match=r"reader\.series=bone fits none.*'soft' \(1\)"):
        rows_of(replace(CT, description="soft"), series=("bone",))


def test_two_kernels_of_one_scan_are_told_and_only_the_log_quotes_descriptions():
    bone, soft = (image(f"a/{name}.dcm", description=name) for name in ("bone", "soft"))
    report, log = several_series([bone, soft])
    assert "2 volumes are several series each of 1 study" in report and "bone" not in report
    assert "'bone' (1)" in log
    assert several_series([bone, image("b/soft.dcm")]) == ("", "")


def test_groups_are_patients_in_however_many_studies():
    again = replace(image("b/later.dcm"), patient="a")
    groups = [row.group for row in contents_of(ROOT, Listing((CT, again, image("c/x.dcm")))).rows]
    assert groups == ["a", "a", "c"]


@pytest.mark.parametrize("patient", ["", "ANONYMOUS"])
def test_where_patients_tell_nobody_apart_groups_are_studies_and_it_is_said(patient):
    found = contents_of(ROOT, Listing((replace(CT, patient=patient), replace(image("b/x.dcm"), patient=patient))))
    assert [row.group for row in found.rows] == ["study a", "study b"]
    assert any("StudyInstanceUID" in note for note in found.notes)


def test_an_image_without_a_patient_is_of_the_patient_of_its_study():
    nameless = replace(image("a/x.dcm"), patient="")
    found = contents_of(ROOT, Listing((CT, nameless, replace(image("c/x.dcm"), patient=""))))
    assert [row.group for row in found.rows] == ["a", "a", "study c"]
    assert any("1 of 3 images have no PatientID" in note for note in found.notes)


def test_the_times_of_a_file_are_a_group_wherever_the_folder_lies():
    path = ROOT / "a/bold.nii.gz"
    found = contents_of(ROOT, Listing(times(path, 2)))
    assert {row.group for row in found.rows} == {"a/bold.nii.gz"} and path.as_posix() not in found.names


def test_images_that_share_a_mask_share_a_group():
    t1, t2, other = (ImageFiles(ROOT / f"{name}.nii.gz", (ROOT / f"{name}.nii.gz",), "volume") for name in ("a_t1", "a_t2", "b_t1"))
    drawn = [replace(t1, mask=ROOT / "a_seg.nii.gz"), replace(t2, mask=ROOT / "a_seg.nii.gz"), replace(other, mask=ROOT / "b_seg.nii.gz")]
    assert [row.group for row in contents_of(ROOT, Listing(tuple(drawn))).rows] == ["a_seg.nii.gz", "a_seg.nii.gz", None]


def bids(*names: str) -> list[ImageFiles]:
    return [ImageFiles(ROOT / name, (ROOT / name,), "volume") for name in names]


def test_subjects_of_bids_are_groups_over_their_sessions_and_it_is_said_without_their_names():
    named = bids("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz", "sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz", "sub-02/anat/sub-02_T1w.nii.gz")
    times_of = times(ROOT / "sub-02/func/sub-02_task-rest_bold.nii.gz", 2)
    found = contents_of(ROOT, Listing((*named, *times_of)))
    assert [row.group for row in found.rows] == ["sub-01", "sub-01", "sub-02", "sub-02", "sub-02"]
    assert [note for note in found.notes if "BIDS" in note] and not any("sub-0" in note for note in found.notes)
    in_folders = contents_of(ROOT, Listing(tuple(bids("sub-A1/t1.nii.gz", "sub-A1/ses-1/t2.nii.gz"))))
    assert [row.group for row in in_folders.rows] == ["sub-A1", "sub-A1"]


def test_slices_of_a_subject_stay_together_over_its_volumes():
    found = contents_of(ROOT, Listing(tuple(bids("sub-1_T1w.nii.gz", "sub-1_T2w.nii.gz"))), slices=lambda image: [Slice("axial", 0, 1)])
    assert [row.group for row in found.rows] == ["sub-1", "sub-1"]


@pytest.mark.parametrize("other", ["b/T1w.nii.gz", "subject-02_T1w.nii.gz", "sub-_T1w.nii.gz", "pre_sub-02_T1w.nii.gz"])
def test_where_any_name_has_no_subject_none_is_a_group(other):
    assert [row.group for row in contents_of(ROOT, Listing(tuple(bids("sub-01_T1w.nii.gz", other)))).rows] == [None, None]


def test_headers_name_patients_before_names_of_files_do():
    assert contents_of(ROOT, Listing((image("sub-07_ct.dcm", patient="p"),))).rows[0].group == "p"


def test_files_without_headers_have_no_group():
    bare = ImageFiles(ROOT / "a.png", (ROOT / "a.png",), "picture")
    assert contents_of(ROOT, Listing((bare,))).rows[0].group is None


def test_images_are_known_by_their_identifiers():
    found = contents_of(ROOT, Listing((CT, replace(MR, accession="77", instances=("1.2", "1.3")))), modality=("MR",))
    assert (
        found.names["77"] == found.names["1.2"] == found.names["1.3"] == found.names["a"] == found.names["series a/mr.dcm"] == ("a/mr.dcm",)
    )
    assert found.names["series a/ct.dcm"] == ()  # known, and left out


def test_the_file_of_a_cine_stands_for_all_its_frames():
    frames = tuple(replace(image("a/us.dcm", "US", "picture"), key=f"frame {number}", instances=("1.2",)) for number in (1, 2))
    assert contents_of(ROOT, Listing(frames)).names["a/us.dcm"] == ("a/us.dcm#frame 1", "a/us.dcm#frame 2")


def test_slices_are_rows_of_their_volume():
    found = contents_of(ROOT, Listing((CT,)), slices=lambda image: [Slice("axial", number, 2) for number in range(2)])
    assert [row.id for row in found.rows] == ["a/ct.dcm#~axial-1-of-2", "a/ct.dcm#~axial-2-of-2"]
    assert {row.group for row in found.rows} == {"a"} and len(found.names["a"]) == 2


def test_slices_of_a_file_without_headers_stay_together():
    files = [ImageFiles(ROOT / name, (ROOT / name,), "volume") for name in ("a.nii.gz", "b.nii.gz")]
    found = contents_of(ROOT, Listing(tuple(files)), slices=lambda image: [Slice("axial", number, 2) for number in range(2)])
    assert [row.group for row in found.rows] == ["a.nii.gz", "a.nii.gz", "b.nii.gz", "b.nii.gz"]


def test_what_is_no_image_is_told_by_its_reason_and_faults_by_their_file():
    aside = [NoImage((ROOT / f"{number}.dcm",), "a report (SR)") for number in range(5)]
    broken = Untrusted((ROOT / "b/1.dcm", ROOT / "b/2.dcm"), "b/1.dcm: a slice is missing.")
    found = contents_of(ROOT, Listing((CT,), tuple(aside), (broken,)))
    assert found.aside == ("5 files left aside, a report (SR): 0.dcm, 1.dcm, 2.dcm, ….",)
    assert found.faults == {"b/1.dcm": "b/1.dcm: a slice is missing."}
    assert {ROOT / "4.dcm", ROOT / "b/2.dcm", CT.files[1]} <= found.files


def test_classes_of_a_data_set_are_named_and_its_ignore_label_is_ignored():
    found = contents_of(ROOT, Listing((CT,), classes={1: "organ"}, ignore=3))
    assert found.classes == {"1": "organ", "3": "ignore"}
