from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class PixelLabels:
    classes: tuple
    pixels: dict
    digest: str = "x"
    notes: tuple = ()
    faults: tuple = ()

    def mask(self, row, sample):
        return np.asarray(Image.open(row.mask)).astype(np.int16)

    def instances(self, row, sample):
        return None


def pixel_labels(rows, domain, read, classes={}, absent=()):
    pixels = {}
    for row in rows:
        m = np.asarray(Image.open(row.mask))
        pixels[row.id] = {"background": int((m == 0).sum()), "1": int((m == 1).sum())}
    return PixelLabels(("background", "1"), pixels)
