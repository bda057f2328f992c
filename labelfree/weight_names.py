"""What a recipe may call weights: files, "imagenet", "random", or names under which they are published."""

from __future__ import annotations

from pathlib import Path

RUN_FILE = "backbone.safetensors"  # of a run
FILES = {".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar"}  # endings
PUBLISHED, INFLATED = "published", "published-inflated"  # weights of an arm that no file holds: read as photographs, or all channels


def weight_file(text: str) -> Path | None:
    """The file that a start names; None for "imagenet", "random", and a network's name whose published weights are meant."""
    path = Path(text)
    named = text in ("imagenet", "random") or (path.name == text and path.suffix not in FILES and not path.is_file())
    return None if named else path


def backbone_file(path: Path) -> Path:
    """The weight file of a run folder; any other path itself."""
    return path / RUN_FILE if path.is_dir() else path
