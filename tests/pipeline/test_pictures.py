"""Pictures of a run cost no more than what they show."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from labelfree.domain import Row
from labelfree.pipeline.pictures import NEIGHBOURS, show_neighbours


def test_only_neighbours_that_are_shown_are_rendered(tmp_path: Path) -> None:
    """A folder may have thousands of labels."""
    drawn: list[int] = []

    def preview(sample: int) -> np.ndarray:
        drawn.append(sample)
        return np.full((8, 8, 3), sample, np.uint8)

    count = 40
    task = SimpleNamespace(caption=lambda row: f"image {row.id}")
    question = SimpleNamespace(train=np.arange(count), strata=[f"class {n % 2}" for n in range(count)], task=task)
    images = SimpleNamespace(rows=[Row(str(n), Path()) for n in range(count)], sample=lambda entry: entry)
    inputs: Any = SimpleNamespace(question=question, images=images, domain=SimpleNamespace(preview=preview))
    line = np.arange(count, dtype=np.float32)[:, None]
    show_neighbours(
        inputs, {"imagenet": np.hstack([np.cos(line / count), np.sin(line / count)])}, cast(Any, SimpleNamespace(path=tmp_path))
    )
    assert len(drawn) == 2 * (NEIGHBOURS + 1) and set(drawn) >= {0, 1} and (tmp_path / "neighbours.json").is_file()
