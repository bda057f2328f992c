"""What each network sees in the same images of the pool: its tokens' main directions as colours, their segments, where it looks."""

from __future__ import annotations

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.svg_figures import swatch
from labelfree.reporting.words import count, listed

TITLE = "What the network sees"


def build(context: Context) -> Section:
    found = context.run.tokens
    if context.hidden:
        return Section("tokens", TITLE, absent=context.hidden)
    arms = []
    for arm, grids in found.items():
        figures = []
        for grid in grids:
            path = context.run.folder / "pictures" / grid["file"]
            uri = context.album.uri(path, longest=1100) if path.is_file() else None
            if uri:
                alt = f"{grid['title']} of {arm}: {count(grid['images'], 'image')}, a row each; columns: {listed(grid['columns'])}."
                figures.append({"title": grid["title"], "uri": uri, "columns": grid["columns"], "alt": alt})
        if figures:
            arms.append({"arm": arm, "key": swatch(context.styles[arm]) if arm in context.styles else "", "figures": figures})
    if not arms:
        return Section(
            "tokens", TITLE, absent="No pictures of it were saved: they need images to pretrain on, and networks that are compared."
        )
    return Section(
        "tokens",
        TITLE,
        {"arms": arms},
        lead="The same images of the pool, seen by each network before any label. Colours: the three main directions of its features over "
        "all of these images, so that within a network one colour means one thing. Clusters and cut: segments that the features form by "
        "themselves. An illustration.",
    )
