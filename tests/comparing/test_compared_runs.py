"""Several runs merged into one report."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats

import labelfree
from labelfree.comparing.compared import Compared
from labelfree.comparing.fingerprints import fingerprint
from labelfree.comparing.runs import read_run
from labelfree.errors import DataError, RecipeError
from labelfree.progress import Silent
from labelfree.reporting import share_copy
from labelfree.transfer.claims import claims_of, save_claims
from labelfree.transfer.claims.scores import read_scores
from tests.comparing.made import change_recipe, make_run, primary, question

BETTER = {"imagenet": 0.4, "domain": 1.4}
EQUAL = {"imagenet": 0.8, "domain": 0.8}


def merged(*runs: Path, out: Path | None = None) -> Compared:
    return labelfree.compare(runs, out or runs[0].parent / "out", say=Silent())


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs that tests only read: two that are better on one data set, one tie on another."""
    top = tmp_path_factory.mktemp("runs")
    return {
        "dino": make_run(top / "dino", BETTER),
        "byol": make_run(top / "byol", {**BETTER, "domain": 1.0}, luck=1),
        "tie": make_run(top / "tie", EQUAL, asked=question(dataset="wheels", prefix="w")),
    }


@pytest.fixture(scope="module")
def three(once: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Compared:
    return merged(*once.values(), out=tmp_path_factory.mktemp("out") / "three")


@pytest.fixture
def torn(once: dict[str, Path], tmp_path: Path) -> Path:
    """A run that a test may spoil."""
    return Path(shutil.copytree(once["dino"], tmp_path / "torn"))


def test_of_each_run_only_what_is_paired_with_others_is_kept(once: dict[str, Path]) -> None:
    run, whole = read_run(once["dino"], 1, "dino"), read_scores(once["dino"], "accuracy")
    assert run.scores is not None and {arm for arm, _, _ in whole.cells} > {arm for arm, _, _ in run.scores.cells} == {run.primary.arm}
    for point, cells in run.scores.cells.items():
        for key, cell in cells.items():
            assert cell.answers.equals(whole.cells[point][key].answers) and (cell.groups == whole.cells[point][key].groups).all()
            assert cell.answers.get_total_buffer_size() <= cell.answers.nbytes + 64 * cell.answers.num_columns  # no slice of a larger table
    assert run.fingerprint == fingerprint(whole) != fingerprint(run.scores)


def test_levels_are_holms_and_intervals_are_at_them(three: Compared) -> None:
    ps = [each.p for each in three.primaries]
    assert [each.verdict for each in three.primaries] == ["better", "better", "no significant difference"]
    for each in three.primaries:
        smaller = sum(p < each.p for p in ps)
        assert each.alpha == pytest.approx(0.05 / (3 - smaller))
        main = each.run.comparison
        half = stats.t(main.df).isf(each.alpha / 2) * main.se
        assert (each.low, each.high) == pytest.approx((main.mean - half, main.mean + half))
        assert each.claimed == (each.low > 0)


def test_the_table_holds_a_row_a_primary(three: Compared) -> None:
    with (three.folder / "compare.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["run"], row["dataset"], row["verdict"]) for row in rows] == [
        ("dino", "plates", "better"),
        ("byol", "plates", "better"),
        ("tie", "wheels", "no significant difference"),
    ]
    for row, each in zip(rows, three.primaries, strict=True):
        assert (float(row["low"]), float(row["high"])) == (each.low, each.high)
        assert float(row["level"]) == 1 - float(row["alpha"])
        assert (row["arm"], row["against"], row["protocol"], row["budget"], row["metric"]) == ("domain", "imagenet", "knn", "2", "accuracy")
    document = json.loads((three.folder / "compare.json").read_text(), parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
    assert [each["p"] for each in document["primaries"]] == [each.p for each in three.primaries]
    assert three.lines()[-1] in document["notes"]


def test_a_single_run_is_what_its_own_claims_say(once: dict[str, Path], tmp_path: Path) -> None:
    stored = save_claims(Path(shutil.copytree(once["dino"], tmp_path / "dino"))).primary
    (each,) = merged(tmp_path / "dino").primaries
    assert (each.alpha, each.low, each.high, each.p, each.verdict) == (0.05, stored.low, stored.high, stored.p, stored.verdict)


def test_intervals_come_from_the_predictions_and_not_from_the_claims(once: dict[str, Path], torn: Path) -> None:
    save_claims(torn)
    (whole,) = merged(torn).primaries
    assert whole.run.notes == ("The spread between pretrainings is not in the intervals.",)
    kept = json.loads((torn / "claims.json").read_text())
    kept["primary"] |= {"mean": 0.9, "low": 0.8, "high": 1.0, "p": 0.0}
    (torn / "claims.json").write_text(json.dumps(kept))
    (each,) = merged(torn).primaries
    assert (each.mean, each.low, each.high) == (whole.mean, whole.low, whole.high)
    assert "claims.json says otherwise than the predictions" in each.run.notes[-1]


def test_a_copied_and_renamed_run_is_the_same_run(once: dict[str, Path], torn: Path) -> None:
    assert merged(torn).primaries[0].p == claims_of(once["dino"]).primary.p
    with pytest.raises(RecipeError, match=r"torn: is .*dino again \(the very same answers"):
        merged(once["dino"], torn, out=torn.parent / "out")
    with pytest.raises(RecipeError, match="the same folder"):
        merged(torn, torn)


def test_a_copy_with_hidden_names_is_the_same_run_too(once: dict[str, Path], tmp_path: Path) -> None:
    share_copy(once["dino"], tmp_path / "shared")
    with pytest.raises(RecipeError, match="count one result twice"):
        merged(once["dino"], tmp_path / "shared", out=tmp_path / "out")


@pytest.mark.parametrize("start", ["unfinished", "no scores", "only asked for"])
def test_a_run_without_scores_counts_with_p_of_one(once: dict[str, Path], torn: Path, start: str) -> None:
    (torn / "predictions.parquet").unlink()
    reason = "nothing was compared"
    if start != "no scores":
        (torn / "state.json").write_text('{"status": "unfinished"}')
        reason = "unfinished"
    if start == "only asked for":
        (torn / "private").mkdir()
        (torn / "recipe.yaml").replace(torn / "private" / "asked.yaml")
    found = merged(once["byol"], torn, out=torn.parent / "out")
    assert found.primaries[0].alpha == 0.025
    assert (found.primaries[1].p, found.primaries[1].verdict) == (1.0, "no claim")
    assert found.primaries[1].reason.startswith(reason)
    assert reason in (found.folder / "compare.html").read_text()


def test_an_undertrained_primary_counts_with_p_of_one(once: dict[str, Path], tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", BETTER, luck=5, converged=False)
    found = merged(run, once["byol"])
    assert [(each.verdict, each.alpha) for each in found.primaries] == [("no claim", 0.05), ("better", 0.025)]
    assert found.primaries[0].reason == "a solver did not converge"
    assert found.primaries[0].mean > 0  # told, and not claimed


def test_a_primary_named_after_the_run_claims_nothing(torn: Path) -> None:
    (torn / "private").mkdir()
    shutil.copy(torn / "recipe.yaml", torn / "private" / "asked.yaml")
    assert merged(torn).primaries[0].claimed
    asked = yaml.safe_load((torn / "recipe.yaml").read_text())["evaluate"]
    change_recipe(torn, evaluate={**asked, "primary": primary(budget=4).model_dump(mode="json")})
    (each,) = merged(torn).primaries
    assert (each.p, each.verdict) == (1.0, "no claim")
    assert "another primary than the run was asked for" in each.reason


def test_what_is_indicative_or_generated_claims_nothing(once: dict[str, Path], tmp_path: Path) -> None:
    few = make_run(tmp_path / "few", BETTER, asked=question(crossed=True, train=24), luck=7)
    made = make_run(tmp_path / "made", BETTER, luck=8, card={"generated": True})
    chosen = make_run(tmp_path / "chosen", BETTER, luck=9, evaluation={"indicative": "Indicative only: 45 of 45 labels were chosen."})
    found = merged(once["byol"], few, made, chosen)
    assert [each.claimed for each in found.primaries] == [True, False, False, False]
    assert found.primaries[1].reason == "Indicative only: the rarest class has 8 labels."
    assert found.primaries[2].reason == "generated images say nothing about methods"
    assert (found.primaries[3].verdict, found.primaries[3].p) == ("indicative only", 1.0)
    page = (found.folder / "compare.html").read_text()
    assert "#3: generated: shows that the pipeline works, says nothing about methods" in page
    assert "Claimed: #1." in page


def test_arms_of_two_runs_are_paired_on_the_same_rows_and_draws(three: Compared) -> None:
    (pair,) = three.across
    assert (pair.first.name, pair.second.name, pair.draws) == ("dino", "byol", 4)

    def values(name: str) -> np.ndarray:
        run = next(each.run for each in three.primaries if each.run.name == name)
        with (run.folder / "results.csv").open(newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if (row["arm"], row["budget"], row["metric"]) == ("domain", "2", "accuracy")]
        return np.array([float(row["value"]) for row in sorted(rows, key=lambda row: int(row["draw"]))])

    differences = values("dino") - values("byol")
    assert pair.comparison.mean == pytest.approx(differences.mean())
    assert pair.comparison.parts["draws"] == pytest.approx(differences.var(ddof=1) / 4)
    assert (pair.comparison.arm, pair.comparison.against) == ("domain #1", "domain #2")


def test_fewer_draws_pair_on_those_both_have(once: dict[str, Path], tmp_path: Path) -> None:
    (pair,) = merged(once["dino"], make_run(tmp_path / "two", BETTER, luck=3, draws=2), out=tmp_path / "out").across
    assert pair.draws == 2


def test_cross_validated_runs_pair_too(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / f"run {luck}", BETTER, asked=question(crossed=True), luck=luck, draws=2) for luck in (0, 1)]
    (pair,) = merged(*runs).across
    assert (pair.comparison.df, set(pair.comparison.parts)) == (9, {"folds"})


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (question(rows=40), "their scored rows, groups or labels are not all the same"),
        (question(prefix="other "), "they scored different rows"),
        (question(seed=1), "their draws learnt from different labels"),
    ],
)
def test_runs_that_cannot_be_paired_say_why(once: dict[str, Path], tmp_path: Path, asked: object, why: str) -> None:
    found = merged(once["dino"], make_run(tmp_path / "other", BETTER, luck=2, asked=asked), out=tmp_path / "out")
    assert not found.across
    assert f"Arms of #1 and #2 are not paired: {why}" in found.lines()[-1]


def test_hidden_names_pair_where_the_salt_is_the_same(once: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABELFREE_CACHE", str(tmp_path / "cache"))
    for name in ("dino", "byol"):
        copy = Path(shutil.copytree(once[name], tmp_path / name))
        change_recipe(copy, data={"root": str(tmp_path / "images")})
        share_copy(copy, tmp_path / f"shared-{name}")
    assert len(merged(tmp_path / "shared-dino", tmp_path / "shared-byol").across) == 1
    found = merged(tmp_path / "dino", tmp_path / "shared-byol")
    assert not found.across
    assert "pair only where both runs were hidden with one salt" in found.lines()[-1]


@pytest.mark.parametrize("status", ["finished", "unfinished"])
def test_a_run_that_hides_names_hides_its_folder_s(once: dict[str, Path], tmp_path: Path, status: str) -> None:
    run = Path(shutil.copytree(once["dino"], tmp_path / "jane-miller"))
    change_recipe(run, name="mine", report={"share": True})
    (run / "state.json").write_text(json.dumps({"status": status}))
    found = merged(run, once["byol"], out=tmp_path / "out")
    assert [each.run.name for each in found.primaries] == ["<run>", "byol"]
    assert not [file.name for file in found.folder.iterdir() if "jane" in file.read_text().partition("<script")[0]]


def test_a_data_set_that_was_looked_at_often_is_told(three: Compared) -> None:
    said = [note for note in three.notes if "looked at" in note]
    assert said == [
        "#1 and #2 scored the same 60 rows of plates (dev): one data set looked at 2 times. "
        "The levels count the primaries named here; looks at it that are not named here count in none."
    ]


def test_metrics_that_differ_stand_apart(once: dict[str, Path], tmp_path: Path) -> None:
    other = make_run(tmp_path / "f1", BETTER, luck=4, primary=primary(metric="macro_f1"))
    found = merged(once["dino"], other, out=tmp_path / "out")
    assert not found.across
    page = (found.folder / "compare.html").read_text()
    assert len(re.findall(r"<caption><strong>plates \(dev\), classification: [^<]+</strong>", page)) == 2


def test_an_arm_that_is_the_same_in_all_runs_is_drawn_once(three: Compared) -> None:
    page = (three.folder / "compare.html").read_text()
    figures = json.loads(re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.DOTALL)[1])
    assert [line["name"] for line in figures["0-curve-knn"]["data"]] == ["imagenet", "domain #1", "domain #2"]
    assert "http://" not in re.sub(r"<script>.*?</script>|http://www.w3.org/\S+", "", page, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda run: shutil.rmtree(run), "no such folder"),
        (lambda run: (run / "recipe.yaml").unlink(), "not a run folder"),
        (lambda run: (run / "recipe.yaml").write_text("evaluate: {primary: ["), "recipe.yaml: not YAML"),
        (lambda run: (run / "recipe.yaml").write_text("evaluate: {primary: {metric: accurcy}}"), "'accurcy' is not a metric"),
        (lambda run: (run / "recipe.yaml").write_text("domain: satellite"), "names no comparison"),
        (lambda run: (run / "state.json").write_text('{"status": '), "state.json: not JSON"),
        (lambda run: (run / "evaluation.json").write_text("{"), "evaluation.json: not JSON"),
        (lambda run: cut(run / "predictions.parquet", 500), "predictions.parquet: not a table of predictions"),
        (lambda run: cut(run / "results.csv", 700), "results.csv and predictions.parquet do not hold the same scores"),
        (lambda run: (run / "results.csv").unlink(), "results.csv: missing"),
        (lambda run: (run / "budgets.csv").write_text("draw,fold,class,position,row_id\n0,0,class 1"), "budgets.csv: torn"),
    ],
)  # fmt: skip
def test_what_is_no_run_or_torn_is_one_sentence(torn: Path, spoil: object, says: str) -> None:
    spoil(torn)
    with pytest.raises(DataError, match=re.escape(says)) as caught:
        merged(torn)
    assert "\n" not in str(caught.value) and str(torn) in str(caught.value)
    assert not (torn.parent / "out").exists()


def cut(file: Path, by: int) -> None:
    file.write_bytes(file.read_bytes()[:-by])


def test_where_it_may_be_written(once: dict[str, Path], tmp_path: Path) -> None:
    found = merged(once["dino"], out=tmp_path / "out")
    assert merged(once["dino"], once["byol"], out=tmp_path / "out").report == found.report  # an earlier comparison is written again
    with pytest.raises(RecipeError, match="holds something that is not a comparison"):
        merged(once["dino"], out=once["byol"])
    with pytest.raises(DataError, match="holds a comparison of runs, not a run"):
        merged(tmp_path / "out", out=tmp_path / "more")
    with pytest.raises(RecipeError, match="No run was named"):
        labelfree.compare([], tmp_path / "more", say=Silent())


@pytest.mark.slow
def test_the_command_prints_a_line_a_primary(once: dict[str, Path], tmp_path: Path) -> None:
    """The real process: imports are its own."""
    command = [sys.executable, "-m", "labelfree", "compare", *map(str, once.values())]
    done = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=True)
    first, second, third, looks, report = done.stdout.splitlines()
    assert first.startswith("#1 dino: domain against imagenet at 2 labels a class (knn, accuracy): better, +")
    assert (" % interval +" in second, " tested at 0.05." in third) == (True, True)
    assert looks.startswith("#1 and #2 scored the same 60 rows") and report == f"report: {tmp_path / 'out' / 'compare.html'}"
    again = subprocess.run([*command, str(once["tie"])], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (again.returncode, again.stdout, list(tmp_path.iterdir())) == (2, "", [tmp_path / "out"])
    assert again.stderr.splitlines()[-1].endswith("Name each run once.") and "Traceback" not in again.stderr
