"""Runs on images of people: planted names are in nothing that may leave, from the folder of a run to ONNX made of its heads.

About a minute of work: a run that is hidden, one with pictures, one that stops, and a comparison after a pretraining.
"""

from __future__ import annotations

import csv
import getpass
import hashlib
import io
import json
import logging
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image, PngImagePlugin

import labelfree
from labelfree.data.manifest import load_manifest
from labelfree.data.our_folders import is_run
from labelfree.domain import find_domain
from labelfree.errors import DataError, RecipeError
from labelfree.pipeline.confidential import with_sharing
from labelfree.pipeline.folder import recipe_digest
from labelfree.pipeline.stages import Run
from labelfree.progress import Console, Silent
from labelfree.recipe import Data
from labelfree.recipe_file import load_recipe
from labelfree.reporting.anonymise import SALTED
from tests.small_runs import SMALL, picture, table

PLUGIN = Path(__file__).parents[1] / "plugins" / "toy_films"
USER, HOST, UID, BORN = "annazqxer", "ct-room-zqx", "2.25.72403744934860067225496978460057314", "19700123"
FILES = ("zqxtestina", "zqxfolder", "zqxfile", "zqx-acc", "zqx-47", "mueller", BORN)  # what lies in the folder of images, in small letters
PLANTED = (*FILES, UID, USER, HOST, "nas-zqx", "run-zqx", "labels zqx")
RED = (250, 0, 0)
SETTINGS = [*SMALL, "domain=toy_films"]


@pytest.fixture(scope="module", autouse=True)
def plugin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGIN)
        patch.setattr(getpass, "getuser", lambda: USER)
        patch.setattr(socket, "gethostname", lambda: f"{HOST}.hospital.example")
        yield


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders by patient, 24 labelled films and 24 others; of each kind one is red all over and says that a name is burnt into it."""
    root = tmp_path_factory.mktemp("nas-zqx") / "ZQXFOLDER exports"
    lines = []
    for number in range(48):
        patient, burnt = f"ZQX-{4711 + number // 2}", number in (2, 30)
        path = root / f"{patient}_{BORN}" / f"ZQXFILE{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        facts = PngImagePlugin.PngInfo()
        facts.add_text("PatientName", f"ZQXTESTINA^Mueller{number}")
        facts.add_text("Accession", "ZQX-ACC-99")
        if burnt:
            facts.add_text("BurntIn", "YES")
        pixels = np.full((32, 32, 3), RED, np.uint8) if burnt else picture(number % 2, number)
        Image.fromarray(pixels).save(path, pnginfo=facts)
        if number < 24:
            lines.append((path.relative_to(root).as_posix(), ("across", "along")[number % 2], patient))
    with (root / "labels ZQX.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "label", "group"), *lines])
    return root


@pytest.fixture(scope="module")
def finished(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_on(films, tmp_path_factory.mktemp("runs") / "run-zqx")


@pytest.fixture(scope="module")
def with_pictures(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_on(films, tmp_path_factory.mktemp("runs") / "run", "report.images=true")


def run_on(films: Path, out: Path, *overrides: str, do: Callable[..., Run] = labelfree.run) -> Run:
    asked = [f"data.root={films}", f"data.labels={films / 'labels ZQX.csv'}", *SETTINGS, *overrides]
    return do("satellite_simclr", asked, out, say=Console(stream=io.StringIO()))


def told(folder: Path, planted: tuple[str, ...] = PLANTED) -> list[tuple[str, str]]:
    """(file, name) of every planted name in a file, or in a file's name, outside private/, capitals or not."""
    found = []
    for path in (path for path in folder.rglob("*") if "private" not in path.relative_to(folder).parts):
        content = path.relative_to(folder).as_posix().encode()
        if path.is_file():
            content += path.read_bytes()
        if path.suffix == ".parquet":  # compressed
            content += json.dumps([pq.read_table(path).to_pylist(), str(pq.read_schema(path).metadata)], ensure_ascii=False).encode()
        found += [(path.name, name) for name in planted if name.encode() in content.lower()]
    return found


def test_the_planted_names_are_there_to_be_found(films: Path, finished: Run) -> None:
    assert {name for _, name in told(films.parent)} >= set(FILES)
    log = (finished.folder / "private" / "log.txt").read_text(encoding="utf-8")
    assert "ZQX-ACC-99" in log and UID in log
    assert "ZQXTESTINA" in (finished.folder / "private" / "identifying.txt").read_text(encoding="utf-8")


def test_without_a_word_in_the_recipe_no_name_is_outside_private(finished: Run) -> None:
    assert told(finished.folder) == []
    assert yaml.safe_load((finished.folder / "recipe.yaml").read_text(encoding="utf-8"))["report"]["share"] is True
    assert not (finished.folder / "log.txt").exists() and not (finished.folder / "pictures").exists()
    rows = table(finished.folder / "splits.csv")
    assert all(SALTED.fullmatch(row["path"]) for row in rows) and len({row["path"] for row in rows}) == 48
    ids = pq.read_table(finished.folder / "predictions.parquet")["row_id"].to_pylist()
    assert ids and set(ids) <= {row["path"] for row in rows}


def test_salted_names_are_no_hash_that_can_be_tried(films: Path, finished: Run) -> None:
    shown = {row["path"].partition("-")[2] for row in table(finished.folder / "splits.csv")}
    for name in (path.relative_to(films).as_posix() for path in films.rglob("*.png")):
        for salt in ("", "row ", "row", "row-"):
            for kind in ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s"):
                assert hashlib.new(kind, (salt + name).encode()).hexdigest()[:12] not in shown


def test_a_copy_to_share_names_nobody(finished: Run, with_pictures: Run, tmp_path: Path) -> None:
    for number, run in enumerate((finished, with_pictures)):
        labelfree.report(run.folder, tmp_path / str(number))
        assert told(tmp_path / str(number)) == []
        assert not list((tmp_path / str(number)).rglob("private"))
    labelfree.report(finished.folder)
    assert told(finished.folder) == []


def test_pictures_come_when_asked_for_and_a_burnt_in_name_never_does(with_pictures: Run) -> None:
    assert told(with_pictures.folder) == []
    pictures = sorted((with_pictures.folder / "pictures").rglob("*.png"))
    kinds = {path.relative_to(with_pictures.folder / "pictures").parts[0].partition("-")[0] for path in pictures}
    assert {"views", "neighbours", "tokens"} <= kinds
    for path in pictures:
        with Image.open(path) as opened:
            assert not opened.info.keys() & {"exif", "text", "PatientName"}
            red, green, blue = np.moveaxis(np.asarray(opened.convert("RGB")).astype(int), 2, 0)
        plain = (red > 150) & (green < 60) & (blue < 60)
        assert plain.mean() < 0.02, path  # overlays have colours of their own, but no tile is red
    notes = json.loads((with_pictures.folder / "notes.json").read_text(encoding="utf-8"))
    assert any(note.startswith("2 images say that text is burnt into the pixels") for note in notes)


@pytest.mark.slow  # two runs; the copy to share shows most of it
def test_a_comparison_in_the_folder_of_a_hidden_pretraining_hides_names_as_before(films: Path, finished: Run, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_on(films, out, do=labelfree.pretrain)
    assert told(out) == []
    run_on(films, out, do=labelfree.evaluate)
    assert told(out) == []
    both = [{row["path"] for row in table(folder / "splits.csv")} for folder in (out, finished.folder)]
    assert both[0] == both[1]  # runs of one data set pair
    digests = [json.loads((folder / "state.json").read_text())["recipe"] for folder in (out, finished.folder)]
    assert digests[0] != digests[1]  # of one recipe: keyed by each run's secret


def test_a_run_that_stops_has_named_nobody_and_goes_on_as_if_it_had_not(
    films: Path, finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is tidied up when it stops: one that is killed leaves the same."""
    out = tmp_path / "run"
    seen: list[tuple[str, str]] = []
    with monkeypatch.context() as patch:
        patch.setattr("labelfree.pipeline.comparison.leave_heads", lambda *_: stop(seen.extend(told(out))))
        with pytest.raises(KeyboardInterrupt):
            run_on(films, out)
    assert seen == told(out) == [] and {path.name for path in out.iterdir()} == {"private", "state.json"}
    waiting = out / "private" / "unfinished"
    times = {path.name: path.stat().st_mtime_ns for path in (waiting / "cells").iterdir()}
    assert times and is_run(out)
    with pytest.raises(DataError, match="its files are in private/unfinished; where it was stopped, go on with: labelfree resume"):
        labelfree.report(out)
    labelfree.resume(out, say=Silent())
    assert not waiting.exists() and told(out) == []
    assert times.items() <= {path.name: path.stat().st_mtime_ns for path in (out / "private" / "cells").iterdir()}.items()  # none anew
    scores = [[{**row, "run": ""} for row in table(folder / "results.csv")] for folder in (out, finished.folder)]
    assert scores[0] == scores[1]


@pytest.mark.slow  # a process that imports and pretrains, and is killed: half a minute
def test_a_run_that_is_killed_has_named_nobody_and_goes_on_as_if_it_had_not(films: Path, finished: Run, tmp_path: Path) -> None:
    out, asked = tmp_path / "run", [f"data.root={films}", f"data.labels={films / 'labels ZQX.csv'}", *SETTINGS]
    words = [sys.executable, "-m", "labelfree", "run", "satellite_simclr", *asked, "--out", str(out)]
    process = subprocess.Popen(words, env=os.environ | {"PYTHONPATH": os.pathsep.join([str(PLUGIN), *sys.path])})
    try:
        while process.poll() is None and not any(out.glob("private/unfinished/cells/*")):
            time.sleep(0.02)
        process.kill()
    finally:
        process.kill()
        process.wait()
    assert told(out) == [] and {path.name for path in out.iterdir()} == {"private", "state.json"}
    assert (out / "private" / "unfinished" / "backbone.safetensors").is_file() and not list(out.rglob("results.csv"))
    labelfree.resume(out, say=Silent())
    assert told(out) == []
    scores = [[{**row, "run": ""} for row in table(folder / "results.csv")] for folder in (out, finished.folder)]
    assert scores[0] == scores[1]


@pytest.mark.slow  # a run that is stopped; the one that goes on shows most of it
def test_a_comparison_that_stops_leaves_the_weights_that_were_finished_before(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_on(films, tmp_path, do=labelfree.pretrain)
    with monkeypatch.context() as patch:
        patch.setattr("labelfree.pipeline.comparison.leave_heads", stop)
        with pytest.raises(KeyboardInterrupt):
            run_on(films, tmp_path, do=labelfree.evaluate)
    assert told(tmp_path) == [] and labelfree.load(tmp_path).dim
    run_on(films, tmp_path, do=labelfree.evaluate)
    assert told(tmp_path) == [] and (tmp_path / "results.csv").is_file()


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def test_heads_and_what_is_exported_of_them_name_nobody(finished: Run, films: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    images = sorted(films.rglob("*.png"))[4:8]
    made = labelfree.export(finished.folder, tmp_path / "out", images, say=Silent())
    here = (str(Path(labelfree.__file__).parents[1]).lower(), str(Path(sys.prefix)).lower(), str(Path.home()).lower())
    assert made.images == 4
    assert told(made.folder, (*PLANTED, *(place for place in here if len(place) > 6))) == []


def test_a_recipe_may_say_otherwise(films: Path, tmp_path: Path) -> None:
    run = run_on(films, tmp_path / "run", "report.share=false", do=labelfree.pretrain)
    assert (run.folder / "log.txt").is_file()
    assert any(row["path"].endswith("ZQXFILE00.png") for row in table(run.folder / "splits.csv"))


def test_names_of_folders_are_classes_only_where_they_are_said_to_be(tmp_path: Path) -> None:
    for name in ("ZQXDOE", "ZQXROE"):
        (tmp_path / name).mkdir()
        for number in range(3):
            facts = PngImagePlugin.PngInfo()
            facts.add_text("PatientName", name)
            facts.add_text("Accession", str(number))
            Image.fromarray(picture(0, number)).save(tmp_path / name / f"{number}.png", pnginfo=facts)
    domain = find_domain("toy_films")
    plain, said = (load_manifest(Data(root=tmp_path, **more), domain) for more in ({}, {"class_folders": True}))
    assert not plain.classes and "data.class_folders=true takes them" in plain.notes[-1]
    assert said.classes == ("ZQXDOE", "ZQXROE")
    assert load_manifest(Data(root=tmp_path), find_domain("satellite")).classes == said.classes


def test_a_domain_says_what_its_runs_do_unless_told() -> None:
    recipe = load_recipe("satellite_simclr", ["domain=toy_films"])
    assert recipe.report.share == "auto" and with_sharing(recipe).report.share is True
    other = load_recipe("satellite_simclr", [])
    assert with_sharing(other).report.share is False and recipe_digest(with_sharing(other)) == recipe_digest(other)
    said = load_recipe("satellite_simclr", ["domain=toy_films", "report.share=false"])
    assert with_sharing(said) is said
    with pytest.raises(RecipeError, match="is not installed"):
        with_sharing(recipe.model_copy(update={"domain": "nobody"}))


def test_what_libraries_warn_of_goes_to_the_private_log(films: Path, tmp_path: Path, call: Callable[..., SimpleNamespace]) -> None:
    settings = [f"data.root={films}", f"data.labels={films / 'labels ZQX.csv'}", f"pool.dir={tmp_path / 'pools'}", *SETTINGS]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")  # another test may have seen the same,
            logging.captureWarnings(False)  # or have left its capture on, which would be that of a context that is gone
            ended = call("pretrain", "satellite_simclr", *settings, "--out", str(tmp_path / "run"))
    finally:
        logging.captureWarnings(False)
    assert ended.code == 0, ended.err
    assert "Mueller2" not in ended.out + ended.err
    assert "ZQXTESTINA^Mueller2 is burnt in" in (tmp_path / "run" / "private" / "log.txt").read_text(encoding="utf-8")
    assert told(tmp_path / "run") == []
