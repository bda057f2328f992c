"""What makes a pool be read again: anything that changes what its images say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labelfree.data.content import content_key
from labelfree.domain import Row, Sample


def unread(row: Row) -> Sample:
    raise AssertionError("files are looked at, not decoded")


def key(path: Path) -> str:
    return content_key([Row(path.name, path)], unread, {})


@pytest.mark.parametrize("beside", ["a.png.aux.xml", "a.pgw", "a.PGW", "a.pgwx", "a.wld", "a.prj", "a.png.msk"])
def test_files_beside_an_image_count(tmp_path: Path, beside: str) -> None:
    image = tmp_path / "a.png"
    image.write_bytes(b"pixels")
    before = key(image)
    (tmp_path / "b.pgw").write_text("of another image")
    assert key(image) == before
    (tmp_path / beside).write_text("1")
    assert key(image) != before


def test_a_mosaic_is_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "part & whole.tif").write_bytes(b"pixels")
    mosaic = tmp_path / "a.vrt"
    mosaic.write_text('<VRTDataset><SourceFilename relativeToVRT="1">part &amp; whole.tif</SourceFilename></VRTDataset>')
    before = key(mosaic)
    assert key(mosaic) == before
    (tmp_path / "part & whole.tif").write_bytes(b"other!")
    assert key(mosaic) != before


def test_contents_count_and_not_times(tmp_path: Path) -> None:
    image = tmp_path / "a.tif"
    image.write_bytes(b"pixels")
    before = key(image)
    os.utime(image, (1, 1))
    assert key(image) == before
    image.write_bytes(b"others")
    assert key(image) != before
