"""What is said and asked of a generated phantom: the finding, its side and its place, drawn by a generator."""

from __future__ import annotations

from collections.abc import Sequence

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
NAMED = {"effusion": "an effusion"}
LARGE = 0.02  # share of the picture


def report(finding: str, lesion: np.ndarray, places: tuple[str, str], draw: Generator) -> tuple[str, ...]:
    """Two sentences. `lesion` (H, W): where it is seen; the patient's right lies on the left. `places`: what the upper and the lower half
    of the picture are called.
    """
    rows, _ = np.nonzero(lesion)
    if finding in WITHOUT or not len(rows):
        of = WITHOUT.get(finding, WITHOUT["normal"])
        return tuple(str(of[at]) for at in draw.choice(len(of), 2, replace=False))
    told = {
        "side": _side(lesion),
        "place": places[int(rows.mean() >= lesion.shape[0] / 2)],
        "size": "large" if len(rows) > LARGE * lesion.size else "small",
    }
    sentences = [str(WITH[finding][at]).format(**told) for at in draw.choice(len(WITH[finding]), 2, replace=False)]
    return tuple(sentence[0].upper() + sentence[1:] for sentence in sentences)


def questions(finding: str, findings: Sequence[str], lesion: np.ndarray, draw: Generator) -> list[tuple[str, str]]:
    """Questions with their answers: which finding, whether there is one in particular, and on which side it lies, where it has one."""
    asked = finding if draw.random() < 0.5 else str(draw.choice([name for name in findings if name != finding]))
    known = [("What is the finding?", finding if finding != "normal" else "none")]
    if asked != "normal":
        known.append((f"Is there {NAMED.get(asked, f'a {asked}')}?", "yes" if asked == finding else "no"))
    if finding in WITH and lesion.any():
        known.append(("On which side is the finding?", _side(lesion)))
    return known


def _side(lesion: np.ndarray) -> str:
    return "right" if np.nonzero(lesion)[1].mean() < lesion.shape[1] / 2 else "left"
