"""Fixtures of tests of the medical domain."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder of one test alone: headers that were read before would hide how files are read."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LABELFREE_CACHE", str(folder))
    return folder
