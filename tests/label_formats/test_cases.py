"""The cases of label formats below $LABELFREE_CASES: small data sets as tools export them, the right answer beside each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cases.case import cases_on_disk
from tests.label_formats.case_folders import SOURCES, LabelCase, source_of

CASES = [
    parameter
    for kind in ("labels", "inspection")
    for parameter in cases_on_disk(kind)
    if parameter.values[0] is None or source_of(parameter.values[0]) in SOURCES
]


@pytest.mark.parametrize("folder", CASES)
def test_case(folder: Path) -> None:
    case = LabelCase(folder)
    assert list(case.wrong()) == []


@pytest.mark.parametrize("folder", CASES)
def test_faults_are_named_where_the_case_ends_with_3_and_nowhere_else(folder: Path) -> None:
    """`data check` exits with 3 where there is a fault; what it says then must hold the words that the case asks for."""
    check = next(
        command
        for command in json.loads((folder / "expect.json").read_text(encoding="utf-8"))["commands"]
        if command["verb"] == "data check"
    )
    found = LabelCase(folder).found
    assert (3 if found.faults else 0) in check["exit"], found.faults
    said = "\n".join([*found.faults, *found.notes])
    for expression in check["says"]:
        assert re.search(expression, said, re.IGNORECASE), expression
    for expression in check["never"]:
        assert not re.search(expression, said, re.IGNORECASE), expression
