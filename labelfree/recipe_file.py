"""Recipes from files and from the command line: YAML and `a.b=c` overrides become a checked `Recipe`, and back.

Every error names the file and line, or the override, and what to write instead. Nothing in a recipe is executed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from labelfree.entry_points import installed_points
from labelfree.errors import RecipeError
from labelfree.installed_domains import reader_model
from labelfree.reader_settings import Problems, checked_settings
from labelfree.recipe import TASKS, Evaluate, Primary, Recipe
from labelfree.recipe_mistakes import domain_of, keys_of, sentence, value_at
from labelfree.recipe_renames import RENAMED, differing, notice, respelled, today
from labelfree.recipe_yaml import Dumper, Keys, expand_variables, parse_yaml, read_yaml, scalar, with_text
from labelfree.resources import folder, resource
from labelfree.weight_names import INFLATED, PUBLISHED, weight_file

Overrides = Sequence[str] | Mapping[str, Any]
Tell = Callable[[str], None]
BESIDE_IMAGES: tuple[Keys, ...] = (("data", "labels"), ("data", "captions"))
# What is typed goes before what a file says: a key that is typed, and the key of the file that would undo it and gives way.
GIVES_WAY: tuple[tuple[Keys, Keys], ...] = (
    (("data", "root"), ("data", "card")),  # your own folder replaces the recipe's card
    (("pretrain", "steps"), ("pretrain", "minutes")),
    (("pretrain", "minutes"), ("pretrain", "steps")),
    (("evaluate", "draws"), ("evaluate", "minutes")),
    (("evaluate", "labels_per_class"), ("evaluate", "minutes")),
    (("evaluate", "sizes"), ("evaluate", "minutes")),
)
NORMAL: Keys = ("data", "normal")
TASK: Keys = ("evaluate", "task")
PROMPTS: Keys = ("evaluate", "prompts")
PATHS: tuple[Keys, ...] = (("data", "root"), *BESIDE_IMAGES, ("data", "card"), NORMAL, ("pool", "dir"), ("backbone", "init"), PROMPTS)


def load_recipe(source: str | Path, overrides: Overrides = (), tell: Tell | None = None) -> Recipe:
    """The recipe in a YAML file, in a run folder, or the shipped one of that name, with overrides applied.

    `overrides`: `["pretrain.minutes=3"]` or `{"pretrain.minutes": 3}`. Paths in a recipe file are relative to its folder,
    paths in overrides and in shipped recipes to the current one. `tell`: is told, once, of keys that are spelled otherwise now. Raises
    RecipeError.
    """
    path = Path(source)
    if path.is_dir():
        path = path / "recipe.yaml"
    if not path.is_file():
        path = resource("recipes", path.name)
    shipped = path.resolve().parent == folder("recipes").resolve()
    values, lines = read_yaml(path, str(source))
    draft = Draft(values, lines, str(source), path.stem)
    draft.values = expand_variables(values, draft.where)
    anchored = draft.respelled().anchored(Path.cwd() if shipped else path.resolve().parent)
    return anchored.overridden(overrides).announced(tell).checked()


def parse_recipe(text: str, name: str | None = None) -> Recipe:
    """The recipe that a YAML text says, as in a file called `name`. Relative paths are relative to the current folder."""
    values, lines = parse_yaml(text, name or "recipe")
    draft = Draft(values, lines, name or "recipe", name)
    draft.values = expand_variables(values, draft.where)
    return draft.respelled().anchored(Path.cwd()).checked()


def change(recipe: Recipe, overrides: Overrides, tell: Tell | None = None) -> Recipe:
    """A recipe made in Python, with overrides applied. Relative paths are relative to the current folder; `tell` as for `load_recipe`."""
    draft = Draft(recipe.model_dump(mode="json"), {}, "recipe", recipe.name)
    return draft.anchored(Path.cwd()).overridden(overrides).announced(tell).checked()


def to_yaml(recipe: Recipe) -> str:
    """The whole recipe as YAML that `load_recipe` reads back to an equal one."""
    plain = with_text(recipe.model_dump(mode="json"), lambda text: text.replace("$", "$$"))
    return yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=140)


class Draft:
    """A recipe being put together: plain values, and where each of them was written.

    `shown`: how errors name the file. `stem`: the recipe's name where it says nothing of one; `name: null` is a recipe made in Python.
    """

    def __init__(self, values: dict[str, Any], lines: dict[Keys, int], shown: str, stem: str | None) -> None:
        self.values, self.shown, self.stem = values, shown, stem
        self.lines = {today(keys): line for keys, line in lines.items()}
        self.spelled: dict[Keys, Keys] = {}  # keys that a person spelled as they were once, by what they are called now
        self.given: dict[Keys, str] = {}  # overrides as typed
        self.text: dict[Keys, str] = {}  # their right-hand side before YAML read it
        self.written: dict[Keys, str] = {}  # of BESIDE_IMAGES, before they were made absolute
        self.own: list[str] = []  # keys that a task brought along which was typed

    def respelled(self) -> Draft:
        """The same draft with every key as it is spelled now."""
        try:
            self.values, moved = respelled(self.values)
        except RecipeError as error:
            raise RecipeError(f"{self.shown}: {error}") from None
        self.spelled.update(moved)
        return self

    def announced(self, tell: Tell | None) -> Draft:
        """The same draft, once a person was told of keys that are spelled otherwise now."""
        if tell is not None and (line := notice(self.spelled)):
            tell(line)
        if tell is not None and self.own:
            tell(f"{self.given[TASK]} is asked with {' '.join(self.own)}.")
        return self

    def anchored(self, base: Path) -> Draft:
        """The same draft with relative paths made absolute, from the folder `base`."""
        for keys in PATHS:
            text = value_at(self.values, keys)
            if isinstance(text, str):
                self.written[keys] = text
                _put(self.values, keys, _path(keys, text, base))
        self._anchor_arms(base)
        return self

    def _anchor_arms(self, base: Path) -> None:
        arms = value_at(self.values, ("evaluate", "arms"))
        for arm in arms if isinstance(arms, list) else ():
            if isinstance(arm, dict) and isinstance(arm.get("weights"), str) and arm["weights"] not in (PUBLISHED, INFLATED):
                arm["weights"] = str(base / Path(arm["weights"]).expanduser())

    def overridden(self, overrides: Overrides) -> Draft:
        """The same draft with overrides put in, in order."""
        pairs = list(overrides.items()) if isinstance(overrides, Mapping) else [_split(text) for text in overrides]
        for key, value in pairs:
            self._override(key, value)
        if ("evaluate", "arms") in self.given:
            self._anchor_arms(Path.cwd())
        for typed, other in GIVES_WAY:
            if typed in self.given and value_at(self.values, typed) not in (None, "auto") and not self._typed(other):
                self._give_way(other)
        self._ask_as_typed()
        self._find_beside_images()
        return self

    def _ask_as_typed(self) -> None:
        """Where a task is typed and the file asks by another's protocols, these and what they are claimed by give way to its own."""
        settings = value_at(self.values, ("evaluate",))
        own = own_question(settings) if TASK in self.given and isinstance(settings, dict) else {}
        for keys, value in own.items():
            if not self._typed(keys) or value_at(self.values, keys) is None:  # a block that was typed may leave out what is the task's
                _put(self.values, keys, value)
                self.own.append(f"{'.'.join(keys)}={'[' + ', '.join(value) + ']' if isinstance(value, list) else value}")

    def _typed(self, keys: Keys) -> bool:
        """Whether a key, or a block that holds it, was typed."""
        return any(keys[:length] in self.given for length in range(1, len(keys) + 1))

    def _give_way(self, keys: Keys) -> None:
        """The key as if the file had not said it."""
        if value_at(self.values, keys) is not None:
            block = value_at(self.values, keys[:-1])
            del block[keys[-1]]

    def _find_beside_images(self) -> None:
        """A relative data.labels or data.captions that is not where it was written may lie in data.root."""
        root = value_at(self.values, ("data", "root"))
        for keys in BESIDE_IMAGES:
            file, written = value_at(self.values, keys), self.written.get(keys)
            if written and isinstance(file, str) and isinstance(root, str) and not Path(file).exists():
                inside = Path(root) / Path(written).expanduser()
                if inside.exists():
                    _put(self.values, keys, str(inside))

    def _override(self, key: str, value: Any) -> None:
        spelled, typed = tuple(key.split(".")), f"{key}={value}"
        if not all(spelled):
            raise RecipeError(f"{typed}: {key!r} is not a dotted key; write e.g. pretrain.minutes=60.")
        keys = today(spelled)
        before = self.given.get(keys)
        self.given[keys] = typed
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if isinstance(value, str):
            text = str(expand_variables(value, lambda _: typed, keys))
            value = scalar(text)
            if keys in PATHS and value is not None and value is not False:
                self.written[keys] = text
                value = text = _path(keys, text, Path.cwd())
            self.text[keys] = text
        if before is not None and self._typed_as(keys) != spelled and value != value_at(self.values, keys):
            raise RecipeError(f"{before}, {typed}: {differing(*sorted([self._typed_as(keys), spelled], key=lambda key: key == keys))}")
        self.spelled = {now: old for now, old in self.spelled.items() if now[: len(keys)] != keys}
        if keys != spelled:
            self.spelled[keys] = spelled
        for length in range(1, len(keys)):
            above = value_at(self.values, keys[:length])
            if above is not None and not isinstance(above, dict):
                raise RecipeError(f"{typed}: {'.'.join(keys[:length])} is not a block of keys; write {'.'.join(keys[:length])}=VALUE.")
        moved = [old for old in RENAMED if old[:-1] == keys and isinstance(value, dict) and old[-1] in value]
        _put(self.values, keys, {name: value[name] for name in value if (*keys, name) not in moved} if moved else value)
        for old in moved:
            self._override(".".join(old), value[old[-1]])

    def checked(self) -> Recipe:
        """The recipe, or the first thing wrong with it as a RecipeError."""
        while True:
            recipe, problems = self._validated()
            if recipe is not None:
                return recipe
            domain = domain_of(self.values)
            problem = min(problems, key=lambda e: (e["type"] == "missing", self._order(keys_of(e["loc"], domain))))
            keys = keys_of(problem["loc"], domain)
            if keys not in self.text or value_at(self.values, keys) == self.text[keys]:
                raise RecipeError(f"{self.where(keys)}: {self._sentence(keys, problem)}") from None
            _put(self.values, keys, self.text[keys])  # `name=2024` or `name=no`: text where text is asked for

    def _validated(self) -> tuple[Recipe | None, Problems]:
        """The recipe, its reader checked by the domain's own model, or all that is wrong."""
        values, problems = {"name": self.stem, **self.values}, []
        model = reader_model(domain_of(values) or "")
        if model is not None and isinstance(values.get("reader", {}), dict):
            values["reader"], faults = checked_settings(model, values.get("reader", {}))
            problems = [{**problem, "loc": ("reader", *problem["loc"])} for problem in faults]
        try:
            recipe = Recipe.model_validate(values)
        except ValidationError as error:
            return None, [*problems, *error.errors()]
        return (None if problems else recipe), problems

    def _order(self, keys: Keys) -> tuple[bool, int]:
        return any(keys[:n] in self.given for n in range(1, len(keys) + 1)), self.lines.get(keys, 0)

    def where(self, keys: Keys) -> str:
        """The override, or file and line, that a key comes from (its nearest parent's when it was not written)."""
        return self._place(keys) or self._place(self._typed_as(keys)) or self.shown

    def _place(self, keys: Keys) -> str | None:
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.given:
                return self.given[keys[:length]]
            below = [typed for given, typed in self.given.items() if given[:length] == keys[:length]]
            if keys[:length] in self.lines:
                return f"{self.shown}:{self.lines[keys[:length]]}"
            if below:
                return below[0]
        return None

    def _typed_as(self, keys: Keys) -> Keys:
        """The key as a person spelled it."""
        for length in range(1, len(keys) + 1):
            if keys[:length] in self.spelled:
                return (*self.spelled[keys[:length]], *keys[length:])
        return keys

    def _sentence(self, keys: Keys, problem: Any) -> str:
        value = value_at(self.values, keys)
        quoted = keys in self.lines and isinstance(value, str) and not isinstance(scalar(value), str)
        return sentence(keys, problem, self.values, self._typed_as(keys), "; write it without quotes" if quoted else "")


def own_question(settings: Mapping[str, Any]) -> dict[Keys, Any]:
    """What the task that is asked brings of `evaluate` where the protocols or the primary are another's; nothing where they are its own."""
    point = next((point for point in installed_points(TASKS) if point.name == settings.get("task")), None)
    if point is None:
        return {}  # which is told when the recipe is checked
    task, primary = point.load(), {**Primary().model_dump(), **(settings.get("primary") or {})}
    asked = settings.get("protocols", Evaluate.model_fields["protocols"].default)
    if {*asked, primary["protocol"]} <= {*task.protocols} and primary["metric"] in task.metrics:
        return {}
    own: dict[Keys, Any] = {}
    for key, value in task.own_question(settings).items():
        own |= {("evaluate", key, name): part for name, part in value.items()} if isinstance(value, dict) else {("evaluate", key): value}
    return own


def _split(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise RecipeError(f"{text!r} is not an override; write key=value, e.g. pretrain.minutes=60.")
    return key.strip(), value.strip()


def _path(keys: Keys, text: str, base: Path) -> str:
    """A path made absolute. A card, a starting point or what is normal may be a name instead: those stay."""
    if keys == ("data", "card") and Path(text).suffix != ".md":
        return text
    if keys == NORMAL and (not re.search(r"[\\/]", text) or not (base / Path(text).expanduser()).is_dir()):
        return text  # the name of a class, or of a folder under data.root
    if keys == ("backbone", "init") and weight_file(text) is None and not (base / text).is_file():
        return text
    return str(base / Path(text).expanduser())


def _put(values: dict[str, Any], keys: Keys, value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(values.get(key), dict):
            values[key] = {}
        values = values[key]
    values[keys[-1]] = value
