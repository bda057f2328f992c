"""What `labelfree plan` says and writes for folders of good images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import labelfree
from labelfree.progress import Silent
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


@needs_anomaly
def test_the_claim_of_few_good_images_has_a_threshold(tmp_path: Path) -> None:
    """One image holds none of its patches out, so nothing would be known of false alarms."""
    pictures(tmp_path, [f"good/{n}.png" for n in range(16)] + [f"{n}.png" for n in range(24)], side=48)
    proposal = planned(tmp_path, "satellite")
    assert proposal.recipe.evaluate.primary.budget == "all" and proposal.recipe.evaluate.labels_per_class == [1, "all"]
    assert "there are 8 normal images to learn from" in proposal.text
    assert "not defined while every image to score is normal" in proposal.text


@needs_anomaly
def test_anomalous_images_to_learn_from_are_told_to_choose_nothing(tmp_path: Path) -> None:
    root = benchmark(tmp_path)
    pictures(root, [f"train/dent/{n}.png" for n in range(4)], side=70)
    proposal = labelfree.plan(root, "satellite", overrides=["evaluate.task=anomaly"], say=Silent())
    assert "4 of 12 labelled images are not normal: none is learned from, and they choose nothing; only those of test are scored." in told(
        proposal
    )
    assert "There are classes too" in proposal.text
