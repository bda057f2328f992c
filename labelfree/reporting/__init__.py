"""A run folder made into one self-contained page, and into a copy that may leave the house. Reads files only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelfree.reporting.box_pictures import Boxed, Drawn, save_boxes
    from labelfree.reporting.heat_pictures import Heated, save_heats
    from labelfree.reporting.html import write_report
    from labelfree.reporting.pictures import Shot, TokenGrid, save_leak_pairs, save_neighbours, save_picture, save_tokens, save_views
    from labelfree.reporting.segment_pictures import Segmented, save_segments
    from labelfree.reporting.share import Anonymiser, conceal, dataset_salt, share_copy

__all__ = [
    "Anonymiser",
    "Boxed",
    "Drawn",
    "Heated",
    "Segmented",
    "Shot",
    "TokenGrid",
    "conceal",
    "dataset_salt",
    "save_boxes",
    "save_heats",
    "save_leak_pairs",
    "save_neighbours",
    "save_picture",
    "save_segments",
    "save_tokens",
    "save_views",
    "share_copy",
    "write_report",
]

_HOME = {
    "write_report": "html",
    **dict.fromkeys(("Shot", "TokenGrid", "save_leak_pairs", "save_neighbours", "save_picture", "save_tokens", "save_views"), "pictures"),
    **dict.fromkeys(("Boxed", "Drawn", "save_boxes"), "box_pictures"),
    **dict.fromkeys(("Heated", "save_heats"), "heat_pictures"),
    **dict.fromkeys(("Segmented", "save_segments"), "segment_pictures"),
    **dict.fromkeys(("Anonymiser", "conceal", "dataset_salt", "share_copy"), "share"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
