"""An acceptance case on disk: `data/` (what a user has) and `expect.json` (what is typed, and what is right)."""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ABOUT = {"case", "kind", "steps", "accept", "places"}  # keys that expect nothing by themselves
EVERY_STEP = "any"  # stands for all steps under `never`


@dataclass(frozen=True)
class Case:
    """`steps`: in the order in which they are typed. `expectations`: check -> what it expects; a case is right if it meets one of them.

    The first is the case's own, the others replace whole keys of it. `places`: file -> longitude and latitude of its middle.
    """

    folder: Path
    domain: str
    steps: tuple[Mapping[str, Any], ...]
    expectations: Mapping[str, Mapping[str, Any]]
    places: Mapping[str, tuple[float, float]]

    @property
    def recipe(self) -> Path:
        """RECIPE in what is typed: all cases of a folder share one."""
        return self.folder.parent / "quick.yaml"


def load_case(folder: Path, domain: str, checks: Container[str]) -> Case:
    """The case in `folder`. ValueError for a key that is none of `checks`, or that speaks of a step which is not there."""
    stored = json.loads((folder / "expect.json").read_text(encoding="utf-8"))
    alternatives = {entry["why"]: {k: v for k, v in entry.items() if k != "why"} for entry in stored.get("accept", ())}
    own = {key: value for key, value in stored.items() if key not in ABOUT}
    expectations = {"expect.json": own, **{why: {**own, **changed} for why, changed in alternatives.items()}}
    names = {step["as"] for step in stored["steps"]} | {EVERY_STEP}
    for problem in _problems(expectations.values(), names, checks):
        raise ValueError(f"{folder.name}/expect.json: {problem}")
    return Case(folder, domain, tuple(stored["steps"]), expectations, stored.get("places", {}))


def _problems(expectations: Any, steps: set[str], checks: Container[str]) -> Iterator[str]:
    for expectation in expectations:
        for key, value in expectation.items():
            if key not in checks:
                yield f"nothing checks the key {key!r}"
            if isinstance(value, dict) and not steps.issuperset(value):
                yield f"{key} speaks of {sorted(set(value) - steps)}, which are no steps"


def cases_on_disk(kind: str) -> list[Any]:
    """Parameters of a test: every case below $LABELFREE_CASES/`kind`; one that is skipped where the variable is not set."""
    base = os.environ.get("LABELFREE_CASES")
    if not base:
        return [pytest.param(None, marks=pytest.mark.skip("LABELFREE_CASES is not set"), id=kind)]
    found = sorted(file.parent for file in (Path(base) / kind).glob("*/expect.json"))
    if not found:
        raise FileNotFoundError(f"LABELFREE_CASES is set, but {Path(base) / kind} holds no case")
    return [pytest.param(folder, id=folder.name) for folder in found]
