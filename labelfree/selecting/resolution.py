"""What a random sample of scored images can resolve, said before one of them is labelled."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

EXAMPLE_ACCURACY, EXAMPLE_DISAGREEMENT = 0.8, 0.2
LEVEL, POWER = 0.95, 0.8


def half_width(images: int, accuracy: float = EXAMPLE_ACCURACY) -> float:
    """Half the Wilson score interval (Wilson 1927), at 95 %, of a share of about `accuracy` seen on `images`."""
    from scipy.stats import binomtest

    interval = binomtest(round(accuracy * images), images).proportion_ci(LEVEL, method="wilson")
    return float(interval.high - interval.low) / 2


def smallest_difference(images: int, disagreement: float = EXAMPLE_DISAGREEMENT) -> float | None:
    """Smallest difference in accuracy that two arms scored on the same `images` can be told apart by (docs/protocol.md, 12).

    (t(n - 1, .975) + t(n - 1, .8)) · sqrt(disagreement / n): on an image one arm is right and the other wrong with the share
    `disagreement`, which bounds the variance of the paired difference. None where the arms do not differ by so much.
    """
    from scipy.stats import t

    if images < 2:
        return None
    smallest = float(t.ppf((1 + LEVEL) / 2, images - 1) + t.ppf(POWER, images - 1)) * sqrt(disagreement / images)
    return smallest if smallest <= disagreement else None


def resolution(images: int, groups: int) -> Iterator[str]:
    """Sentences on what `images` drawn at random from `groups` can tell."""
    known = f"will be known to ±{100 * half_width(images):.1f} points (95 %)"
    yield f"{images:,} audit image{'s' * (images != 1)}: an accuracy of {100 * EXAMPLE_ACCURACY:.0f} % {known}."
    smallest, apart = smallest_difference(images), f"Two arms that disagree on {100 * EXAMPLE_DISAGREEMENT:.0f} % of images"
    if smallest is None:
        yield f"{apart} cannot be told apart by so few."
    else:
        yield f"{apart} can be told apart from a difference of {100 * smallest:.1f} points on (power {POWER:g})."
    if groups < images:
        what = "all of one group" if groups == 1 else f"of {groups:,} groups"
        yield f"They are {what}: as images of a group resemble each other, intervals will be wider than that."
