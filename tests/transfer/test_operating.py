"""Thresholds keep what they were set for, and their shares have exact intervals."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from labelfree.errors import RecipeError
from labelfree.progress import Silent
from labelfree.recipe import Evaluate, Primary
from labelfree.transfer.alarms import BinaryAlarms, Counts
from labelfree.transfer.claims import save_claims
from labelfree.transfer.comparison import answer
from labelfree.transfer.operating import Share
from labelfree.transfer.setup import alarm_rule
from labelfree.transfer.tasks import find_task

SETTINGS = Evaluate(
    arms=["imagenet", "imagenet+domain"], labels_per_class=[1, 6], draws=3, protocols=["linear"], max_false_alarms=0.2,
    primary=Primary(budget=6, metric="auroc"),
)  # fmt: skip


@given(st.integers(0, 80), st.integers(1, 80))
def test_shares_have_the_exact_bounds_of_scipy(count: int, more: int) -> None:
    whole = count + more - 1 or 1
    count = min(count, whole)
    share, both = Share.of(count, whole), binomtest(count, whole).proportion_ci(0.95, "exact")
    assert (share.low, share.high) == pytest.approx((both.low, both.high), abs=1e-9)
    assert share.at_most == pytest.approx(binomtest(count, whole, alternative="less").proportion_ci(0.95, "exact").high, abs=1e-9)


def test_none_of_forty_missed_is_at_most_seven_per_cent() -> None:
    assert Share.of(0, 40).at_most == pytest.approx(0.072, abs=5e-4)
    assert Share.of(3.5, 40).low < Share.of(4, 40).low < 0.1 < Share.of(3.5, 40).high  # means over draws too


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 30), st.floats(0, 1), st.booleans())
def test_a_threshold_allows_no_more_false_alarms_than_asked_and_no_fewer(
    seed: int, positives: int, negatives: int, most: float, ties: bool
) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.random(positives + negatives)
    scores = np.round(scores, 1) if ties else scores
    alarms = BinaryAlarms(scores, np.arange(len(scores)) < positives)
    threshold = alarms.threshold(most)
    assert threshold is not None
    false = alarms.at(threshold).false_alarms
    assert false <= most * negatives + 1e-6
    quieter = scores[positives:][scores[positives:] < threshold]
    if len(quieter):  # the next negative would be one too many
        assert alarms.at(float(quieter.max())).false_alarms > most * negatives - 1e-6
    missed = [(score, score < threshold) for score in scores[:positives]]
    assert alarms.at(threshold).missed == sum(low for _, low in missed)


def test_groups_score_as_high_as_their_highest_image() -> None:
    groups = np.array([0, 0, 1, 1, 2, 3])
    scores = np.array([0.1, 0.9, 0.3, 0.2, 0.8, 0.4])
    positive = np.array([False, True, False, False, False, True])
    alarms = BinaryAlarms.of(scores, positive, groups)
    np.testing.assert_array_equal(alarms.scores, [0.9, 0.3, 0.8, 0.4])
    np.testing.assert_array_equal(alarms.positive, [True, False, False, True])
    assert alarms.at(0.5) == Counts(missed=1, positives=2, false_alarms=1, negatives=2, raised=1)
    assert alarms.threshold(0.0) == pytest.approx(0.85)
    assert alarms.threshold(0.5) == pytest.approx(0.35)
    assert alarms.threshold(1.0) == 0.0


def test_scores_of_single_precision_are_compared_as_they_are() -> None:
    scores = np.ones(3, np.float32)  # the next number above 1 is 1 in single precision
    alarms = BinaryAlarms.of(scores, np.array([True, False, False]), np.arange(3))
    threshold = alarms.threshold(0.0)
    assert threshold is not None and alarms.at(threshold).false_alarms == 0


def test_without_negatives_there_is_nothing_to_set_a_threshold_by() -> None:
    assert BinaryAlarms(np.array([0.3, 0.6]), np.array([True, True])).threshold(0.1) is None


def test_nothing_is_called_where_every_negative_is_certain() -> None:
    alarms = BinaryAlarms(np.array([1.0, 1.0]), np.array([False, True]))
    threshold = alarms.threshold(0.0)
    assert threshold is not None and alarms.at(threshold) == Counts(1, 1, 0, 1, 0)


def test_both_arms_are_told_at_thresholds_of_their_own(ask, made_up, entries, run_folder) -> None:
    """Counts again from results.csv and predictions.parquet, draw by draw."""
    import pyarrow.parquet as pq

    question, folder = ask(classes=2), run_folder(SETTINGS)
    arms = [made_up(arm, question.targets.values, strength) for arm, strength in (("imagenet", 0.1), ("imagenet+domain", 0.3))]
    answer(question, arms, SETTINGS, entries(105), folder, Silent())
    save_claims(folder)
    claims = json.loads((folder / "claims.json").read_text())
    with (folder / "results.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == "auroc" and row["flags"] != "envelope" and row["budget"] == "6"]
    table = pq.read_table(folder / "predictions.parquet").to_pandas()
    for told, arm in zip(claims["operating"], ("imagenet+domain", "imagenet"), strict=True):
        misses, false = [], []
        for row in (row for row in rows if row["arm"] == arm):
            flags = dict(part.split("=") for part in row["flags"].split(";"))
            assert flags["alarm"] == "1"  # as many of each class: the second by name
            scored = table[(table.arm == arm) & (table.budget.astype(str) == "6") & (table.draw == int(row["draw"]))]
            called = np.stack(scored.scores.to_list()).astype(np.float64)[:, 1] >= float(flags["threshold"])
            misses.append((~called[scored.target == 1]).sum())
            false.append(called[scored.target == 0].sum())
        assert len(misses) == 3
        assert (told["missed"]["count"], told["false_alarms"]["count"]) == pytest.approx((np.mean(misses), np.mean(false)))
        assert told["missed"]["whole"] + told["false_alarms"]["whole"] == 45
        assert told["alarm"] == "class 1" and told["unit"] == "image" and len(told["thresholds"]) == 3
        assert told["sentence"].startswith(f"{arm}, class 1 from a score of ")
        assert told["raised"] == told["false_alarms"]["count"]
        assert told["bound"] == "at most 20.0 % of the images without class 1 would be called so"


def test_one_label_a_class_sets_no_threshold(ask, made_up, entries, run_folder) -> None:
    settings = SETTINGS.model_copy(update={"primary": Primary(budget=1, metric="auroc")})
    question, folder = ask(classes=2), run_folder(settings)
    arms = [made_up(arm, question.targets.values, 0.3) for arm in ("imagenet", "imagenet+domain")]
    answer(question, arms, settings, entries(105), folder, Silent())
    told = save_claims(folder).operating
    assert told is not None and told[0].missed is None
    assert told[0].sentence == "imagenet+domain: no threshold, its labels are too few to hold any out; a larger primary.budget has one."


def test_groups_that_all_show_the_class_set_no_threshold(ask, made_up, entries, run_folder) -> None:
    """As lots do that each hold a bad part: none is left to raise a false alarm."""
    plain, folder = ask(classes=2), run_folder(SETTINGS)
    question = replace(plain, groups=tuple(f"lot {at // 30}" for at in range(len(plain.ids))))
    arms = [made_up(arm, question.targets.values, 0.3) for arm in ("imagenet", "imagenet+domain")]
    answer(question, arms, SETTINGS, entries(105), folder, Silent())
    told = save_claims(folder).operating
    assert told is not None and told[0].sentence == (
        "imagenet+domain: no threshold, for every group shows class 1, and false alarms are counted by groups that show none."
    )


def test_without_folds_inside_the_claims_are_as_before(ask, made_up, entries, run_folder) -> None:
    settings = SETTINGS.model_copy(update={"max_false_alarms": None})
    question, folder = ask(classes=2), run_folder(settings)
    answer(question, [made_up(arm, question.targets.values, 0.3) for arm in settings.arms], settings, entries(105), folder, Silent())
    save_claims(folder)
    assert "operating" not in json.loads((folder / "claims.json").read_text())
    assert "alarm=" not in (folder / "results.csv").read_text()


def test_which_class_is_looked_for(ask) -> None:
    question = ask(classes=2)
    budgets = [1, 6]
    assert alarm_rule(SETTINGS, question, budgets).positive == 1
    good = replace(question, targets=replace(question.targets, names=("fine", "OK")))
    assert alarm_rule(SETTINGS, good, budgets).positive == 0  # not what is as it should be, whatever there is less of
    named = SETTINGS.model_copy(update={"alarm": "class 0"})
    assert alarm_rule(named, question, budgets).positive == 0
    rarer = replace(question, train=question.train[(question.targets.values[question.train] == 1) | (question.train < 10)])
    assert alarm_rule(SETTINGS, rarer, budgets).positive == 0
    with pytest.raises(RecipeError, match="evaluate.alarm: 'burnt' is not among the classes"):
        alarm_rule(SETTINGS.model_copy(update={"alarm": "burnt"}), question, budgets)
    with pytest.raises(RecipeError, match="evaluate.max_false_alarms: a threshold tells two classes apart, these labels have 3"):
        alarm_rule(SETTINGS, ask(classes=3), budgets)
    with pytest.raises(RecipeError, match="evaluate.max_false_alarms: segmentation has no threshold to set"):
        find_task("segmentation").alarm(question.targets, "auto")


def test_a_dropped_budget_moves_the_point_that_is_told_of_as_it_moves_the_claim(ask) -> None:
    question = ask(classes=2)
    rule = alarm_rule(SETTINGS, question, [1, 6])
    assert (rule.arms, rule.protocol, rule.budget) == (("imagenet+domain", "imagenet"), "linear", 6)
    assert alarm_rule(SETTINGS, question, [1, 3]).budget == 3
    assert alarm_rule(SETTINGS, question, [1, "all"]).budget == "all"
