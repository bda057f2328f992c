"""Scored images as they are and as they were called: the best, those in the middle, the worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import in_unit, score

TITLE = "Best, middle and worst images"
PIXELS = 192  # of a picture, twice as many as it is drawn with on a small screen
KINDS = {"best": "Best", "middle": "In the middle", "worst": "Worst", "empty": "Nothing to find"}


def build(context: Context) -> Section | None:
    """None where a run tells no maps; where their pictures may not be shown, it says so."""
    found = context.run.segments
    if context.hidden:
        maps = bool(found) or context.run.confusion.get("counted") == "pixels"
        return Section("segments", TITLE, absent=context.hidden) if maps else None
    if not found:
        return None
    blocks = shown(context, found["images"], str(found["metric"]))
    return Section(
        "segments",
        TITLE,
        {
            "blocks": blocks,
            "legend": [each for each in found["classes"] if each["colour"]],
            "hatched": any(each["hatched"] for each in found["images"]),
        },
        lead=f"Scored images, by the score of {found['arm']} on each. An illustration; the scores above are the measurement.",
    )


def shown(context: Context, images: Sequence[dict[str, Any]], metric: str, longest: int = PIXELS) -> list[dict[str, Any]]:
    """What each image is called, and its pictures of up to `longest` pixels a side: all are there, smaller where the page is short."""
    words, there = context.run.words.metric(metric), context.run.folder / "pictures"
    files = [file for each in images for panel in each["panels"] if (file := there / panel["file"]).is_file()]
    uris = dict(zip(files, context.album.uris(files, longest), strict=True))
    blocks = []
    for each in images:
        title = KINDS.get(each["kind"], each["kind"])
        if each["score"] is not None:
            title += ": " + in_unit(f"{words.words} {score(each['score'], words)}", words.of_scores)
        kept = [(panel["title"], uris[file]) for panel in each["panels"] if (file := there / panel["file"]) in uris]
        if kept:
            blocks.append({"title": title, "panels": [{"title": of, "uri": uri, "alt": f"{title}; {of}."} for of, uri in kept]})
    return blocks
