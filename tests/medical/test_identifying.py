"""What DICOM writes of people is hidden by its form alone; what only looks like it stays."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelfree_medical import Medical

from labelfree.pipeline.confidential import keep_identifying
from labelfree.reporting import Anonymiser
from labelfree.reporting.anonymise import SALTED

UIDS = (
    "1.2.826.0.1.3680043.8.498.104", "2.25.72403744934860067225496978460057314", "1.3.6.1.4.1.14519.5.2.1.7009.9004.1",
    "1.3.46.670589.11.0.0.12", "1.2.276.0.7230010.3.1.4",
)  # fmt: skip
anonymiser = Anonymiser(b"salt", forms=Medical.identifying_forms)


@pytest.mark.parametrize("name", [*UIDS, "DOE^JOHN", "Müller^Anna^^Dr", "O'NEIL^MARY-ANN", "19700123", "20231131"])
@pytest.mark.parametrize("sentence", ["series {}: a slice is missing.", "{}", "({}), and others", "a/{}.dcm", "'{}' of 3"])
def test_what_identifies_by_its_form_is_hidden(sentence: str, name: str) -> None:
    shown = SALTED.sub("", anonymiser.text(sentence.format(name)))
    assert name not in shown and name[:6] not in shown, shown


@given(st.integers(1, 2**128).map(lambda number: f"2.25.{number}").filter(lambda uid: len(uid) >= 18))
def test_uids_made_from_uuids_are_hidden_and_always_alike(uid: str) -> None:
    first, second = anonymiser.text(f"of {uid}."), anonymiser.text(f"{uid} is there twice")
    assert uid not in first + second and SALTED.search(first)[0] == SALTED.search(second)[0]  # type: ignore[index]


@pytest.mark.parametrize(
    "sentence",
    ["transfer syntax 1.2.840.10008.1.2.4.90 needs pylibjpeg", "torch 2.14.0+cu121, numpy 1.26.4", "labelfree 0.1.0.dev3",
     "accuracy 0.12345678901234567", "10.0.0.1", "2022-07-01 10:17:05", "haze goes with wavelength^-4", "12,345,678 pixels", "x^2 + y^2",
     "run-20261127-181637", "20261127.5", "88888888 pixels", "seed=20240115"],
)  # fmt: skip
def test_versions_times_scores_and_the_standards_own_uids_stay(sentence: str) -> None:
    assert anonymiser.text(sentence) == sentence


def test_a_date_that_stands_alone_in_json_is_hidden_and_a_count_is_not() -> None:
    told = anonymiser.value({"born": "19700123", "n": "12345678", "steps": 19700123, "labels": "50"})
    assert SALTED.fullmatch(told.pop("born")) and told == {"n": "12345678", "steps": 19700123, "labels": "50"}


def test_uids_fill_no_list_and_names_of_people_are_kept_for_their_parts(tmp_path) -> None:
    folder = SimpleNamespace(private=tmp_path, recipe=SimpleNamespace(domain="medical"))
    keep_identifying(folder, [*UIDS, "DOE^JOHN", "ACC-99", "19700123"])  # type: ignore[arg-type]
    assert (tmp_path / "identifying.txt").read_text().split() == ["19700123", "ACC-99", "DOE^JOHN"]
    assert not any(re.search(form.pattern, "name-0123456789ab") for form in Medical.identifying_forms)
