"""Near-duplicates: thumbnails that are the same picture, mirrored or turned or not (docs/protocol.md, 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LIKE = 0.97  # Pearson r of two high-passed thumbnails
SIGMA = 2.0  # pixels of the Gaussian that is taken away
STRUCTURE = 0.1  # least share of an image's std that must be left after that
KEPT = 160  # cosine coefficients compared first
BLOCK = 2048


@dataclass(frozen=True)
class Prints:
    """What is compared of n images: `high` (n, 32, 32), zero mean and unit norm; `judged` (n,): enough structure to say anything."""

    high: np.ndarray
    judged: np.ndarray


def prints(thumbs: np.ndarray) -> Prints:
    """(n, 32, 32) thumbnails to prints: minus their Gaussian (sigma 2); not judged where that leaves less than 0.1 of the std."""
    parts = [_prints(thumbs[start : start + BLOCK]) for start in range(0, max(1, len(thumbs)), BLOCK)]  # double precision takes room
    return Prints(np.concatenate([part.high for part in parts]), np.concatenate([part.judged for part in parts]))


def _prints(thumbs: np.ndarray) -> Prints:
    from scipy.ndimage import gaussian_filter

    gray = thumbs.astype(np.float64)
    high = gray - gaussian_filter(gray, sigma=(0, SIGMA, SIGMA))
    high -= high.mean(axis=(1, 2), keepdims=True)
    left, total = high.std(axis=(1, 2)), gray.std(axis=(1, 2))
    rounding = 1e-6 * np.abs(gray).max(axis=(1, 2), initial=0)  # a constant image has a std of rounding errors
    judged = (left >= STRUCTURE * total) & (total > rounding)
    high /= np.where(judged, np.sqrt((high**2).sum(axis=(1, 2))), 1)[:, None, None]
    return Prints(np.where(judged[:, None, None], high, 0).astype(np.float32), judged)


def poses(images: np.ndarray) -> list[np.ndarray]:
    """(n, s, s) in its eight poses: four quarter turns, mirrored or not."""
    turned = [np.rot90(images, k, axes=(1, 2)) for k in range(4)]
    return turned + [image[:, :, ::-1] for image in turned]


def near_pairs(a: Prints, b: Prints, like: float = LIKE) -> list[tuple[int, int, float]]:
    """(i, j, r) for every image i of `a` and j of `b` with r >= `like` in the best of eight poses.

    ComparisonDesign first on the cosine coefficients that carry most of the energy: with |x| = |y| = 1 split into kept and left-out
    parts, x.y <= x_kept.y_kept + |x_out| |y_out| (Cauchy-Schwarz), so that nothing is missed; then on the pixels.
    """
    rows_a, rows_b = np.flatnonzero(a.judged), np.flatnonzero(b.judged)
    if not len(rows_a) or not len(rows_b):
        return []
    swap = len(rows_a) > len(rows_b)  # poses are made of the smaller side
    few, many = (b.high[rows_b], a.high[rows_a]) if swap else (a.high[rows_a], b.high[rows_b])
    energy = np.mean(_cosines(few) ** 2, axis=0) + np.mean(_cosines(many) ** 2, axis=0)
    energy = np.mean([energy.reshape(32, 32), energy.reshape(32, 32).T], axis=0).reshape(-1)  # the same for every pose
    kept = np.argsort(-energy, kind="stable")[:KEPT]
    many_flat, few_all = many.reshape(len(many), -1), [pose.reshape(len(few), -1) for pose in poses(few)]
    many_kept, many_out = _split(many, kept)
    best: dict[tuple[int, int], float] = {}
    for flat, pose in zip(few_all, poses(few), strict=True):
        pose_kept, pose_out = _split(pose, kept)
        for i in range(0, len(few), BLOCK):
            for j in range(0, len(many), BLOCK):
                bound = pose_kept[i : i + BLOCK] @ many_kept[j : j + BLOCK].T
                bound += pose_out[i : i + BLOCK, None] * many_out[None, j : j + BLOCK]
                for x, y in np.argwhere(bound >= like - 1e-4):
                    r = float(flat[i + x] @ many_flat[j + y])
                    if r >= like:
                        key = (int(rows_a[j + y]), int(rows_b[i + x])) if swap else (int(rows_a[i + x]), int(rows_b[j + y]))
                        best[key] = max(r, best.get(key, -1.0))
    return [(i, j, r) for (i, j), r in sorted(best.items())]


def alike_by_chance(images: Prints, groups: list[str], seed: int = 0, pairs: int = 4000) -> float:
    """Share of random pairs of judged images of different groups that reach the limit: above a few per mille, r says nothing here."""
    rows = np.flatnonzero(images.judged)
    if len(rows) < 2:
        return 0.0
    number = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    which = np.array([number[group] for group in groups])
    draw = np.random.default_rng(seed)
    i, j = draw.choice(rows, pairs), draw.choice(rows, pairs)
    apart = which[i] != which[j]
    i, j = i[apart], j[apart]
    if not len(i):
        return 0.0
    r = np.max([np.einsum("nxy,nxy->n", pose, images.high[j]) for pose in poses(images.high[i])], axis=0)
    return float(np.mean(r >= LIKE))


def _cosines(images: np.ndarray) -> np.ndarray:
    """(n, 32, 32) to (n, 1024) coefficients of the orthonormal cosine transform: inner products are kept."""
    from scipy.fft import dctn

    return np.asarray(dctn(images, axes=(1, 2), norm="ortho"), dtype=np.float32).reshape(len(images), -1)


def _split(images: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kept coefficients (n, k), and the length of what they leave out (n,)."""
    coefficients = _cosines(images)[:, kept]
    return coefficients, np.sqrt(np.clip(1 - (coefficients**2).sum(axis=1), 0, None))
