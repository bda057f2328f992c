"""`labelfree search`: what is most alike an image, a box of one, or words; as a table, shapes on Earth and pictures."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import labelfree
from labelfree.backbones.weights import load
from labelfree.errors import DataError, RecipeError
from labelfree.language import TextSide, load_towers
from labelfree.language.files import save_text_side
from labelfree.language.text_towers import text_tower
from labelfree.progress import Silent
from labelfree.retrieval.opened_index import Index
from tests.selecting.conftest import picture


def table(out: Path) -> list[dict[str, str]]:
    with (out / "search.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_an_image_finds_itself_first_then_its_kind(folder: Path, made: Index, tmp_path: Path) -> None:
    found = labelfree.search(made, tmp_path / "found", image=folder / "04_roof.png", k=12, say=Silent())
    rows = table(tmp_path / "found")
    assert rows[0] | {"score": ""} == {
        "rank": "1", "score": "", "path": "04_roof.png", "label": "", "group": "", "file": str(folder / "04_roof.png")
    }  # fmt: skip
    assert found.hits[0].score == pytest.approx(1, abs=1e-5) and {row["path"].split("_")[1] for row in rows} == {"roof.png"}
    scores = [float(row["score"]) for row in rows]
    assert len(rows) == 12 and scores == sorted(scores, reverse=True)
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == ["contact_sheet.png", "search.csv"]
    with Image.open(tmp_path / "found" / "contact_sheet.png") as sheet:
        assert sheet.size[0] > 6 * 180 and sheet.size[1] > 3 * 180  # thirteen pictures, the query first, six a row
    assert len(labelfree.search(made, image=folder / "04_roof.png", k=1000, say=Silent()).hits) == 48


def test_a_box_is_the_image_that_it_cuts_out(folder: Path, made: Index, tmp_path: Path) -> None:
    wide = np.concatenate([picture(0, 5), picture(2, 8)], axis=1)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    box = (32, 4, 64, 28)
    Image.fromarray(wide[4:28, 32:]).save(tmp_path / "cut.png")
    boxed = labelfree.search(made, image=tmp_path / "wide.png", box=box, k=9).hits
    cut = labelfree.search(made, image=tmp_path / "cut.png", k=9).hits
    assert [(hit.row.id, pytest.approx(hit.score, abs=1e-6)) for hit in boxed] == [(hit.row.id, hit.score) for hit in cut]
    assert {hit.row.id.split("_")[1] for hit in boxed} == {"water.png"}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "Say what to look for: an image with --image, or words with --text"),
        ({"image": "00_field.png", "text": "a field"}, "Say what to look for"),
        ({"text": "a field"}, r"--text: .*small\.safetensors has no text tower, .*search by --image"),
        ({"text": " "}, "--text: holds no word"),
        ({"text": "a", "box": (0, 0, 4, 4)}, "--box: is a part of an image"),
        ({"image": "nowhere.png"}, r"nowhere\.png: no such image"),
        ({"image": "broken.png"}, r"broken\.png"),
        ({"image": "cut_short.png"}, r"cut_short\.png"),
        ({"image": "00_field.png", "box": (4, 4, 33, 8)}, r"--box: ends at 33,8, outside .*00_field\.png, which ends at 32,32"),
        ({"image": "00_field.png", "box": (40, 40, 50, 50)}, r"--box: ends at 50,50, outside"),
        ({"image": "00_field.png", "box": (8, 4, 8, 9)}, r"--box 8,4,8,9: give x0,y0,x1,y1 in pixels, 0 <= x0 < x1"),
        ({"image": "00_field.png", "box": (-1, 4, 8, 9)}, r"--box -1,4,8,9: give"),
        ({"image": "00_field.png", "box": (1, 4, 8)}, r"--box 1,4,8: give"),
        ({"image": "00_field.png", "box": (0, 0, 0, 4, 4, 4)}, r"00_field\.png has 2 spatial axes; give x0,y0,x1,y1"),
        ({"image": "00_field.png", "k": 0}, "-k 0: ask for one image or more"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(asked: dict, told: str, folder: Path, made: Index, tmp_path: Path) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "cut_short.png").write_bytes((folder / "00_field.png").read_bytes()[:300])
    image = {"image": folder / asked["image"]} if "image" in asked else {}
    with pytest.raises((DataError, RecipeError), match=told) as error:
        labelfree.search(made, tmp_path / "found", **{**asked, **image}, say=Silent())
    assert not (tmp_path / "found").exists() and "\n" not in str(error.value) and "data.on_error" not in str(error.value)


def test_an_index_is_found_or_missed_in_a_sentence(folder: Path, made: Index, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="images: holds no index"):
        labelfree.load_index(folder)
    with pytest.raises(DataError, match="images: holds something else already"):
        labelfree.search(made, folder, image=folder / "00_field.png")
    moved = Index(made.folder)
    moved.folder.card = replace(made.card, weights=str(tmp_path / "gone.safetensors"))
    with pytest.raises(DataError, match=r"made by are not at .*gone\.safetensors any more; name them with --weights"):
        labelfree.search(moved, image=folder / "00_field.png")


def test_words_find_what_lies_nearest_in_the_towers_space(folder: Path, weights: Path, tmp_path: Path) -> None:
    """With a text tower beside the weights an index holds the towers' own vectors of images, and a sentence is compared with these."""
    torch.manual_seed(0)
    file = Path(shutil.copy(weights, tmp_path / "towers.safetensors"))
    shutil.copy(weights.with_suffix(".json"), file.with_suffix(".json"))
    save_text_side(TextSide(load(file).dim, text_tower("tiny"), 16), file, "clip")
    index = labelfree.index(folder, file, tmp_path / "both.index", say=Silent())
    assert index.card.dim == 16
    towers, names = load_towers(file), sorted(path.name for path in folder.glob("*.png"))
    images = towers.embed([labelfree.read(folder / name, index.card.domain) for name in names])
    cosines = (images @ towers.embed_texts(["a roof"])[0]).numpy()
    told = labelfree.search(index, tmp_path / "told", text="a roof", k=3, say=Silent()).hits
    assert [hit.row.id for hit in told] == [names[at] for at in np.argsort(-cosines)[:3]]
    assert [hit.score for hit in told] == pytest.approx(sorted(cosines, reverse=True)[:3], abs=1e-5)
    assert (tmp_path / "told" / "contact_sheet.png").is_file()
    file.with_name("towers.text.safetensors").unlink()
    with pytest.raises(DataError, match="was made by another checkpoint"):
        labelfree.search(Index(index.folder), text="a roof")


def test_pictures_that_have_gone_are_left_blank(folder: Path, made: Index, tmp_path: Path) -> None:
    (folder / "10_roof.png").rename(tmp_path / "query.png")
    found = labelfree.search(made, tmp_path / "found", image=tmp_path / "query.png", k=4, say=Silent())
    assert found.hits[0].row.id == "10_roof.png" and (tmp_path / "found" / "contact_sheet.png").is_file()


def test_the_command_tells_what_it_found(folder: Path, made: Index, call, tmp_path: Path) -> None:
    image = ("--image", str(folder / "06_field.png"), "--box", "0,0,32,32", "-k", "3")
    done = call("search", str(made.path), *image, "--out", str(tmp_path / "a"))
    assert done.code == 0 and "  1  1.000  06_field.png" in done.out and "search.csv" in done.out
    done = call("search", str(made.path), "--text", "a roof", "--out", str(tmp_path / "b"))
    assert done.code == 3 and "has no text tower" in done.err and done.err.count("\n") == 1
