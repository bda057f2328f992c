"""The acceptance cases below $LABELFREE_CASES: what people report in public, the right answer beside each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases.case import cases_on_disk, load_case
from tests.cases.checks import CHECKS, Done, judge
from tests.cases.steps import Shell, Workplace, as_typed, carry_out, in_this_process, needs_a_process

SATELLITE = cases_on_disk("satellite")


@pytest.fixture
def wrong_with(tmp_path, monkeypatch):
    """Carries a case out in folders of its own; what is not as expected, empty if all is."""

    def try_out(folder: Path, domain: str, shell: Shell) -> str:
        case = load_case(folder, domain, CHECKS)
        if shell is in_this_process and needs_a_process(case):
            pytest.skip("a step of it is killed, which `make test-all` does to a process")
        place = Workplace.of(case, tmp_path)
        monkeypatch.setenv("LABELFREE_CACHE", str(tmp_path / "cache"))
        monkeypatch.chdir(place.elsewhere)
        return judge(Done(case, place, carry_out(case, place, shell)))

    return try_out


@pytest.mark.parametrize("folder", SATELLITE)
def test_satellite(folder, wrong_with):
    if wrong := wrong_with(folder, "satellite", in_this_process):
        pytest.fail(wrong, pytrace=False)


@pytest.mark.slow  # every command in a process of its own, which imports everything again
@pytest.mark.parametrize("folder", SATELLITE)
def test_satellite_as_typed(folder, wrong_with):
    if wrong := wrong_with(folder, "satellite", as_typed):
        pytest.fail(wrong, pytrace=False)
