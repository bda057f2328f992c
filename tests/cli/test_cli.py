"""The command line: every verb is one call into the API; errors are one sentence and an exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import labelfree
from labelfree import cli
from labelfree.errors import DataError, Interrupted, LabelfreeError, LeakError, RecipeError, TrainingError
from labelfree.planning.diagnosis import Finding
from labelfree.planning.proposal import Proposal
from labelfree.progress import Console
from labelfree.recipe import Recipe

VERBS = {
    "run": ("run", ["satellite_dino", "pretrain.minutes=1", "--out", "x"]),
    "resume": ("resume", ["x"]),
    "pretrain": ("pretrain", ["satellite_dino", "--out", "x"]),
    "evaluate": ("evaluate", ["satellite_dino", "evaluate.draws=5"]),
    "report": ("report", ["x", "--share", "y"]),
    "demo": ("demo", ["--out", "x"]),
    "embed": ("embed_folder", ["images", "--weights", "w", "--out", "x.parquet"]),
    "index": ("index", ["images", "--weights", "w", "--out", "x.index", "--tile", "32x96x96"]),
    "search": ("search", ["x.index", "--image", "a.png", "--box", "1,2,30,40", "-k", "5", "--out", "x"]),
    "plan": ("plan", ["images", "--domain", "satellite", "--labels", "labels.csv", "--out", "x.yaml"]),
}


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """The API replaced by functions that note how they were called."""
    noted: list[tuple] = []
    for name, _ in VERBS.values():

        def stand_in(*args, _name=name, **kwargs):
            noted.append((_name, args, {key: value for key, value in kwargs.items() if key != "say"}))
            return Proposal(("found",), "text", Recipe(domain="satellite")) if _name in ("plan", "search") else tmp_path / "report.html"

        monkeypatch.setattr(labelfree, name, stand_in)
    return noted


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_one_call_and_works_twice(verb, call, calls):
    name, words = VERBS[verb]
    for _ in range(2):
        assert call(verb, *words).code == 0
    assert [note[0] for note in calls] == [name, name] and calls[0] == calls[1]


def test_overrides_and_folder_reach_the_api(call, calls):
    call("run", "satellite_dino", "pretrain.minutes=1", "--out", "x", "data.root=/mine")
    assert calls == [("run", ("satellite_dino", ["pretrain.minutes=1", "data.root=/mine"], Path("x")), {})]


@pytest.mark.parametrize(
    ("error", "code"),
    [(LabelfreeError, 1), (RecipeError, 2), (DataError, 3), (LeakError, 4), (TrainingError, 5), (Interrupted, 75)],
)
def test_an_error_is_one_sentence_and_its_exit_code(call, monkeypatch, error, code):
    def broken(*_, **__):
        raise error("images/a.tif: is cut short; fetch it again.")

    monkeypatch.setattr(labelfree, "run", broken)
    done = call("run", "satellite_dino")
    assert (done.code, done.err) == (code, "images/a.tif: is cut short; fetch it again.\n")
    with pytest.raises(error):  # with --debug, wherever it stands, the traceback comes through
        cli.main(["run", "satellite_dino", "--debug"])


def test_a_fault_of_ours_is_said_without_a_traceback(call, monkeypatch):
    monkeypatch.setattr(labelfree, "run", lambda *_, **__: [][1])
    done = call("run", "satellite_dino")
    assert done.code == 1 and "--debug" in done.err and "Traceback" not in done.err and done.err.count("\n") == 1


def test_ctrl_c_says_how_to_go_on(call, monkeypatch, tmp_path):
    def interrupted(*_, say: Console, **__):
        say.log_to(tmp_path / "log.txt")
        raise KeyboardInterrupt

    monkeypatch.setattr(labelfree, "run", interrupted)
    done = call("run", "satellite_dino")
    assert done.code == 75 and f"labelfree resume {tmp_path}\n" in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run"], "Missing argument"),
        (["rnu"], "No such command"),
        (["run", "satellite_dino", "--nope"], "No such option"),
        (["run", "satellite_dino", "pretrain.epoch=3"], "pretrain.epoch=3: pretrain.epoch is not a key; did you mean pretrain.steps?"),
        (["run", "recipes/nowhere.yaml"], "nowhere"),
        (["recipe", "check", "satellite_dino", "evaluate.draws=many"], "evaluate.draws must be a whole number"),
        (["search", "x.index", "--image", "a.png", "--box", "1,2,3,b", "--out", "x"], "--box 1,2,3,b: give x0,y0,x1,y1 in pixels."),
    ],
)
def test_wrong_usage_is_one_sentence_and_code_2(call, words, told):
    done = call(*words)
    assert done.code == 2 and told in done.err and done.err.count("\n") == 1 and done.out == ""


@pytest.mark.parametrize("words", [[], ["data"], ["recipe"]])
def test_no_verb_shows_the_help(call, words):
    assert "Usage" in (call(*words).out)


@pytest.mark.parametrize(
    "verb",
    [[v] for v in (*VERBS, "compare", "doctor")]
    + [["data", v] for v in ("show", "check", "sample")]
    + [["recipe", v] for v in ("show", "check", "schema")],
)
def test_the_help_of_every_verb_shows_an_example(call, verb):
    done = call(*verb, "--help")
    assert done.code == 0 and f"Example: labelfree {' '.join(verb)}" in " ".join(done.out.split())


def test_the_help_lists_exit_codes(call):
    said = " ".join(call("--help").out.split())
    assert all(f"{code} " in said for code in (0, 1, 2, 3, 4, 5, 75)) and "labelfree resume DIR" in said


def test_version(call):
    assert call("--version").out.strip() == f"labelfree {labelfree.__version__}"


def test_a_recipe_is_shown_checked_and_described(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = call("recipe", "show", "satellite_dino", "pretrain.minutes=7")
    assert shown.code == 0 and "minutes: 7.0" in shown.out
    (tmp_path / "shown.yaml").write_text(shown.out, encoding="utf-8")
    assert call("recipe", "show", "shown.yaml").out == shown.out
    assert "imagenet+domain against imagenet" in call("recipe", "check", "shown.yaml").out
    assert json.loads(call("recipe", "schema", "--json").out)["properties"]["pretrain"]
    assert "minutes: null" in call("recipe", "schema").out


def test_doctor_leaves_with_1_when_something_is_wrong(call, monkeypatch):
    monkeypatch.setattr(labelfree, "doctor", lambda: [Finding("disk", "ok", "9 GiB free")])
    assert call("doctor").code == 0
    monkeypatch.setattr(labelfree, "doctor", lambda: [Finding("GPU", "wrong", "the CPU build", "pip install torch")])
    done = call("doctor")
    assert done.code == 1 and "GPU: the CPU build -> pip install torch" in done.out


def test_what_was_found_and_the_recipe_go_apart(call, calls):
    done = call("plan", "images")
    assert (done.code, done.out, done.err) == (0, "text", "found\n")
    assert calls == [("plan", (Path("images"), None, None, None), {"label_field": None, "date_field": None, "overrides": ()})]
    assert call("plan", "images", "--out", "x.yaml").out == "recipe: x.yaml\n"


def test_report_takes_the_newest_run(call, calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no run folder here" in call("report").err
    for age, name in ((100, "old"), (0, "new")):
        recipe = tmp_path / "runs" / name / "recipe.yaml"
        recipe.parent.mkdir(parents=True)
        recipe.touch()
        os.utime(recipe, (time.time() - age,) * 2)
    call("report")
    assert calls == [("report", (Path("runs/new"), None), {})]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_sigterm_ends_with_a_sentence_and_75(tmp_path):
    code = f"""
import sys, time, pathlib, labelfree
from labelfree import cli
def endless(*_, say, **__):
    say.log_to(pathlib.Path({str(tmp_path / "log.txt")!r}))
    print("ready", flush=True)
    time.sleep(60)
labelfree.run = endless
cli.main(["run", "satellite_dino"])
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 75 and f"labelfree resume {tmp_path}" in told and "Traceback" not in told
