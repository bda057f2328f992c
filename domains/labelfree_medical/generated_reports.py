"""What is said of a generated phantom: sentences as of a report, on the finding, its side and its place, drawn by a generator."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

WITHOUT = {
    "normal": ("No finding.", "Lungs clear, heart of normal size.", "Unremarkable chest."),
    "large heart": ("The heart is enlarged.", "Enlarged heart, lungs clear.", "Cardiomegaly without congestion."),
}
WITH = {
    "nodule": ("A {size} nodule in the {side} lung.", "Round nodule, {side} {place}.", "Nodule of the {side} lung, {size}."),
    "effusion": ("Pleural effusion on the {side}.", "{size} effusion, {side} side.", "Fluid in the {side} pleural space."),
}
LARGE = 0.02  # share of the picture


def report(finding: str, lesion: np.ndarray, places: tuple[str, str], draw: Generator) -> tuple[str, ...]:
    """Two sentences. `lesion` (H, W): where it is seen; the patient's right lies on the left. `places`: what the upper and the lower half
    of the picture are called.
    """
    rows, columns = np.nonzero(lesion)
    if finding in WITHOUT or not len(rows):
        of = WITHOUT.get(finding, WITHOUT["normal"])
        return tuple(str(of[at]) for at in draw.choice(len(of), 2, replace=False))
    told = {
        "side": "right" if columns.mean() < lesion.shape[1] / 2 else "left",
        "place": places[int(rows.mean() >= lesion.shape[0] / 2)],
        "size": "large" if len(rows) > LARGE * lesion.size else "small",
    }
    sentences = [str(WITH[finding][at]).format(**told) for at in draw.choice(len(WITH[finding]), 2, replace=False)]
    return tuple(sentence[0].upper() + sentence[1:] for sentence in sentences)
