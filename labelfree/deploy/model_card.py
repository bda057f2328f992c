"""The card beside a head, for people: what taught it, how well it did, under which terms, and how it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelfree.deploy.head_card import HeadCard
from labelfree.reporting.words import in_unit, published_words, score, words_of
from labelfree.transfer.words import TaskWords

COMMERCIAL = (
    "Whether it may be used commercially follows from these terms, which nobody has checked for you: ImageNet's photographs were collected "
    "for research, and weights trained on them are shipped under the licences named here; terms of the images themselves may ask for more."
)


def model_card(
    card: HeadCard, name: str, claims: Mapping[str, Any], words: TaskWords, dataset: str, lead: Sequence[str] = (), generated: bool = False
) -> str:
    """Markdown. `name`: of the head's file; `claims`: of its run, as claims.json keeps them; `dataset`: the images' name, "" where they
    are somebody's own; `lead`: what comes first; `generated`: the images are made up.
    """
    lines = [f"# {name}", "", *(f"{sentence}\n" for sentence in lead)]
    lines += ["## What it is", "", *_facts(card, words), "", "## What taught it", "", *_data(card, dataset, words), ""]
    lines += ["## How well it did", "", *_scores(card, claims, words, generated), "", "## Terms", "", *_terms(card), ""]
    return "\n".join([*lines, "## How to use it", "", *_usage(card, name), ""])


def _facts(card: HeadCard, words: TaskWords) -> list[str]:
    images = card.images
    network = f", network {images.architecture}" if images.architecture else ""
    facts = [
        f"- task: {card.task}" + (f"; classes: {', '.join(card.classes)}" if card.classes else ""),
        f"- head: {words.protocol(card.protocol).heading}",
        f"- features: {card.arm} ({published_words(images.init) if images.init else words_of(card.arm)}{network})",
        f"- takes: {len(images.channels)} channels ({', '.join(images.channels)}) in {images.unit}"
        + (f", stored as {images.dtype}" if images.dtype else ""),
        f"- made by labelfree {card.version}; recipe {images.recipe}, images {images.data}",
    ]
    if card.tile is not None:
        facts.append(f"- looks at an image in overlapping tiles of {card.tile} x {card.tile} pixels, whose features are pooled")
    called = f"{card.alarm} is called" if card.alarm else "boxes are told"
    return [*facts, *([f"- {called} from a score of {card.threshold:g} on"] if card.threshold is not None else [])]


def _data(card: HeadCard, dataset: str, words: TaskWords) -> list[str]:
    if not card.labels:
        return [f"No label: classes are asked for in words. Images are typically {' x '.join(map(str, card.shape))} pixels."]
    lines = [
        f"{card.taught_by:,} labelled images{f' of {dataset}' if dataset else ''}, typically {' x '.join(map(str, card.shape))} pixels.",
        "",
    ]
    if not words.categorical:
        return lines[:1]
    return [*lines, f"| {words.budget.stratum} | images |", "|---|---|", *(f"| {name} | {n:,} |" for name, n in card.labels.items())]


def _scores(card: HeadCard, claims: Mapping[str, Any], words: TaskWords, generated: bool) -> list[str]:
    rows = [row for row in claims.get("table", ()) if (row["arm"], row["protocol"]) == (card.arm, card.protocol)]
    if not rows:
        return ["No comparison scored it."]
    metric = words.metric(rows[0]["metric"])
    said = ["The images are generated: the scores say nothing of real ones.", ""] if generated else []
    said += [f"{metric.heading}, of heads that learned from these labels or fewer of them; the run's report says on which images.", ""]
    table = [f"| labels | {metric.words} | 95 % interval |", "|---|---|---|"]
    for row in rows:
        bounds = [row["low"], row["high"]]
        interval = "none" if None in bounds else " to ".join(score(bound, metric) for bound in bounds)
        table.append(f"| {words.budget.of(row['budget'])} | {in_unit(score(row['mean'], metric), metric.of_scores)} | {interval} |")
    return [*said, *table, "", str(claims.get("headline", ""))]


def _terms(card: HeadCard) -> list[str]:
    return [*(f"- {each}" for each in card.licence.split("; ")), "", COMMERCIAL]


def _usage(card: HeadCard, name: str) -> list[str]:
    return [
        "The file holds its network and knows how its images are read; it refuses images of other channels, units or scales.",
        "",
        "```",
        f"labelfree predict {name} IMAGES --out predictions",
        "```",
        "",
        "```python",
        "import labelfree",
        f'head = labelfree.load_head("{name}")',
        'head.predict("image")',
        "```",
    ]
