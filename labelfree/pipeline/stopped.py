"""A run that hides names and stops before its end: what it has so far holds real ones, and waits in private/ until the run goes on."""

from __future__ import annotations

from pathlib import Path

from labelfree.data.our_folders import RUN_KEYS, STATE, WAITING
from labelfree.training.files import read_json, write_json

WEIGHTS = {"backbone.safetensors", "backbone.json", "backbones"}


def put_aside(folder: Path) -> None:
    """Move all that lies in the run `folder` into private/, but for what tells that it is a run, and weights of an earlier part of it that
    was finished: these are hidden already.
    """
    state = read_json(folder / STATE) if (folder / STATE).is_file() else {}
    if not state.keys() >= RUN_KEYS:
        return
    waiting = folder / WAITING
    waiting.mkdir(parents=True, exist_ok=True)
    kept = {waiting.parent.name, *(WEIGHTS if "headline" in state else ())}
    for path in [path for path in folder.iterdir() if path.name not in kept]:
        path.replace(waiting / path.name)
    write_json(folder / STATE, {key: state[key] for key in sorted(RUN_KEYS)})


def take_back(folder: Path) -> None:
    """Where `put_aside` found it."""
    waiting = folder / WAITING
    if not waiting.is_dir():
        return
    for path in [*waiting.iterdir()]:
        path.replace(folder / path.name)
    waiting.rmdir()
