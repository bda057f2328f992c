import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.preprocessing import StandardScaler, normalize

from labelfree.transfer.protocols import find_protocol, prepare
from labelfree.transfer.protocols.knn import TEMPERATURE
from labelfree.transfer.protocols.linear import span
from tests.transfer.classes import classes as of_classes


def blobs(rows: int, width: int, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    targets = np.arange(rows) % classes
    means = np.random.default_rng(99).normal(size=(classes, width))
    return (generator.normal(size=(rows, width)) + 0.7 * means[targets]).astype(np.float32), targets


@pytest.mark.parametrize("kind", ["centre_l2", "standardise"])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_projected_regression_has_the_solution_of_the_whole_one(kind: str, classes: int) -> None:
    learn, targets = blobs(40, 300, classes)
    judge, _ = blobs(25, 300, classes, seed=1)
    preparation = prepare(kind, learn, (300,))
    (fit,) = find_protocol("linear").path(preparation(learn), of_classes(targets, classes), preparation(judge), [10.0])
    whole = LogisticRegression(C=10.0, tol=1e-9, max_iter=10_000).fit(preparation(learn), targets)
    assert fit.converged
    np.testing.assert_allclose(fit.output, whole.predict_proba(preparation(judge)), atol=2e-3)  # scikit-learn's tolerance, 1e-4


def test_projection_keeps_every_inner_product() -> None:
    learn, _ = blobs(40, 300)
    rows = prepare("standardise", learn, (300,))(learn)
    basis = span(rows)
    assert basis is not None
    assert basis.shape[1] == 39  # centred rows span one dimension less than their number
    np.testing.assert_allclose(basis.T @ basis, np.eye(39), atol=1e-9)
    np.testing.assert_allclose((rows @ basis) @ (rows @ basis).T, rows @ rows.T, atol=1e-10)
    assert span(blobs(40, 10)[0]) is None


@pytest.mark.parametrize("k", [1, 5, 20])
def test_neighbours_equal_scikit_learn(k: int) -> None:
    learn, targets = blobs(60, 12)
    judge, _ = blobs(30, 12, seed=1)
    oracle = KNeighborsClassifier(k, metric="cosine", weights=lambda distance: np.exp((1 - distance) / TEMPERATURE)).fit(learn, targets)
    (fit,) = find_protocol("knn").path(learn, of_classes(targets, 4), judge, [float(k)])
    np.testing.assert_allclose(fit.output, oracle.predict_proba(judge), atol=1e-5)


@pytest.mark.parametrize("kind", ["centre_l2", "standardise"])
def test_nearest_means_equal_scikit_learns_centroids(kind: str) -> None:
    learn, targets = blobs(60, 12)
    judge, _ = blobs(30, 12, seed=1)
    preparation = prepare(kind, learn, (12,))
    rows, asked = preparation(learn), preparation(judge)
    centroids = NearestCentroid().fit(normalize(rows), targets).centroids_
    cosine = cosine_similarity(asked, centroids)
    protocol = find_protocol("nearest_mean")
    (fit,) = protocol.path(rows, of_classes(targets, 4), asked, protocol.settings)
    np.testing.assert_array_equal(fit.output.argmax(1), cosine.argmax(1))
    odds = np.log(fit.output[:, 1:] / fit.output[:, :1])
    np.testing.assert_allclose(odds, (cosine[:, 1:] - cosine[:, :1]) / TEMPERATURE, atol=1e-9)
    tensors = protocol.fit(rows, of_classes(targets, 4), protocol.settings)
    np.testing.assert_allclose(protocol.outputs(tensors, torch.from_numpy(asked).float()), fit.output, atol=1e-5)


def test_more_neighbours_than_rows_are_all_rows() -> None:
    learn, targets = blobs(8, 12)
    twenty, eight = find_protocol("knn").path(learn, of_classes(targets, 4), learn, [20.0, 8.0])
    np.testing.assert_array_equal(twenty.output, eight.output)


@pytest.mark.parametrize("protocol", ["knn", "nearest_mean", "linear"])
def test_a_class_without_rows_is_never_called(protocol: str) -> None:
    learn, targets = blobs(20, 12, classes=2)
    learner = find_protocol(protocol)
    for fit in learner.path(learn, of_classes(targets * 2, 4), learn, learner.settings):
        assert (fit.output[:, [1, 3]] == 0).all()
        np.testing.assert_allclose(fit.output.sum(1), 1)
    (only,) = learner.path(learn, of_classes(np.full(20, 3), 4), learn, [1.0])
    assert (only.output.argmax(1) == 3).all()


def test_standardising_equals_scikit_learn_up_to_the_common_scale() -> None:
    learn, _ = blobs(30, 12)
    learn[:, 3] = 5  # a dead dimension stays finite
    judge, _ = blobs(10, 12, seed=1)
    expected = StandardScaler().fit(learn).transform(judge.astype(np.float64)) / np.sqrt(12)
    np.testing.assert_allclose(prepare("standardise", learn, (12,))(judge), expected, atol=1e-5)


def test_blocks_weigh_the_same_however_large_their_numbers() -> None:
    learn, _ = blobs(30, 12)
    wide = np.concatenate([learn, 1000 * learn[:, :4]], 1)
    rows = prepare("centre_l2", wide, (12, 4))(wide)
    np.testing.assert_allclose((rows[:, :12] ** 2).sum(1), 0.5)
    np.testing.assert_allclose((rows[:, 12:] ** 2).sum(1), 0.5)


def test_a_solver_that_is_stopped_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelfree.transfer.protocols.linear.MOST_STEPS", 1)
    learn, targets = blobs(40, 12)
    (fit,) = find_protocol("linear").path(learn, of_classes(targets, 4), learn, [1000.0])
    assert not fit.converged
