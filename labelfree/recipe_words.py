"""What the recipe's keys are and what each may hold, in words: for errors, `labelfree recipe schema` and editors."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic import BaseModel

from labelfree.installed_domains import reader_model, sound_domains
from labelfree.recipe import Recipe

Keys = tuple[str, ...]
AUTO = "auto: "  # in a key's meaning, before what decides it


def json_schema(domain: str | None = None) -> dict[str, Any]:
    """The recipe as JSON Schema, for editors that check YAML while it is typed; `reader` by the installed domains, or by one of them."""
    known = sound_domains()
    return _schema((domain,) if domain is not None and domain in known else tuple(known))


@cache
def _schema(domains: tuple[str, ...]) -> dict[str, Any]:
    """What `reader` may hold follows from `domain`, so that editors check the keys of that one."""
    from pydantic.json_schema import models_json_schema

    models = {name: model for name in domains if (model := reader_model(name)) is not None}
    together: list[type[BaseModel]] = [Recipe, *models.values()]
    references, schema = models_json_schema([(model, "validation") for model in together])
    readers = {name: references[model, "validation"] for name, model in models.items()}
    recipe: dict[str, Any] = schema["$defs"].pop(references[Recipe, "validation"]["$ref"].rsplit("/", 1)[1])
    if readers:
        recipe["properties"]["reader"] = {"description": recipe["properties"]["reader"]["description"], "anyOf": list(readers.values())}
    rules = [_where_domain(name, {"properties": {"reader": reader}}) for name, reader in readers.items()]
    return {**recipe, **({"allOf": rules} if len(rules) > 1 else {}), "$defs": schema["$defs"]}


def _where_domain(name: str, then: dict[str, Any]) -> dict[str, Any]:
    return {"if": {"properties": {"domain": {"const": name}}}, "then": then}


def fields_at(keys: Keys, domain: str | None = None) -> list[str]:
    """Names of the keys below `keys`; none for a value, or for a block whose keys are free (`options`)."""
    options = _options(_at(keys, domain), domain)
    if len(options) > 1 and keys != ("reader",):
        return []
    return list(dict.fromkeys(name for option in options for name in option.get("properties", {})))


def expected(keys: Keys, domain: str | None = None) -> str:
    """What may stand at a key, in words: `a whole number above 0, or auto`."""
    return words(_at(keys, domain), domain)


def _at(keys: Keys, domain: str | None = None) -> dict[str, Any]:
    """The schema of a key, with its description."""
    schema = json_schema(domain)
    for key in keys:
        options = _options(schema, domain)
        below = [option["properties"][key] for option in options if key in option.get("properties", {})]
        below += [option["items"] for option in options if key.isdigit() and "items" in option]
        if not below:
            return {}
        schema = below[0]
    return schema


def _options(schema: dict[str, Any], domain: str | None = None) -> list[dict[str, Any]]:
    """The alternatives a schema stands for, references followed."""
    if "$ref" in schema:
        return _options(json_schema(domain)["$defs"][schema["$ref"].rsplit("/", 1)[1]], domain)
    if "anyOf" in schema:
        return [option for part in schema["anyOf"] for option in _options(part, domain)]
    return [schema]


def words(schema: dict[str, Any], domain: str | None = None) -> str:
    """One schema in words."""
    parts = [_one(option, domain) for option in _options(schema, domain)]
    return " or ".join(dict.fromkeys(parts)) if len(parts) < 3 else ", ".join(dict.fromkeys(parts[:-1])) + " or " + parts[-1]


def _one(schema: dict[str, Any], domain: str | None) -> str:
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type")
    if kind in {"integer", "number"}:
        return ("a whole number" if kind == "integer" else "a number") + _range(schema)
    if kind == "array":
        return f"a list, each {words(schema['items'], domain)}" if "items" in schema else "a list"
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


def outline() -> str:
    """Every key with what it may hold, its default and its meaning, as commented YAML."""
    defaults = Recipe(domain="").model_dump(mode="json")
    lines: list[str] = []
    for name, schema in json_schema()["properties"].items():
        if name == "reader":
            lines += _readers(schema["description"])
        elif "properties" in (block := _options(schema)[0]):
            lines.append(f"{name}:  # {block.get('description', '').strip()}")
            lines += [_entry(key, value, "  ", defaults[name][key]) for key, value in block["properties"].items()]
        else:
            lines.append(_entry(name, schema, "", defaults[name]))
    return "\n".join(lines) + "\n"


def _readers(meaning: str) -> list[str]:
    """The keys of each installed domain's reader; of several as comments, for a recipe has one domain."""
    domains = sound_domains()
    lines: list[str] = []
    for domain in domains:
        fields = {key: _at(("reader", key), domain) for key in fields_at(("reader",), domain)}
        listed = [_entry(key, schema, "  ", schema.get("default"), domain) for key, schema in fields.items()]
        lines += [f"reader:{'' if listed else ' {}'}  # {meaning} Those of {domain}:", *listed]
    return [f"# {line}" for line in lines] if len(domains) > 1 else lines or [f"reader: {{}}  # {meaning}"]


def _entry(name: str, schema: dict[str, Any], indent: str, default: Any, domain: str | None = None) -> str:
    meaning = "; ".join(part for part in (words(schema, domain), schema.get("description", "")) if part)
    shown = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
    return f"{indent}{name}: {shown}".rstrip() + f"  # {meaning}"
