"""What is wrong with a key of a recipe, in a sentence that says what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from labelfree.installed_domains import sound_domains
from labelfree.recipe_words import Keys, expected, fields_at

MEANT = {
    "epoch": "steps",
    "epochs": "steps",
    "iterations": "steps",
    "learning_rate": "lr",
    "method": "objective",
    "image_size": "size",
    "model": "name",
}


def sentence(keys: Keys, problem: Any, values: Mapping[str, Any], typed: Keys | None = None, way_out: str = "") -> str:
    """What pydantic found wrong at a key of a recipe's `values`. `typed`: the key as a person spelled it; `way_out`: to say at the end."""
    key, domain = ".".join(typed or keys), domain_of(values)
    block = fields_at(keys, domain)
    if problem["type"] == "extra_forbidden":
        near, parent = nearest(keys, domain), ".".join(keys[:-1])
        known = f"{parent or 'a recipe'} knows {', '.join(fields_at(keys[:-1], domain)) or 'no key'}."
        return f"{key} is not a key; {f'did you mean {near}?' if near else known}"
    if problem["type"] == "missing":
        example = f"write e.g. `domain: {next(iter(sound_domains()), 'NAME')}`"
        return f"{key} is missing; {example if key == 'domain' else 'add it'}."
    if problem["type"] == "value_error":
        inside = "." if block and keys != ("reader",) else ": "
        error = str(problem["ctx"]["error"])
        return f"{key + inside if key else ''}{error}{'' if error.endswith('?') else '.'}"
    return f"{key} must be {expected(keys, domain)}, not {value_at(values, keys)!r}{way_out}."


def domain_of(values: Mapping[str, Any]) -> str | None:
    """The domain that a recipe's values name."""
    domain = values.get("domain")
    return domain if isinstance(domain, str) else None


def keys_of(location: tuple[int | str, ...], domain: str | None) -> Keys:
    """pydantic's location without the names it gives to the members of a union."""
    keys: Keys = ()
    for part in map(str, location):
        if keys == ("reader",) or fields_at(keys, domain):
            keys = (*keys, part)
            if part not in fields_at(keys[:-1], domain):
                break
        elif part.isdigit():
            keys = (*keys, part)
    return keys


def nearest(keys: Keys, domain: str | None) -> str | None:
    """The known key most like this one: beside it first, then anywhere in the recipe."""
    siblings = fields_at(keys[:-1], domain)
    beside = [MEANT[keys[-1]]] if MEANT.get(keys[-1]) in siblings else difflib.get_close_matches(keys[-1], siblings, 1, 0.6)
    if beside:
        return ".".join((*keys[:-1], beside[0]))
    sections: list[Keys] = [(), *((name,) for name in fields_at((), domain))]
    everywhere = {name: ".".join((*section, name)) for section in sections for name in fields_at(section, domain)}
    alike = difflib.get_close_matches(keys[-1], everywhere, 1, 0.7)
    return everywhere[alike[0]] if alike else None


def value_at(values: Any, keys: Keys) -> Any:
    """The value of a key; None where there is none."""
    for key in keys:
        if isinstance(values, list):
            values = values[int(key)] if key.isdigit() and int(key) < len(values) else None
        else:
            values = values.get(key) if isinstance(values, dict) else None
    return values
