"""Which images weights were pretrained on, as the run folder around them says: a scored one among them is a leak (docs/protocol.md, 20)."""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from labelfree.backbones.weight_card import card_beside
from labelfree.data.chosen import DRAW
from labelfree.data.our_folders import STATE, TAKEN_FROM, private_of
from labelfree.data.splits import Labels, Roles
from labelfree.domain import Row
from labelfree.errors import DataError, LeakError
from labelfree.language.beginnings import taught_file
from labelfree.objectives.registry import objective_class
from labelfree.recipe import Data, Recipe
from labelfree.transfer.arms import arm_kind
from labelfree.weight_names import weight_file

BACKBONE = "backbone.safetensors"  # of a run
FEWEST_GROUPS = 2  # of a class, so that each can be scored by heads that learned from another
FIRST = f"draw the audit first: {DRAW}, then `labelfree pretrain RECIPE data.labels=audit/select.csv`"


@dataclass(frozen=True)
class History:
    """The pool of one run, or its images of other roles. `source`: the folder or card of them. `ids`, `groups`: of those images."""

    folder: Path
    source: str
    ids: frozenset[str]
    groups: frozenset[str]

    @classmethod
    def of(cls, folder: Path, roles: Collection[str] = ("pool",)) -> History | None:
        """What a run folder says of the images that had one of these `roles`; None where it is none, or does not say it."""
        recipe, table = _recipe(folder), folder / "splits.csv"
        if recipe is None or not table.is_file():
            return None
        names = _names(private_of(folder) / "ids.csv")
        with table.open(newline="", encoding="utf-8") as stream:
            found = [row for row in csv.DictReader(stream) if set(roles) & set((row.get("role") or "").split("+"))]
        ids, groups = ({names.get(row.get(key) or "", row.get(key) or "") for row in found} - {""} for key in ("path", "group"))
        return cls(folder, source_of(recipe.get("data") or {}), frozenset(ids), frozenset(groups))

    def shared(self, rows: Sequence[Row]) -> list[Row]:
        """Those rows that are among the images themselves, or share a group with one."""
        return [row for row in rows if row.id in self.ids or row.group in self.groups]


def scored_before(recipe: Recipe, roles: Roles, weights: Path | None = None) -> list[str]:
    """Look whether weights that the arms bring along were pretrained on images that are scored; sentences for the report.

    `weights`: a run whose networks were taken over.

    Only a run folder tells, and only of the same images: the same row ids under the same root, or of the same card (so never of a
    `Dataset`, whose items have no root).
    Raises `LeakError`, unless `data.transductive`.
    """
    scored = roles.train if roles.score is None else roles.score
    scored = [row for row in scored if row.id not in roles.learn_only]
    source, notes = source_of(recipe.data), []
    taken_over = [] if weights is None else [("--weights", weights / BACKBONE)]
    for key, file in [*_files(recipe), *taken_over]:
        for history in _histories(file):
            shared = history.shared(scored) if source and history.source == source else []
            if shared and not recipe.data.transductive:
                raise LeakError(_leak(key, file, history, shared, scored))
            if shared:
                notes.append(f"Transductive: {file.name} was pretrained on {len(shared)} of the scored images, so scores are too good.")
    return list(dict.fromkeys(notes))


def learn_only_where_seen(weights: Path, data: Data, task: Labels, roles: Roles) -> Roles:
    """The roles with labelled rows that the run `weights` pretrained on in training parts alone, where every class has two groups of others
    to be scored; a sentence on them. Scores of a test split stay as they are: `scored_before` looks at these.
    """
    if roles.score is not None:
        return roles
    seen = {row.id for row in seen_by(weights / BACKBONE, data, roles.train)} - roles.learn_only
    groups: dict[str, set[str]] = {task.stratum(row): set() for row in roles.train}
    others = [row for row in roles.train if row.id not in seen | roles.learn_only]
    for row in others:
        groups[task.stratum(row)].add(row.group or row.id)
    if not seen or any(len(each) < FEWEST_GROUPS for each in groups.values()):
        return roles
    said = (
        f"{len(seen)} of {len(roles.train)} labelled images were pretrained on by {weights.name}: they only train, the others are scored."
    )
    return replace(roles, learn_only=roles.learn_only | seen, notes=[*roles.notes, said])


def seen_by(file: Path, data: Data, rows: Sequence[Row]) -> list[Row]:
    """Those `rows` of `data` that a weight file was pretrained on, themselves or by their group, as the runs that led to it tell."""
    source = source_of(data)
    shared = {row.id: row for history in _histories(file) if source and history.source == source for row in history.shared(rows)}
    return list(shared.values())


def require_same_pool(folder: Path, digest: str, roles: Roles) -> None:
    """Raises DataError when a backbone of this run was pretrained on other images than are in the pool now: they could be scored.

    `digest`: of the pool's fingerprint. Before splits.csv is written anew: it still says what was pretrained on.
    """
    for path in sorted((folder / "backbones").glob("*.safetensors")):
        card = card_beside(path)
        if card is None or card.data == digest:
            continue
        history = History.of(folder)
        scored = roles.train if roles.score is None else roles.score
        shared = history.shared(scored) if history else []
        them = f", {_some(shared, scored)} among them" if shared else ""
        way = f"start a new folder with --out{f'; next time {FIRST}' if shared else ''}"
        raise DataError(f"{path}: pretrained on other images than data.root and data.labels give now{them}; {way}.")


def source_of(data: Data | Mapping[str, Any]) -> str:
    """The folder that the images of a recipe lie in, or its labels or captions, or the card that names them; "" where none says."""
    given = data if isinstance(data, Mapping) else data.model_dump()
    if given.get("root"):
        return str(Path(given["root"]).expanduser().resolve())
    if given.get("card"):
        return f"card {given['card']}"
    beside = given.get("labels") or given.get("captions")
    return str(Path(beside).expanduser().resolve().parent) if beside else ""


def _files(recipe: Recipe) -> Iterator[tuple[str, Path]]:
    """The weight files that arms are made of or continue from, each with the key that names it."""
    reads, options = objective_class(recipe.pretrain.objective).reads_text, recipe.pretrain.options
    if reads in options and _pretrains(recipe) and (taught := taught_file(str(options[reads]))):
        yield f"pretrain.options.{reads}", taught
    for arm in recipe.evaluate.arms:
        if not isinstance(arm, str):
            yield from [("evaluate.arms", arm.file)] if arm.file else []
        elif (file := weight_file(recipe.backbone.init)) and (kind := arm_kind(arm)).pretrained and kind.init == "imagenet":
            yield "backbone.init", file


def _pretrains(recipe: Recipe) -> bool:
    return any(isinstance(arm, str) and arm_kind(arm).pretrained for arm in recipe.evaluate.arms)


def _histories(file: Path) -> Iterator[History]:
    """The run that pretrained a weight file, and those whose weights it continued from."""
    seen: set[Path] = set()
    while (folder := run_of(file)) is not None and folder not in seen:
        seen.add(folder)
        if (history := History.of(folder)) is not None:
            yield history
        card, recipe = card_beside(file), _recipe(folder) or {}
        init = str((recipe.get("backbone") or {}).get("init", ""))
        before = weight_file(init)
        if card is None or card.init != init or before is None:
            return
        file = before


def run_of(file: Path) -> Path | None:
    """The run that pretrained a weight file; None where nothing around it tells."""
    folder = file.expanduser().resolve().parent
    folder = folder.parent if folder.name == "backbones" else folder
    while (source := _taken_from(folder)) is not None:
        folder = source
    return folder if (folder / "splits.csv").is_file() else None


def _taken_from(folder: Path) -> Path | None:
    """The run that the networks of another were taken over from; None where it pretrained them itself, or that one is gone."""
    hidden = private_of(folder) / TAKEN_FROM
    try:
        if hidden.is_file():
            source = hidden.read_text(encoding="utf-8")
        else:
            source = json.loads((folder / STATE).read_text(encoding="utf-8")).get("stages", {}).get("weights")
    except (OSError, ValueError):
        return None
    return Path(source) if source and Path(source).is_dir() and Path(source) != folder else None


def _recipe(folder: Path) -> dict[str, Any] | None:
    """The recipe of a run as it was asked for, with real names, else as it may leave; None where none can be read."""
    for file in (private_of(folder) / "asked.yaml", folder / "recipe.yaml"):
        if file.is_file():
            try:
                found = yaml.safe_load(file.read_text(encoding="utf-8"))
            except yaml.YAMLError:
                continue
            if isinstance(found, dict):
                return found
    return None


def _names(table: Path) -> dict[str, str]:
    """What the names of a shared run stand for, where its owner still has them."""
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8") as stream:
        return {row["shown"]: row["id"] for row in csv.DictReader(stream)}


def _leak(key: str, file: Path, history: History, shared: Sequence[Row], scored: Sequence[Row]) -> str:
    fact = f"{key}: {file} was pretrained on {_some(shared, scored)}, as {history.folder / 'splits.csv'} says: scores would be too good"
    ways = "take the arm imagenet+domain, which a run pretrains without them, or set data.transductive=true to mark the report"
    return f"{fact}; {ways}; next time {FIRST}."


def _some(shared: Sequence[Row], scored: Sequence[Row]) -> str:
    """How many of the scored images, and one of them."""
    return f"{len(shared)} of the {len(scored)} scored images (such as {shared[0].id})"
