import numpy as np

from labelfree.transfer.selection import Choice, Grid, best, choose, inner_folds

FOLDS = [(np.array([0, 1, 4, 5]), np.array([2, 3])), (np.array([2, 3, 4, 5]), np.array([0, 1])), (np.array([0, 1, 2, 3]), np.array([4, 5]))]
TARGETS = np.array([0, 1, 0, 1, 0, 1])


def test_ties_go_to_the_smaller_size_and_the_stronger_regularisation() -> None:
    easy = np.where(TARGETS[:, None] == 1, 1.0, -1.0) * np.ones((6, 3)) + 0.01 * np.arange(18).reshape(6, 3)
    for protocol, strongest in (("linear", 0.1), ("knn", 20.0)):
        choices = choose({64: easy, 32: easy}, (3,), TARGETS, 2, FOLDS, protocol, "accuracy", Grid())
        assert best(choices, [64, 32]) == Choice(32, "centre_l2", strongest, 1.0)


def test_the_better_size_wins_over_the_smaller() -> None:
    generator = np.random.default_rng(0)
    choices = choose(
        {32: generator.normal(size=(6, 3)), 64: np.eye(2)[TARGETS] + 0.0}, (3,), TARGETS, 2, FOLDS, "linear", "accuracy", Grid()
    )
    assert best(choices, [32, 64]).size == 64


def test_too_few_labels_take_the_recipe_s_defaults() -> None:
    assert inner_folds(np.array([0, 1]), np.array(["a", "b"]), seed=0) is None
    choices = choose({64: np.eye(2), 32: np.eye(2)}, (2,), np.array([0, 1]), 2, None, "linear", "accuracy", Grid())
    assert best(choices, [64, 32]) == Choice(64, "centre_l2", 10.0, None)  # the first size that the recipe names


def test_inner_folds_never_split_a_group() -> None:
    targets = np.repeat([0, 1], 12)
    groups = np.array([f"g{i // 3}" for i in range(24)])
    folds = inner_folds(targets, groups, seed=0)
    assert folds is not None
    assert len(folds) == 4
    for learn, judge in folds:
        assert not set(groups[learn]) & set(groups[judge])
