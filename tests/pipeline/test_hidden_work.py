"""A run that hides names works inside private/: at whichever rename it is killed, nothing is lost and no name lies elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labelfree.data.our_folders import STATE, WAITING, home_of, is_run, private_of
from labelfree.pipeline.folder import open_folder
from labelfree.pipeline.hidden_work import end_move, move_in, move_out
from labelfree.recipe import Recipe

NAMED = {"splits.csv": "ANNA", "cells/one.parquet": "ANNA", "cells/two.parquet": "ANNA"}
HIDDEN = {"splits.csv": "row-1", "backbone.safetensors": "w", "backbones/a.safetensors": "w", "backbones/b.safetensors": "w"}


def laid(folder: Path, files: dict[str, str], **state: str) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if state:
        (folder / STATE).write_text(json.dumps({"recipe": "0", **state}))
    return folder


def held(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file() and path.suffix != ".key"}


def told(folder: Path) -> list[str]:
    return [name for name, text in held(folder).items() if "ANNA" in text and not name.startswith("private/")]


class Killed(BaseException):
    pass


@pytest.fixture
def killed_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Arms a kill at the n-th rename from now on."""
    left, rename = [10**6], Path.replace

    def replace(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    yield lambda count: left.__setitem__(0, count)


@pytest.mark.parametrize("count", range(5))
def test_a_finished_run_that_is_killed_as_it_moves_out_is_moved_out_later(tmp_path: Path, count: int, killed_after) -> None:
    laid(tmp_path, {"private/ids.csv": "ANNA"}, status="unfinished")
    laid(tmp_path / "backbones", {"old.safetensors": "w"})
    laid(tmp_path / WAITING, HIDDEN, status="finished", headline="better")
    killed_after(count)
    try:
        move_out(tmp_path)
    except Killed:
        assert told(tmp_path) == [] and is_run(tmp_path)
    killed_after(10**6)
    end_move(tmp_path)
    state = json.dumps({"recipe": "0", "status": "finished", "headline": "better"})
    assert held(tmp_path) == {**HIDDEN, "private/ids.csv": "ANNA", STATE: state}


@pytest.mark.parametrize("count", range(4))
def test_a_finished_part_that_is_killed_as_it_moves_in_is_moved_in_later_or_back(tmp_path: Path, count: int, killed_after) -> None:
    for later in (lambda home: move_in(home, "0"), end_move):
        home = laid(tmp_path / later.__name__, {**HIDDEN, "private/ids.csv": "ANNA"}, status="finished", headline="pretrained")
        before = held(home)
        killed_after(count)
        try:
            move_in(home, "0")
        except Killed:
            pass
        killed_after(10**6)
        later(home)
        if later is end_move:
            assert held(home) == before
            continue
        assert {name for name in held(home) if not name.startswith("private/")} == {STATE, *HIDDEN} - {"splits.csv"}  # weights stay
        assert held(home / WAITING) == {**HIDDEN, STATE: before[STATE]}


def test_what_an_earlier_version_left_outside_is_moved_in_before_anything_else(tmp_path: Path) -> None:
    recipe = Recipe(domain="medical", report={"share": True})  # type: ignore[arg-type]
    home = tmp_path / "run"
    digest = open_folder(recipe, home, "asked").digest
    for path in (home / WAITING).iterdir():
        path.replace(home / path.name)
    (home / WAITING).rmdir()
    laid(home, NAMED)
    assert told(home)
    folder = open_folder(recipe, home, "asked")
    assert told(home) == [] and folder.path == home / WAITING and folder.state()["recipe"] == digest
    assert {name: text for name, text in held(folder.path).items() if name != STATE} == NAMED


def test_both_folders_of_a_run_have_one_home_and_one_private(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / WAITING):
        assert home_of(folder) == tmp_path and private_of(folder) == tmp_path / "private"
    assert home_of(Path(WAITING)) == Path() and private_of(Path(WAITING)) == Path("private")
