"""Folders as data sets: class folders, split folders, a plain folder, and the folder of a domain's generated sample."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from labelfree.data.labels import SPLITS
from labelfree.domain import Domain, Row, extent_of
from labelfree.errors import DataError


def cache_folder() -> Path:
    """Where pools and generated samples are kept: LABELFREE_CACHE, else the user's cache folder."""
    if given := os.environ.get("LABELFREE_CACHE"):
        return Path(given).expanduser()
    base = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "labelfree"


def rows_of_folder(root: Path, domain: Domain, classes: bool = True) -> tuple[list[Row], bool]:
    """Rows for a folder without a table, and whether its sub-folders were taken as classes.

    `root/CLASS/image` gives labels, `root/train/CLASS/image` labels and splits; anything else is one unlabelled set, and so are images
    that are read in windows: folders of scenes are years or places. `classes`: False where folders are known to be none.
    """
    files = domain.files(root)
    if not files:
        raise DataError(f"{root}: holds no image that the {domain.name} domain reads.")
    parts = [path.relative_to(root).parts for path in files]
    plain = [Row("/".join(part), path) for part, path in zip(parts, files, strict=True)]
    if not classes or hold_scenes(plain, domain):
        return plain, False
    tops = {part[0].lower() for part in parts if len(part) > 1}
    if all(len(part) == 3 for part in parts) and len(tops) > 1 and tops <= SPLITS.keys():
        rows = [Row("/".join(part), path, label=part[1], split=SPLITS[part[0].lower()]) for part, path in zip(parts, files, strict=True)]
        return rows, True
    per_folder: dict[str, int] = defaultdict(int)
    for part in parts:
        per_folder[part[0]] += 1
    # Many folders of one image each are scenes, not classes.
    if not (all(len(part) == 2 for part in parts) and 1 < len(per_folder) <= len(files) / 2):
        return plain, False
    empty = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and entry.name[0] not in "._" and entry.name not in per_folder)
    if empty:
        raise DataError(f"{root / empty[0]}: class folder without an image that the {domain.name} domain reads; fill it or remove it.")
    return [Row("/".join(part), path, label=part[0]) for part, path in zip(parts, files, strict=True)], True


def hold_scenes(rows: list[Row], domain: Domain) -> bool:
    """Whether most of a few images are read in windows."""
    few = rows[:: max(1, len(rows) // 8)]
    return 2 * sum(extent_of(domain)(row) is not None for row in few) > len(few)


def generated_root(domain: Domain, variant: str, seed: int = 0) -> Path:
    """The domain's generated sample, written once into the cache; another version of the domain writes its own."""
    package = sys.modules[type(domain).__module__.partition(".")[0]]
    sources = sorted(Path(package.__file__).parent.rglob("*.py")) if package.__file__ else []
    version = hashlib.blake2b(b"".join(source.read_bytes() for source in sources), digest_size=6).hexdigest()
    final = cache_folder() / "generated" / f"{domain.name}-{variant or 'default'}-{seed}-{version}"
    if final.is_dir():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".making-", dir=final.parent))
    try:
        domain.generate(made, seed=seed, variant=variant)
        made.replace(final)
    except OSError:
        if not final.is_dir():  # else another process was faster
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return final
