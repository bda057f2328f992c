"""Nothing that labelfree's core installs is under GPL or AGPL."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement

COPYLEFT = re.compile(r"\b(A?GPL)|(?<!Lesser )(?<!Library or Lesser )General Public License", re.IGNORECASE)
LESSER = re.compile(r"\bLGPL|Lesser General Public", re.IGNORECASE)


def needed(name: str, extra: str = "") -> dict[str, Distribution]:
    """The installed distributions that `name` needs, itself included, as they apply to this machine."""
    found: dict[str, Distribution] = {}
    waiting = [(name, extra)]
    while waiting:
        current, wanted = waiting.pop()
        try:
            here = distribution(current)
        except PackageNotFoundError:
            continue
        known = found.setdefault(here.metadata["Name"].lower(), here) is not here
        if known and not wanted:
            continue
        for line in here.requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted}):
                waiting += [(requirement.name, part) for part in (requirement.extras or {""}) if requirement.name.lower() not in found]
    return found


def licence(package: Distribution) -> str:
    """What a distribution says of its licence, in one line."""
    classifiers = [c for c in package.metadata.get_all("Classifier") or () if c.startswith("License")]
    said = [package.metadata.get("License-Expression") or "", (package.metadata.get("License") or "")[:200], *classifiers]
    return "; ".join(part for part in said if part)


CORE = needed("labelfree")


def test_the_core_is_really_looked_at():
    assert {"torch", "timm", "lightning", "pyarrow", "plotly", "numpy"} <= set(CORE)


@pytest.mark.parametrize("name", sorted(CORE))
def test_no_dependency_is_copyleft(name):
    said = licence(CORE[name])
    # "A OR B" leaves the choice to us.
    alternatives = re.split(r"\bOR\b", said) if " OR " in said else [said]
    assert any(not COPYLEFT.search(part) or LESSER.search(part) for part in alternatives), said


@pytest.mark.parametrize(
    "said",
    [
        "GPL-3.0-or-later",
        "License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
        "AGPL-3.0",
        "GNU Affero General Public License",
    ],
)
def test_the_check_can_fail(said):
    assert COPYLEFT.search(said) and not LESSER.search(said)
