"""Objectives are found by name through the entry points `labelfree.objectives`; their settings are their constructor's keywords."""

from __future__ import annotations

import difflib
import inspect
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from labelfree.backbones import Backbone
from labelfree.errors import RecipeError
from labelfree.objectives.base import Objective, Situation
from labelfree.objectives.options import ranges, require_range

GROUP = "labelfree.objectives"


@cache
def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def objective_names() -> list[str]:
    """Names of the installed objectives."""
    return sorted(_installed())


def objective_class(name: str) -> type[Objective]:
    """The objective called `name`. Raises RecipeError that lists what is installed."""
    if name in _installed():
        found: type[Objective] = _installed()[name].load()
        return found
    near = difflib.get_close_matches(name, objective_names(), 1)
    hint = f"did you mean {near[0]}?" if near else f"installed: {', '.join(objective_names())}."
    raise RecipeError(f"pretrain.objective: {name!r} is not installed; {hint}")


def objective_options(name: str) -> dict[str, Any]:
    """The keywords `pretrain.options` may hold for this objective, with their defaults."""
    parameters = inspect.signature(objective_class(name).__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def check_options(name: str, options: dict[str, Any]) -> None:
    """Raises RecipeError for a keyword the objective does not have or a value that it cannot be; `auto` may stand for any."""
    known, possible = objective_options(name), ranges(objective_class(name).__init__)
    for key, value in options.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean pretrain.options.{near[0]}?" if near else f"it has {', '.join(known)}."
            raise RecipeError(f"pretrain.options.{key} is not a setting of {name}; {hint}")
        if value == "auto":
            continue
        wanted = type(known[key])
        if not isinstance(value, (int, float) if wanted is float else wanted) or (isinstance(value, bool) and wanted is not bool):
            raise RecipeError(f"pretrain.options.{key}: {value!r} is not a {wanted.__name__} (default {known[key]!r}).")
        if key in possible:
            require_range(key, value, possible[key])


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


def make_objective(name: str, backbone: Backbone, options: dict[str, Any]) -> Objective:
    """The objective around `backbone`; an option that is still `auto` has its default."""
    check_options(name, options)
    return objective_class(name)(backbone, **{key: value for key, value in options.items() if value != "auto"})
