"""What the recipe's keys are and what each may hold, in words: for errors, `labelfree recipe schema` and editors."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from labelfree.installed_domains import reader_model, sound_domains
from labelfree.recipe import PROTOCOL_GROUPS, TASKS, Recipe, installed_names
from labelfree.schema_words import Schema, alternatives, words

Keys = tuple[str, ...]
OPTIONS: Keys = ("pretrain", "options")
READER: Keys = ("reader",)
AUTO = "auto: "  # in a key's meaning, before what decides it


def json_schema(domain: str | None = None) -> Schema:
    """The recipe as JSON Schema, for editors that check YAML while it is typed; `reader` by the installed domains, or by one of them."""
    known = sound_domains()
    named = tuple(name for group in (TASKS, *PROTOCOL_GROUPS) for name in installed_names(group))
    return _schema((domain,) if domain is not None and domain in known else tuple(known), named)


@cache
def _schema(domains: tuple[str, ...], _named: tuple[str, ...]) -> Schema:
    """What `reader` may hold follows from `domain`, so that editors check the keys of that one.

    `_named`: the tasks and protocols that are installed, which the recipe's own models name.
    """
    from pydantic.json_schema import models_json_schema

    models = {name: model for name in domains if (model := reader_model(name)) is not None}
    together: list[type[BaseModel]] = [Recipe, *models.values()]
    references, schema = models_json_schema([(model, "validation") for model in together])
    readers = {name: references[model, "validation"] for name, model in models.items()}
    recipe: Schema = schema["$defs"].pop(references[Recipe, "validation"]["$ref"].rsplit("/", 1)[1])
    if readers:
        recipe["properties"]["reader"] = {"description": recipe["properties"]["reader"]["description"], "anyOf": list(readers.values())}
    rules = [
        {"if": {"properties": {"domain": {"const": name}}}, "then": {"properties": {"reader": reader}}} for name, reader in readers.items()
    ]
    return {**recipe, **({"allOf": rules} if len(rules) > 1 else {}), "$defs": schema["$defs"]}


def fields_at(keys: Keys, domain: str | None = None) -> list[str]:
    """Names of the keys below `keys`; none for a value, or for a block whose keys are free (`options`)."""
    members = alternatives(_at(keys, domain), json_schema(domain)["$defs"])
    blocks = members if len(members) == 1 or keys == READER else []
    return list(dict.fromkeys(name for block in blocks for name in block.get("properties", {})))


def expected(keys: Keys, domain: str | None = None) -> str:
    """What may stand at a key, in words: `a whole number above 0, or auto`."""
    return words(_at(keys, domain), json_schema(domain)["$defs"])


def _at(keys: Keys, domain: str | None = None) -> Schema:
    """The schema of a key, with its description."""
    schema = json_schema(domain)
    for key in keys:
        members = alternatives(schema, json_schema(domain)["$defs"])
        below = [member["properties"][key] for member in members if key in member.get("properties", {})]
        below += [member["items"] for member in members if key.isdigit() and "items" in member]
        if not below:
            return {}
        schema = below[0]
    return schema


def explained(text: str) -> str:
    """A whole recipe in YAML, with a comment at every `auto` on what decides it."""
    lines, section, domain = [], "", None
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        section = section if line.startswith((" ", "-")) else key
        domain = value.strip() if key == "domain" else domain
        if colon and value == " auto" and key.startswith("  ") and key[2] != " ":  # deeper keys are an objective's own
            meaning = str(_at((section, key.strip()), domain).get("description", ""))
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
        (block, *_) = alternatives(schema, json_schema()["$defs"])
        if (name,) == READER:
            lines += _readers(schema["description"])
            continue
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


def _readers(meaning: str) -> list[str]:
    """The keys of each installed domain's reader; of several as comments, for a recipe has one domain."""
    domains = sound_domains()
    lines: list[str] = []
    for domain in domains:
        fields = {key: _at((*READER, key), domain) for key in fields_at(READER, domain)}
        listed = [_entry(key, schema, "  ", schema.get("default"), domain) for key, schema in fields.items()]
        lines += [f"reader:{'' if listed else ' {}'}  # {meaning} Those of {domain}:", *listed]
    return [f"# {line}" for line in lines] if len(domains) > 1 else lines or [f"reader: {{}}  # {meaning}"]


def _entry(name: str, schema: Schema, indent: str, default: Any, domain: str | None = None) -> str:
    meaning = "; ".join(part for part in (words(schema, json_schema(domain)["$defs"]), schema.get("description", "")) if part)
    shown = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
    return f"{indent}{name}: {shown}".rstrip() + f"  # {meaning}"
