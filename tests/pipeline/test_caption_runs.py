"""Runs that learn from captions: what is left out is told, what is missing is said, and no caption leaves a run."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import labelfree
from labelfree.errors import DataError
from labelfree.language import load_towers
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent
from tests.small_runs import SMALL, folder_of, run_on

CLIP = [*SMALL[:4], "pretrain.objective=clip", "pretrain.options={text: tiny, out: 16}", *SMALL[5:]]
SECRET = "xylophonist"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stripes of two kinds; two of three have captions, one of which is longer than the tower reads."""
    folder = folder_of(tmp_path_factory.mktemp("stripes") / "images")
    names = sorted(path.name for path in folder.glob("*.png"))
    said = {name: [f"stripes, {SECRET} {name[:3]}", "stripes"] for i, name in enumerate(names) if i % 3}
    said["u29.png"] = [f"{SECRET} " * 90]
    (folder / "captions.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_on(
        pictures, tmp_path_factory.mktemp("runs") / "run", f"data.captions={pictures / 'captions.json'}", "report.share=true", small=CLIP
    )


def test_a_run_leaves_both_towers(finished: Run, pictures: Path) -> None:
    assert finished.weights is not None
    towers = load_towers(finished.folder)
    vectors = towers.embed_texts(["stripes", "a field"])
    assert vectors.shape == (2, 16) and not torch.allclose(vectors[0], vectors[1])
    assert labelfree.load(finished.weights).card.objective == "clip"
    (own,) = (finished.folder / "backbones").glob("*-0.safetensors")
    assert_close(load_towers(own).embed_texts(["stripes"]), vectors[:1])


def test_what_is_left_out_is_told(finished: Run) -> None:
    told = json.loads((finished.folder / "plan.json").read_text(encoding="utf-8"))["sentences"]
    assert any("1 are longer than 77 tokens" in sentence and "one of each is drawn" in sentence for sentence in told)
    notes = json.loads((finished.folder / "notes.json").read_text(encoding="utf-8"))
    assert any("images to pretrain on have no caption and are not learnt from" in note for note in notes)


def test_no_caption_leaves_a_run(finished: Run) -> None:
    files = [path for path in finished.folder.rglob("*") if path.is_file() and "private" not in path.relative_to(finished.folder).parts]
    assert len(files) > 5 and not [path for path in files if SECRET.encode() in path.read_bytes()]
    assert not [path for path in files if b"captions.json" in path.read_bytes()], "nor the name of their file"


def test_without_captions_a_sentence_says_what_to_add(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="clip learns from captions, and no image to pretrain on has one; add a column `text`"):
        run_on(pictures, tmp_path / "run", small=CLIP)


def test_a_run_goes_on_with_the_same_captions_only(pictures: Path, tmp_path: Path) -> None:
    table = tmp_path / "said.csv"

    def write(word: str) -> None:
        rows = [(path.name, f"{word} {path.stem}") for path in pictures.glob("*.png")]
        with table.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([("path", "text"), *rows])

    asked = [f"data.root={pictures}", f"data.labels={pictures / 'labels.csv'}", *CLIP, f"data.captions={table}"]
    write("stripes")
    out = tmp_path / "run"
    labelfree.pretrain("satellite_simclr", asked, out, say=Silent())
    (out / "backbones/domain-0.safetensors").unlink()
    write("lines")
    with pytest.raises(DataError, match="begun on other images, pairs or captions than"):
        labelfree.pretrain("satellite_simclr", asked, out, say=Silent())
