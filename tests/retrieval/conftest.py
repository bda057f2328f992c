"""Pictures of three kinds, a network to look at them with, and the index of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import labelfree
from labelfree.progress import Silent
from labelfree.retrieval.opened_index import Index
from tests.selecting.conftest import folder, weights  # noqa: F401


@pytest.fixture
def made(folder: Path, weights: Path, tmp_path: Path) -> Index:  # noqa: F811
    """The index of the folder."""
    return labelfree.index(folder, weights, tmp_path / "made.index", say=Silent())
