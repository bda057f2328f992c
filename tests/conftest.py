"""Fixtures every test may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Folder of a real data set under $LABELFREE_DATA; the test is skipped where that is not set."""

    def folder(name: str) -> Path:
        base = os.environ.get("LABELFREE_DATA")
        if not base:
            pytest.skip("LABELFREE_DATA is not set")
        found = Path(base) / name
        assert found.is_dir(), f"LABELFREE_DATA is set, but {found} is missing"
        return found

    return folder
