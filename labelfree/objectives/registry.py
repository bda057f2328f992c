"""Objectives are found by name through the entry points `labelfree.objectives`; their settings are their constructor's keywords."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any

from pydantic import BaseModel, ValidationError

from labelfree.backbones import Backbone
from labelfree.entry_points import installed_points
from labelfree.errors import RecipeError
from labelfree.objectives.base import Objective, Situation, Widths
from labelfree.objectives.options import options_model
from labelfree.schema_words import Schema, words

GROUP = "labelfree.objectives"


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in installed_points(GROUP)}


def objective_names() -> list[str]:
    """Names of the installed objectives."""
    return sorted(_installed())


def objective_class(name: str) -> type[Objective]:
    """The objective called `name`. Raises RecipeError that lists what is installed."""
    if name in _installed():
        objective: type[Objective] = _installed()[name].load()
        return objective
    near = difflib.get_close_matches(name, objective_names(), 1)
    hint = f"did you mean {near[0]}?" if near else f"installed: {', '.join(objective_names())}."
    raise RecipeError(f"pretrain.objective: {name!r} is not installed; {hint}")


def _options_model(name: str) -> type[BaseModel]:
    return options_model(objective_class(name).__init__)


def objective_options(name: str) -> dict[str, Any]:
    """The keywords `pretrain.options` may hold for this objective, with their defaults."""
    return {key: field.default for key, field in _options_model(name).model_fields.items()}


def options_given(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of this objective: as given, else its default."""
    return {**objective_options(name), **{key: value for key, value in options.items() if value != "auto"}}


def options_schemas() -> dict[str, Schema]:
    """By installed objective, the JSON Schema of what `pretrain.options` may hold for it."""
    return {name: _options_model(name).model_json_schema() for name in objective_names()}


def check_options(name: str, options: dict[str, Any]) -> None:
    """Raises RecipeError for a keyword the objective does not have or a value that it cannot be; `auto` may stand for any."""
    try:
        _options_model(name).model_validate(options)
    except ValidationError as error:
        raise RecipeError(_sentence(name, str(error.errors()[0]["loc"][0]), options)) from None


def _sentence(name: str, key: str, options: dict[str, Any]) -> str:
    """What is wrong with the option `key`, and what may stand there."""
    known = _options_model(name).model_json_schema()["properties"]
    if key not in known:
        near = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean pretrain.options.{near[0]}?" if near else f"it has {', '.join(known)}."
        return f"pretrain.options.{key} is not a setting of {name}; {hint}"
    return f"pretrain.options.{key} must be {words(known[key])}, not {options[key]!r}; its default is {known[key]['default']!r}."


def check_situation(name: str, options: dict[str, Any], at: Situation) -> None:
    """Raises RecipeError where batches are too small for the objective, or its `options` cannot go together or with this pool."""
    require_batch(name, at.batch_size)
    objective_class(name).check(options, at)


def require_batch(name: str, batch_size: int) -> None:
    """Raises RecipeError where a batch of all processes is too small for the objective to learn anything from."""
    objective = objective_class(name)
    if batch_size < objective.fewest:
        raise RecipeError(f"pretrain.batch_size: {objective.why_fewest}; take at least {objective.fewest}.")


def repeated(name: str, images: int, batch_size: int) -> str:
    """What repeats in a batch larger than the pool, and what that does to the objective; empty where nothing must repeat."""
    if batch_size <= images:
        return ""
    effect = ", and a copy repels its own image (a false negative)" if objective_class(name).repels else ""
    return (
        f"pretrain.batch_size: a batch of {batch_size} is larger than the pool of {images}, so at least {batch_size - images} of its "
        f"images are repeats{effect}; pretrain.batch_size={images} would hold each once."
    )


def make_objective(name: str, backbone: Backbone, options: dict[str, Any], taught: Widths | None = None) -> Objective:
    """The objective around `backbone`; an option that is still `auto` has its default.

    `taught`: of the network that it learns from, where it is one that does; None: those of `backbone`.
    """
    check_options(name, options)
    widths = {} if taught is None else {"taught": taught}
    return objective_class(name)(backbone, **widths, **{key: value for key, value in options.items() if value != "auto"})
