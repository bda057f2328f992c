"""How to get the same numbers again: command, versions, code, seeds, machine, and the whole recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import listed


def build(context: Context) -> Section:
    run, environment = context.run, dict(context.run.environment)
    command = environment.pop("command", None)
    packages = environment.pop("packages", {})
    facts = [(name.replace("_", " ").capitalize(), text) for name, text in flat(environment)]
    environment.pop("seed", None)
    seeds = [f"recipe {run.setting('seed', 0)}"]
    if trained := run.setting("pretrain.seeds"):
        seeds.append(f"pretraining {listed([str(seed) for seed in trained])}")
    return Section(
        "reproduce",
        "How to get the same numbers",
        {
            "command": command,
            "facts": [("Seeds", "; ".join(seeds)), *facts],
            "packages": [f"{name} {version}" for name, version in packages.items()],
            "plan": list(run.plan.get("sentences", [])),
            "recipe": run.recipe_text.rstrip(),
        },
    )


def flat(found: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested facts as lines: hardware.cpu -> "hardware cpu"."""
    lines: list[tuple[str, str]] = []
    for name, value in found.items():
        if isinstance(value, Mapping):
            lines += flat(value, f"{above}{name} ")
        elif value not in (None, "", []):
            lines.append(
                (
                    f"{above}{name}",
                    ", ".join(map(str, value))
                    if isinstance(value, list)
                    else "yes"
                    if value is True
                    else "no"
                    if value is False
                    else str(value),
                )
            )
    return lines
