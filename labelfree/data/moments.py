"""Mean and standard deviation of whole images: what a part of one does not tell, and a normalisation by image wants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

CHUNK = 2**18  # numbers looked at together: a few megabytes, whatever the volume


def moments(pixels: np.ndarray, measured: np.ndarray | None = None) -> np.ndarray:
    """(C, 2) float64: mean and standard deviation (n - 1) of each channel of (C, *spatial), over the `measured` (*spatial) pixels."""
    return joined([(pixels, measured)])


def joined(parts: Iterable[tuple[np.ndarray, np.ndarray | None]]) -> np.ndarray:
    """The same of an image that comes in parts, merged as Chan et al. 1979 do. 0 and 0 of a channel that nothing was measured of."""
    count, mean, squares = np.zeros(()), np.zeros(()), np.zeros(())
    for pixels, measured in parts:
        mean = mean + np.zeros(len(pixels))  # one of each channel, also where nothing is measured
        for values in _chunks(pixels, measured):
            own = values.mean(1)
            total, apart = count + values.shape[1], own - mean
            squares = squares + np.square(values - own[:, None]).sum(1) + apart**2 * count * values.shape[1] / total
            mean = mean + apart * values.shape[1] / total
            count = total
    return np.stack(np.broadcast_arrays(mean, np.sqrt(squares / max(1, int(count) - 1))), -1)


def two_pixels(known: np.ndarray) -> np.ndarray:
    """(..., C, 2) moments -> (..., C, 2): images of two pixels that have them."""
    mean, deviation = known[..., 0], known[..., 1]
    apart = deviation / np.sqrt(2)
    return np.stack([mean - apart, mean + apart], -1)


def _chunks(pixels: np.ndarray, measured: np.ndarray | None) -> Iterator[np.ndarray]:
    """(C, n) float64, of the measured pixels, some at a time."""
    flat = pixels.reshape(len(pixels), -1)
    known = None if measured is None else measured.reshape(-1)
    step = max(1, CHUNK // max(1, len(flat)))
    for start in range(0, flat.shape[1], step):
        part = flat[:, start : start + step]
        part = part if known is None else part[:, known[start : start + step]]
        if part.shape[1]:
            yield part.astype(np.float64)
