"""`benchmarks/volume_steps.py` in a tiny setting: a network is timed, and one that memory does not hold is told."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from labelfree.training.memory import OutOfMemory

pytest.importorskip("monai", reason="MONAI belongs to the extra `medical`", exc_type=ImportError)


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("volume_steps")


def test_a_step_is_timed_and_its_memory_grows_with_its_voxels(benchmark: ModuleType) -> None:
    small, large = (benchmark.measured("monai_dynunet_16", (side,) * 3, batch=1, steps=1) for side in (16, 32))
    assert float(small["parameters"]) == pytest.approx(3.53, abs=0.005) and float(small["seconds"]) > 0
    assert float(large["gigabytes"]) == pytest.approx(8 * float(small["gigabytes"]), rel=0.1)


def test_what_memory_does_not_hold_is_told_before_it_is_tried(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "bytes_for_a_step", lambda: 1e6)
    with pytest.raises(OutOfMemory, match=r"a step would keep .* GB; take a smaller --batch"):
        benchmark.measured("monai_dynunet_16", (16, 16, 16), batch=1, steps=1)
