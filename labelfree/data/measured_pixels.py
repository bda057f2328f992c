"""Pixels without a measurement: gaps, borders, what is covered. They are filled so that nothing breaks, and counted nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from labelfree.domain import Sample
from labelfree.installed_domains import key_for

BLANK = 0.05  # share of blank pixels from which on an image is worth a word


def fill(data: np.ndarray, measured: np.ndarray) -> None:
    """Put into the unmeasured pixels of `data` (C, *spatial) their channel's mean over `measured` (*spatial), 0 where there is none.

    The mean, since an average over all pixels is then that of the measured ones; a spread is not, so statistics use the mask.
    """
    if measured.all():
        return
    for channel in data:
        known = channel[measured]
        mean = known.mean(dtype=np.float64) if known.size else 0
        channel[~measured] = mean if channel.dtype.kind in "fc" else np.rint(mean)


def finite(sample: Sample) -> Sample:
    """The sample with numbers that are not finite taken for no measurement, whatever its reader made of them."""
    if not sample.data.is_floating_point():
        return sample
    known = sample.data.isfinite().all(dim=0)
    if known.all():
        return sample
    measured = known if sample.measured is None else known & sample.measured
    data = sample.data.clone()
    fill(data.numpy(), measured.numpy())
    return replace(sample, data=data, measured=measured)


def blank_share(sample: Sample) -> float:
    """Share of the pixels that hold 0 in every channel and count as measured: a black border, if nobody says otherwise.

    Where whole numbers are 0 and one other, as of 1 bit, 0 is half of what the image says.
    """
    pixels = sample.data.numpy()
    blank = (pixels == 0).all(axis=0)
    if pixels.dtype.kind in "ui" and ((pixels == 0) | (pixels == pixels.max(initial=0))).all():
        return 0.0
    return float((blank if sample.measured is None else blank & sample.measured.numpy()).mean())


def blank_note(names: Sequence[str], domain: str | None) -> str:
    """What to tell of the images of these names, which have many such pixels. `domain`: that reads them, where it is known."""
    which = f"{len(names):,} images, such as {names[0]}, hold" if len(names) > 1 else f"{names[0]} holds"
    return f"{which} 0 in every channel in {BLANK:.0%} or more of the pixels; if that means no measurement, set {key_for('zeros', domain)}"


def pack(measured: np.ndarray | None) -> bytes:
    """A mask as one bit a pixel; nothing where all is measured."""
    return b"" if measured is None or measured.all() else np.packbits(measured, axis=None).tobytes()


def unpack(bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The mask of this shape that `pack` made bits (bytes, uint8) of."""
    return np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape)
