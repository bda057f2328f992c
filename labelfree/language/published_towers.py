"""Weights of other projects by the names of these: towers of images and words, or, where none of such is named, networks of a field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from labelfree.backbones.conversion import convert as convert_network
from labelfree.language.open_clip_checkpoint import NAME, convert_open_clip

Convert = Callable[[Path, str, str | None, Path | None], Path]
PROJECTS: dict[str, Convert] = {NAME: convert_open_clip}


def convert(file: Path, name: str, domain: str | None, out: Path | None) -> Path:
    """Write weights called `name`, "PROJECT" or "PROJECT/WEIGHTS", as a weight file; raises as what converts them does."""
    return PROJECTS.get(name.partition("/")[0], convert_network)(file, name, domain, out)
