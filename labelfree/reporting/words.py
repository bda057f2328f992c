"""Numbers and names as a person reads them. Scores are stored as shares of one and shown as percentages, differences as points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor, isfinite, log10
from typing import Any

from labelfree.transfer.words import SHARE, MetricWords
from labelfree.weight_names import INFLATED, PUBLISHED

MINUS = "\u2212"

ARMS = {
    "statistics": "no network: mean and spread of each channel",
    "random": "the same network, never trained",
    "imagenet": "weights trained on ImageNet photographs",
    "imagenet+statistics": "ImageNet weights on red, green and blue, plus mean and spread of every channel",
    "imagenet-inflated": "ImageNet weights, first layer widened to every channel",
    "domain": "pretrained on the unlabelled images, from random weights",
    "imagenet+domain": "pretrained on the unlabelled images, from ImageNet weights",
}


def arm_words(arm: str, arms: Sequence[Any]) -> str:
    """What an arm starts from. `arms`: as the recipe lists them, names and blocks of keys."""
    named = [each for each in arms if isinstance(each, Mapping) and each.get("name") == arm]
    return published_words(str(named[0].get("backbone"))) if named and named[0].get("weights") in (PUBLISHED, INFLATED) else words_of(arm)


def words_of(arm: str) -> str:
    """What an arm starts from, as its name tells."""
    return ARMS.get(arm, "weights from a file")


def published_words(network: str) -> str:
    """What an arm starts from whose weights are published as `network`."""
    return f"weights published as {network}"


def number(value: float | None, digits: int = 1) -> str:
    """A plain number with a true minus sign; an en dash where there is none."""
    if value is None or not isfinite(value):
        return "\u2013"
    return f"{value:.{digits}f}".replace("-", MINUS)


def score(value: float | None, metric: MetricWords) -> str:
    """A score as it is printed: 78.5 (per cent), or three figures in its own unit."""
    return number(None if value is None else metric.scale * value, digits(value, metric))


def difference(value: float | None, metric: MetricWords) -> str:
    """A difference of two scores as +11.2 or −3.0; never "−0.0"."""
    if value is None or not isfinite(value):
        return "\u2013"
    places = digits(value, metric)
    rounded = round(metric.scale * value, places) + 0.0
    return ("+" if rounded > 0 else "") + number(rounded, places)


def digits(value: float | None, metric: MetricWords) -> int:
    """Places behind the point: one of per cent, else as many as three figures take."""
    if metric.unit == SHARE or not value or not isfinite(value):
        return 1
    return max(0, 2 - floor(log10(abs(value))))


def in_unit(text: str, unit: str) -> str:
    """A printed number with what stands behind it."""
    return f"{text} {unit}".rstrip()


def p_value(p: float | None) -> str:
    """p = 0.013, p < 0.001, or nothing where it is not known."""
    if p is None or not isfinite(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """1 image, 3,412 images."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else "none"


def time_taken(facts: Mapping[str, Any]) -> str:
    """How long a pretraining took, of plan.json's `taken`: "took 11.6 of the 12 minutes asked for, 612 steps"."""
    minutes = facts["seconds"] / 60
    digits = 1 if minutes >= 0.95 else 2
    took = f"{minutes:,.{digits}f} of the {facts['minutes']:g} minutes asked for" if facts["minutes"] else f"{minutes:,.{digits}f} minutes"
    return f"took {took}, {count(facts['steps'], 'step')}"
