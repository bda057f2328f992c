"""What is said and asked of a generated patch: what it shows, how it is seen and what stands in it, drawn by a generator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

SAID = {  # of each cover
    "water": ("open water", "a calm lake", "water"),
    "forest": ("forest", "dense forest", "trees of a forest"),
    "cropland": ("cropland", "fields of crops", "cropland in strips"),
    "grassland": ("grassland", "meadows of grass", "open grassland"),
    "orchard": ("an orchard", "an orchard in rows", "rows of fruit trees"),
    "town": ("a town", "streets and houses of a town", "a town with gardens"),
    "industry": ("industry", "large roofs of industry", "an industrial area"),
    "river": ("a river", "a river with its banks", "a winding river"),
}
ASKED = {name: said[0] for name, said in SAID.items()}  # as questions call it
COUNTS = ("no", "one", "two", "three")
BESIDE = 0.1  # share of a patch from which what is there besides is spoken of


def captions(covers: Sequence[str], mask: np.ndarray, halls: int, season: float, haze: float, draw: Generator) -> tuple[str, ...]:
    """`mask`: the cover of each pixel, from 1. `season`: from 0, dry, to 1, green. `haze`: as the patch is drawn, 0 to 0.08."""
    numbers, counts = np.unique(mask, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    names = [covers[int(numbers[at]) - 1] for at in order if counts[at] >= BESIDE * mask.size]
    first, *others = [str(draw.choice(SAID[name])) for name in names]
    beside = f" beside {others[0]}" if others else ""
    air = "a hazy" if haze > 0.05 else "a clear"
    time = "in the green season" if season > 0.6 else "in the dry season" if season < 0.4 else "between the seasons"
    stand = "hall stands" if halls == 1 else "halls stand"
    return (f"{first}{beside}", f"{air} image of {names[0]} {time}", f"{COUNTS[halls]} bright {stand} in {first}")


def questions(covers: Sequence[str], mask: np.ndarray, halls: int, season: float, draw: Generator) -> list[tuple[str, str]]:
    """Four questions with their answers: what is shown, how many halls, whether a cover is there, which half of the year it is."""
    numbers, counts = np.unique(mask, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    there = [covers[int(numbers[at]) - 1] for at in order if counts[at] >= BESIDE * mask.size]
    absent = [name for name in covers if covers.index(name) + 1 not in numbers]
    asked, answer = (str(draw.choice(there)), "yes") if draw.random() < 0.5 else (str(draw.choice(absent)), "no")
    return [
        (str(draw.choice(["What does the image show most?", "What covers most of the image?"])), there[0]),
        ("How many bright halls are there?", COUNTS[halls]),
        (f"Is there {ASKED[asked]} in the image?", answer),
        ("Is it the green season or the dry season?", "green" if season > 0.5 else "dry"),
    ]
