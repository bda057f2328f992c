"""Views as the network saw them."""

from __future__ import annotations

import json

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import count, listed

TITLE = "What the network saw"


def build(context: Context) -> Section:
    if context.hidden:
        return Section("views", TITLE, absent=context.hidden)
    files = context.run.pictures("views-*.png")
    if not files:
        return Section("views", TITLE, absent="No example views were saved: nothing was pretrained in this run.")
    index = context.run.folder / "pictures" / "views.json"
    known = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
    figures = []
    for path in files:
        entry = known.get(path.name, {})
        name = entry.get("name", path.stem.removeprefix("views-"))
        uri = context.album.uri(path, longest=1100)
        if uri:
            columns = entry.get("columns", [])
            alt = f"Grid of views for {name}: {count(entry.get('images', 0), 'image')}, a row each" + (
                f"; columns: {listed(columns)}." if columns else "."
            )
            figures.append({"name": titled(name), "uri": uri, "columns": columns, "alt": alt})
    return Section(
        "views",
        TITLE,
        {"figures": figures},
        lead="Each row is one image, each column a random view of it. The network learns that a row belongs together.",
    )


def titled(name: str) -> str:
    """imagenet+domain-0, as a pretraining is called in file names, is imagenet+domain, seed 0."""
    arm, _, seed = name.rpartition("-")
    return f"{arm}, seed {seed}" if arm and seed.isdigit() else name
