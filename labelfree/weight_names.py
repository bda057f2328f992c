"""What a recipe may call weights: files, "imagenet", "random", or names under which they are published."""

from __future__ import annotations

from pathlib import Path

FILES = {".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar"}  # endings
PUBLISHED, INFLATED = "published", "published-inflated"  # weights of an arm that no file holds: read as photographs, or all channels


def weight_file(text: str) -> Path | None:
    """The file that a start names; None for "imagenet", "random", and a network's name whose published weights are meant."""
    path = Path(text)
    named = text in ("imagenet", "random") or (path.name == text and path.suffix not in FILES and not path.is_file())
    return None if named else path
