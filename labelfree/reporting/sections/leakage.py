"""The leak check: were scored images, or near copies of them, also trained on?"""

from __future__ import annotations

from typing import Any

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import count, percent, points

MOST = 12  # pairs shown


def build(context: Context) -> Section:
    leaks = context.run.leaks
    if not leaks:
        return Section("leaks", "Leak check", absent="No leak check was made: there were no scored images to compare the pool with.")
    pairs: list[dict[str, Any]] = []
    for path in [] if context.hidden else context.run.pictures("leaks/*.png")[:MOST]:
        if uri := context.album.uri(path, longest=270):
            pairs.append({"uri": uri, "alt": f"Pair {len(pairs) + 1}: an image of the pool on the left, a scored image on the right."})
    exact, near = amount(leaks.get("exact")), amount(leaks.get("near"))
    facts = [
        ("Identical images", f"{exact:,}", "same decoded pixels in the pool and among scored images"),
        ("Near-duplicates", "cannot tell" if leaks.get("cannot_tell") else f"{near:,}", limit(leaks)),
        ("Scored images judged", f"{amount(leaks.get('judged')):,}", f"{count(amount(leaks.get('not_judged')), 'image')} too flat to judge"),
        ("Dropped from the pool", f"{amount(leaks.get('dropped')):,}", "never seen by the pretraining"),
    ]
    return Section(
        "leaks",
        "Leak check",
        {"facts": facts, "sentence": leaks.get("sentence", ""), "pairs": pairs, "with_without": with_without(context), "hidden": context.hidden if near or exact else ""},
        lead="A score on images that were trained on is worth nothing, so the pool is searched for them before anything is scored.",
    )


def amount(value: Any) -> int:
    """A count, given as such or as the list that was counted."""
    return len(value) if isinstance(value, list | tuple) else int(value or 0)


def limit(leaks: dict[str, Any]) -> str:
    if leaks.get("cannot_tell"):
        return "unrelated images resemble each other as much here; give a group column to judge"
    bound = leaks.get("limit")
    if bound is None:
        return "correlation of fine structure at least 0.97, in any of 8 poses"
    said = count(int(bound), "image") if float(bound) >= 1 else f"{percent(float(bound))} %"
    return f"a run stops above {said}"


def with_without(context: Context) -> list[dict[str, str]]:
    """The primary scores with and without scored images that have a near-duplicate, when the claims give both."""
    both = context.run.claims.get("without_near_duplicates") or context.run.leaks.get("without_near_duplicates") or []
    return [
        {"arm": row["arm"], "with": percent(row["with"]), "without": percent(row["without"]), "change": points(row["without"] - row["with"])} for row in both
    ]
