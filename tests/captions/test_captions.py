"""Captions as people have them become captions of rows, letter by letter."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelfree.data.captions.sources import captions_of
from labelfree.data.faults import find_faults
from labelfree.data.label_tables import read_table
from labelfree.data.manifest import Manifest, load_manifest
from labelfree.errors import DataError, RecipeError
from labelfree.progress import Silent
from labelfree.recipe import Data
from labelfree.recipe_file import load_recipe
from tests.captions.shards import said, shard
from tests.data.fake_domain import PillowDomain, write

ODD = ('a field, a road; "two" ponds', "zwei Zeilen\nund ein Umbruch", "ein Hafen ⛵ 港にある船 مرفأ", "it's 50% — 3 | no", "\t|tab")
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(lambda text: text.strip() == text and " | " not in text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five small pictures in two folders."""
    for i, name in enumerate(("a/0.png", "a/1.png", "b/2.png", "b/3.png", "b/4.png")):
        write(tmp_path / "images" / name, np.full((4, 4), i))
    return tmp_path / "images"


def load(root: Path | None = None, **data: Any) -> Manifest:
    return load_manifest(Data.model_validate({"root": root, "class_folders": False, **data}), PillowDomain())


def coco(folder: Path, pairs: list[tuple[str, str]]) -> Path:
    names = list(dict.fromkeys(name for name, _ in pairs))
    annotations = [{"id": i, "image_id": names.index(name), "caption": text} for i, (name, text) in enumerate(pairs)]
    content = {"images": [{"id": i, "file_name": name} for i, name in enumerate(names)], "annotations": annotations}
    return dumped(folder / "coco.json", content)


def rsicd(folder: Path, pairs: list[tuple[str, str]]) -> Path:
    images: dict[str, list[dict[str, str]]] = {}
    for name, text in pairs:
        images.setdefault(name, []).append({"raw": text, "tokens": "never read"})
    return dumped(folder / "rsicd.json", {"images": [{"filename": name, "sentences": of} for name, of in images.items()]})


def by_name(folder: Path, pairs: list[tuple[str, str]]) -> Path:
    images: dict[str, list[str]] = {}
    for name, text in pairs:
        images.setdefault(name, []).append(text)
    return dumped(folder / "names.json", images)


def dumped(file: Path, content: Any) -> Path:
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def one_a_row(folder: Path, pairs: list[tuple[str, str]]) -> Path:
    return table(folder / "pairs.csv", ("path", "caption"), pairs)


def of_open_clip(folder: Path, pairs: list[tuple[str, str]]) -> Path:
    return table(folder / "open_clip.csv", ("filepath", "title"), pairs, "\t")


def table(file: Path, header: tuple[str, ...], rows: list[tuple[str, str]], separator: str = ",") -> Path:
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=separator).writerows([header, *rows])
    return file


FORMS = {"coco": coco, "rsicd": rsicd, "by name": by_name, "one a row": one_a_row, "open_clip": of_open_clip}
JSON = ("coco", "rsicd", "by name")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_keeps_every_letter(root: Path, form: str) -> None:
    texts = [text for text in ODD if form in JSON or " | " not in text]
    pairs = [("a/0.png", texts[0]), ("b/4.png", texts[1]), *(("a/0.png", text) for text in texts[2:])]
    manifest = load(root, captions=FORMS[form](root.parent, pairs))
    assert said(manifest) == {"a/0.png": tuple(text.strip() for text in (texts[0], *texts[2:])), "b/4.png": (texts[1],)}
    assert any("captions of 2 images" in note for note in manifest.notes) and not manifest.caption_faults


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["x.png", "y.png"]), WORDS), min_size=1, max_size=6), st.sampled_from(sorted(FORMS)))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]], form: str) -> None:
    told = captions_of(FORMS[form](tmp_path_factory.mktemp("captions"), pairs))
    wanted: dict[str, tuple[str, ...]] = {}
    for name, text in pairs:
        wanted[name] = (*wanted.get(name, ()), text)
    assert {image.name: image.captions for image in told.images} == wanted and not told.faults and not told.empty


def test_several_captions_stand_in_a_cell_and_in_rows(root: Path) -> None:
    table(root / "splits.csv", ("path", "text", "split"), [("a/0.png", "one | two, too | one", "train"), ("a/1.png", "", "pretrain")])  # type: ignore[list-item]
    assert said(load(root)) == {"a/0.png": ("one", "two, too", "one")}
    labels = table(root / "labels.csv", ("path", "label", "text"), [("a/1.png", "x", "one"), ("a/1.png", "x", "two"), ("b/2.png", "y", "")])  # type: ignore[list-item]
    (root / "splits.csv").unlink()
    assert said(load(root, labels=labels)) == {"a/1.png": ("one", "two")}
    assert len(load(root, labels=labels).labelled) == 2
    table(labels, ("path", "label", "text"), [("a/1.png", "x", "one"), ("a/1.png", "y", "two")])  # type: ignore[list-item]
    with pytest.raises(DataError, match=r"labels.csv rows 2 and 3: both name .* with labels 'x' and 'y'; keep one"):
        load(root, labels=labels)


def test_a_parquet_may_hold_lists(root: Path) -> None:
    file = root.parent / "captions.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"path": ["a/0.png", "a/1.png"], "captions": [["one", "two"], []]}), file)
    assert said(load(root, captions=file)) == {"a/0.png": ("one", "two")}
    assert [record.captions for record in read_table(file)] == [("one", "two"), ()]


def test_reports_lie_beside_images(root: Path) -> None:
    (root / "a/0.txt").write_text("\ufeffFindings:\n  a mass, left.\n", encoding="utf-8")
    (root / "b/2.txt").write_bytes(b"kein Befund")
    (root / "b/3.txt").write_text("  \n", encoding="utf-8")
    (root / "README.txt").write_text("who took these", encoding="utf-8")
    (root / "b/4.txt").write_bytes(b"caf\xe9 \xff\xfe")
    manifest = load(root, captions=root)
    assert said(manifest) == {"a/0.png": ("Findings:\n  a mass, left.",), "b/2.png": ("kein Befund",)}
    assert manifest.caption_faults == (f"{root / 'b/4.txt'}: is no text in UTF-8 (UnicodeDecodeError); save it as UTF-8.",)
    told = " ".join(manifest.notes)
    assert "1 are empty and left out" in told and "1 text files belong to no image" in told and "1 faults" in told
    assert said(load(captions=root)) == said(manifest), "the reports' folder is the images' where nobody names another"


def test_what_is_wrong_is_named_and_the_rest_is_read(root: Path) -> None:
    file = coco(root.parent, [("a/0.png", "good"), ("a/0.png", "  "), ("gone.png", "who knows")])
    content = json.loads(file.read_text(encoding="utf-8"))
    content["annotations"] += [{"id": 70, "image_id": 99, "caption": "lost"}, {"id": 71, "image_id": 0, "caption": 3}, "no record"]
    manifest = load(root, captions=dumped(file, content))
    assert said(manifest) == {"a/0.png": ("good",)}
    lost, number, place, gone = manifest.caption_faults
    assert lost.startswith("coco.json: annotation 70 belongs to no image")
    assert number == "coco.json: annotation 71: a caption is no text; write it in quotes."
    assert place.startswith("coco.json: annotation at place 6") and gone.startswith("coco.json: gone.png: there is no such image")
    assert any("1 are empty" in note for note in manifest.notes) and any("4 faults" in note for note in manifest.notes)
    assert set(manifest.caption_faults) <= set(find_faults(manifest, PillowDomain().read, Silent()).faults)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("c.csv", 'path,text\na/0.png,"open', r"c.csv row 2: a quote .* is opened and never closed"),
        ("c.csv", "path,text\na/0.png,a field, a road\n", r"c.csv row 2: 3 cells, the header has 2; quote cells that hold ','"),
        ("c.csv", "path,label\na/0.png,x\n", r"has no captions; call the column that holds them `text`"),
        ("c.csv", "path,text\n,a field\n", r"c.csv row 2: no path"),
        ("c.json", "{\n3", r"c.json line 2: is no JSON"),
        ("c.json", '{"a": 3}', r"holds no captions that are read; read are COCO's"),
        (
            "c.json",
            '{"else/where.png": ["a field"]}',
            r"says nothing of any image under .*: else/where.png: there is no such image",
        ),
        ("c.xyz", "?", r"is of no kind that is read; read are a CSV"),
        ("folder", None, r"holds no text files; read are"),
        ("nothing", None, r"data.captions: .*nothing does not exist"),
    ],
)
def test_sentences(root: Path, name: str, content: str | None, sentence: str) -> None:
    file = root.parent / name
    if name == "folder":
        file.mkdir()
    elif content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=sentence):
        load(root, captions=file)


def test_captions_are_no_labels(root: Path) -> None:
    with pytest.raises(DataError, match="holds captions and no objects; name it with data.captions"):
        load(root, labels=coco(root.parent, [("a/0.png", "a field")]))


def test_the_file_may_lie_among_the_images_and_a_generated_card_gives_way(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = by_name(root, [("a/0.png", "a field")])
    recipe = load_recipe("satellite_simclr", [f"data.root={root}", f"data.captions={file.name}"])
    assert recipe.data.captions == file
    alone = load_recipe("satellite_simclr", [f"data.captions={file}"])
    assert said(load_manifest(alone.data, PillowDomain())) == {"a/0.png": ("a field",)}


def test_shards(root: Path) -> None:
    pytest.importorskip("webdataset")
    pictures = [(root / name).read_bytes() for name in ("a/0.png", "a/1.png", "b/2.png")]
    shards = root.parent / "shards"
    texts = {"000.txt": ODD[1].encode(), "001.json": b'{"caption": "a road"}'}
    shard(shards / "0.tar", dict(sorted({"000.png": pictures[0], "001.png": pictures[1], **texts}.items())))
    shard(shards / "1.tar", {"sub/002.png": pictures[2], "sub/002.txt": "海".encode()})
    manifest = load(captions=shards)
    assert said(manifest) == {"000.png": (ODD[1],), "001.png": ("a road",), "sub/002.png": ("海",)}
    assert (manifest.root / "000.png").read_bytes() == pictures[0]
    assert load(captions=shards / "1.tar").rows[0].captions == ("海",)


def test_shards_that_cannot_be_trusted(root: Path) -> None:
    pytest.importorskip("webdataset")
    picture = (root / "a/0.png").read_bytes()
    with pytest.raises(DataError, match=r"evil.tar: the key .* leads out of its folder"):
        load(captions=shard(root.parent / "evil.tar", {"../../out.png": picture, "../../out.txt": b"x"}))
    assert not (root.parent.parent / "out.png").exists()
    cut = shard(root.parent / "cut.tar", {"0.png": picture, "0.txt": b"x" * 5000})
    cut.write_bytes(cut.read_bytes()[:1500])
    with pytest.raises(DataError, match=r"cut.tar: is cut off behind 1 files"):
        load(captions=cut)
    cut.write_bytes(b"no tar at all" * 100)
    with pytest.raises(DataError, match=r"cut.tar: is no tar"):
        load(captions=cut)


def test_without_webdataset_the_sentence_says_what_to_install(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "webdataset", None)
    with pytest.raises(RecipeError, match="pip install webdataset"):
        load(captions=shard(root.parent / "some.tar", {"0.txt": b"x"}))
