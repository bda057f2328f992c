"""The acceptance cases below $LABELFREE_CASES/medical: read, checked and planned as a person types it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from labelfree_medical import Medical

import labelfree
from labelfree.data.manifest import load_manifest
from labelfree.errors import LabelfreeError
from labelfree.recipe import Data
from tests.cases.case import cases_on_disk
from tests.medical.expected import Case, mask_apart, wrong_with

CASES = cases_on_disk("medical")


@pytest.fixture(params=CASES)
def case(request, tmp_path, monkeypatch) -> Case:
    monkeypatch.setenv("LABELFREE_CACHE", str(tmp_path / "cache"))
    return Case.of(request.param)


def manifest_of(case: Case, domain: Medical):
    return load_manifest(Data(root=case.root, labels=case.labels), domain)


def test_every_image_is_there_as_it_is(case):
    """Files, voxels, affine and spacing of each, and nothing else is an image."""
    domain = Medical()
    rows = manifest_of(case, domain).rows
    wrong = []
    for entry in case.stored["images"]:
        row = case.row_of(entry, rows)
        if row is None:
            wrong.append(f"{entry['files'][0]}: is no image among {[row.id for row in rows]}")
            continue
        sample = domain.read(row)
        if what := wrong_with(sample, entry, case.truth(entry), case.stored.get("scale_or")):
            wrong.append(f"{entry['files'][0]}: {what}")
        if entry.get("label") is not None and str(entry["label"]) != row.label:
            wrong.append(f"{entry['files'][0]}: labelled {row.label}, expected {entry['label']}")
        if entry.get("split", row.split) != row.split:
            wrong.append(f"{entry['files'][0]}: in split {row.split!r}, expected {entry['split']!r}")
    assert not wrong, "\n".join(wrong)
    assert len(rows) == len(case.stored["images"]), [row.id for row in rows]


def test_a_file_alone_gives_its_image(case):
    """`labelfree.read` of any file of an image gives all of it."""
    for entry in case.stored["images"]:
        for name in {entry["files"][0], entry["files"][-1]}:
            path = str(case.data / name) + (f"#{entry['key']}" if "key" in entry else "")
            sample = labelfree.read(path, domain="medical")
            assert not wrong_with(sample, entry, case.truth(entry), case.stored.get("scale_or")), name


def test_groups_are_patients(case):
    """Equal letters share a group, others do not."""
    rows = manifest_of(case, Medical()).rows
    known = [(entry["group"], case.row_of(entry, rows)) for entry in case.stored["images"] if "group" in entry]
    pairs = {(letter, row.group) for letter, row in known if row is not None}
    assert len(pairs) == len({letter for letter, _ in pairs}) == len({group for _, group in pairs})


def test_masks_lie_in_their_place(case):
    domain = Medical()
    manifest = manifest_of(case, domain)
    for mask in case.stored["masks"]:
        entry = case.stored["images"][mask["image"]]
        row = case.row_of(entry, manifest.rows)
        assert row is not None and row.mask is not None
        sample = domain.read(row)
        placed = domain.read_targets(row, sample).mask
        assert placed is not None
        truth = np.load(case.folder / mask["truth"])
        found = placed.numpy()
        found = np.where(found == 255, 1, found)  # as drawing programs save the one class that there is
        assert mask_apart(found, sample, entry, truth) == 0, mask["file"]


def test_data_check_says_what_is_wrong_and_nothing_else(case):
    stored = case.stored
    overrides = {} if case.labels is None else {"data.labels": str(case.labels)}
    found = labelfree.check_data(case.root, overrides, "medical")
    text = "\n".join(found.lines())
    assert bool(found.faults) == stored["fault"], text
    wanted = [*stored["says"], *(each["says"] for each in (*stored["skipped"], *stored["refused"]) if "says" in each)]
    if not any("recipe" in each for each in stored["never"]):  # what only `plan` says
        assert not [pattern for pattern in wanted if not re.search(pattern, text, re.IGNORECASE)], text
    for each in (*stored["skipped"], *stored["refused"]):
        assert any(name.rsplit("/", 1)[-1] in text for name in each["files"]), text


def test_plan_proposes_a_recipe_or_says_why_not(case, tmp_path):
    """Never a traceback; what it proposes is a recipe that is fine."""
    try:
        proposal = labelfree.plan(case.root, "medical", case.labels)
    except LabelfreeError as error:
        assert re.search(r"reader\.|label|image", str(error))
        return
    file = proposal.write(tmp_path / "planned.yaml")
    labelfree.check_recipe(file)
    if case.stored["case"] == "laterality-labels":
        assert re.search("left|side|lateral", proposal.text)
    text = "\n".join(proposal.lines())
    for number in (each["value"] for each in case.stored["never"] if "value" in each):
        assert f"{number:,}" not in text


def test_rows_of_mixed_sets_are_chosen_by_a_key():
    folder = next((param.values[0] for param in CASES if param.id == "mixed-modalities"), None)
    if folder is None:
        pytest.skip("LABELFREE_CASES is not set")
    root = folder / "data"
    with pytest.raises(LabelfreeError, match=r"3 CR, 3 CT and 3 MR, .*reader\.modality=CT"):
        labelfree.plan(root, "medical")
    assert len(Medical(modality="MR").contents(root).rows) == 3
    with pytest.raises(LabelfreeError, match=r"reader\.modality=US fits none"):
        Medical(modality="US").contents(root)
