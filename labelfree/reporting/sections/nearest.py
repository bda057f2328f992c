"""Nearest neighbours of the same images in the embedding of each arm: those of its kind outlined, others struck, where labels are kinds."""

from __future__ import annotations

from typing import Any

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch
from labelfree.reporting.words import listed

TITLE = "What each network finds similar"


def build(context: Context) -> Section:
    neighbours = context.run.neighbours
    if context.hidden and neighbours:
        return Section("neighbours", TITLE, absent=context.hidden)
    queries = neighbours.get("queries") or []
    if not queries:
        return Section(
            "neighbours",
            TITLE,
            absent="No nearest-neighbour examples were saved: they need labels that name whole images, and a pretrained arm.",
        )
    blocks: list[dict[str, Any]] = []
    right = {arm: [0, 0] for arm in neighbours["arms"]}
    categorical = context.run.words.categorical
    for q, query in enumerate(queries):
        rows = []
        for arm, lists in neighbours["arms"].items():
            shots = [
                shot | {"right": shot["label"] == query["label"] if categorical else None, "uri": _uri(context, shot)} for shot in lists[q]
            ]
            right[arm][0] += sum(bool(shot["right"]) for shot in shots)
            right[arm][1] += len(shots)
            rows.append((arm, shots))
        blocks.append({"label": query["label"], "uri": _uri(context, query), "rows": rows})
    kind = context.run.words.budget.stratum
    tally = listed([f"{arm} {hits} of {total}" for arm, (hits, total) in right.items()])
    alike = f"Of the query's own {kind}: {tally}. " if categorical else ""
    return Section(
        "neighbours",
        TITLE,
        {
            "blocks": blocks,
            "judged": categorical,
            "kind": kind,
            "keys": {arm: swatch(context.styles[arm]) for arm in neighbours["arms"] if arm in context.styles},
        },
        lead="The same query for each arm, and its nearest other labelled images. "
        f"{alike}An illustration; the scores above are the measurement.",
    )


def _uri(context: Context, shot: dict[str, Any]) -> str | None:
    path = context.run.folder / "pictures" / shot["file"]
    return context.album.uri(path, longest=112) if path.is_file() else None
