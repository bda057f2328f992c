"""The generated sample: textures with defects under uneven light."""

from __future__ import annotations

from pathlib import Path


def generate(directory: Path, seed: int = 0, variant: str = "") -> None:
    """Write the sample under `directory`."""
    raise NotImplementedError
