"""The domains that are installed, found by entry point, the settings that the reader of each takes, and the demo of each.

Imports no domain before it is asked for one. A domain that cannot be imported takes no other with it.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from types import new_class
from typing import TYPE_CHECKING, Any

from labelfree.entry_points import installed_points
from labelfree.errors import RecipeError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from labelfree.domain import Domain
    from labelfree.identifying import IdentifyingForm

GROUP = "labelfree.domains"
PLAIN = (type(None), bool, int, float, str, list, tuple, dict)  # defaults that can stand in a recipe
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class _Hushed:
    """`domains`: whether their libraries are kept from printing."""

    domains = False


def hush() -> None:
    """From here on a domain's libraries are told not to print, as soon as it is imported: the terminal is for our sentences alone."""
    _Hushed.domains = True


def domain_names() -> list[str]:
    """Names of the installed domains, those that cannot be imported too."""
    return sorted(_points())


def sound_domains() -> list[str]:
    """Names of the installed domains that can be imported."""
    broken = broken_domains()
    return [name for name in domain_names() if name not in broken]


def broken_domains() -> dict[str, str]:
    """Name -> why, of each installed domain that cannot be imported."""
    loaded = {name: _loaded(name, *sys.path) for name in domain_names()}
    return {name: _not_importable(name, error) for name, (_, error) in loaded.items() if error is not None}


def domain_class(name: str) -> Any:
    """What makes the domain called `name`. Raises RecipeError where it is not installed or cannot be imported."""
    if name not in domain_names():
        raise RecipeError(f"domain: {name!r} is not installed; installed domains: {', '.join(domain_names()) or 'none'}.")
    made, error = _loaded(name, *sys.path)
    if error is not None:
        raise RecipeError(_not_importable(name, error)) from error
    if _Hushed.domains:
        for variable, value in getattr(made, "quiet", {}).items():
            os.environ.setdefault(variable, value)
    return made


def _points() -> dict[str, EntryPoint]:
    """Entry points by name."""
    return {point.name: point for point in installed_points(GROUP)}


@cache
def _loaded(name: str, *path: str) -> tuple[Any, Exception | None]:
    """What makes a domain, or what came of importing it; not tried again on the same path of packages."""
    try:
        return _points()[name].load(), None
    except Exception as error:  # whatever a third party's module does when it is imported
        return None, error


def _not_importable(name: str, error: Exception) -> str:
    return f"domain: {name!r} is installed and cannot be imported ({error}); install what it needs."


def find_domain(name: str, settings: Mapping[str, Any] | None = None) -> Domain:
    """The installed domain called `name`, made with `settings` as they are: `labelfree.reader_settings` checks them."""
    made: Domain = domain_class(name)(**(settings or {}))
    return made


def reader_model(name: str) -> type[BaseModel] | None:
    """The settings that the reader of a domain takes; None where the domain is not installed or cannot be imported."""
    try:
        return model_of(domain_class(name))
    except RecipeError:
        return None


@cache
def model_of(make: Any) -> type[BaseModel]:
    """The domain's own `Reader`, else one made of its constructor's keywords. Unless it says otherwise, it takes no other key."""
    from pydantic import BaseModel

    offered = getattr(make, "Reader", None)
    model = offered if isinstance(offered, type) and issubclass(offered, BaseModel) else _of_constructor(make)
    return model if "extra" in model.model_config else new_class(model.__name__, (model,), {"extra": "forbid"})


def _of_constructor(make: Any) -> type[BaseModel]:
    """Each keyword of a constructor with its default; one without a default is given None. Types are not known, so nothing is checked."""
    from pydantic import ConfigDict, create_model

    parameters = inspect.signature(make).parameters.values()
    anything = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    fields: dict[str, Any] = {
        parameter.name: (Any, None if parameter.default is parameter.empty else parameter.default)
        for parameter in parameters
        if parameter.kind in NAMED and (parameter.default is parameter.empty or isinstance(parameter.default, PLAIN))
    }
    config = ConfigDict(extra="allow" if anything else "forbid", protected_namespaces=())
    made: type[BaseModel] = create_model("Reader", __config__=config, **fields)
    return made


def confidential(name: str) -> bool:
    """Whether the images of a domain are of people: then runs hide names unless a recipe says otherwise."""
    return bool(getattr(domain_class(name), "confidential", False))


def identifying_forms(name: str) -> tuple[IdentifyingForm, ...]:
    """By what forms the images of a domain tell who somebody is. Raises RecipeError where it is not installed or cannot be imported."""
    return tuple(getattr(domain_class(name), "identifying_forms", ()))


def forms_where_installed(name: str) -> tuple[IdentifyingForm, ...]:
    """The same; none where the domain is not there, as on the machine of who was sent a copy in which names are hidden already."""
    try:
        return identifying_forms(name)
    except RecipeError:
        return ()


def key_for(what: str, domain: str | None = None) -> str:
    """How sentences of the core call the reader's key that tells `what` (`Domain.keys_for`).

    Of `domain`; where none is known yet, of all installed ones that have such a key, and where these differ, with the domain of each.
    """
    asked = [domain] if domain in sound_domains() else sound_domains()
    keys = {name: keys[what] for name in asked if what in (keys := getattr(domain_class(name), "keys_for", {}))}
    apart = len(set(keys.values())) > 1
    named = [f"{key} ({name})" if apart else key for name, key in sorted(keys.items(), reverse=True)]
    return " or ".join(dict.fromkeys(named)) or "a key of `reader`"


def demo_recipe(domain: str | None, tell: Callable[[str], None]) -> str | Path:
    """The demo of `domain`, else of the first installed one that has a demo; `tell` is told of others. Raises RecipeError."""
    if domain is not None:
        demo = _demo(domain)
        if demo is None:
            raise RecipeError(f"--domain: {domain} has no demo; those that do: {', '.join(_with_a_demo()) or 'none'}.")
        return demo
    demos = _with_a_demo()
    if not demos:
        raise RecipeError("demo: no installed domain has one; install one that does, or run a recipe of your own.")
    first, *others = demos
    if others:
        tell(f"This is the demo of the domain {first}; others: {', '.join(f'--domain {name}' for name in others)}.")
    return demos[first]


def _with_a_demo() -> dict[str, str | Path]:
    return {name: demo for name in sound_domains() if (demo := _demo(name)) is not None}


def _demo(domain: str) -> str | Path | None:
    demo: str | Path | None = getattr(domain_class(domain), "demo", None)
    return demo
