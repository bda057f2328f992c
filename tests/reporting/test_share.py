"""Sharing: planted names are in no file that leaves, and scores survive."""

from __future__ import annotations

import csv
import getpass
import json
import socket
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image, PngImagePlugin

from labelfree.errors import DataError
from labelfree.reporting import Anonymiser, conceal, dataset_salt, share_copy, write_report
from labelfree.reporting.anonymise import SALTED
from tests.reporting.made import CLASSES, make_run

PATIENT, SITE, FILE, GROUP, USER, HOST = "MuellerAnna1957", "Klinik-Nord", "scan_ZZ81", "Mueller, Anna", "annamueller", "ct-room-seven"
PLANTED = (PATIENT, SITE, FILE, GROUP, USER, HOST, "nas-exports-7", "Aufnahmen")


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run on a folder tree whose every name identifies somebody."""
    monkeypatch.setattr(getpass, "getuser", lambda: USER)
    monkeypatch.setattr(socket, "gethostname", lambda: f"{HOST}.hospital.example")
    root, labels = f"/mnt/nas-exports-7/{SITE}/Aufnahmen", f"/mnt/nas-exports-7/{SITE}/labels {PATIENT}.csv"
    recipe = {"data": {"root": root, "labels": labels}, "pool": {"dir": str(tmp_path / "pools")}}
    folder = make_run(tmp_path / f"run-{PATIENT}", recipe=recipe, pictures=True)
    ids = [f"{SITE}/{PATIENT}/{FILE}-{i}.tif" for i in range(42)]
    with (folder / "splits.csv").open("w", newline="") as stream:
        rows = [(each, CLASSES[i % 6], GROUP, "", "train" if i % 2 else "dev") for i, each in enumerate(ids)]
        csv.writer(stream).writerows([("path", "label", "group", "split", "role"), *rows])
    with (folder / "budgets.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [("draw", "fold", "class", "position", "row_id"), *((0, 0, CLASSES[0], i, each) for i, each in enumerate(ids))]
        )
    table = pq.read_table(folder / "predictions.parquet").drop_columns(["row_id", "group"])
    table = table.append_column("row_id", pa.array([ids[i % 42] for i in range(len(table))])).append_column(
        "group", pa.array([GROUP] * len(table))
    )
    pq.write_table(table.append_column("run", pa.array([folder.name] * len(table)).dictionary_encode()), folder / "predictions.parquet")
    leaks = json.loads((folder / "leaks.json").read_text())
    leaks |= {"near": [[ids[0], ids[2], 0.98]], "scored_near": [ids[2]], "sentence": f"Such as {ids[2]} of {GROUP}."}
    (folder / "leaks.json").write_text(json.dumps(leaks))
    notes = [f"{root}/{ids[3]}: 12 bands.", f"{FILE}-4.tif could not be read.", f"C:\\Users\\{USER}\\{FILE}-5.tif", f"{HOST} has no GPU."]
    (folder / "notes.json").write_text(json.dumps(notes))
    command = f"labelfree run /home/{USER}/my.yaml data.root={root} 'data.labels={labels}' --out {folder}"
    (folder / "environment.json").write_text(json.dumps({"command": command, "python": "3.11.9"}))
    (folder / "log.txt").write_text(f"{USER} read {ids[0]}")
    (folder / "private").mkdir()
    (folder / "private" / "asked.yaml").write_text(f"data: {{root: {root}}}")
    facts = PngImagePlugin.PngInfo()
    facts.add_text("PatientName", GROUP)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "pictures" / "views-a.png", pnginfo=facts)
    return folder


def told(folder: Path, but: str = "private") -> list[tuple[str, str]]:
    """(file, name) of every planted name in a file, or in a file's name, outside private/. Parquet is read, since it is compressed."""
    found = []
    for path in (path for path in folder.rglob("*") if path.is_file() and but not in path.relative_to(folder).parts):
        content = path.read_bytes() + str(path.relative_to(folder)).encode()
        if path.suffix == ".parquet":
            content += json.dumps(pq.read_table(path).to_pylist()).encode()
        found += [(path.name, name) for name in PLANTED if name.encode() in content]
    return found


def test_the_planted_names_are_there_to_be_found(named: Path) -> None:
    assert {name for _, name in told(named)} == set(PLANTED)


def test_nothing_that_leaves_names_anybody(named: Path, tmp_path: Path) -> None:
    page = share_copy(named, tmp_path / "out")
    assert page == tmp_path / "out" / "report.html" and page.is_file()
    assert told(tmp_path / "out", but="nothing") == []
    left = {path.relative_to(tmp_path / "out").parts[0] for path in (tmp_path / "out").rglob("*")}
    assert not left & {"private", "log.txt", "pictures", "cells", "checkpoints", "neighbours.json"}
    assert "<img" not in page.read_text(encoding="utf-8").split("<script")[0]


def test_scores_survive_and_the_page_shows_them(named: Path, tmp_path: Path) -> None:
    share_copy(named, tmp_path / "out")
    for name in ("claims.json", "classes.json"):
        assert json.loads((tmp_path / "out" / name).read_text()) == json.loads((named / name).read_text())
    assert list(csv.reader((tmp_path / "out" / "metrics.csv").open())) == list(csv.reader((named / "metrics.csv").open()))
    mine, shared = (pq.read_table(folder / "predictions.parquet") for folder in (named, tmp_path / "out"))
    assert mine.drop_columns(["row_id", "group", "run"]) == shared.drop_columns(["row_id", "group", "run"])
    pairs = set(zip(mine["row_id"].to_pylist(), shared["row_id"].to_pylist(), strict=True))
    assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs}) == 42  # one name each, and told apart
    assert "78.5" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_pictures_leave_only_when_asked_and_carry_no_text(named: Path, tmp_path: Path) -> None:
    recipe = named / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("images: auto", "images: true"))
    share_copy(named, tmp_path / "out")
    with Image.open(tmp_path / "out" / "pictures" / "views-a.png") as picture:
        assert picture.text == {}  # type: ignore[attr-defined]
    assert told(tmp_path / "out", but="nothing") == []


def test_pictures_of_generated_images_are_nobodys(tmp_path: Path) -> None:
    made = make_run(tmp_path / "run", generated=True, pictures=True)
    page = share_copy(made, tmp_path / "out")
    assert list((tmp_path / "out" / "pictures").glob("*.png")) and "<img" in page.read_text(encoding="utf-8").split("<script")[0]


def test_a_run_concealed_in_place_keeps_its_names_in_private(named: Path) -> None:
    conceal(named)
    assert told(named) == []
    with (named / "private" / "ids.csv").open(newline="") as stream:
        names = dict(csv.reader(stream))
    assert names[f"{SITE}/{PATIENT}/{FILE}-0.tif"].startswith("row-") and (named / "private" / "log.txt").is_file()
    once = {path: path.read_bytes() for path in named.glob("*.csv")}
    conceal(named)
    assert once == {path: path.read_bytes() for path in named.glob("*.csv")}
    with (named / "private" / "ids.csv").open(newline="") as stream:
        assert dict(csv.reader(stream)) == names


def test_concealing_leaves_no_name_in_any_file_or_folder(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = named.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    logs = f"tensorboard/{SITE}/events.{HOST}"
    for name in (f"checkpoints/{PATIENT}-0.ckpt", logs, f"cells/{FILE}-0-knn-5-0-0.parquet.tmp", f"{USER}.txt"):
        (named / name).parent.mkdir(parents=True, exist_ok=True)
        (named / name).write_text(GROUP)
    (named / f"empty-{PATIENT}").mkdir()
    weights = f"/home/{USER}/{SITE}/nas-exports-7-best.safetensors"
    recipe = yaml.safe_load((named / "recipe.yaml").read_text())
    recipe["backbone"]["init"] = weights
    recipe["evaluate"]["arms"].append({"name": "mine", "weights": weights})
    (named / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (named / "evaluation.json").write_text(json.dumps({"notes": [f"{FILE}-1.tif of {GROUP} was left out."]}))
    (named / "plan.json").write_text(json.dumps({"init": weights, "source": f"{SITE}/{PATIENT}"}))
    (named / "state.json").write_text(json.dumps({"status": "finished", "command": f"labelfree run {weights} --out {named}"}))
    page = write_report(named)
    for _ in range(2):
        conceal(named)
        assert told(named) == []
        names = [str(path.relative_to(named)) for path in named.rglob("*") if "private" not in path.parts]
        assert not [(name, planted) for name in names for planted in PLANTED if planted in name]
        assert not {"checkpoints", "tensorboard", "cells", "pictures", "log.txt"} & {path.name for path in named.iterdir()}
        assert (named / "private" / "checkpoints" / f"{PATIENT}-0.ckpt").read_text() == GROUP
        assert "78.5" in page.read_text(encoding="utf-8")
        assert not list(elsewhere.iterdir())  # what stands for a path is never taken for one


def test_a_shared_copy_is_reported_again_without_a_trace(named: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share_copy(named, tmp_path / "out")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = set((tmp_path / "out").rglob("*"))
    write_report(tmp_path / "out", share=True)
    assert set((tmp_path / "out").rglob("*")) == before
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_report_of_a_shared_recipe_names_nobody_at_once(named: Path) -> None:
    recipe = named / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("share: auto", "share: true"))
    html = write_report(named).read_text(encoding="utf-8")
    assert [name for name in PLANTED if name in html] == []
    assert "&lt;data.root&gt;" in html


def test_runs_of_one_data_set_pair_and_others_do_not(tmp_path: Path) -> None:
    one, again, other = (Anonymiser(dataset_salt(tmp_path, name)) for name in ("chest", "chest", "hands"))
    assert one.row("a.tif") == again.row("a.tif") != other.row("a.tif")
    assert one.row("a.tif") != one.group("a.tif")
    assert one.row(one.row("a.tif")) == one.row("a.tif")
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "salts").iterdir())


def test_words_that_identify_nobody_stay(named: Path) -> None:
    anonymiser = Anonymiser.of(named)
    for sentence in (
        "imagenet+domain beats imagenet at 5 labels a class.",
        "Forest: mean/std per channel, 12 of 40",
        "pretrain.lr = 0.0002 (train)",
    ):
        assert anonymiser.text(sentence) == sentence


def test_addresses_of_images_are_hidden_and_other_links_stay() -> None:
    anonymiser = Anonymiser(b"salt", ["https://x.example/secret-site/a.tif"])
    assert (
        anonymiser.text("licence: https://creativecommons.org/licenses/by/4.0/") == "licence: https://creativecommons.org/licenses/by/4.0/"
    )
    assert "secret-site" not in anonymiser.text("read https://x.example/secret-site/a.tif")


def test_many_rows_do_not_make_it_slow() -> None:
    ids = [f"site/{i:06d}_a_rather_long_name.tif" for i in range(50_000)]
    anonymiser = Anonymiser(b"salt", ids)
    started = time.perf_counter()
    assert anonymiser.text(f"{ids[-1]} and {ids[0]}: unreadable") == f"{anonymiser.row(ids[-1])} and {anonymiser.row(ids[0])}: unreadable"
    for _ in range(1000):
        anonymiser.text("imagenet+domain")
    assert time.perf_counter() - started < 2  # 0.05 s on an idle core


def test_a_folder_that_holds_something_is_not_written_into(named: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("")
    with pytest.raises(DataError, match="holds something already"):
        share_copy(named, tmp_path / "out")


NUMBERS = ("2023001", "4711", "017", "p7", "17", "88-03", "5")


@pytest.fixture
def numbered() -> Anonymiser:
    """What hides a data set whose folders are numbers of patients and parcels."""
    ids = [f"{name}/{name}_{i}.tif" for name in NUMBERS for i in range(2)] + ["2022-07-01/1024/x.tif", "47.25/y.tif", "90210#0,0,96x96"]
    return Anonymiser(b"salt", ids, ["p7", "17", "p9", "8123"], {}, {"42": "<data.root>"}, ["forest"])


@pytest.mark.parametrize("name", [*NUMBERS, "90210", "p9", "42"])
@pytest.mark.parametrize(
    "sentence",
    ["{}/new.tif: 12 bands.", "in {}/ nothing is read", "read a/{}/b.tif", "C:\\x y\\{}\\b.tif",
     "group '{}' has rows in both", "{}.tif: broken",
     "patient {} and scans of it", "folders 3, {}, 4", "(runs/{}/first/)"],
)  # fmt: skip
def test_numbers_and_short_names_are_hidden_where_a_name_stands(numbered: Anonymiser, sentence: str, name: str) -> None:
    shown = SALTED.sub("", numbered.text(sentence.format(name)))
    assert name not in shown.replace("12 bands", "").replace("folders 3,", ""), shown


@pytest.mark.parametrize("sentence", ["2023001 has 12 bands.", "of 2023001.", "017 and p7, 88-03: broken", "such as 4711.", "of 8123."])
def test_numbers_that_no_count_looks_like_are_hidden_everywhere(numbered: Anonymiser, sentence: str) -> None:
    assert not any(name in SALTED.sub("", numbered.text(sentence)) for name in (*NUMBERS[:4], "88-03", "8123"))


@pytest.mark.parametrize(
    "sentence",
    ["17 of 40 images, 5 a class",
     "3.1x (1.7 to 5)", "accuracy 0.4711 at 5 labels a class", "5/17, 17.5/s", "1024 images of 1024 x 1024 px", "seed 4711",
     "2022-07-01 10:17:05 read 17", "1,024 images", "12,023,001 pixels", "EPSG:4711", "lr = 0.0017 (5 %)", "pretrain.steps = 4711",
     "forest 17, water 5", "macro_f1 of the 5 classes", "47.25 % of 42", "licence: https://x.example/by/17/"],
)  # fmt: skip
def test_counts_scores_dates_and_links_stay(numbered: Anonymiser, sentence: str) -> None:
    assert numbered.text(sentence) == sentence


def test_numbers_in_results_stay(numbered: Anonymiser) -> None:
    value = {"budget": "5", "mean": 0.17, "sentence": "5 labels a class", "row": "17/17_0.tif"}
    assert numbered.value(value) == {**value, "row": numbered.row("17/17_0.tif")}
    assert numbered.name("17") != "17" and numbered.name("42") == "<data.root>"


def test_numbered_folders_are_in_no_file_that_leaves(named: Path, tmp_path: Path) -> None:
    splits, ids = named / "splits.csv", [f"2023001/p7/{i:03d}.tif" for i in range(42)]
    with splits.open(newline="") as stream:
        header, *rows = csv.reader(stream)
    with splits.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *([each, *row[1:]] for each, row in zip(ids, rows, strict=True))])
    (named / "budgets.csv").unlink(), (named / "predictions.parquet").unlink()
    leaks = json.loads((named / "leaks.json").read_text()) | {"near": [[ids[0], ids[2], 0.98]], "scored_near": [ids[2]]}
    (named / "leaks.json").write_text(json.dumps(leaks | {"sentence": f"Such as {ids[2]} of 2023001."}))
    (named / "notes.json").write_text(json.dumps([f"{ids[3]}: 12 bands.", "2023001 was read twice.", "p7/lost.tif is missing."]))
    share_copy(named, tmp_path / "out")
    for path in (path for path in (tmp_path / "out").rglob("*") if path.suffix in (".json", ".csv", ".yaml")):
        assert "2023001" not in path.read_text() and "p7/" not in path.read_text(), path
