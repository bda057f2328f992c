"""Recipes from files and from the command line: YAML and `a.b=c` overrides become a checked `Recipe`, and back.

Every error names the file and line, or the override, and what to write instead. Nothing in a recipe is executed.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from labelfree.errors import RecipeError
from labelfree.recipe import Recipe
from labelfree.recipe_words import expected, fields_at
from labelfree.recipe_yaml import Dumper, Keys, expanded, parse_yaml, read_yaml, scalar, with_text
from labelfree.resources import folder, resource

Overrides = Sequence[str] | Mapping[str, Any]
MEANT = {
    "epoch": "steps",
    "epochs": "steps",
    "iterations": "steps",
    "learning_rate": "lr",
    "method": "objective",
    "image_size": "size",
    "model": "name",
}
LABELS: Keys = ("data", "labels")
# What is typed goes before what a file says: a key that is typed, and the key of the file that would undo it and gives way.
GIVES_WAY: tuple[tuple[Keys, Keys], ...] = (
    (("data", "root"), ("data", "card")),  # your own folder replaces the recipe's card
    (("pretrain", "steps"), ("pretrain", "minutes")),
    (("pretrain", "minutes"), ("pretrain", "steps")),
    (("evaluate", "draws"), ("evaluate", "minutes")),
    (("evaluate", "labels_per_class"), ("evaluate", "minutes")),
    (("evaluate", "sizes"), ("evaluate", "minutes")),
)
PATHS: tuple[Keys, ...] = (("data", "root"), LABELS, ("data", "card"), ("pool", "dir"), ("backbone", "init"))


def load_recipe(source: str | Path, overrides: Overrides = ()) -> Recipe:
    """The recipe in a YAML file, in a run folder, or the shipped one of that name, with overrides applied.

    `overrides`: `["pretrain.minutes=3"]` or `{"pretrain.minutes": 3}`. Paths in a recipe file are relative to its folder,
    paths in overrides and in shipped recipes to the current one. Raises RecipeError.
    """
    path = Path(source)
    if path.is_dir():
        path = path / "recipe.yaml"
    if not path.is_file():
        path = resource("recipes", path.name)
    shipped = path.resolve().parent == folder("recipes").resolve()
    values, lines = read_yaml(path, str(source))
    draft = Draft(values, lines, str(source), path.stem)
    draft.values = expanded(values, draft.where)
    return draft.anchored(Path.cwd() if shipped else path.resolve().parent).overridden(overrides).checked()


def parse_recipe(text: str, name: str | None = None) -> Recipe:
    """The recipe that a YAML text says, as in a file called `name`. Relative paths are relative to the current folder."""
    values, lines = parse_yaml(text, name or "recipe")
    draft = Draft(values, lines, name or "recipe", name)
    draft.values = expanded(values, draft.where)
    return draft.anchored(Path.cwd()).overridden(()).checked()


def change(recipe: Recipe, overrides: Overrides) -> Recipe:
    """A recipe made in Python, with overrides applied. Relative paths are relative to the current folder."""
    return Draft(recipe.model_dump(mode="json"), {}, "recipe", recipe.name).anchored(Path.cwd()).overridden(overrides).checked()


def to_yaml(recipe: Recipe) -> str:
    """The whole recipe as YAML that `load_recipe` reads back to an equal one."""
    plain = with_text(recipe.model_dump(mode="json"), lambda text: text.replace("$", "$$"))
    return yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=140)


class Draft:
    """A recipe being put together: plain values, and where each of them was written.

    `shown`: how errors name the file. `stem`: the recipe's name where it gives none.
    """

    def __init__(self, values: dict[str, Any], lines: dict[Keys, int], shown: str, stem: str | None) -> None:
        self.values, self.lines, self.shown, self.stem = values, lines, shown, stem
        self.given: dict[Keys, str] = {}  # overrides as typed
        self.text: dict[Keys, str] = {}  # their right-hand side before YAML read it
        self.labels: str | None = None  # data.labels as written, before it was made absolute

    def anchored(self, base: Path) -> Draft:
        """The same draft with relative paths made absolute, from the folder `base`."""
        for keys in PATHS:
            text = _get(self.values, keys)
            if isinstance(text, str):
                self.labels = text if keys == LABELS else self.labels
                _put(self.values, keys, _path(keys, text, base))
        self._anchor_arms(base)
        return self

    def _anchor_arms(self, base: Path) -> None:
        arms = _get(self.values, ("evaluate", "arms"))
        for arm in arms if isinstance(arms, list) else ():
            if isinstance(arm, dict) and isinstance(arm.get("weights"), str):
                arm["weights"] = str(base / Path(arm["weights"]).expanduser())

    def overridden(self, overrides: Overrides) -> Draft:
        """The same draft with overrides put in, in order."""
        pairs = list(overrides.items()) if isinstance(overrides, Mapping) else [_split(text) for text in overrides]
        for key, value in pairs:
            self._override(key, value)
        if ("evaluate", "arms") in self.given:
            self._anchor_arms(Path.cwd())
        for typed, other in GIVES_WAY:
            if typed in self.given and _get(self.values, typed) not in (None, "auto") and not self._typed(other):
                self._give_way(other)
        self._find_labels()
        return self

    def _typed(self, keys: Keys) -> bool:
        """Whether a key, or a block that holds it, was typed."""
        return any(keys[:length] in self.given for length in range(1, len(keys) + 1))

    def _give_way(self, keys: Keys) -> None:
        """The key as if the file had not said it."""
        if _get(self.values, keys) is not None:
            block = _get(self.values, keys[:-1])
            del block[keys[-1]]

    def _find_labels(self) -> None:
        """A relative data.labels that is not where it was written may lie in data.root."""
        found, root = _get(self.values, LABELS), _get(self.values, ("data", "root"))
        if self.labels and isinstance(found, str) and isinstance(root, str) and not Path(found).exists():
            inside = Path(root) / Path(self.labels).expanduser()
            if inside.exists():
                _put(self.values, LABELS, str(inside))

    def _override(self, key: str, value: Any) -> None:
        keys, typed = tuple(key.split(".")), f"{key}={value}"
        if not all(keys):
            raise RecipeError(f"{typed}: {key!r} is not a dotted key; write e.g. pretrain.minutes=60.")
        self.given[keys] = typed
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if isinstance(value, str):
            text = str(expanded(value, lambda _: typed, keys))
            value = scalar(text)
            if keys in PATHS and value is not None:
                self.labels = text if keys == LABELS else self.labels
                value = text = _path(keys, text, Path.cwd())
            self.text[keys] = text
        for length in range(1, len(keys)):
            above = _get(self.values, keys[:length])
            if above is not None and not isinstance(above, dict):
                raise RecipeError(f"{typed}: {'.'.join(keys[:length])} is not a block of keys; write {'.'.join(keys[:length])}=VALUE.")
        _put(self.values, keys, value)

    def checked(self) -> Recipe:
        """The recipe, or the first thing wrong with it as a RecipeError."""
        while True:
            try:
                return Recipe.model_validate({**self.values, "name": self.values.get("name") or self.stem})
            except ValidationError as error:
                problem = min(error.errors(), key=lambda e: (e["type"] == "missing", self._order(_known(e["loc"]))))
            keys = _known(problem["loc"])
            if keys not in self.text or _get(self.values, keys) == self.text[keys]:
                raise RecipeError(f"{self.where(keys)}: {self._sentence(keys, problem)}") from None
            _put(self.values, keys, self.text[keys])  # `name=2024` or `data.sensor=no`: text where text is asked for

    def _order(self, keys: Keys) -> tuple[bool, int]:
        return any(keys[:n] in self.given for n in range(1, len(keys) + 1)), self.lines.get(keys, 0)

    def where(self, keys: Keys) -> str:
        """The override, or file and line, that a key comes from (its nearest parent's when it was not written)."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.given:
                return self.given[keys[:length]]
            below = [typed for given, typed in self.given.items() if given[:length] == keys[:length]]
            if keys[:length] in self.lines:
                return f"{self.shown}:{self.lines[keys[:length]]}"
            if below:
                return below[0]
        return self.shown

    def _sentence(self, keys: Keys, problem: Any) -> str:
        key = ".".join(keys)
        if problem["type"] == "extra_forbidden":
            near, parent = _nearest(keys), ".".join(keys[:-1])
            known = f"{parent or 'a recipe'} knows {', '.join(fields_at(keys[:-1]))}."
            return f"{key} is not a key; {f'did you mean {near}?' if near else known}"
        if problem["type"] == "missing":
            return f"{key} is missing; {'write e.g. `domain: satellite`.' if key == 'domain' else 'add it.'}"
        if problem["type"] == "value_error":
            return f"{key + '.' if key else ''}{problem['ctx']['error']}."
        value = _get(self.values, keys)
        unquote = (
            "; write it without quotes" if keys in self.lines and isinstance(value, str) and not isinstance(scalar(value), str) else ""
        )
        return f"{key} must be {expected(keys)}, not {value!r}{unquote}."


def _split(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise RecipeError(f"{text!r} is not an override; write key=value, e.g. pretrain.minutes=60.")
    return key.strip(), value.strip()


def _known(location: tuple[int | str, ...]) -> Keys:
    """pydantic's location without the names it gives to the members of a union."""
    keys: Keys = ()
    for part in map(str, location):
        if fields_at(keys):
            keys = (*keys, part)
            if part not in fields_at(keys[:-1]):
                break
        elif part.isdigit():
            keys = (*keys, part)
    return keys


def _nearest(keys: Keys) -> str | None:
    """The known key most like this one: beside it first, then anywhere in the recipe."""
    here = fields_at(keys[:-1])
    beside = [MEANT[keys[-1]]] if MEANT.get(keys[-1]) in here else difflib.get_close_matches(keys[-1], here, 1, 0.6)
    if beside:
        return ".".join((*keys[:-1], beside[0]))
    sections: list[Keys] = [(), *((name,) for name in fields_at(()))]
    everywhere = {name: ".".join((*section, name)) for section in sections for name in fields_at(section)}
    found = difflib.get_close_matches(keys[-1], everywhere, 1, 0.7)
    return everywhere[found[0]] if found else None


def _path(keys: Keys, text: str, base: Path) -> str:
    """A path made absolute. A card or a starting point may be a name instead: those stay."""
    if keys == ("data", "card") and Path(text).suffix != ".md":
        return text
    if keys == ("backbone", "init") and text in {"imagenet", "random"}:
        return text
    return str(base / Path(text).expanduser())


def _get(values: Any, keys: Keys) -> Any:
    for key in keys:
        if isinstance(values, list):
            values = values[int(key)] if key.isdigit() and int(key) < len(values) else None
        else:
            values = values.get(key) if isinstance(values, dict) else None
    return values


def _put(values: dict[str, Any], keys: Keys, value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(values.get(key), dict):
            values[key] = {}
        values = values[key]
    values[keys[-1]] = value
