"""Who asks: by what a protocol needs of a network."""

from __future__ import annotations

from typing import Any

from labelfree.transfer.asking import Asker, VectorAsker
from labelfree.transfer.boxes.asking import BoxAsker
from labelfree.transfer.captions.asking import CaptionAsker
from labelfree.transfer.maps.asking import MapAsker
from labelfree.transfer.patches.asking import PatchAsker
from labelfree.transfer.tokens.asking import TokenAsker
from labelfree.transfer.tuning.asking import ImageAsker
from labelfree.transfer.words_asking import WordsAsker

ASKERS: dict[str, type[Asker[Any]]] = {
    "pooled": VectorAsker, "words": WordsAsker, "images": ImageAsker, "pyramid": MapAsker, "boxes": BoxAsker, "patches": PatchAsker,
    "captions": CaptionAsker, "tokens": TokenAsker,
}  # fmt: skip
