import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import confusion_matrix

from labelfree.data.chosen import PLAIN, Standing
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.recipe import Evaluate, Primary
from labelfree.transfer.claims import claims_of, save_claims, save_confusions, save_reliability
from labelfree.transfer.claims.intervals import from_test
from labelfree.transfer.claims.scores import paired, read_scores
from labelfree.transfer.comparison import answer

ARMS = ["imagenet", "imagenet-inflated", "imagenet+domain"]
SETTINGS = Evaluate(arms=ARMS, labels_per_class=[1, 3, 6, "all"], draws=5, primary=Primary(budget=3))
NEIGHBOURS = SETTINGS.model_copy(update={"protocols": ["knn"], "primary": Primary(budget=3, protocol="knn")})  # the cheap protocol


@pytest.fixture(scope="module")
def carried_out(ask, made_up, entries, run_folder) -> Callable[..., Path]:
    """A comparison, carried out, in which the domain arm is better."""

    def make(settings: Evaluate, standing: Standing = PLAIN, learn_only: tuple[int, ...] = (), **question: int) -> Path:
        asked = replace(ask(**question), standing=standing, learn_only=learn_only)
        force = {"imagenet": 0.5, "imagenet-inflated": 0.3, "imagenet+domain": 1.2}
        seeds = {arm: (0, 1) if "domain" in arm else (0,) for arm in ARMS}
        encoders = [made_up(arm, asked.targets.values, force[arm], seed=seed) for arm in ARMS for seed in seeds[arm]]
        folder = run_folder(settings)
        answer(asked, encoders, settings, entries(len(asked.ids)), folder, Silent())
        return folder

    return make


@pytest.fixture(scope="module")
def once(carried_out) -> Path:
    return carried_out(SETTINGS)


@pytest.fixture
def finished(once, tmp_path) -> Path:
    """A finished run that a test may spoil."""
    return Path(shutil.copytree(once, tmp_path / "run", ignore=shutil.ignore_patterns("cells", "features")))


def test_the_primary_is_the_formula_on_the_files_numbers(finished) -> None:
    folder = finished
    claims = claims_of(folder)
    with (folder / "results.csv").open() as stream:
        rows = [
            row for row in csv.DictReader(stream) if row["metric"] == "accuracy" and (row["protocol"], row["budget"]) == ("linear", "3")
        ]
    value = {(row["arm"], int(row["seed"]), int(row["draw"])): float(row["value"]) for row in rows if row["flags"] != "envelope"}
    expected = np.array([[value["imagenet+domain", s, r] - value["imagenet", 0, r] for s in (0, 1)] for r in range(5)])
    assert claims.primary.mean == pytest.approx(expected.mean())
    assert claims.primary.parts["draws"] == pytest.approx(expected.mean(1).var(ddof=1) / 5)
    assert claims.primary.parts["seeds"] == pytest.approx(expected.mean(0).var(ddof=1) / 2)
    assert claims.primary.verdict == "better"
    assert claims.headline.startswith("imagenet+domain beats imagenet at 3 labels a class (linear, accuracy): +")


def test_claims_need_nothing_but_the_files_that_leave_the_house(finished, tmp_path) -> None:
    folder = finished
    claims = save_claims(folder)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("recipe.yaml", "results.csv", "predictions.parquet", "classes.json", "evaluation.json"):
        shutil.copy(folder / name, copy)
    assert claims_of(copy) == claims
    stored = json.loads((folder / "claims.json").read_text(), parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
    assert stored["headline"] == claims.headline


def test_what_is_scored_is_printed_with_its_labels(finished) -> None:
    claims = claims_of(finished)
    points = {(row.arm, row.protocol, row.budget): row for row in claims.table}
    assert len(points) == 3 * 2 * 4
    assert points["imagenet", "linear", "all"].x == 20
    assert points["imagenet", "linear", "all"].draws == 1
    assert points["imagenet+domain", "knn", "3"].seeds == 2
    assert all(row.low <= row.mean <= row.high for row in claims.table)
    assert claims.labels_saved is not None
    assert claims.labels_saved.ratio > 1
    assert claims.strongest_imagenet["arm"] == "imagenet"
    assert {point["budget"] for point in claims.envelope} == {"1", "3", "6", "all"}
    selected = points["imagenet", "linear", "6"].mean
    assert max(point["mean"] for point in claims.envelope if (point["protocol"], point["budget"]) == ("linear", "6")) >= selected - 1e-9


def test_an_undertrained_primary_claims_nothing(finished) -> None:
    folder = finished
    path = folder / "results.csv"
    path.write_text(path.read_text().replace("preparation=", "undertrained;preparation=", 1_000_000))
    claims = claims_of(folder)
    assert (claims.primary.verdict, claims.primary.p) == ("no claim", 1.0)
    assert "did not converge" in claims.undertrained[0]


def test_an_arm_that_was_left_out_leaves_a_table_without_a_claim(finished) -> None:
    recipe = finished / "recipe.yaml"
    recipe.write_text(
        recipe.read_text()
        .replace("against: imagenet", "against: imagenet+statistics")
        .replace("- imagenet\n", "- imagenet+statistics\n", 1)
    )
    claims = claims_of(finished)
    assert claims.primary is None
    assert claims.headline == "No claim: imagenet+statistics of the primary comparison was not scored."
    assert len(claims.table) == 24
    json.dumps(claims.to_dict(), allow_nan=False)


def test_another_architecture_must_also_beat_random_weights_of_its_own(finished) -> None:
    results = finished / "results.csv"
    results.write_text(results.read_text().replace(",imagenet+domain,made_up_net,", ",imagenet+domain,another_net,"))
    claims = claims_of(finished)
    assert claims.primary.low > 0
    assert claims.primary.verdict == "no claim"
    assert "random weights of its own architecture" in claims.headline
    assert "Different architecture: imagenet+domain is another_net, imagenet is made_up_net." in claims.notes


def test_scores_on_chosen_images_claim_nothing(finished) -> None:
    why = "Indicative only: 45 of 45 labels were chosen (typical), and chosen images are no sample of those to come."
    path = finished / "evaluation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "indicative": why}))
    claims = claims_of(finished)
    assert (claims.primary.verdict, claims.primary.p, claims.labels_saved) == ("indicative only", 1.0, None)
    assert claims.primary.low > 0  # the very same numbers would be a claim
    assert claims.headline.startswith(
        "Indicative only: imagenet+domain and imagenet at 3 labels a class (linear, accuracy): no claim, the "
    )
    assert why in claims.notes
    assert {other.verdict for other in claims.comparisons} == {"indicative only"}


def test_claims_tell_which_images_are_scored(carried_out) -> None:
    said = "Scored on 45 images drawn at random before labelling (audit) alone; the 60 chosen ones (typical) only train."
    folder = carried_out(NEIGHBOURS, standing=Standing(scored=said))
    claims = claims_of(folder)
    assert said in claims.notes and claims.primary.verdict == "better" and claims.resolvable > 0
    assert json.loads((folder / "evaluation.json").read_text())["scored"] == said


def test_a_class_that_only_an_audit_shows_counts_as_wrong(ask, made_up, entries, run_folder) -> None:
    asked = ask()
    known = asked.train[asked.targets.values[asked.train] < 2]
    with pytest.raises(DataError, match="'class 2' has no labelled row to learn from"):
        replace(asked, train=known)
    drawn = replace(asked, train=known, standing=Standing(surprises=True))
    settings = SETTINGS.model_copy(update={"labels_per_class": [3], "draws": 2})
    folder = run_folder(settings)
    answer(
        drawn,
        [made_up(arm, drawn.targets.values, 3.0) for arm in ("imagenet", "imagenet+domain")],
        settings,
        entries(105),
        folder,
        Silent(),
    )
    table = pq.read_table(folder / "predictions.parquet")
    called, target = np.array(table["scores"].to_pylist()).argmax(1), table["target"].to_numpy()
    assert set(called[target == 2]) <= {0, 1} and (called[target < 2] == target[target < 2]).all()
    assert {round(row.mean, 3) for row in claims_of(folder).table} == {0.667}


def test_a_column_that_comes_later_is_heard(ask, made_up, entries, run_folder) -> None:
    """Labels and images are the same, so answers are found again; what they are worth is not."""
    asked, settings = ask(), NEIGHBOURS.model_copy(update={"labels_per_class": [3], "draws": 2})
    folder = run_folder(settings)
    for standing in (PLAIN, Standing(indicative="Indicative only: chosen."), PLAIN):
        encoders = [made_up(arm, asked.targets.values, 0.5) for arm in ("imagenet", "imagenet+domain")]
        answer(replace(asked, standing=standing), encoders, settings, entries(len(asked.ids)), folder, Silent())
        assert (claims_of(folder).primary.verdict == "indicative only") == bool(standing.indicative)


def test_rows_that_only_train_are_in_no_answer(carried_out) -> None:
    aside = tuple(range(0, 24, 4))
    folder = carried_out(NEIGHBOURS.model_copy(update={"labels_per_class": [1, "all"], "draws": 2}), train=24, score=0, learn_only=aside)
    table = pq.read_table(folder / "predictions.parquet")
    assert set(table["row_id"].to_pylist()) == {f"{i:03}.png" for i in range(24)} - {f"{i:03}.png" for i in aside}
    with (folder / "budgets.csv").open() as stream:
        learnt = {row["row_id"] for row in csv.DictReader(stream) if (row["draw"], row["fold"]) == ("0", "0")}
    assert {f"{i:03}.png" for i in aside} <= learnt


def test_generated_data_save_no_labels(finished) -> None:
    folder = finished
    (folder / "card.json").write_text('{"generated": true}')
    claims = claims_of(folder)
    assert claims.labels_saved is None
    assert "says nothing about methods" in claims.headline


def test_a_dropped_budget_moves_the_primary_and_says_so(carried_out) -> None:
    settings = NEIGHBOURS.model_copy(update={"labels_per_class": [1, 3, 50], "primary": Primary(budget=50, protocol="knn")})
    claims = claims_of(carried_out(settings))
    assert claims.primary.budget == "3"
    assert any("moved to 3 labels a class" in note for note in claims.notes)
    assert any("Budget of 50" in note for note in claims.notes)


def test_without_a_test_split(carried_out) -> None:
    claims = claims_of(carried_out(NEIGHBOURS.model_copy(update={"labels_per_class": [1, 3, "all"], "draws": 2}), train=24, score=0))
    assert claims.primary.df == 2 * 5 - 1
    assert set(claims.primary.parts) == {"folds"}
    assert claims.resolvable > 0
    assert claims.headline.startswith("Indicative only: ")
    assert claims.labels_saved.low is None  # two draws give no interval


def test_missing_files_are_one_sentence(finished, tmp_path) -> None:
    with pytest.raises(DataError, match=r"recipe\.yaml: missing"):
        claims_of(tmp_path)
    folder = finished
    (folder / "predictions.parquet").unlink()
    with pytest.raises(DataError, match=r"predictions\.parquet: missing"):
        claims_of(folder)


def test_seeds_are_paired_by_number_and_one_seed_is_repeated() -> None:
    first = np.array([[[0.5], [0.7]]])  # one draw, seeds 0 and 1
    assert paired(first, np.array([[[0.4]]]), ([0, 1], [0])).ravel() == pytest.approx([0.1, 0.3])
    second = np.array([[[0.1], [0.2]]])  # seeds 1 and 2
    assert paired(first, second, ([0, 1], [1, 2])).ravel() == pytest.approx([0.6])
    with pytest.raises(DataError, match="share no seed"):
        paired(first, second, ([0, 1], [2, 3]))


def test_equal_arms_are_claimed_to_differ_no_more_often_than_stated() -> None:
    """The whole chain on simulated predictions: two arms of equal skill, 5 draws, 40 rows in 20 groups; 5 % of claims are expected."""
    from labelfree.transfer.tasks.weights import resamplings
    from tests.transfer.classes import resampled

    generator = np.random.default_rng(0)
    groups = np.arange(40) // 2
    targets = np.arange(40) % 4
    counts = resamplings(20, 0, 200)
    false = 0
    for _ in range(400):
        hard = np.repeat(generator.normal(size=(20, 1)), 2, axis=0)
        values, again = [], []
        for _ in range(5):
            skill = generator.normal(scale=0.2, size=2)
            pair = [generator.normal(size=(40, 4)) + (1.2 + hard + skill[arm]) * np.eye(4)[targets] for arm in (0, 1)]
            both = [resampled("accuracy", scores, targets, groups, np.vstack([np.ones((1, 20)), counts])) for scores in pair]
            values.append(both[0][0] - both[1][0])
            again.append(both[0][1:] - both[1][1:])
        false += from_test(np.array(values)[:, None], np.mean(again, 0), 20).p < 0.05
    assert false / 400 <= 0.07


def test_scores_are_read_back_as_they_were_written(finished) -> None:
    folder = finished
    scores = read_scores(folder, "accuracy")
    with (folder / "results.csv").open() as stream:
        for row in csv.DictReader(stream):
            if row["metric"] == "accuracy" and row["flags"] != "envelope":
                place = (row["arm"], row["protocol"], row["budget"])
                at = (scores.draws(place).index(int(row["draw"])), scores.seeds(place).index(int(row["seed"])), 0)
                assert scores.values(place)[at] == float(row["value"])


def test_confusions_are_those_of_the_primarys_point(finished) -> None:
    save_claims(finished)
    kept = json.loads(save_confusions(finished).read_text())
    table = pq.read_table(finished / "predictions.parquet").to_pandas()
    for arm, draws_and_seeds in (("imagenet+domain", 10), ("imagenet", 5)):
        rows = table[(table.arm == arm) & (table.protocol == "linear") & (table.budget.astype(str) == "3")]
        called = np.stack(rows.scores.to_list()).argmax(1)
        assert kept["arms"][arm] == confusion_matrix(rows.target, called).tolist()
        assert kept["times"][arm] == draws_and_seeds
        assert np.sum(kept["arms"][arm]) == 45 * draws_and_seeds  # every scored image once a draw and seed
    assert (kept["protocol"], kept["budget"], kept["counted"]) == ("linear", "3", "images")
    assert kept["classes"] == json.loads((finished / "classes.json").read_text())


def test_reliability_is_that_of_the_primarys_point(finished) -> None:
    """Bins counted by pandas; errors are the metrics' means over draws and seeds."""
    save_claims(finished)
    kept = json.loads(save_reliability(finished).read_text())
    table = pq.read_table(finished / "predictions.parquet").to_pandas()
    for arm in ("imagenet+domain", "imagenet"):
        rows = table[(table.arm == arm) & (table.protocol == "linear") & (table.budget.astype(str) == "3")]
        scores = np.stack(rows.scores.to_list()).astype(np.float64)
        told = pd.DataFrame({"score": scores.max(1), "right": scores.argmax(1) == rows.target, "seed": rows.seed, "draw": rows.draw})
        bins = told.groupby(pd.cut(told.score, np.arange(16) / 15), observed=False).agg(
            rows=("score", "size"), confidence=("score", "mean"), accuracy=("right", "mean")
        )  # fmt: skip
        found = kept["arms"][arm]
        assert found["rows"] == bins.rows.tolist()
        for name in ("confidence", "accuracy"):
            np.testing.assert_allclose(np.array(found[name], float), bins[name].to_numpy(float), atol=1e-9)
        each = [
            np.square(scores[at] - np.eye(3)[rows.target.to_numpy()[at]]).sum(1).mean()
            for at in told.groupby(["draw", "seed"]).indices.values()
        ]
        brier = found["metrics"]["brier"]
        assert brier["mean"] == pytest.approx(np.mean(each)) and brier["low"] < brier["mean"] < brier["high"]
        assert 0 <= found["metrics"]["ece"]["mean"] <= 1
    assert (kept["protocol"], kept["budget"]) == ("linear", "3")


def test_there_are_no_confusions_without_a_claim(finished) -> None:
    save_claims(finished)
    assert save_confusions(finished) is not None and save_reliability(finished) is not None
    claims = json.loads((finished / "claims.json").read_text())
    (finished / "claims.json").write_text(json.dumps(claims | {"primary": None}))
    assert save_confusions(finished) is None and not (finished / "confusion.json").exists()
    assert save_reliability(finished) is None and not (finished / "reliability.json").exists()
