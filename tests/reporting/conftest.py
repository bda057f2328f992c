"""One made run for all tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelfree.reporting import write_report
from tests.reporting.made import make_run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("made") / "run", pictures=True)
    write_report(folder)
    return folder


@pytest.fixture(scope="session")
def page(run_folder: Path) -> str:
    return (run_folder / "report.html").read_text(encoding="utf-8")
