"""What of a folder is a picture: names of cameras, computers and people in between."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from labelfree_inspection import Inspection
from PIL import Image

import labelfree

JUNK = (
    "Thumbs.db", ".DS_Store", "._a.png", "desktop.ini", "a.png.tmp", "~$notes.docx", ".hidden/b.png", "__MACOSX/c.png", "notes.txt",
)  # fmt: skip


def picture(path: Path, level: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(level).integers(0, 200, (16, 20), dtype=np.uint8)
    Image.fromarray(data).save(
        path, format={".jpeg": "JPEG", ".jpg": "JPEG", ".bmp": "BMP", ".tif": "TIFF"}.get(path.suffix.lower(), "PNG")
    )
    return path


def test_junk_is_no_image_and_no_fault(tmp_path: Path) -> None:
    for name in JUNK:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\0\0")
    wanted = ["a.PNG", "b.Bmp", "c.TIF", "d.jpeg", "lot/a.PNG"]
    for number, name in enumerate(wanted):
        picture(tmp_path / name, number)
    assert [file.relative_to(tmp_path).as_posix() for file in Inspection().files(tmp_path)] == wanted
    assert labelfree.check_data(tmp_path, (), "inspection").faults == []


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_an_umlaut_is_found_however_it_is_composed(tmp_path: Path, stored: str, written: str) -> None:
    """A Mac takes ü apart, a spreadsheet puts it together."""
    names = [f"Prüfung/Öse_{number}.png" for number in range(4)]
    for number, name in enumerate(names):
        picture(tmp_path / unicodedata.normalize(stored, name), number)
    table = "path,label\n" + "".join(f"{name},{'gut' if number % 2 else 'Riß'}\n" for number, name in enumerate(names))
    (tmp_path / "labels.csv").write_text(unicodedata.normalize(written, table), encoding="utf-8")
    found = labelfree.show_data(tmp_path, [f"data.labels={tmp_path / 'labels.csv'}"], "inspection")
    assert len(found.manifest.rows) == 4 and all(row.label for row in found.manifest.rows)


def test_equal_names_in_two_lots_are_two_parts(tmp_path: Path) -> None:
    for lot in ("lot_A", "lot_B"):
        for number in range(3):
            picture(tmp_path / lot / f"{number:04}.png", number + (10 if lot == "lot_B" else 0))
    lines = "\n".join(f"{lot}/{number:04}.png,{lot[-1]}" for lot in ("lot_A", "lot_B") for number in range(3))
    (tmp_path / "labels.csv").write_text(f"path,label\n{lines}\n", encoding="utf-8")
    found = labelfree.check_data(tmp_path, [f"data.labels={tmp_path / 'labels.csv'}"], "inspection")
    assert {row.id: row.label for row in found.manifest.rows} == {
        f"lot_{lot}/{number:04}.png": lot for lot in "AB" for number in range(3)
    } and not found.faults
