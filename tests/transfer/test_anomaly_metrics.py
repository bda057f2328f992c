"""AUROC, AP, AUPRO and pixel AP of anomalies against plain definitions, with every pixel held, and under weights of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter, label
from sklearn.metrics import average_precision_score, roc_auc_score

from labelfree.domain import IGNORE
from labelfree.transfer.tasks.anomaly import Anomaly, Verdicts
from labelfree.transfer.tasks.weights import Weights


@dataclass(frozen=True)
class Told:
    """Scores and maps as a head gives them."""

    scores: Sequence[float]
    heats: Sequence[np.ndarray]

    def __len__(self) -> int:
        return len(self.scores)

    def score(self, at: int) -> float:
        return float(self.scores[at])

    def heat(self, at: int) -> np.ndarray:
        return self.heats[at]


def images(count: int, seed: int = 0, side: int = 40) -> tuple[Told, Verdicts, list[np.ndarray]]:
    """Every second image has one or two squares that score higher, by chance by little; all maps are smooth noise besides."""
    draw = np.random.default_rng(seed)
    truths, heats = [], []
    for at in range(count):
        truth = np.zeros((side, side), np.int8)
        if at % 2:
            for _ in range(1 + at % 3 // 2):
                top, left, size = *draw.integers(0, side - 10, 2).tolist(), int(draw.integers(3, 10))
                truth[top : top + size, left : left + size] = 1
        noise = gaussian_filter(draw.normal(size=truth.shape), 2)
        heats.append((1 + noise / noise.std() * 0.3 + draw.uniform(0.2, 1.5) * truth).astype(np.float32))
        truths.append(truth)
    verdicts = Verdicts(np.arange(count), 2, np.arange(count) % 2 == 1, np.ones(count, bool), load=lambda entry: truths[entry])
    return Told([float(heat.max()) for heat in heats], heats), verdicts, truths


def aupro(heats: Sequence[np.ndarray], truths: Sequence[np.ndarray], limit: float = 0.3) -> float:
    """Every pixel's score is a threshold: mean overlap of connected regions over the false-positive rate, up to a limit."""
    regions = [
        (heat[marked == at])
        for heat, truth in zip(heats, truths, strict=True)
        for marked, n in [label(truth == 1, np.ones((3, 3)))]
        for at in range(1, n + 1)
    ]
    normal = np.concatenate([heat[truth == 0] for heat, truth in zip(heats, truths, strict=True)])
    steps = np.unique(np.concatenate([*regions, normal]))[::-1]
    rate = 1 - np.searchsorted(np.sort(normal), steps) / len(normal)
    overlap = np.mean([1 - np.searchsorted(np.sort(region), steps) / len(region) for region in regions], 0)
    x, y = np.concatenate([[0], rate]), np.concatenate([[0], overlap])
    inside = x <= limit
    edge = np.interp(limit, x, y)
    return float(np.trapezoid(np.append(y[inside], edge), np.append(x[inside], limit)) / limit)


def test_all_four_are_what_they_are_called() -> None:
    told, verdicts, truths = images(24)
    answers = Anomaly().answers(told, verdicts)
    values = {name: metric.value(answers) for name, metric in Anomaly().metrics_of(verdicts).items()}
    assert_allclose(values["auroc"], roc_auc_score(verdicts.anomalous, told.scores), rtol=1e-12)
    assert_allclose(values["ap"], average_precision_score(verdicts.anomalous, told.scores), rtol=1e-12)
    assert_allclose(values["aupro"], aupro(told.heats, truths), atol=3e-3)
    flat = [np.concatenate([each.ravel() for each in many]) for many in (truths, told.heats)]
    assert_allclose(values["pixel_ap"], average_precision_score(*flat), atol=5e-3)


def test_a_curve_tells_what_is_found_at_each_rate_of_false_alarms() -> None:
    answers = pa.table({"score": [1.0, 2.0, 3.0, 4.0], "anomalous": [False, True, False, True]})
    curve = Anomaly().roc(answers)
    assert curve is not None and (curve[0], curve[49], curve[50], curve[100]) == (0.5, 0.5, 1.0, 1.0)
    assert Anomaly().roc(answers.slice(3)) is None


@pytest.mark.parametrize("name", ["auroc", "ap", "aupro", "pixel_ap"])
def test_a_weight_of_two_is_the_image_twice(name: str) -> None:
    told, verdicts, _ = images(12)
    answers, draw = Anomaly().answers(told, verdicts), np.random.default_rng(1)
    counts = draw.integers(0, 3, (20, 12))
    metric = Anomaly.metrics[name]
    weighed = metric(answers, Weights(counts, np.arange(12)))
    repeated = [metric.value(answers.take(np.repeat(np.arange(12), of))) for of in counts]
    assert_allclose(weighed, repeated, rtol=1e-9)


def test_what_nobody_knows_and_what_is_not_measured_counts_nowhere() -> None:
    told, verdicts, truths = images(12)
    metrics = Anomaly().metrics_of(verdicts)
    heats, hidden = [heat.copy() for heat in told.heats], [truth.copy() for truth in truths]
    for heat, truth in zip(heats, hidden, strict=True):
        heat[:, :10] = np.nan
        truth[:10] = np.where(truth[:10] == 1, 1, IGNORE)
    blind = Verdicts(verdicts.values, 2, verdicts.anomalous, verdicts.outlined, load=lambda entry: hidden[entry])
    answers = Anomaly().answers(Told(told.scores, heats), blind)
    cropped = [
        (heat[np.isfinite(heat) & known], truth[np.isfinite(heat) & known])
        for heat, truth, known in zip(
            heats, hidden, [(t != IGNORE) | ~a for t, a in zip(hidden, verdicts.anomalous, strict=True)], strict=True
        )
    ]
    marked = np.concatenate([np.where(truth == IGNORE, 0, truth) for _, truth in cropped])
    assert_allclose(
        metrics["pixel_ap"].value(answers), average_precision_score(marked, np.concatenate([heat for heat, _ in cropped])), atol=5e-3
    )


def test_without_anything_outlined_pixels_are_not_asked() -> None:
    told, verdicts, _ = images(8)
    blind = Verdicts(verdicts.values, 2, verdicts.anomalous, ~verdicts.anomalous)
    assert list(Anomaly().metrics_of(blind)) == ["auroc", "ap"]
    answers = Anomaly().answers(Told(told.scores, []), blind)  # no map is made
    assert answers["overlap"].null_count == len(answers)


def test_of_normal_images_alone_nothing_is_defined() -> None:
    told, verdicts, _ = images(8)
    answers = Anomaly().answers(Told(told.scores[::2], told.heats[::2]), verdicts[np.arange(0, 8, 2)])
    assert np.isnan([metric.value(answers) for metric in Anomaly.metrics.values()]).all()
    assert Anomaly().lacking(answers) == "no scored image is anomalous"


def test_answers_of_several_heads_are_joined_whatever_their_steps() -> None:
    told, verdicts, truths = images(24)
    halves = [np.arange(0, 12), np.arange(12, 24)]
    parts = [Anomaly().answers(Told([told.scores[at] for at in half], [told.heats[at] for at in half]), verdicts[half]) for half in halves]
    assert_allclose(Anomaly.metrics["aupro"].value(pa.concat_tables(parts)), aupro(told.heats, truths), atol=0.03)


def test_a_threshold_comes_from_normal_images_alone() -> None:
    scores, anomalous = np.array([1.0, 2.0, 3.0, 4.0, 9.0]), np.array([False, False, False, False, True])
    answers = pa.table({"score": scores, "anomalous": anomalous})
    alarms = Anomaly().alarms(answers, 1, np.arange(5))
    assert alarms.threshold(0.25) == 3.5 and alarms.threshold(1.0) == 0.0
    assert 4.0 < (alarms.threshold(0.0) or 0) < 4.0001
    counts = alarms.at(3.5)
    assert (counts.missed, counts.positives, counts.false_alarms, counts.negatives) == (0, 1, 1, 4)
    assert Anomaly().alarms(answers.slice(4), 1, np.arange(1)).threshold(0.1) is None
