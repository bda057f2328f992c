"""What a run or its parts can be exported as, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from labelfree.deploy.exports.export_folder import export_head
from labelfree.deploy.exports.open_clip_folder import export_towers
from labelfree.errors import RecipeError
from labelfree.progress import Progress
from labelfree.recipe_file import Overrides

Images = Sequence[str | Path]


def _open_clip(weights: Any, out: Path, images: Images, overrides: Overrides, say: Progress) -> Any:
    if images or overrides:
        raise RecipeError("--format open_clip: takes a run or a weight file alone; leave images and keys out.")
    if not isinstance(weights, Path):
        raise RecipeError("--format open_clip: takes a run folder or a weight file, not a head.")
    return export_towers(weights, out, say)


FORMATS: dict[str, Callable[[Any, Path, Images, Overrides, Progress], Any]] = {"onnx": export_head, "open_clip": _open_clip}


def export_as(name: str, given: Any, out: Path, images: Images, overrides: Overrides, say: Progress) -> Any:
    """What the format called `name` writes of `given` into `out`. Raises RecipeError for a name that is none."""
    if name not in FORMATS:
        near = get_close_matches(name, FORMATS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(FORMATS)}."
        raise RecipeError(f"--format: nothing is exported as {name!r}; {hint}")
    return FORMATS[name](given, out, images, overrides, say)
