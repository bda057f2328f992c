"""What the recipe's keys are and what each may hold, in words: for errors, `labelfree recipe schema` and editors."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from labelfree.recipe import Recipe
from labelfree.schema_words import Schema, alternatives, words

Keys = tuple[str, ...]
OPTIONS: Keys = ("pretrain", "options")
AUTO = "auto: "  # in a key's meaning, before what decides it


@cache
def json_schema() -> Schema:
    """The recipe as JSON Schema, for editors that check YAML while it is typed."""
    return Recipe.model_json_schema()


def fields_at(keys: Keys) -> list[str]:
    """Names of the keys below `keys`; none for a value, or for a block whose keys are free (`options`)."""
    return list(_at(keys).get("properties", {}))


def expected(keys: Keys) -> str:
    """What may stand at a key, in words: `a whole number above 0, or auto`."""
    return words(_at(keys), json_schema()["$defs"])


def _at(keys: Keys) -> Schema:
    schema: dict[str, Any] = json_schema()
    for key in keys:
        members = alternatives(schema, json_schema()["$defs"])
        below = [member["properties"][key] for member in members if key in member.get("properties", {})]
        below += [member["items"] for member in members if key.isdigit() and "items" in member]
        if not below:
            return {}
        schema = below[0]
    members = alternatives(schema, json_schema()["$defs"])
    return {**schema, "anyOf": members} if len(members) > 1 else members[0]


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


def schema_with_options(options: Mapping[str, Schema]) -> Schema:
    """The recipe as JSON Schema, in which `pretrain.options` is what the objective named beside it takes.

    `options`: by objective, the schema of its settings.
    """
    schema = copy.deepcopy(json_schema())
    usual = schema["$defs"]["Pretrain"]["properties"]["objective"]["default"]
    for name, settings in options.items():
        schema["$defs"][f"options-{name}"] = settings
        named = {"properties": {"objective": {"const": name}}, **({} if name == usual else {"required": ["objective"]})}
        takes = {"properties": {"options": {"$ref": f"#/$defs/options-{name}"}}}
        schema["$defs"]["Pretrain"].setdefault("allOf", []).append({"if": named, "then": takes})
    return schema


def outline(options: Mapping[str, Schema]) -> str:
    """Every key with what it may hold, its default and its meaning, as commented YAML. `options` as in `schema_with_options`."""
    defaults = Recipe(domain="").model_dump(mode="json")
    lines: list[str] = []
    for name, schema in json_schema()["properties"].items():
        block = _at((name,))
        if "properties" not in block:
            lines.append(_entry(name, schema, "", defaults[name]))
            continue
        lines.append(f"{name}:  # {block.get('description', '').strip()}")
        for key, value in block["properties"].items():
            lines.append(_entry(key, value, "  ", defaults[name][key]))
            if (name, key) == OPTIONS:
                for objective, settings in options.items():
                    lines.append(f"    # of {objective}:")
                    lines += [_entry(option, taken, "    #   ", taken["default"]) for option, taken in settings["properties"].items()]
    return "\n".join(lines) + "\n"


def _entry(name: str, schema: Schema, indent: str, default: Any) -> str:
    meaning = "; ".join(part for part in (words(schema, json_schema()["$defs"]), schema.get("description", "")) if part)
    shown = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
    return f"{indent}{name}: {shown}".rstrip() + f"  # {meaning}"
