"""Folders that labelfree writes itself: what lies in them is nobody's image, wherever they lie."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

STATE = "state.json"  # of a run
TAKEN_FROM = "taken_from.txt"  # in private/ of a run that hides names: the folder of the run whose networks it took over
WAITING = "private/unfinished"  # of a run that hides names: where it works until these are hidden
RUN_KEYS = {"recipe", "status"}  # what every run's state tells from its first moment on
GENERATED = "GENERATED.txt"  # a domain's generator leaves it beside its images: whatever is made of them says that they are made up
POOL_FILES = ("meta.json", "index.npz", "data.npy")
SELECTION_FILES = ("select.csv", "contact_sheet.png")  # what `select` writes first: the table, and pictures that are nobody's images
SEARCH_FILES = ("search.csv", "contact_sheet.png")  # what `search` leaves in every folder of answers
INDEX_CARD = "search-index.json"  # of an index
WHOLE = (POOL_FILES, SELECTION_FILES, SEARCH_FILES, (INDEX_CARD,))


def cache_folder() -> Path:
    """Where pools and generated samples are kept: LABELFREE_CACHE, else the user's cache folder."""
    if given := os.environ.get("LABELFREE_CACHE"):
        return Path(given).expanduser()
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "labelfree"


def home_of(folder: Path) -> Path:
    """A run's folder, of itself and of where a run that hides names works."""
    return folder.parents[1] if _works_in(folder) else folder


def private_of(folder: Path) -> Path:
    """Where a run keeps what never leaves; of its folder and of where a run that hides names works."""
    return folder.parent if _works_in(folder) else folder / "private"


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run, finished or not, or a copy of one to share: its own file says so, not its name."""
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(state, dict) and state.keys() >= RUN_KEYS


def is_ours(folder: Path) -> bool:
    """Whether a folder is a run, a pool, a selection, an index, what was found in one, or the cache."""
    return is_run(folder) or any(all((folder / name).is_file() for name in names) for names in WHOLE) or _is_cache(folder)


def _works_in(folder: Path) -> bool:
    return folder.parts[-2:] == Path(WAITING).parts


def _is_cache(folder: Path) -> bool:
    cache = cache_folder()
    return folder.name == cache.name and cache.is_dir() and cache.samefile(folder)
