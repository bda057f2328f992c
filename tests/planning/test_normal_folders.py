"""What `labelfree plan` says and writes for folders of good images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labelfree.transfer.tasks import task_names
from tests.data.fake_domain import write
from tests.planning.folders import pictures, planned, told

needs_anomaly = pytest.mark.skipif("anomaly" not in task_names(), reason="the task anomaly is not installed")


def benchmark(root: Path) -> Path:
    """Good ones to learn from; good and defective ones, with masks, to score."""
    pictures(root, [f"train/good/{n}.png" for n in range(8)] + [f"test/good/{n}.png" for n in range(3)], side=48)
    for n in range(3):
        pictures(root, [f"test/dent/{n}.png"], side=60 + n)  # no copies
        write(root / f"ground_truth/dent/{n}_mask.png", np.pad(np.full((9, 9), 255), ((10, 41 + n), (20, 31 + n))))
    return root


@needs_anomaly
def test_good_images_beside_unlabelled_ones_ask_for_anomalies(tmp_path: Path) -> None:
    pictures(tmp_path, [f"good/{n}.png" for n in range(16)] + [f"{n}.png" for n in range(24)], side=48)
    proposal = planned(tmp_path, "satellite")
    assert (proposal.recipe.evaluate.task, proposal.recipe.evaluate.protocols) == ("anomaly", ["coreset"])
    assert proposal.recipe.data.normal == "good"
    assert "normal images: 16 good, 24 unlabelled" in told(proposal) and "data.normal" in told(proposal)


@needs_anomaly
def test_good_ones_to_learn_from_and_defects_to_score(tmp_path: Path) -> None:
    proposal = planned(benchmark(tmp_path), "satellite")
    assert proposal.recipe.evaluate.task == "anomaly" and proposal.recipe.evaluate.on == "test"
    assert "normal images: 11 good, 3 not good" in told(proposal) and "test 6, train 8" in told(proposal)


def test_a_good_class_beside_others_stays_a_class_and_tells_of_anomalies(tmp_path: Path) -> None:
    pictures(tmp_path, [f"{kind}/{n}.png" for kind in ("good", "dent", "pit") for n in range(12)], side=48)
    proposal = planned(tmp_path, "satellite")
    assert proposal.recipe.evaluate.task in ("auto", "classification") and proposal.recipe.data.normal == "good"
    assert "classification into 3 classes" in proposal.text and "There are normal images too" in proposal.text
