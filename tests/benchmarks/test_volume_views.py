"""`benchmarks/volume_views.py` in a tiny setting: both sides make two different, normalised views of each volume, and a rate is told."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch

pytest.importorskip("monai", reason="MONAI belongs to the extra `medical`", exc_type=ImportError)
pytest.importorskip("nibabel")


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("volume_views")


def test_both_sides_make_the_same_views_and_are_timed(benchmark: ModuleType, tmp_path: Path) -> None:
    work = benchmark.Work(count=3, side=20, view=16, batch=2, batches=1)
    files = benchmark.written(work, tmp_path)
    for views in (next(benchmark.by_labelfree(work, files, tmp_path)), next(benchmark.by_monai(work, files))):
        assert type(views) is torch.Tensor and views.shape == (4, 1, 16, 16, 16) and views.isfinite().all()
        assert not torch.equal(views[:2], views[2:])
        assert views.mean((1, 2, 3, 4)).abs().max() < 0.7 and 0.5 < views.std() < 1.6
    again = tmp_path / "again"
    again.mkdir()
    told = benchmark.rates(work, again)
    assert set(told) == {"labelfree", "MONAI"} and min(told.values()) > 0
