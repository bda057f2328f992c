"""How to get the same numbers again: command, versions, code, seeds, machine, and the whole recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import listed


def build(context: Context) -> Section:
    run = context.run
    environment = {name: value for name, value in run.environment.items() if name not in ("command", "packages", "seed", "git")}
    git, seeds = run.environment.get("git") or {}, run.setting("pretrain.seeds", [])
    facts = [("Seeds", f"recipe {run.setting('seed', 0)}" + (f"; pretraining {listed([str(seed) for seed in seeds])}" if seeds else ""))]
    if commit := git.get("commit"):
        facts.append(("Code", f"commit {str(commit)[:12]}" + (", with changes that were not committed" if git.get("changed") else "")))
    facts += [(name.replace("_", " ").capitalize(), text) for name, text in flat(environment)]
    return Section(
        "reproduce",
        "How to get the same numbers",
        {
            "command": run.environment.get("command"),
            "facts": facts,
            "packages": [f"{name} {version}" for name, version in run.environment.get("packages", {}).items()],
            "plan": list(run.plan.get("sentences", [])),
            "recipe": run.recipe_text.rstrip(),
        },
    )


def flat(facts: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested facts as lines: hardware.cpu -> "hardware cpu"."""
    lines: list[tuple[str, str]] = []
    for name, value in facts.items():
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
