"""What was asked in words, apart by what the captions of the pretraining had named, each with its interval and with chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch
from labelfree.reporting.words import count, listed

TITLE = "Asked in words, without labels"
NAMED = 12  # classes that a line lists


def build(context: Context) -> Section | None:
    """None where nothing was asked in words."""
    told = context.run.prompted
    if not told:
        return None
    keys = {arm: swatch(style) for arm, style in context.styles.items()}
    lines = [{"key": keys.get(row["arm"], ""), **line(row)} for row in told["rows"]]
    captions = [of_captions(arm, naming) for arm, naming in told["arms"].items()]
    kinds = {kind for naming in told["arms"].values() for kind in naming["kinds"].values()}
    return Section(
        "prompted",
        TITLE,
        {
            "lines": lines,
            "sentences": [*told["why"], *told["sentences"], *captions],
            "meanings": [(kind, meaning) for kind, meaning in told["kinds"].items() if kind in kinds],
        },
        lead=f"An image is of the class whose words lie nearest: {count(told['templates'], 'prompt')} a class and way to say it, and no "
        "label. Exploratory. Scores of classes that captions named say how well the captions were learnt, not what was never seen.",
    )


def line(row: Mapping[str, Any]) -> dict[str, str]:
    """A row of the table."""
    low, high = row["low"], row["high"]
    return {
        "arm": row["arm"],
        "kind": row["kind"] + (", called among all classes" if row["among"] == "all" else ""),
        "classes": f"{row['classes']:,}",
        "images": f"{row['images']:,}",
        "accuracy": f"{100 * row['mean']:.1f} %",
        "interval": "none" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}",
        "chance": f"{100 * row['chance']:.1f} %",
    }


def of_captions(arm: str, naming: Mapping[str, Any]) -> str:
    """How many captions taught an arm, and how many name each class."""
    if not naming["captions"]:
        return f"{arm}: how many captions taught it is not known here."
    named = sorted(naming["named"].items(), key=lambda item: (-item[1][0], item[0]))
    shown = [f"{name} {captions:,}" for name, (captions, _) in named[:NAMED]]
    more = f" and {len(named) - NAMED} more classes" if len(named) > NAMED else ""
    taught = f"{arm} was taught by {count(naming['captions'], 'caption')} of {count(naming['images'], 'image')}"
    return f"{taught}; so many name each class: {listed(shown) if not more else ', '.join(shown) + more}." if shown else f"{taught}."
