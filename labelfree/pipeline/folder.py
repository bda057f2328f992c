"""A run's folder: started new, continued when it is the same unfinished recipe, refused otherwise."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from labelfree.data.our_folders import STATE, WAITING, private_of
from labelfree.errors import Interrupted, RecipeError
from labelfree.pipeline.hidden_work import end_move, move_in
from labelfree.recipe import Recipe
from labelfree.recipe_renames import first_spelling
from labelfree.training.files import kept_secret, read_json, write_json, write_text
from labelfree.training.signals import raise_on_terminate

RUNS = Path("runs")  # where runs go that were given no folder


class RunFolder:
    """Paths of one run, and how far it has come.

    `home`: the folder itself. `path`: where the run writes until it is finished, which is inside private/ where names are hidden. `digest`
    names the recipe as it was asked for (before any `auto` is resolved): the same digest may continue, another may not. Where names are
    hidden it is keyed by a secret of the run, since anyone could try paths against a plain hash.
    """

    def __init__(self, home: Path, recipe: Recipe) -> None:
        self.home = home
        self.recipe = recipe
        self.hides_names = recipe.report.share is True
        self.path = home / WAITING if self.hides_names else home

    @cached_property
    def digest(self) -> str:
        plain = recipe_digest(self.recipe)
        if not self.hides_names:
            return plain
        return hmac.new(kept_secret(self.private / "recipe.key"), plain.encode(), hashlib.sha256).hexdigest()[:16]

    @property
    def private(self) -> Path:
        """What never leaves when a run is shared."""
        folder = private_of(self.home)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def log(self) -> Path:
        """The log: in private/ when the run is meant to be shared, since it holds real names."""
        return (self.private if self.hides_names else self.path) / "log.txt"

    def state(self) -> dict[str, Any]:
        file = next((file for file in (self.path / STATE, self.home / STATE) if file.is_file()), None)
        state: dict[str, Any] = read_json(file) if file is not None else {}
        return state

    def keeps_every_label_out(self, new: bool) -> bool:
        """Whether images with a label of any task stay out of the pool: as this run began, else `new`.

        A run that was begun before there was such a rule goes on without it, and a comparison alone has the pool of its pretraining.
        """
        state = self.state()
        return bool(state.get("every_label_out", False if "stages" in state else new))

    def discard_if_empty(self) -> None:
        """Remove a folder in which nothing was begun: an error of the data leaves no litter, and the console has said why."""
        if any((self.path / name).exists() for name in ("plan.json", "checkpoints", "backbones", "cells")):
            return
        for found in self.home.iterdir():
            shutil.rmtree(found) if found.is_dir() else found.unlink()
        if self.home.resolve() != Path.cwd():
            self.home.rmdir()
        if self.home.parent == RUNS and not any(RUNS.iterdir()):
            RUNS.rmdir()

    def mark(self, **facts: Any) -> None:
        """Remember facts about the run's progress (whole-file writes)."""
        write_json(self.path / STATE, {**self.state(), **facts})


@contextmanager
def stoppable(folder: Path) -> Iterator[None]:
    """Within: SIGTERM ends the work with Interrupted, whose sentence says how to go on with the run in `folder`."""
    try:
        with raise_on_terminate():
            yield
    except Interrupted as stop:
        raise Interrupted(f"{stop} Go on with: labelfree resume {folder}") from stop


def open_folder(recipe: Recipe, out: Path | None, asked: str, again: bool = False) -> RunFolder:
    """The folder of this run. `asked`: the recipe as YAML, kept for `resume`. `again`: a finished run of the same recipe may be entered.

    Raises RecipeError when `out` holds anything else.
    """
    folder = RunFolder(out or new_folder(recipe.name or "run"), recipe)
    home = folder.home
    end_move(home)
    state = folder.state()
    if not state:
        if home.is_file() or (home.is_dir() and any(home.iterdir())):
            raise RecipeError(f"--out {home}: holds something that is not a labelfree run; name a new or empty folder.")
    elif state["recipe"] not in (folder.digest, recipe_digest(recipe)):  # plain in runs begun before there was a key
        weights = home / "backbone.safetensors"
        arm = f"; its weights can be an arm there: evaluate.arms=[imagenet, {{name: mine, weights: {weights}}}]"
        raise RecipeError(
            f"--out {home}: holds a run of another recipe; name a new folder, "
            f"or `labelfree resume {home}` to go on with that one{arm if again and weights.is_file() else ''}."
        )
    elif state["status"] == "finished" and not again:
        raise RecipeError(f"--out {home}: this run is finished; its report is {home / 'report.html'}. Name a new folder to run again.")
    home.mkdir(parents=True, exist_ok=True)
    if folder.hides_names:
        move_in(home, folder.digest)
    if not state:
        write_text(folder.private / "asked.yaml", asked)
        folder.mark(recipe=folder.digest, status="unfinished")
    return folder


def inside_images(folder: RunFolder) -> str | None:
    """What to say of a run's folder that lies among the images; None elsewhere."""
    data = folder.recipe.data
    beside = data.labels or data.captions
    root = data.root or (beside.parent if beside is not None else None)
    if root is None or not folder.home.resolve().is_relative_to(root.expanduser().resolve()):
        return None
    return (
        f"The run's folder {folder.home} lies inside the images ({root}); folders of runs are not read as images, "
        "but --out with a folder elsewhere keeps them apart."
    )


def new_folder(name: str) -> Path:
    """runs/<name>-<time>, in the current folder; no character that a file system refuses."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
    stem = f"{safe}-{datetime.now():%Y%m%d-%H%M%S}"
    candidates = (RUNS / (stem if n == 0 else f"{stem}-{n}") for n in range(1000))
    return next(path for path in candidates if not path.exists())


def recipe_digest(recipe: Recipe) -> str:
    """A short name for a recipe's content, the same on every machine and however its keys were called since. What changes no weight and
    no score is left out.
    """
    content = first_spelling(recipe.model_dump(mode="json", exclude={"pretrain": {"on_collapse"}}))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
