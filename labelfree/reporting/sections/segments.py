"""Scored images as they are and as they were called: the best, those in the middle, the worst."""

from __future__ import annotations

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
    blocks = [block for each in found["images"] if (block := shown(context, each, str(found["metric"])))]
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


def shown(context: Context, each: dict[str, Any], metric: str, longest: int = PIXELS) -> dict[str, Any] | None:
    """One image: what it is called, and its pictures of up to `longest` pixels a side; None where the page has no room for any."""
    words = context.run.words.metric(metric)
    title = KINDS.get(each["kind"], each["kind"])
    if each["score"] is not None:
        title += ": " + in_unit(f"{words.words} {score(each['score'], words)}", words.of_scores)
    panels = []
    for panel in each["panels"]:
        path = context.run.folder / "pictures" / panel["file"]
        if path.is_file() and (uri := context.album.uri(path, longest=longest)):
            panels.append({"title": panel["title"], "uri": uri, "alt": f"{title}; {panel['title']}."})
    return {"title": title, "panels": panels} if panels else None
