"""Which module may import which: the contracts of pyproject.toml, which `lint-imports` checks, leave none out."""

from __future__ import annotations

import pkgutil
import tomllib
from pathlib import Path
from typing import Any

import labelfree

MODULES = {module.name for module in pkgutil.iter_modules(labelfree.__path__)}
FOR_DOMAINS = {"data", "domain", "errors", "views"}


def contract(of: str, **fields: Any) -> dict[str, Any]:
    """The one contract of a type that has these fields."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    (one,) = [each for each in contracts if each["type"] == of and all(each[key] == value for key, value in fields.items())]
    return one


def test_every_module_stands_in_one_layer() -> None:
    layers = contract("layers")
    placed = [name.strip() for layer in layers["layers"] for name in layer.split("|")]
    assert sorted(placed) == sorted(MODULES)
    assert layers["exhaustive"] is True and layers["containers"] == ["labelfree"]


def test_domains_are_kept_from_every_module_that_is_not_for_them() -> None:
    forbidden = contract("forbidden", source_modules=["labelfree_inspection", "labelfree_medical", "labelfree_satellite"])[
        "forbidden_modules"
    ]
    assert set(forbidden) == {f"labelfree.{name}" for name in MODULES - FOR_DOMAINS}
