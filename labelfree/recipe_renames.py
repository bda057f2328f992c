"""Keys of a recipe that were spelled otherwise once: the old spelling goes on working, and one line tells the new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelfree.errors import RecipeError

Keys = tuple[str, ...]  # a dotted key, taken apart
READER = ("bands", "sensor", "resolution", "unit", "nodata", "chip", "layer", "background")  # stood in `data` while there was one domain
ADDED: Mapping[Keys, Any] = {  # later keys -> what they are unsaid
    ("data", "pretrain_on_labelled"): False,
    ("data", "classes"): {},
    ("data", "absent"): [],
    ("data", "captions"): None,
    ("data", "instances"): "auto",
    ("pretrain", "trained"): "auto",
    ("pretrain", "mirror"): "auto",
    ("evaluate", "task"): "auto",
    ("evaluate", "max_false_alarms"): None,
    ("evaluate", "alarm"): "auto",
    ("evaluate", "tile_views"): None,
    ("evaluate", "tile"): None,
    ("evaluate", "prompts"): None,
    ("evaluate", "class_words"): {},
    ("evaluate", "held_out_classes"): None,
}
UNSAID: Mapping[Keys, Any] = {  # keys that are `auto` unless said -> what they were unless said, at first
    ("data", "class_folders"): True,
    ("report", "share"): False,
}
RENAMED: Mapping[Keys, Keys] = {("data", key): ("reader", key) for key in READER}  # as it was spelled once -> as it is now


def today(keys: Keys) -> Keys:
    """A key, or one below it, as it is spelled now."""
    for length in range(1, len(keys) + 1):
        if keys[:length] in RENAMED:
            return (*RENAMED[keys[:length]], *keys[length:])
    return keys


def respelled(values: dict[str, Any]) -> tuple[dict[str, Any], dict[Keys, Keys]]:
    """A recipe's values as keys are spelled now, and the old spelling of each key that moved, by its new one.

    Raises RecipeError where both spellings stand and differ.
    """
    moved: dict[Keys, Keys] = {}
    for old, new in RENAMED.items():
        block = _block(values, old)
        if old[-1] not in block or not isinstance(_at(values, new[:-1]) or {}, dict):
            continue
        value, there = block[old[-1]], _at(values, new)
        if value is not None and there is not None and value != there:
            raise RecipeError(differing(old, new))
        values = _without(values, old)
        if value is not None:
            values, moved[new] = _with(values, new, value), old
    return values, moved


def differing(old: Keys, new: Keys) -> str:
    """What to say where a key stands in both spellings."""
    return f"{'.'.join(old)} is the old spelling of {'.'.join(new)}, and the two differ; keep one."


def notice(moved: Mapping[Keys, Keys]) -> str | None:
    """The line that tells of today's spelling; None where nothing is spelled as it was."""
    pairs = [f"{'.'.join(old)} is now {'.'.join(new)}" for new, old in moved.items()]
    return f"{', '.join(pairs)}; the old spelling goes on working." if pairs else None


def first_spelling(values: dict[str, Any]) -> dict[str, Any]:
    """A recipe's values as they were spelled at first: what digests are of.

    Left out are a domain's keys without a value, and later keys that hold their default: a run that was begun before them goes on.
    """
    for key, default in ADDED.items():
        values = _without(values, key) if _at(values, key) == default else values
    for key, default in UNSAID.items():
        values = _with(values, key, default) if _at(values, key) == "auto" else values
    for old, new in RENAMED.items():
        values = _with(_without(values, new), old, _at(values, new))
    reader = {key: value for key, value in values.pop("reader", {}).items() if value is not None}
    return {**values, "reader": reader} if reader else values


def _at(values: Any, keys: Keys) -> Any:
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _block(values: dict[str, Any], keys: Keys) -> dict[str, Any]:
    block = _at(values, keys[:-1])
    return block if isinstance(block, dict) else {}


def _without(values: dict[str, Any], keys: Keys) -> dict[str, Any]:
    if len(keys) == 1:
        return {key: value for key, value in values.items() if key != keys[0]}
    return {**values, keys[0]: _without(values[keys[0]], keys[1:])} if isinstance(values.get(keys[0]), dict) else dict(values)


def _with(values: dict[str, Any], keys: Keys, value: Any) -> dict[str, Any]:
    if len(keys) == 1:
        return {**values, keys[0]: value}
    return {**values, keys[0]: _with(values.get(keys[0]) or {}, keys[1:], value)}
