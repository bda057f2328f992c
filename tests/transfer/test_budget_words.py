"""Where labelled rows are slices of volumes a budget counts slices, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelfree.domain import PART, Row
from labelfree.transfer.tasks.base import Task
from labelfree.transfer.tasks.classification import Classification
from labelfree.transfer.tasks.segmentation import Segmentation


def rows(key: str) -> list[Row]:
    return [Row(f"a.nii.gz#{key}", Path("a.nii.gz"), label="x", mask="m.nii.gz", key=key), Row("b.nii.gz", Path("b.nii.gz"))]


@pytest.mark.parametrize(
    ("task", "plain", "sliced"),
    [(Classification(), "5 labels a class", "5 labelled slices a class"), (Segmentation(), "5 labelled images", "5 labelled slices")],
)
def test_a_budget_of_slices_says_so(task: Task, plain: str, sliced: str) -> None:
    assert task.counting(rows("time[1]")).words.budget.of(5) == plain
    spoken = task.counting(rows(f"{PART}axial-1-of-9")).words.budget
    assert spoken.of(5) == sliced and spoken.of("all") == "all labelled slices"
    assert spoken.of(1) == sliced.replace("5", "1").replace("slices", "slice")
    assert task.words.budget.of(5) == plain  # of others it speaks as before
