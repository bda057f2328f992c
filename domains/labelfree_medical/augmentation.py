"""Views of patients: what positioning, dose, windows and scanners change between two images of one finding.

Never hue, solarise or posterise, no turns by quarters, no flips but left to right, no crops that could lose the finding.
"""

from __future__ import annotations

from collections.abc import Sequence

from labelfree.domain import ARBITRARY, Fingerprint
from labelfree.views import Affine, Augmentation, BiasField, Blur, Contrast, Dihedral, Gamma, LowResolution, Noise, ViewOp
from labelfree_medical.mr_artefacts import Ghosting, Spike
from labelfree_medical.window_jitter import WindowJitter

COARSE = 1.5  # times as long as another: an axis that is not turned into it
SMALL_PICTURE = 64  # pixels; below, a blur takes away what there is to see
FEWEST_VOXELS = 16  # along each axis of what is coarsened or ghosted


def augmentation(
    fingerprint: Fingerprint, modality: str = "", window: tuple[float, float] | None = None, sideways: int | None = -1
) -> Augmentation:
    """The views of these images.

    `modality`: CT, MR, CR, …, "" where nobody says. `window`: numbers from which to which images are normalised, None: no window.
    `sideways`: axis along which left and right lie, counted from the end; None: nobody knows, or none does, as in sagittal slices.
    """
    dims = len(fingerprint.smallest)
    physics, late = _exposure(fingerprint, modality, window)
    return Augmentation(
        geometry=[*_flips(sideways), *_turns(fingerprint.spacing, dims)],
        physics=[*physics, *_sharpness(fingerprint.smallest, fingerprint.spacing)],
        late=late,
        global_scale=(0.6, 1.0) if dims == 2 else (0.5, 1.0),
        local_scale=(0.25, 0.5) if dims == 2 else (0.2, 0.5),
        overlap=0.5,
        sideways=sideways,
    )


def _flips(sideways: int | None) -> list[ViewOp]:
    """Left to right alone: nobody is imaged with the head down or the front at the back."""
    return [] if sideways is None else [Dihedral(axes=(sideways,), transpose=False)]


def _turns(spacing: Sequence[float] | None, dims: int) -> list[ViewOp]:
    """Small rotations in the planes whose two axes are about equally fine; of volumes of unknown spacing within slices alone."""
    pairs = [(first, second) for first in range(-dims, 0) for second in range(first + 1, 0)]
    known = spacing or (() if dims == 3 else (1.0, 1.0))
    planes = [pair for pair in pairs if known and max(known[axis] for axis in pair) <= COARSE * min(known[axis] for axis in pair)]
    if not known:
        planes = [(-2, -1)]
    return [Affine(10.0, (0.9, 1.1), planes=planes, spacing=spacing, p=0.5)] if planes else []


def _exposure(fingerprint: Fingerprint, modality: str, window: tuple[float, float] | None) -> tuple[list[ViewOp], list[ViewOp]]:
    """Ops on physical numbers, and on normalised ones: noise of numbers without a unit is measured by what the network sees."""
    if fingerprint.unit == "HU":
        low, high = window or _usual_range(fingerprint)
        return [WindowJitter(low, high, shift=0.05 * (high - low)), Noise((0.0, 20.0), p=0.3)], []
    curves: list[ViewOp] = [Contrast(0.2, p=0.5), Gamma((0.8, 1.25), p=0.3)]
    grainy: list[ViewOp] = [Noise((0.0, 0.1), p=0.3)]
    if modality == "MR" or (not modality and _magnitudes(fingerprint)):
        return [*_magnetic(fingerprint.smallest), *curves], grainy
    return curves, grainy


def _magnitudes(fingerprint: Fingerprint) -> bool:
    """Whether volumes that do not say what they are may be MR: numbers without a unit, none below 0, as HU saved elsewhere would be."""
    nameless = fingerprint.unit in (ARBITRARY, "stored")
    return len(fingerprint.smallest) == 3 and nameless and all(low >= 0 for low in fingerprint.low)


def _magnetic(smallest: Sequence[int]) -> list[ViewOp]:
    """What an MR scanner does; ghosts need some pixels to lie apart. Volumes may be encoded along any axis that has as many."""
    axes = [axis for axis in range(-len(smallest), 0) if smallest[axis] >= FEWEST_VOXELS]
    artefacts: list[ViewOp] = [Ghosting(axes=axes, p=0.1), Spike(p=0.1)] if axes else []
    return [BiasField((0.0, 0.4), p=0.3), *artefacts]


def _sharpness(smallest: Sequence[int], spacing: Sequence[float] | None) -> list[ViewOp]:
    """Blur of half a voxel to one and coarser voxels: of volumes, and of pictures that have pixels to spare.

    Of volumes besides slices up to three times as thick, along an axis that is not coarse already; how many of these there are says
    nothing of what can be spared.
    """
    dims = len(smallest)
    fine = [axis for axis in range(-dims, 0) if dims == 2 or spacing is None or spacing[axis] <= COARSE * min(spacing)]
    if min(smallest[axis] for axis in fine) < (FEWEST_VOXELS if dims == 3 else SMALL_PICTURE):
        return []
    sharpness: list[ViewOp] = [Blur((0.5, 1.0), p=0.2, spacing=spacing), LowResolution((1.0, 2.0), p=0.2)]
    return sharpness if dims == 2 else [*sharpness, LowResolution((1.0, 3.0), p=0.1, axes=fine)]


def _usual_range(fingerprint: Fingerprint) -> tuple[float, float]:
    """Two spreads on either side of the mean."""
    return fingerprint.mean[0] - 2 * fingerprint.std[0], fingerprint.mean[0] + 2 * fingerprint.std[0]
