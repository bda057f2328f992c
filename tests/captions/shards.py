"""What tests of captions share: tars as webdataset has them, and what a manifest's rows say."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from labelfree.data.manifest import Manifest


def shard(file: Path, members: dict[str, bytes]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as tar:
        for name, content in members.items():
            told = tarfile.TarInfo(name)
            told.size = len(content)
            tar.addfile(told, io.BytesIO(content))
    return file


def said(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """The captions of each row that has some."""
    return {row.id: row.captions for row in manifest.rows if row.captions}
