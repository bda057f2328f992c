"""What the recipe's keys are and what each may hold, in words: for errors, `labelfree recipe schema` and editors."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from labelfree.recipe import Recipe

Keys = tuple[str, ...]
AUTO = "auto: "  # in a key's meaning, before what decides it


@cache
def json_schema() -> dict[str, Any]:
    """The recipe as JSON Schema, for editors that check YAML while it is typed."""
    return Recipe.model_json_schema()


def fields_at(keys: Keys) -> list[str]:
    """Names of the keys below `keys`; none for a value, or for a block whose keys are free (`options`)."""
    return list(_at(keys).get("properties", {}))


def expected(keys: Keys) -> str:
    """What may stand at a key, in words: `a whole number above 0, or auto`."""
    return words(_at(keys))


def _at(keys: Keys) -> dict[str, Any]:
    schema: dict[str, Any] = json_schema()
    for key in keys:
        found = [option["properties"][key] for option in _options(schema) if key in option.get("properties", {})]
        found += [option["items"] for option in _options(schema) if key.isdigit() and "items" in option]
        if not found:
            return {}
        schema = found[0]
    options = _options(schema)
    blocks = [option for option in options if "properties" in option]
    return blocks[0] if blocks and len(options) == 1 else {**schema, "anyOf": options} if len(options) > 1 else options[0]


def _options(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives a schema stands for, references followed."""
    if "$ref" in schema:
        return _options(json_schema()["$defs"][schema["$ref"].rsplit("/", 1)[1]])
    if "anyOf" in schema:
        return [option for part in schema["anyOf"] for option in _options(part)]
    return [schema]


def words(schema: dict[str, Any]) -> str:
    """One schema in words."""
    parts = [_one(option) for option in _options(schema)]
    return " or ".join(dict.fromkeys(parts)) if len(parts) < 3 else ", ".join(dict.fromkeys(parts[:-1])) + " or " + parts[-1]


def _one(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type")
    if kind in {"integer", "number"}:
        return ("a whole number" if kind == "integer" else "a number") + _range(schema)
    if kind == "array":
        return f"a list, each {words(schema['items'])}"
    if kind == "object" or "properties" in schema:
        names = ", ".join(schema.get("properties", {}))
        return f"a block of keys ({names})" if names else "a block of keys"
    return {"string": "text", "boolean": "true or false", "null": "null"}.get(str(kind), "a value")


def _range(schema: dict[str, Any]) -> str:
    low, above, high = schema.get("minimum"), schema.get("exclusiveMinimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    return f" above {above:g}" if above is not None else f" from {low:g}" if low is not None else ""


def explained(text: str) -> str:
    """A whole recipe in YAML, with a comment at every `auto` on what decides it."""
    lines, section = [], ""
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        section = section if line.startswith((" ", "-")) else key
        if colon and value == " auto" and key.startswith("  ") and key[2] != " ":  # deeper keys are an objective's own
            meaning = str(_at((section,))["properties"][key.strip()].get("description", ""))
            line += f"  # {meaning.partition(AUTO)[2]}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def outline() -> str:
    """Every key with what it may hold, its default and its meaning, as commented YAML."""
    defaults = Recipe(domain="").model_dump(mode="json")
    lines: list[str] = []
    for name, schema in json_schema()["properties"].items():
        block = _at((name,))
        if "properties" in block:
            lines.append(f"{name}:  # {block.get('description', '').strip()}")
            lines += [_entry(key, value, "  ", defaults[name][key]) for key, value in block["properties"].items()]
        else:
            lines.append(_entry(name, schema, "", defaults[name]))
    return "\n".join(lines) + "\n"


def _entry(name: str, schema: dict[str, Any], indent: str, default: Any) -> str:
    meaning = "; ".join(part for part in (words(schema), schema.get("description", "")) if part)
    shown = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
    return f"{indent}{name}: {shown}".rstrip() + f"  # {meaning}"
