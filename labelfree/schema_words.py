"""A JSON Schema in words: `a whole number above 0 or auto`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

Schema = dict[str, Any]
NO_DEFINITIONS: Mapping[str, Schema] = MappingProxyType({})


def alternatives(schema: Schema, definitions: Mapping[str, Schema] = NO_DEFINITIONS) -> list[Schema]:
    """What a schema stands for, references to `definitions` followed: itself, or the members of a union."""
    if "$ref" in schema:
        return alternatives(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    if "anyOf" in schema:
        return [member for part in schema["anyOf"] for member in alternatives(part, definitions)]
    return [schema]


def words(schema: Schema, definitions: Mapping[str, Schema] = NO_DEFINITIONS) -> str:
    """What may stand where `schema` holds."""
    parts = [_one(member, definitions) for member in alternatives(schema, definitions)]
    return " or ".join(dict.fromkeys(parts)) if len(parts) < 3 else ", ".join(dict.fromkeys(parts[:-1])) + " or " + parts[-1]


def _one(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"]).lower() if isinstance(schema["const"], bool) else str(schema["const"])
    kind = schema.get("type")
    if kind in {"integer", "number"}:
        return ("a whole number" if kind == "integer" else "a number") + _range(schema)
    if kind == "array":
        return f"a list, each {words(schema['items'], definitions)}" if "items" in schema else "a list"
    if kind == "object" or "properties" in schema:
        names = ", ".join(schema.get("properties", {}))
        return f"a block of keys ({names})" if names else "a block of keys"
    return {"string": "text", "boolean": "true or false", "null": "null"}.get(str(kind), "a value")


def _range(schema: Schema) -> str:
    low, above, high = schema.get("minimum"), schema.get("exclusiveMinimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    return f" above {above:g}" if above is not None else f" from {low:g}" if low is not None else ""
