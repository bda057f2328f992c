"""Images chosen from a folder, end to end: what is written, what is never chosen, and what goes wrong in one sentence."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.data.manifest import load_manifest
from labelfree.errors import DataError, RecipeError
from labelfree.installed_domains import find_domain
from labelfree.progress import Silent
from labelfree.recipe import Data
from labelfree.selecting.selection import Selection


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


def lines_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def select(folder: Path, out: str, **asked: Any) -> Selection:
    return labelfree.select(folder, out=folder.parent / out, say=asked.pop("say", Silent()), **{"domain": "satellite", **asked})


def test_a_first_round_is_written_as_a_table_and_a_picture(folder: Path, weights: Path) -> None:
    found = select(folder, "first", weights=weights, budget=6, audit=9)
    assert found.file == folder.parent / "first" / "select.csv" and found.file.read_bytes().count(b"\r") == 0
    lines = lines_of(found.file)
    assert list(lines[0]) == ["path", "group", "split", "chosen", "reason"]
    assert [line["chosen"] for line in lines] == ["typical"] * 6 + ["audit"] * 9
    assert [line["split"] for line in lines] == [""] * 6 + ["test"] * 9
    assert [line["path"] for line in lines] == [row.id for row in found.rows] and all(line["reason"] for line in lines)
    assert len({line["path"] for line in lines}) == 15 and all((folder / line["path"]).is_file() for line in lines)
    with Image.open(found.sheet) as sheet:
        assert sheet.width > 600 and sheet.height > 600
        assert len(np.unique(np.asarray(sheet.convert("RGB")).reshape(-1, 3), axis=0)) > 1000
    spoken = list(found.lines())
    assert any(line.startswith("9 audit images: an accuracy of 80 % will be known to ±") for line in spoken)
    assert str(found.file) in spoken[-2]


def test_the_same_seed_chooses_the_same_and_another_draws_another_audit(folder: Path, weights: Path) -> None:
    first, again, other = (select(folder, f"s{n}", weights=weights, budget=4, audit=8, seed=seed) for n, seed in enumerate((1, 1, 2)))
    assert first.file.read_bytes() == again.file.read_bytes()
    assert {row.id for row in first.rows[4:]} != {row.id for row in other.rows[4:]}


def test_manifest_reads_the_table_back(folder: Path, weights: Path) -> None:
    found = select(folder, "first", weights=weights, budget=5, audit=7)
    manifest = load_manifest(Data(root=folder, labels=found.file), find_domain("satellite", {}))
    listed = manifest.rows[:12]
    assert [(row.id, row.split, row.chosen) for row in listed] == [(row.id, row.split, row.chosen) for row in found.rows]
    assert len(manifest.rows) == 48 and all(row.chosen is None for row in manifest.rows[12:])


def test_a_second_round_knows_what_is_labelled(folder: Path, weights: Path, answer: Callable[..., Path]) -> None:
    first = select(folder, "first", weights=weights, budget=16, audit=6)
    heard = Heard()
    second = select(folder, "second", weights=weights, budget=8, labels=answer(first.file, skipped=1), say=heard)
    assert not {row.id for row in first.rows} & {row.id for row in second.rows}
    assert {row.chosen for row in second.rows} == {"margin"}  # auto turns: 15 labels of at most 3 classes
    assert all("hesitates between" in reason for reason in second.reasons)
    (seen,) = [line for line in second.notes if line.startswith("Classes seen so far: ")]
    counts = Counter(row.id.split("_")[1].removesuffix(".png") for row in first.rows[1:16])
    assert {f"{kind} {count}" in seen for kind, count in counts.items()} == {True}
    assert seen.endswith(f"({len(counts)} classes, 15 labels).")
    assert "Audit: 6 images, all drawn before; runs score on them alone, and no other of their groups is chosen." in second.notes
    assert "Chosen before and without a label yet, so not chosen again: 1." in second.notes
    assert any("holds these 48 images already" in line for line in heard.sentences)  # the pool is that of the folder


def test_a_later_audit_adds_to_the_first(folder: Path, answer: Callable[..., Path]) -> None:
    first = select(folder, "first", audit=6)
    second = select(folder, "second", audit=5, labels=answer(first.file))
    assert not {row.id for row in first.rows} & {row.id for row in second.rows}
    assert any(line.startswith("11 audit images: ") for line in second.notes)


def test_an_audit_alone_needs_no_weights(folder: Path) -> None:
    found = select(folder, "audit", audit=10)
    assert len(found.rows) == 10 and {(row.split, row.chosen) for row in found.rows} == {("test", "audit")}


def test_a_run_chooses_by_its_backbone_from_the_pool_that_it_left(folder: Path) -> None:
    """Ten seconds or more: a pretraining of two steps, and its report."""
    small = [f"data.root={folder}", "backbone.name=test_resnet", "pretrain.steps=2", "pretrain.minutes=null", "pretrain.batch_size=8"]
    recipe = [*small, "evaluate.arms=[domain]", "evaluate.primary={arm: domain, against: domain}", "pretrain.options={hidden: 32}"]
    run = labelfree.pretrain("satellite_simclr", recipe, folder.parent / "run", say=Silent())
    heard = Heard()
    found = select(folder, "chosen", weights=run.folder, budget=4, audit=3, say=heard)
    assert any("holds these 48 images already" in line for line in heard.sentences)
    assert any("was pretrained on 3 of the audit images" in line and "draw the audit first" in line for line in found.notes)


def test_an_audit_that_is_drawn_first_is_not_pretrained_on(folder: Path) -> None:
    """The way that a person is told of."""
    audit = select(folder, "audit", audit=6)
    small = [
        "backbone.name=test_resnet",
        "pretrain.steps=2",
        "pretrain.minutes=null",
        "pretrain.batch_size=8",
        "pretrain.options={hidden: 32}",
    ]
    recipe = [f"data.root={folder}", f"data.labels={audit.file}", *small, "evaluate.arms=[domain]"]
    primary = ["evaluate.primary={arm: domain, against: domain}"]
    run = labelfree.pretrain("satellite_simclr", [*recipe, *primary], folder.parent / "run", say=Silent())
    found = select(folder, "chosen", weights=run.folder, budget=4, labels=audit.file)
    assert not any("was pretrained on" in line for line in found.notes)
    assert not {row.id for row in found.rows} & {row.id for row in audit.rows}


def test_random_needs_no_weights(folder: Path) -> None:
    assert {row.chosen for row in select(folder, "random", budget=5, strategy="random").rows} == {"random"}


def test_groups_of_the_audit_are_not_chosen_from(folder: Path, weights: Path) -> None:
    table = folder.parent / "groups.csv"
    names = sorted(file.name for file in folder.iterdir())
    table.write_text("path,group\n" + "".join(f"{name},lot {number // 4}\n" for number, name in enumerate(names)), encoding="utf-8")
    for seed in range(4):
        found = select(folder, f"s{seed}", weights=weights, budget=20, audit=5, labels=table, seed=seed)
        groups = {kind: {row.group for row in found.rows if (row.chosen == "audit") == kind} for kind in (True, False)}
        assert not groups[True] & groups[False] and len(groups[True]) >= 2
        assert {line["group"] for line in lines_of(found.file)} == groups[True] | groups[False]


def test_an_audit_of_the_only_group_leaves_none(folder: Path, weights: Path) -> None:
    table = folder.parent / "groups.csv"
    table.write_text("path,group\n" + "".join(f"{file.name},line 3\n" for file in sorted(folder.iterdir())), encoding="utf-8")
    with pytest.raises(DataError, match=r"all images left are of one group \(line 3\), and nothing is chosen from a group that is audited"):
        select(folder, "out", weights=weights, budget=4, audit=4, labels=table)


def test_rows_that_somebody_scores_are_not_chosen_nor_their_groups(folder: Path, weights: Path) -> None:
    names = sorted(file.name for file in folder.iterdir())
    lines = [f"{name},{number // 6},{'test' if number % 24 == 0 else 'pretrain'}\n" for number, name in enumerate(names)]
    (folder / "splits.csv").write_text("path,group,split\n" + "".join(lines), encoding="utf-8")
    found = select(folder, "all", weights=weights, budget=48)
    assert {row.group for row in found.rows} == {"1", "2", "3", "5", "6", "7"} and len(found.rows) == 36
    assert {row.split for row in found.rows} == {""}  # of a row that is marked pretrain a label would count for nothing


def test_a_near_duplicate_of_a_label_or_of_the_audit_is_not_chosen(folder: Path, weights: Path) -> None:
    labelled = sorted(folder.iterdir())[0]
    for turns in (0, 1, 2):
        Image.fromarray(np.rot90(np.asarray(Image.open(labelled)), turns).copy()).save(folder / f"turned_{turns}.png")
    table = folder.parent / "labels.csv"
    table.write_text(f"path,label\n{labelled.name},field\n", encoding="utf-8")
    found = select(folder, "all", weights=weights, budget=60, labels=table)
    assert len(found.rows) == 47 and not any(row.id.startswith("turned") for row in found.rows)
    assert "The others are near-duplicates of images that are labelled, chosen or in the audit." in found.notes


def test_a_budget_above_what_there_is_takes_all(folder: Path, weights: Path) -> None:
    found = select(folder, "all", weights=weights, budget=100)
    assert len(found.rows) == 48 and "100 images were asked for and 48 may be chosen." in found.notes


def test_one_image_is_enough(folder: Path, weights: Path) -> None:
    for file in sorted(folder.iterdir())[1:]:
        file.unlink()
    assert len(select(folder, "one", weights=weights, budget=10).rows) == 1


def test_windows_of_scenes_are_chosen_labelled_and_gone_on_from(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for number in range(4):
        blocks = np.random.default_rng(number).integers(50, 250, (3, 70, 70)).astype(np.uint8)
        with rasterio.open(
            scenes / f"scene_{number}.tif", "w", driver="GTiff", width=2240, height=2240, count=3, dtype="uint8", tiled=True
        ) as file:
            file.write(np.kron(blocks, np.ones((1, 32, 32), np.uint8)))
    found = select(scenes, "first", budget=5, audit=4, strategy="random")
    groups = [{row.group for row in found.rows if (row.chosen == "audit") == audit} for audit in (True, False)]
    assert not groups[0] & groups[1] and all(group.startswith("scene_") for group in set.union(*groups))
    table = tmp_path / "labels.csv"
    lines = [f'"{row.id}",{"ab"[at % 2]},{row.split},{row.chosen}' for at, row in enumerate(found.rows)]
    table.write_text("\n".join(["path,label,split,chosen", *lines]) + "\n", encoding="utf-8")
    manifest = load_manifest(Data(root=scenes, labels=table), find_domain("satellite", {}))
    assert [(row.id, row.window, row.group) for row in manifest.rows[:9]] == [(row.id, row.window, row.group) for row in found.rows]
    heard = Heard()
    second = select(scenes, "second", budget=5, strategy="random", labels=table, say=heard)
    assert any("holds these 324 images already" in line for line in heard.sentences)
    assert not {row.id for row in second.rows} & {row.id for row in found.rows} and not {row.group for row in second.rows} & groups[0]


def test_pictures_over_a_page_go_on_a_second(folder: Path) -> None:
    for at in range(48, 70):
        Image.fromarray(np.random.default_rng(at).integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / f"{at}_field.png")
    found = select(folder, "many", budget=70, strategy="random")
    assert [file.name for file in found.sheets] == ["contact_sheet.png", "contact_sheet_2.png"]


def test_what_was_written_is_no_image_of_the_folder(folder: Path) -> None:
    labelfree.select(folder, budget=3, strategy="random", out=folder / "round-1", domain="satellite", say=Silent())
    assert len(select(folder, "again", budget=100, strategy="random").rows) == 48


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"budget": 0}, r"^Nothing is asked for; say how many images to choose with --budget, or to draw for an audit with --audit\.$"),
        ({"budget": -1}, r"^--budget, --audit: give how many images, 0 or more\.$"),
        ({"budget": 3}, r"^--weights: say by whose features to choose: a run folder, a weight file, or imagenet\.$"),
        ({"budget": 3, "strategy": "typcal"}, r"strategy: 'typcal' is not installed; did you mean typical\?$"),
        ({"budget": 3, "strategy": "random", "overrides": ["pretrain.steps=3"]}, r"^pretrain\.steps: only keys of data and reader"),
    ],
)
def test_what_is_asked_wrongly_is_told_before_anything_is_read(folder: Path, asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        select(folder, "out", **asked)
    assert not (folder.parent / "out").exists()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"audit": 49}, r"^--audit 49: only 48 images without a label, in groups without one, are left; lower it\.$"),
        (
            {"budget": 1, "audit": 48},
            r"^--audit 48: takes every image that is left, so none may be chosen; lower it, or give --bu",
        ),
        ({"budget": 1, "strategy": "margin"}, r"^strategy: margin asks a head what it hesitates about, and there is none"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(folder: Path, weights: Path, asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises((DataError, RecipeError), match=sentence):
        select(folder, "out", weights=weights, **asked)
    assert not (folder.parent / "out").exists()


def test_weights_that_want_other_channels_say_which(folder: Path, weights: Path, tmp_path: Path) -> None:
    for ending in (".safetensors", ".json"):
        shutil.copy(weights.with_suffix(ending), tmp_path / f"radar{ending}")
    card = tmp_path / "radar.json"
    card.write_text(card.read_text(encoding="utf-8").replace('"red"', '"vv"').replace('"green"', '"vh"'), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"^--weights .*radar\.safetensors wants vv, vh, blue in display; these images have red, green, blue"
    ):
        select(folder, "out", weights=tmp_path / "radar.safetensors", budget=1)


def test_margin_with_one_class_says_so(folder: Path, weights: Path) -> None:
    table = folder.parent / "labels.csv"
    table.write_text("path,label\n00_field.png,field\n03_field.png,field\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"margin needs a head of two classes or more"):
        select(folder, "out", weights=weights, budget=2, strategy="margin", labels=table)


def test_everything_labelled_is_one_sentence(folder: Path, weights: Path) -> None:
    for file in sorted(folder.iterdir()):
        kind = folder / file.stem.split("_")[1]
        kind.mkdir(exist_ok=True)
        shutil.move(file, kind / file.name)
    with pytest.raises(
        DataError, match=r"names of folders are taken as classes, so every image has a label; set data\.class_folders=false"
    ):
        select(folder, "out", weights=weights, budget=2)
    assert len(select(folder, "out", weights=weights, budget=2, overrides=["data.class_folders=false"]).rows) == 2


def test_a_folder_that_holds_something_is_not_written_into(folder: Path) -> None:
    select(folder, "out", audit=3)
    before = (folder.parent / "out" / "select.csv").read_bytes()
    with pytest.raises(RecipeError, match=r"out: is not an empty folder; name a new one, so that nothing chosen before is lost\.$"):
        select(folder, "out", audit=4)
    assert (folder.parent / "out" / "select.csv").read_bytes() == before


def test_a_broken_file_is_named_or_skipped(folder: Path, weights: Path) -> None:
    (folder / "05_water.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"05_water\.png"):
        select(folder, "out", weights=weights, budget=5)
    found = select(folder, "out", weights=weights, budget=48, overrides=["data.on_error=skip", "data.max_skipped=0.1"])
    assert len(found.rows) == 47 and "05_water.png" not in {row.id for row in found.rows}


def test_a_file_that_vanished_is_named(folder: Path, weights: Path, answer: Callable[..., Path]) -> None:
    first = select(folder, "first", weights=weights, budget=6)
    (folder / first.rows[2].id).unlink()
    with pytest.raises(DataError, match=first.rows[2].id):
        select(folder, "second", weights=weights, budget=3, labels=answer(first.file))


def test_no_such_weights(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^--weights nowhere: no such run folder or weight file; imagenet takes the published ones\.$"):
        select(folder, "out", weights="nowhere", budget=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: holds no backbone\.safetensors; name the folder of a finished pretraining"):
        select(folder, "out", weights=tmp_path / "empty", budget=1)


def test_the_command_line_prints_and_leaves_as_others_do(folder: Path, weights: Path, call: Callable[..., SimpleNamespace]) -> None:
    """In a real process, which imports torch, what is told on the way and what was chosen; and 3 for a fault of the data."""
    asked = [str(folder), "--domain", "satellite", "--weights", str(weights), "--budget", "4", "--audit", "5"]
    command = [sys.executable, "-m", "labelfree", "select", *asked]
    done = subprocess.run([*command, "--out", "round"], capture_output=True, text=True, cwd=folder.parent, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Chosen: 4 of 43 images without a label, by typical." in done.stdout.splitlines()
    assert done.stdout.splitlines()[-2].endswith("select.csv") and len(lines_of(folder.parent / "round" / "select.csv")) == 9
    failed = call("select", str(folder), "--weights", "nowhere", "--budget", "5", "--out", str(folder.parent / "other"))
    assert failed.code == 3 and failed.err.splitlines() == [
        "--weights nowhere: no such run folder or weight file; imagenet takes the published ones."
    ]


def test_where_nothing_may_be_written_is_told_before_an_image_is_read(folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelfree.selecting.selection.read_images", None)
    (folder.parent / "note").write_text("a file in the way")
    with pytest.raises(RecipeError, match=r"nothing may be written in .*note; name another folder"):
        select(folder, "note/first", weights=weights, budget=2)
    monkeypatch.setattr("os.access", lambda path, mode: path != folder.parent)  # who is root may write everywhere
    with pytest.raises(RecipeError, match=r"--out .*first: nothing may be written in .*; name another folder"):
        select(folder, "new/first", weights=weights, budget=2)


def test_an_audit_of_copies_alone_says_that_they_are(tmp_path: Path, weights: Path) -> None:
    root = tmp_path / "copies"
    root.mkdir()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8))
    for at in range(6):
        picture.save(root / f"{at}.png")
    with pytest.raises(DataError, match=r"all images left are copies of one another, and no copy of an audit image is chosen"):
        select(root, "out", weights=weights, budget=2, audit=2)
