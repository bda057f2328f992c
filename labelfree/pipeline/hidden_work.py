"""Where a run that hides names works: inside private/ from its first file on, so that whatever ends it, no name lies elsewhere.

It moves out once names are hidden, by renames. Both ways can be gone again after they were cut short.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from labelfree.data.our_folders import STATE, WAITING
from labelfree.training.files import read_json, whole_file, write_json

WEIGHTS = ("backbone.safetensors", "backbone.json", "backbone.text.safetensors", "backbones")


def move_in(home: Path, recipe: str) -> None:
    """Move all that lies in the run's folder `home` to where it works. What tells that it is a run, of the recipe with this digest, stays,
    and so do weights of an earlier part of it that was finished: in these names are hidden.
    """
    work = home / WAITING
    work.mkdir(parents=True, exist_ok=True)
    if (home / STATE).is_file() and not (work / STATE).is_file():
        (home / STATE).replace(work / STATE)
    write_json(home / STATE, {"recipe": recipe, "status": "unfinished"})
    begun_anew = "headline" in _state(work)
    for path in [path for path in home.iterdir() if path.name not in (work.parent.name, STATE)]:
        if begun_anew and path.name in WEIGHTS:
            _copy(path, work / path.name)
        else:
            path.replace(work / path.name)


def move_out(home: Path) -> None:
    """Back into the run's folder `home`, once no file of it tells a name."""
    work = home / WAITING
    for path in sorted(work.iterdir(), key=lambda path: path.name == STATE):  # last what says that it is finished
        target = home / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)
    work.rmdir()


def end_move(home: Path) -> None:
    """Move a finished run out that was stopped while it moved."""
    if _state(home / WAITING).get("status") == "finished":
        move_out(home)


def _state(folder: Path) -> dict[str, object]:
    state: dict[str, object] = read_json(folder / STATE) if (folder / STATE).is_file() else {}
    return state


def _copy(path: Path, target: Path) -> None:
    """A file or a folder of them, each file whole; those that are there already stay."""
    for file in [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]:
        copied = target / file.relative_to(path)
        if not copied.is_file():
            with whole_file(copied) as part:
                shutil.copyfile(file, part)
