"""Our metrics equal torchmetrics', which averages over classes itself where tests/transfer has scikit-learn's and averages by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional import classification as theirs

from tests.transfer.classes import measure


def example(seed: int, rows: int, classes: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n, K) that tell something, and targets (n,) among which every class occurs."""
    generator = np.random.default_rng(seed)
    targets = np.concatenate([np.arange(classes), generator.integers(classes, size=rows)])
    scores = (generator.random((len(targets), classes)) + 0.5 * np.eye(classes)[targets]).astype(np.float32)
    scores /= 2  # torchmetrics takes numbers beyond 1 for logits, and squashes them
    return (np.round(scores, 1) if ties else scores), targets


@given(st.integers(0, 10_000), st.integers(4, 60), st.integers(2, 5), st.booleans())
def test_what_is_counted(seed: int, rows: int, classes: int, ties: bool) -> None:
    scores, targets = example(seed, rows, classes, ties)
    called, truth = torch.tensor(scores.argmax(1)), torch.tensor(targets)
    expected = {
        "accuracy": theirs.multiclass_accuracy(called, truth, classes, average="micro"),
        "balanced_accuracy": theirs.multiclass_recall(called, truth, classes, average="macro"),
        "macro_f1": theirs.multiclass_f1_score(called, truth, classes, average="macro"),
    }
    for metric, value in expected.items():
        assert measure(metric, scores, targets) == pytest.approx(float(value), abs=1e-6), metric


@given(st.integers(0, 10_000), st.integers(4, 60), st.integers(2, 5), st.booleans())
def test_the_area_under_the_curve(seed: int, rows: int, classes: int, ties: bool) -> None:
    """Of two classes that of the second; of more, one against the rest, averaged. Equal scores count half."""
    scores, targets = example(seed, rows, classes, ties)
    truth = torch.tensor(targets)
    if classes == 2:
        expected = theirs.binary_auroc(torch.tensor(scores[:, 1]), truth)
    else:
        expected = theirs.multiclass_auroc(torch.tensor(scores), truth, classes, average="macro")
    assert measure("auroc", scores, targets) == pytest.approx(float(expected), abs=1e-5)


@given(st.integers(0, 10_000), st.integers(4, 60), st.integers(2, 5))
def test_calibration(seed: int, rows: int, classes: int) -> None:
    scores, targets = example(seed, rows, classes, ties=False)
    shares = scores / scores.sum(1, keepdims=True)
    expected = theirs.multiclass_calibration_error(torch.tensor(shares), torch.tensor(targets), classes, n_bins=15, norm="l1")
    assert measure("ece", shares, targets) == pytest.approx(float(expected), abs=1e-5)
