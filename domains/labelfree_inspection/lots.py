"""Folders that people call by the lot, the part or the day that their pictures are of."""

from __future__ import annotations

import re
import unicodedata

# What a name begins with, in any case; behind it stand numbers or single letters: `lot_A`, `batch 12`, `Charge_7`, `PCB-0012`.
WORDS = {
    "lot", "los", "lote", "lotto", "batch", "charge", "chargen", "partie", "partij", "partida", "serie", "series", "serial", "sn", "heat",
    "melt", "schmelze", "coil", "slab", "strip", "sheet", "plate", "wafer", "panel", "tray", "roll", "rolle", "pallet", "palette", "box",
    "part", "teil", "bauteil", "werkstück", "workpiece", "piece", "pièce", "pieza", "pezzo", "specimen", "unit", "board", "pcb", "item",
    "order", "auftrag", "shift", "schicht", "day", "tag", "week", "woche", "kw", "批", "批次", "ロット",
}  # fmt: skip
YEAR, MONTH, DAY = r"(?:19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
DATE = re.compile(rf"{YEAR}([-_.]?){MONTH}\1{DAY}|{DAY}([-_.]){MONTH}\2{YEAR}")


def names_lot(folder: str) -> bool:
    """Whether a folder's name says of which lot, part or day its pictures are; never that of a class, such as `part_scratched`."""
    name = unicodedata.normalize("NFC", folder).casefold().strip()
    if DATE.fullmatch(name):
        return True
    word, code = re.fullmatch(r"([^\W\d_]*)(.*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
    codes = [each for each in re.split(r"[\W_]+", code) if each]
    return word in WORDS and bool(codes) and all(len(each) == 1 or any(map(str.isdigit, each)) for each in codes)
