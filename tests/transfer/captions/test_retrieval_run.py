"""Retrieval from end to end: asked of a folder with captions, and of a run that was made for something else."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import labelfree
from labelfree.errors import RecipeError
from labelfree.language.tokens import BytePairs, OfEncoder
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent
from labelfree.recipe_file import load_recipe
from labelfree.transfer.captions.asking import gallery
from tests.small_runs import picture, table

SMALL = [
    "backbone.name=test_resnet", "pretrain.steps=2", "pretrain.minutes=null", "pretrain.batch_size=8", "pretrain.size=32",
    "pretrain.options={text: tiny, out: 16}", "evaluate.sizes=[32]", "data.leak_limit=1.0", "evaluate.arms=[random, statistics, domain]",
    "evaluate.primary={arm: domain, against: random}",
]  # fmt: skip
SECRET = "quuxberg"


def captioned(root: Path, count: int = 40, labels: bool = False) -> Path:
    """Striped pictures with two captions each, the first of which half of them share; one has none."""
    root.mkdir(parents=True)
    rows = []
    for at in range(count):
        Image.fromarray(picture(at % 2, at)).save(root / f"{at:02d}.png")
        texts = f"stripes {'along' if at % 2 else 'across'} | number {at} of {SECRET}" if at else ""
        split = "test" if at % 4 == 0 else "train"
        rows.append((f"{at:02d}.png", "along" if at % 2 else "across", texts, split))
    with (root / "labels.csv").open("w", newline="") as stream:
        kept = (0, 1, 2, 3) if labels else (0, 2)
        csv.writer(stream).writerows([[row[column] for column in kept] for row in (("path", "label", "text", "split"), *rows)])
    return root


def asked(folder: Path, out: Path, *overrides: str) -> Run:
    settings = [f"data.root={folder}", f"data.labels={folder / 'labels.csv'}", *SMALL, *overrides]
    return labelfree.run("satellite_clip", settings, out, say=Silent())


@pytest.mark.slow  # runs from end to end; test_retrieval_question.py asks the same of made-up towers
def test_captions_alone_are_pretrained_on_and_scored(tmp_path: Path) -> None:
    """No table names a split: a fifth is set aside, the rest is learnt from."""
    run = asked(captioned(tmp_path / "images"), tmp_path / "run", "evaluate.task=retrieval")
    rows = table(run.results)
    assert {(row["arm"], row["protocol"], row["budget"], row["n_labels"]) for row in rows} == {
        (arm, "retrieval", "all", "0") for arm in ("random", "domain")
    }
    assert all(float(row["flags"].partition("chance=")[2]) > 0 for row in rows) and len(rows) == 2 * 8
    answers = pq.read_table(run.folder / "predictions.parquet")
    scored = answers.filter(np.array(answers["arm"].to_pylist()) == "domain")
    assert 5 <= len(scored) <= 10 and set(scored["texts"].to_pylist()) == {len(scored) + 2}  # one of its own each, and two that many share
    chances = json.loads((run.folder / "chance.json").read_text())
    assert len(chances) == 16 and all(row["low"] is not None for row in chances if row["metric"].endswith("r1"))
    assert run.claims["primary"]["against"] == "random" and run.claims["labels_saved"] is None
    assert "Beside chance" in (run.folder / "report.html").read_text()
    assert "Retrieval wants a text tower; statistics: no row, for want of one." in json.loads((run.folder / "notes.json").read_text())
    kept = [path for path in run.folder.rglob("*") if path.is_file() and "private" not in path.parts]
    assert kept and not any(SECRET.encode() in path.read_bytes() for path in kept)


@pytest.mark.slow  # runs from end to end; test_retrieval_question.py asks the same of made-up towers
def test_one_run_answers_by_class_and_by_caption(tmp_path: Path) -> None:
    folder = captioned(tmp_path / "images", labels=True)
    first = asked(folder, tmp_path / "run", "evaluate.labels_per_class=[1]", "evaluate.draws=1", "evaluate.primary.against=random")
    assert {row["task"] for row in table(first.results)} == {"classification"}
    again = labelfree.evaluate(None, ["evaluate.task=retrieval"], tmp_path / "asked", weights=first.folder, say=Silent())
    rows = [row for row in table(again.results) if row["arm"] == "domain"]
    assert len(rows) == 8 and {row["split"] for row in rows} == {"test"}
    assert "1 test rows have no caption and are not scored." in json.loads((again.folder / "notes.json").read_text())
    scored = pq.read_table(again.folder / "predictions.parquet", columns=["row_id"])
    assert set(scored["row_id"].to_pylist()) == {f"{at:02d}.png" for at in range(4, 40, 4)}  # the first has no caption


def test_a_run_that_teaches_no_words_is_told_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="evaluate.task: retrieval asks arms that know words, and simclr teaches none; set pretrain"):
        asked(
            captioned(tmp_path / "images"), tmp_path / "run", "evaluate.task=retrieval", "pretrain.objective=simclr", "pretrain.options={}"
        )
    assert not (tmp_path / "run").exists()


def test_a_task_that_is_typed_brings_its_own_question() -> None:
    plain, told = load_recipe("satellite_clip").evaluate, list[str]()
    own = load_recipe("satellite_clip", ["evaluate.task=retrieval"], told.append).evaluate
    assert own.protocols == ["retrieval"] and own.primary.metric == "text_to_image_r10" and own.arms == plain.arms
    assert any("evaluate.protocols=[retrieval]" in line for line in told)
    typed = ["evaluate.task=retrieval", "evaluate.protocols=[retrieval]", "evaluate.primary.metric=image_to_text_r1"]
    assert load_recipe("satellite_clip", typed).evaluate.primary.metric == "image_to_text_r1"
    assert load_recipe("satellite_clip", ["evaluate.task=classification"]).evaluate == plain.model_copy(update={"task": "classification"})


def test_a_gallery_holds_each_text_once_as_the_text_tower_reads_it() -> None:
    long = "word " * 90
    texts, says = gallery([("A  river.", "a town"), ("a river.", "a TOWN", long + "one"), (long + "two",)], BytePairs())
    assert [each.tolist() for each in says] == [[0, 1], [0, 1, 2], [2]]
    assert texts == ["A  river.", "a town", long + "one"]


def test_a_tokenizer_that_tells_case_apart_is_asked_so() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "a": 1, "A": 2, "[PAD]": 3}, "[UNK]"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    _, says = gallery([("a",), ("A",), ("a",)], OfEncoder(model.to_str(), 8, 3))
    assert [each.tolist() for each in says] == [[0], [1], [0]]
