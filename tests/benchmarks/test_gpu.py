"""`benchmarks/gpu.py` from a checkout that nobody installed, on a processor: its small form, part by part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labelfree.objectives.registry import objective_names

TOP = Path(__file__).parents[2]
OBJECTIVES = set(objective_names())


def benchmark(folder: Path, *parts: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON and output of the command, in a folder of its own and without the test's paths."""
    told = [argument for part in parts for argument in ("--part", part)]
    command = [sys.executable, str(TOP / "benchmarks" / "gpu.py"), "--small", "--out", str(folder / "gpu.json"), *told]
    around = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(command, cwd=folder, env=around, capture_output=True, text=True, timeout=600)
    return ended.returncode, json.loads((folder / "gpu.json").read_text()), ended.stdout + ended.stderr


@pytest.mark.slow
def test_a_part_that_fails_is_recorded_and_the_next_goes_on(tmp_path: Path) -> None:
    """Takes up to 20 s: a process imports torch and Lightning."""
    (tmp_path / "lightly").mkdir()
    (tmp_path / "lightly" / "__init__.py").write_text("raise ValueError('broken')\n")
    command = [
        sys.executable,
        str(TOP / "benchmarks" / "gpu.py"),
        "--small",
        "--wheels",
        str(tmp_path),
        "--out",
        str(tmp_path / "gpu.json"),
    ]
    parts = ["--part", "speed", "--part", "views", "--part", "synchronisations", "--part", "embedding"]
    ended = subprocess.run([*command, *parts], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    result = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert ended.returncode == 1 and "failed: speed." in ended.stdout
    assert not result["speed"]["ok"] and "broken" in result["speed"]["error"]
    assert result["views"]["ok"] and result["views"]["largest_difference"] == 0
    assert result["synchronisations"] == {**result["synchronisations"], "ok": True, "counted": False}
    assert result["embedding"]["ok"] and result["embedding"]["images_per_s"] > 0 and result["embedding"]["knn_queries_per_s"] > 0


def test_a_part_that_nobody_knows_is_refused_before_any_begins(tmp_path: Path) -> None:
    command = [sys.executable, str(TOP / "benchmarks" / "gpu.py"), "--small", "--part", "views", "--part", "speeds"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 2 and not list(tmp_path.iterdir())
    assert (
        ended.stdout == "--part: there is no part speeds; parts are agreement, views, resume, speed, synchronisations, embedding, masks.\n"
    )


@pytest.mark.slow
def test_the_small_form_passes_on_a_processor(tmp_path: Path) -> None:
    """About a minute: every objective, three processes that train, two networks that are timed."""
    code, result, output = benchmark(tmp_path)
    assert code == 0, output
    assert "expected about a minute on a processor" in output and "all parts passed" in output
    assert result["machine"]["card"].startswith("no GPU") and result["machine"]["torch"]
    parts = result["parts"]
    assert list(parts) == ["agreement", "views", "resume", "speed", "synchronisations", "embedding", "masks"]
    assert all(part["ok"] and part["seconds"] >= 0 for part in parts.values())
    assert set(parts["agreement"]["objectives"]) == OBJECTIVES
    for precisions in parts["agreement"]["objectives"].values():
        assert precisions["fp32"]["differ"] == {"loss": 0, "gradients": 0}
        assert all(share <= precisions["bf16"]["allowed"][what] for what, share in precisions["bf16"]["differ"].items())
    for case in parts["resume"]["cases"].values():
        assert case["equal"] and 0 < case["killed_at"] < case["steps"] and case["not_deterministic"] == []
    for key in ("resnet18 at 32", "vit_tiny_patch16_224 at 32"):
        timed = parts["speed"][key]
        assert timed["bare"]["samples_per_s"] > 0 and timed["two_views"]["samples_per_s"] > 0 and timed["share_of_bare"] > 0
