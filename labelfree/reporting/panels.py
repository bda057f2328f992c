"""Scored images as rows of pictures, kept with a run for its page: what is there beside what each arm made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.reporting.pictures import save_picture
from labelfree.training.files import write_json

if TYPE_CHECKING:
    import numpy as np

Panels = Sequence[tuple[str, "np.ndarray"]]  # titles and pictures (H, W, 3) uint8


def save_panels(
    folder: Path, name: str, images: Iterable[tuple[Mapping[str, Any], Panels]], legend: Sequence[Mapping[str, Any]], arm: str, metric: str
) -> Path:
    """pictures/<name>/<n>-<m>.png and pictures/<name>.json. `images`: facts of each, and its panels; `arm`, `metric`: of their scores."""
    pictures, told = folder / "pictures", []
    for number, (facts, panels) in enumerate(images):
        files = [f"{name}/{number}-{place}.png" for place in range(len(panels))]
        for file, (_, picture) in zip(files, panels, strict=True):
            save_picture(picture, pictures / file)
        titled = [{"title": title, "file": file} for file, (title, _) in zip(files, panels, strict=True)]
        told.append({**facts, "panels": titled})
    path = pictures / f"{name}.json"
    write_json(path, {"arm": arm, "metric": metric, "classes": list(legend), "images": told})
    return path
