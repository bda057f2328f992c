"""Numbers and names as a person reads them. Scores are stored as shares of one and shown as percentages, differences as points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

MINUS = "\u2212"

METRICS = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1", "auroc": "area under the ROC curve"}

PROTOCOLS = {"linear": "linear probe", "knn": "nearest neighbours"}

ARMS = {
    "statistics": "no network: mean and spread of each channel",
    "random": "the same network, never trained",
    "imagenet": "weights trained on ImageNet photographs",
    "imagenet+statistics": "ImageNet weights on red, green and blue, plus mean and spread of every channel",
    "imagenet-inflated": "ImageNet weights, first layer widened to every channel",
    "domain": "pretrained on the unlabelled images, from random weights",
    "imagenet+domain": "pretrained on the unlabelled images, from ImageNet weights",
}


def number(value: float | None, digits: int = 1) -> str:
    """A plain number with a true minus sign; an en dash where there is none."""
    if value is None or not isfinite(value):
        return "\u2013"
    return f"{value:.{digits}f}".replace("-", MINUS)


def percent(score: float | None, digits: int = 1) -> str:
    """A score in [0, 1] as 78.5."""
    return number(None if score is None else 100 * score, digits)


def points(difference: float | None, digits: int = 1) -> str:
    """A difference of two scores as +11.2 or −3.0; never "−0.0"."""
    if difference is None or not isfinite(difference):
        return "\u2013"
    rounded = round(100 * difference, digits) + 0.0
    return ("+" if rounded > 0 else "") + number(rounded, digits)


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


def budget(name: object) -> str:
    """The budget as a person says it: "5 labels a class", "1 label a class", "all labels"."""
    return "all labels" if str(name) == "all" else "1 label a class" if str(name) == "1" else f"{name} labels a class"


def metric(name: str) -> str:
    return METRICS.get(name, name.replace("_", " "))


def protocol(name: str) -> str:
    return PROTOCOLS.get(name, name)
