"""Captions with mistakes in them: each is named, none goes to another image, and the rest is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from labelfree.data.captions.shards import unpacked
from labelfree.data.captions.sources import captions_of
from labelfree.data.manifest import Manifest, load_manifest
from labelfree.errors import DataError
from labelfree.recipe import Data
from tests.captions.shards import said, shard
from tests.data.fake_domain import PillowDomain, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pictures in folders of patients, in two of which a film is called alike."""
    for i, name in enumerate(("p1/film.png", "p1/side.png", "p2/side.png", "p3/film.png")):
        write(tmp_path / "images" / name, np.full((4, 4), i))
    return tmp_path / "images"


def load(root: Path, captions: Path, **data: Any) -> Manifest:
    return load_manifest(Data.model_validate({"root": root, "class_folders": False, "captions": captions, **data}), PillowDomain())


def written(file: Path, text: str | bytes) -> Path:
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return file


def test_a_report_whose_film_is_missing_is_no_other_patients(root: Path) -> None:
    for name in ("p1/film", "p1/side", "p3/film", "p2/film"):
        written(root / f"{name}.txt", f"report of {name}")
    (root / "p1/film.png").unlink()
    manifest = load(root, root)
    assert said(manifest) == {"p1/side.png": ("report of p1/side",), "p3/film.png": ("report of p3/film",)}
    assert any("2 text files belong to no image" in note for note in manifest.notes)


def test_a_row_of_a_folder_of_images_is_none_of_another_folder(root: Path) -> None:
    table = written(root.parent / "c.csv", "path,text\np2/film.png,of the second\np1/film.png,of the first\n")
    (root / "p3/film.png").unlink()
    manifest = load(root, table)
    assert said(manifest) == {"p1/film.png": ("of the first",)}
    assert manifest.caption_faults == ("c.csv row 2: there is no such image; correct its name, or bring the image.",)


def test_reports_that_may_be_of_several_images_are_named(root: Path) -> None:
    reports = root.parent / "reports"
    reports.mkdir()
    written(reports / "film.txt", "whose?")
    written(reports / "notes.txt", "of nobody")
    (reports / "p1").mkdir()
    written(reports / "p1/side.TXT", "a report")
    manifest = load(root, reports)
    assert said(manifest) == {"p1/side.png": ("a report",)}
    assert len(manifest.caption_faults) == 1 and "film.txt: fits" in manifest.caption_faults[0]


@pytest.mark.parametrize("rows", ['a.png,"one\nb.png,x\nc.png,say "hi"\n', 'a.png,"one"" \nb.png,"two" x\nc.png,three\n'])
def test_a_stray_quote_swallows_no_row(root: Path, rows: str) -> None:
    with pytest.raises(DataError, match=r'c.csv row 2: a quote \("\) opens a cell that goes on over the rows below'):
        load(root, written(root.parent / "c.csv", f"path,text\n{rows}"))


def test_a_byte_that_is_no_utf8_is_named_where_the_rest_is(root: Path) -> None:
    lines = ["path,text", "p1/film.png,漢字", "p1/side.png,dämmrig", "p3/film.png,caf"]
    with pytest.raises(DataError, match=r"c.csv line 4: is no UTF-8, which the rest of the file is"):
        load(root, written(root.parent / "c.csv", "\n".join(lines).encode() + b"\xe9\n"))
    latin = "path,text\np1/film.png,dämmrig\np1/side.png,trüb\n".encode("cp1252")
    assert said(load(root, written(root.parent / "c.csv", latin)))["p1/side.png"] == ("trüb",)


def test_other_columns_of_a_table_of_captions_play_no_part_and_no_cell_is_quoted(root: Path) -> None:
    table = written(root.parent / "c.csv", "path,text,date,split\np1/film.png,a film,12.05.2019,restval\n,lost,,\np1/side.png,a, b\n")
    manifest = load(root, table)
    assert said(manifest) == {"p1/film.png": ("a film",), "p1/side.png": ("a",)}
    assert manifest.caption_faults == ("c.csv row 3: no path; write one, or remove the row.",)
    written(table, "path,text\np1/film.png,a film\np1/side.png,a field, a road\n")
    assert load(root, table).caption_faults == ("c.csv row 3: 3 cells, the header has 2; quote cells that hold ','.",)
    with pytest.raises(DataError) as refused:
        load(root, written(table, "gone.png,John Doe: no pneumothorax\nelse.png,Jane Doe: clear\n"))
    assert "its first line says what each holds: path,text" in str(refused.value) and "Doe" not in str(refused.value)


def test_absolute_paths_are_found_wherever_the_images_lie(root: Path) -> None:
    far = root.parent / "far.png"
    write(far, np.full((4, 4), 9))
    labels = written(root / "labels.csv", f"path,label\n{far},x\np1/film.png,y\n")
    table = written(root.parent / "c.csv", f"path,text\n{far},far away\n{root / 'p1/film.png'},near\n")
    manifest = load(root, table, labels=labels)
    assert sorted(row.captions for row in manifest.rows if row.captions) == [("far away",), ("near",)] and not manifest.caption_faults


def test_lists_of_a_parquet_keep_what_they_hold(root: Path) -> None:
    lists = [["left | right", "two"], [None, "one"], [{"raw": "said"}], ["one | of one"]]
    file = root.parent / "c.parquet"
    names = ["p1/film.png", "p1/side.png", "p2/side.png", "p3/film.png"]
    pyarrow.parquet.write_table(pyarrow.table({"path": names[:2], "captions": lists[:2]}), file)
    assert said(load(root, file)) == {"p1/film.png": ("left | right", "two"), "p1/side.png": ("one",)}
    pyarrow.parquet.write_table(pyarrow.table({"path": names[2:3], "captions": lists[2:3]}), file)
    assert said(load(root, file)) == {"p2/side.png": ("said",)}
    pyarrow.parquet.write_table(pyarrow.table({"path": names[3:], "captions": lists[3:]}), file)
    assert said(load(root, file)) == {"p3/film.png": ("one | of one",)}


def test_empty_captions_are_counted_wherever_they_stand(root: Path) -> None:
    told = captions_of(written(root.parent / "c.csv", "path,text\na.png,one |  | two\na.png,\nb.png,x\n"))
    assert told.empty == 2 and [image.captions for image in told.images] == [("one", "two"), ("x",)]
    written(root / "splits.csv", "path,text\np1/film.png,\n./p1/film.png,one\np1/side.png,two\n")
    manifest = load_manifest(Data(root=root), PillowDomain())
    assert said(manifest) == {"p1/film.png": ("one",), "p1/side.png": ("two",)}
    assert any("splits.csv: 1 captions are empty and left out" in note for note in manifest.notes)


@pytest.mark.parametrize(
    ("content", "captions", "faults"),
    [
        ([{"image": "p1/film.png", "caption": "a"}, None, {"image": "p1/side.png", "caption": "b"}], 2, ["record 2 names no image"]),
        ({"p1/film.png": "a", "p1/side.png": None, "p3/film.png": ["c"]}, 2, ["p1/side.png: a caption is no text"]),
        (
            {
                "images": [
                    {"id": 1, "file_name": "p1/film.png"}, {"id": 1, "file_name": "p1/side.png"}, {"file_name": "p2/side.png"},
                    {"id": [3], "file_name": "p3/film.png"}, {"id": 4, "file_name": "p3/film.png"},
                ],
                "annotations": [{"image_id": number, "caption": "a"} for number in (1, None, [3], 4)],
            },
            1,
            ["p1/film.png shares its id 1", "p1/side.png shares", "at place 3 (p2/side.png) has no id", "at place 4", *["belongs to"] * 3],
        ),
    ],
)  # fmt: skip
def test_one_broken_record_is_named_and_the_rest_is_read(root: Path, content: Any, captions: int, faults: list[str]) -> None:
    manifest = load(root, written(root.parent / "c.json", json.dumps(content)))
    assert len(said(manifest)) == captions and len(manifest.caption_faults) == len(faults)
    assert all(part in fault for part, fault in zip(faults, manifest.caption_faults, strict=True))


def picture(level: int, folder: Path) -> bytes:
    write(folder / "picture.png", np.full((4, 4), level))
    return (folder / "picture.png").read_bytes()


def test_keys_that_come_in_two_shards_stay_apart(tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    shards = tmp_path / "shards"
    for number in range(2):
        record = json.dumps({"caption": f"record {number}", "captions": [f"record {number}", " ", "more"]}).encode()
        members = {
            "000.png": picture(number, tmp_path),
            "000.txt": b"text %d" % number,
            "001.png": picture(7, tmp_path),
            "001.json": record,
        }
        shard(shards / f"{number}.tar", members)
    written(shards / "._0.tar", b"what a Mac leaves")
    told = {image.name: image.captions for image in captions_of(unpacked(shards), tars=True).images}
    several = {"001.txt": ("record 0", "more"), "1-001.txt": ("record 1", "more")}
    assert told == {"000.txt": ("text 0",), "1-000.txt": ("text 1",), **several}
    manifest = load_manifest(Data(root=shards, captions=shards, class_folders=False), PillowDomain())
    assert said(manifest)["1-001.png"] == ("record 1", "more")
    assert said(manifest)["1-000.png"] == ("text 1",), "shards that are also named as the root hold the images"


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"noending": b"x"}, r"no file in it has an ending"),
        ({"0.png": b"x", "0.json": b"{"}, r"the record 0.json is no JSON"),
        ({"0.png": b"x", "0.json": b'{"captions": ["a", "\\ud83d"]}'}, r"a caption of the record 0.json holds half a character"),
    ],
)
def test_tars_that_cannot_be_read_say_so(tmp_path: Path, members: dict[str, bytes], sentence: str) -> None:
    pytest.importorskip("webdataset")
    with pytest.raises(DataError, match=sentence):
        unpacked(shard(tmp_path / "0.tar", members))
