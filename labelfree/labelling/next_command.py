"""What to type once all images have an answer: a recipe for the table, and its run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from labelfree.recipe_file import Overrides


def next_command(root: Path, table: Path, domain: str, overrides: Overrides) -> str:
    """The command line that plans a run for the images of `root` with the labels of `table`, and starts it.

    `domain` and `overrides` are said again, as the files may not tell them; the recipe gets a name that is free here.
    """
    typed = overrides if not isinstance(overrides, Mapping) else [f"{key}={_typed(value)}" for key, value in overrides.items()]
    recipe = next(name for n in count(1) if not Path(name := f"with-labels_{n}.yaml" if n > 1 else "with-labels.yaml").exists())
    plan = ["labelfree", "plan", str(root), *typed, "--domain", domain, "--labels", str(table), "--out", recipe]
    return f"{shlex.join(plan)} && labelfree run {recipe}"


def _typed(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
