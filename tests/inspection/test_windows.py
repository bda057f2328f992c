"""Windows of large images are what the whole image holds there, whatever the file is cut into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from labelfree_inspection import Inspection, reading
from labelfree_inspection.files import decode, decode_window, pictures

from labelfree.domain import Row, Window


@settings(max_examples=25, deadline=None)
@given(
    form=st.sampled_from(
        [
            {},
            {"rowsperstrip": 7},
            {"rowsperstrip": 9, "compression": "lzw", "predictor": True},
            {"tile": (16, 32)},
            {"tile": (32, 16), "compression": "deflate"},
            {"bitspersample": 12, "rowsperstrip": 5},
            {"photometric": "miniswhite", "rowsperstrip": 5},
        ]
    ),
    colours=st.sampled_from([0, 3, -3]),
    top=st.integers(0, 60),
    left=st.integers(0, 80),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
)
def test_a_window_of_tiff(tmp_path_factory, form, colours, top, left, height, width) -> None:
    """Strips and tiles, packed, planes (`colours` < 0) and turned levels."""
    rows, columns = 71, 93
    data = np.random.default_rng(0).integers(0, 4096, (rows, columns, 3) if colours else (rows, columns)).astype(np.uint16)
    told: dict[str, Any] = {"photometric": "rgb" if colours else "minisblack", **form}
    if colours:
        told["photometric"] = "rgb"
    if colours < 0:
        data, told["planarconfig"] = np.moveaxis(data, -1, 0), "separate"
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    tifffile.imwrite(path, data, **told)
    window = Window((top, left), (min(height, rows - top), min(width, columns - left)))
    domain, inside = Inspection(), (slice(None), slice(top, top + window.height), slice(left, left + window.width))
    whole, part = domain.read(Row("a", path)), domain.read(Row("a#", path, window=window))
    assert part.channels == whole.channels and part.notes == whole.notes and np.array_equal(part.data, whole.data[inside])
    alone = decode_window(path, None, window, cheap=False)  # the strips or tiles, where reading keeps the whole
    assert alone is not None and np.array_equal(alone.data, decode(path, None).data[inside])  # as stored: 0 may be white


def test_strips_across_a_scan_are_decoded_once(tmp_path: Path) -> None:
    """A window of each would decode all of its width; tiles, and what is mapped from the file, are cheap."""
    data = np.random.default_rng(0).integers(0, 256, (64, 640)).astype(np.uint8)
    strips, tiles = {"compression": "lzw", "rowsperstrip": 8}, {"compression": "lzw", "tile": (32, 32)}
    forms: dict[str, dict[str, Any]] = {"strips": strips, "tiles": tiles, "plain": {}}
    for name, form in forms.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", data, **form)
    window = Window((16, 32), (32, 32))
    parts = {name: decode_window(tmp_path / f"{name}.tif", None, window) for name in forms}
    assert parts["strips"] is None and all(parts[name] is not None for name in ("tiles", "plain"))


def test_a_window_of_jpeg_tiles(tmp_path: Path) -> None:
    smooth = (np.add.outer(np.arange(96), np.arange(128)) % 200).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", smooth, tile=(32, 32), compression="jpeg")
    domain, path = Inspection(), tmp_path / "a.tif"
    part = decode_window(path, None, Window((20, 40), (50, 60)), cheap=False)
    assert part is not None and np.array_equal(part.data, domain.read(Row("a", path)).data[:, 20:70, 40:100])


def test_large_images_without_labels_are_read_in_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WHOLE", 1000)
    monkeypatch.setattr(reading, "SMALL_FILE", 0)
    data = np.random.default_rng(0).integers(0, 65536, (60, 50)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    tifffile.imwrite(tmp_path / "b.tif", data)
    tifffile.imwrite(tmp_path / "c.tif", data[:20, :20])
    (tmp_path / "d.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    sizes = {file.name: Inspection().extent(Row(file.name, file)) for file in tmp_path.iterdir()}
    assert sizes == {"a.png": (60, 50), "b.tif": (60, 50), "c.tif": None, "d.png": None}


def test_what_is_decoded_whole_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(0).integers(0, 65536, (60, 50)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    decoded = []
    codecs = pictures._codecs
    monkeypatch.setattr(pictures, "_codecs", lambda path: decoded.append(path) or codecs(path))
    domain = Inspection()
    for top in (0, 20, 40):
        part = domain.read(Row(f"a.png#{top}", tmp_path / "a.png", window=Window((top, 10), (20, 30))))
        assert np.array_equal(part.data[0], data[top : top + 20, 10:40])
    assert len(decoded) == 1


def test_gray_stored_as_colours_is_gray_in_every_window(tmp_path: Path) -> None:
    """Decided over the file, so that a gray window of a coloured scan keeps its colours."""
    gray = np.random.default_rng(0).integers(0, 256, (300, 400)).astype(np.uint8)
    alike, odd = np.stack([gray] * 3, -1), np.stack([gray] * 3, -1)
    odd[280:, 380:, 0] ^= 1
    for name, data in (("alike", alike), ("odd", odd)):
        tifffile.imwrite(tmp_path / f"{name}.tif", data, photometric="rgb", rowsperstrip=16)
    corner = Window((0, 0), (64, 64))
    domain = Inspection()
    assert domain.read(Row("a", tmp_path / "alike.tif", window=corner)).channels == ("gray",)
    assert domain.read(Row("b", tmp_path / "odd.tif", window=corner)).channels == ("red", "green", "blue")
