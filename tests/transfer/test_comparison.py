import csv
import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.recipe import Evaluate, Primary
from labelfree.transfer.comparison import answer
from labelfree.transfer.question import Question
from labelfree.transfer.tables import COLUMNS, KEYS

SMALL = Evaluate(arms=["imagenet", "imagenet+domain"], labels_per_class=[1, 5, "all"], draws=3)
NEIGHBOURS = SMALL.model_copy(update={"protocols": ["knn"], "primary": Primary(protocol="knn")})  # the cheap protocol


def table(folder) -> list[dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def encoders(made_up):
    def make(question: Question):
        return [made_up("imagenet", question.targets.values, 0.3), made_up("imagenet+domain", question.targets.values, 0.6)]

    return make


def test_files_hold_every_arm_protocol_budget_and_draw(ask, encoders, entries, run_folder) -> None:
    question = ask()
    folder = run_folder(SMALL)
    answer(question, encoders(question), SMALL, entries(105), folder, Silent())
    rows = table(folder)
    assert tuple(rows[0]) == COLUMNS
    scored = [row for row in rows if row["metric"] == "accuracy" and row["flags"] != "envelope"]
    assert len(scored) == 2 * 2 * (3 + 3 + 1)  # arms, protocols, draws of 1 and 5, and the one of all
    assert {(row["budget"], row["n_labels"]) for row in scored} == {("1", "3"), ("5", "15"), ("all", "60")}
    assert {row["run"] for row in rows} == {folder.name}
    predictions = pq.read_table(folder / "predictions.parquet")
    assert tuple(predictions.column_names) == (*KEYS, "row_id", "group", "target", "scores")
    assert len(predictions) == len(scored) * 45
    assert json.loads((folder / "classes.json").read_text()) == list(question.targets.names)


def test_calibration_is_in_the_table_where_it_is_claimed_by(ask, encoders, entries, run_folder) -> None:
    question = ask()
    by_ece = NEIGHBOURS.model_copy(update={"primary": Primary(protocol="knn", metric="ece")})
    names = []
    for settings in (NEIGHBOURS, by_ece):
        folder = run_folder(settings)
        answer(question, encoders(question), settings, entries(105), folder, Silent())
        names.append(list(dict.fromkeys(row["metric"] for row in table(folder))))
    usual = ["accuracy", "balanced_accuracy", "macro_f1", "auroc"]
    assert names == [usual, [*usual, "ece"]]


def test_no_scored_row_is_ever_learned_from_and_budgets_are_nested(ask, encoders, entries, run_folder) -> None:
    question = ask()
    folder = run_folder(NEIGHBOURS)
    answer(question, encoders(question), NEIGHBOURS, entries(105), folder, Silent())
    with (folder / "budgets.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["row_id"] for row in rows} == set(question.ids[:60])
    assert {row["row_id"] for row in rows if row["draw"] == "0" and int(row["position"]) == 0} != {
        row["row_id"] for row in rows if row["draw"] == "1" and int(row["position"]) == 0
    }


def test_labels_of_scored_rows_change_no_prediction(ask, encoders, entries, run_folder) -> None:
    question = ask()
    shuffled = question.targets.values.copy()
    shuffled[60:] = np.random.default_rng(0).permutation(shuffled[60:])
    other = Question(**{**vars(question), "targets": replace(question.targets, values=shuffled)})
    arms = encoders(question)
    settings = SMALL.model_copy(update={"labels_per_class": [5], "draws": 1})
    folders = [run_folder(settings), run_folder(settings)]
    for asked, folder in zip((question, other), folders, strict=True):
        answer(asked, arms, settings, entries(105), folder, Silent())
    one, two = (pq.read_table(folder / "predictions.parquet")["scores"].combine_chunks() for folder in folders)
    assert one.equals(two)


@pytest.mark.parametrize("score", [45, pytest.param(0, marks=pytest.mark.slow)], ids=["test split", "cross-validation"])
def test_work_goes_on_at_the_first_missing_cell(ask, encoders, entries, run_folder, score: int) -> None:
    question = ask(train=24, score=score)
    settings = SMALL.model_copy(update={"labels_per_class": [1, 3], "draws": 2})
    folder = run_folder(settings)
    answer(question, encoders(question), settings, entries(len(question.ids)), folder, Silent())
    names = ("results.csv", "predictions.parquet", "budgets.csv", "classes.json")
    before = {name: (folder / name).read_bytes() for name in names}
    cells = sorted((folder / "cells").iterdir())
    kept = cells[0].stat().st_mtime_ns
    for cell in cells[1::3]:
        cell.unlink()
    cells[2].write_bytes(b"torn")
    for name in names:
        (folder / name).unlink()
    again = encoders(question)
    answer(question, again, settings, entries(len(question.ids)), folder, Silent())
    assert {name: (folder / name).read_bytes() for name in names} == before
    assert cells[0].stat().st_mtime_ns == kept
    assert all(encoder.asked == 0 for encoder in again)  # features came from disk


def test_other_weights_are_not_answered_from_old_files(ask, made_up, entries, run_folder) -> None:
    question = ask()
    folder = run_folder(NEIGHBOURS)
    weak, strong = (made_up("imagenet+domain", question.targets.values, strength) for strength in (0.0, 3.0))
    for encoder in (weak, strong):
        answer(question, [encoder], NEIGHBOURS, entries(105), folder, Silent())
    best = [float(row["value"]) for row in table(folder) if row["metric"] == "accuracy" and row["budget"] == "all"]
    assert min(best) > 0.9


def test_cross_validation_scores_every_row_once_a_draw_and_keeps_groups_whole(ask, encoders, entries, run_folder) -> None:
    question = ask(train=60, score=0, group=2)
    settings = NEIGHBOURS.model_copy(update={"labels_per_class": [1, 5]})
    folder = run_folder(settings)
    answer(question, encoders(question), settings, entries(60), folder, Silent())
    found = pq.read_table(folder / "predictions.parquet").to_pylist()
    assert {row["split"] for row in found} == {"cv"}
    assert {row["fold"] for row in found} == {0, 1, 2, 3, 4}
    draw = [row for row in found if (row["arm"], row["protocol"], row["budget"], row["draw"]) == ("imagenet", "knn", "5", 1)]
    assert sorted(row["row_id"] for row in draw) == sorted(question.ids)
    folds: dict[str, set[int]] = {}
    for row in draw:
        folds.setdefault(row["group"], set()).add(row["fold"])
    assert all(len(seen) == 1 for seen in folds.values())


def test_an_imagenet_arm_leaves_its_envelope_and_others_do_not(ask, encoders, entries, run_folder) -> None:
    question = ask()
    folder = run_folder(NEIGHBOURS)
    answer(question, encoders(question), NEIGHBOURS, entries(105), folder, Silent())
    envelope = [row for row in table(folder) if row["flags"] == "envelope"]
    assert {row["arm"] for row in envelope} == {"imagenet"}
    assert {row["size"] for row in envelope} == {"32", "64"}
    chosen = {
        (row["protocol"], row["budget"], row["draw"], row["size"]): row["value"]
        for row in table(folder)
        if row["arm"] == "imagenet" and row["metric"] == "accuracy" and row["flags"] != "envelope"
    }
    same = {(row["protocol"], row["budget"], row["draw"], row["size"]): row["value"] for row in envelope if row["metric"] == "accuracy"}
    assert chosen.items() <= same.items()


def test_a_question_that_cannot_be_asked_is_one_sentence(ask) -> None:
    question = ask()
    for change, words in (
        ({"train": np.array([], int)}, "no labelled row to learn from"),
        ({"score": np.array([], int)}, "no row of split 'dev' has a label"),
        ({"train": np.arange(0, 60, 3)}, "one class only"),
        ({"train": np.flatnonzero(question.targets.values[:60] != 2)}, "'class 2' has no labelled row"),
    ):
        with pytest.raises(DataError, match=words):
            Question(**{**{k: v for k, v in vars(question).items() if k in Question.__dataclass_fields__}, **change})
