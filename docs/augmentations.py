"""Pictures of every view op on one image, for docs/augmentations.md.

    python docs/augmentations.py                                              # the generated sample, as the page shows it
    python docs/augmentations.py --phantom                                    # ops of the medical domain, on slices of its phantom
    python docs/augmentations.py --parts                                      # uneven light and anomalies, on generated parts
    python docs/augmentations.py --card eurosat-ms --root $LABELFREE_DATA/eurosat_ms --out somewhere   # real images of the pool

Each picture is a strip: the image, then five draws of the op at full strength, all under the image's own stretch.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from labelfree import views
from labelfree.data.cards import find_card
from labelfree.data.manifest import load_manifest
from labelfree.data.pool import build_pool
from labelfree.progress import Silent
from labelfree.reader_settings import domain_with
from labelfree.recipe import Data

DRAWS, SIDE, GAP = 5, 128, 6
LATE = views.ChannelDrop | views.Erase | views.Grayscale  # ops of normalised space
LOOKS, IMAGES = 60, 4  # images looked at, and those with most contrast that are taken: the first is shown, the others are mixed in


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--card", default="generated-satellite")
    asked.add_argument("--root", type=Path, help="folder of the card's images, where they do not come with labelfree")
    asked.add_argument("--phantom", action="store_true", help="the medical domain's own ops, on its generated phantom")
    asked.add_argument("--parts", action="store_true", help="uneven light, a sensor's noise and anomalies, on generated parts")
    asked.add_argument("--out", type=Path, default=Path(__file__).parent / "pictures")
    given = asked.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.phantom:
        return on_phantom(given.out)
    if given.parts:
        return on_parts(given.out)
    card = find_card(given.card)
    domain = domain_with(card.domain, card.reader)
    rows = load_manifest(Data(card=given.card, root=given.root), domain).subset("pretrain", "train")
    rows = sorted(rows[:: max(1, len(rows) // LOOKS)], key=lambda row: -contrast(domain.read(row).physical()))[:IMAGES]
    with tempfile.TemporaryDirectory() as folder:
        pool = build_pool(rows, domain.read, domain.settings(), Path(folder), say=Silent(), tile=None)
        fingerprint = pool.fingerprint()
    images = torch.stack([domain.read(row).physical() for row in rows])
    rgb = domain.rgb(fingerprint.channels) or (0, 0, 0)
    spread = images.std((0, 2, 3)), images.mean((0, 2, 3))
    augmentation = domain.augment(fingerprint)
    unit = float(spread[0].mean())
    for name, op in ops(augmentation, unit).items():
        drawn = strip(op, images, spread if isinstance(op, LATE) else None)
        picture([images[0], *drawn], rgb, given.out / f"{name}.png")
        print(given.out / f"{name}.png")


def on_phantom(out: Path) -> None:
    """Pictures of the medical domain's ops, on axial slices of Hounsfield units."""
    from labelfree_medical import generated_phantom
    from labelfree_medical.augmentation import Ghosting, Spike, WindowJitter

    draw = np.random.default_rng
    made = generated_phantom.phantom((SIDE, SIDE, 16), draw(0), draw(1), "nodule")
    images = torch.from_numpy(generated_phantom.axial(made.hounsfield, 8).copy())[None, None]
    medical = [WindowJitter(-1000, 400, 150, (0.6, 1.6), p=1.0), Ghosting((0.4, 0.8), p=1.0), Spike((0.2, 0.6), p=1.0)]
    strips({type(op).__name__.lower(): op for op in medical}, images, out)


def on_parts(out: Path) -> None:
    """Pictures of light, noise and anomalies, on a generated part without a defect; strengths are shares of 12 bits."""
    from labelfree_inspection.generated_parts import FULL, parts, photograph

    images = torch.from_numpy(photograph(next(parts(0, 0)), 0, 0).astype(np.float32))[None, None] / FULL
    light = [views.LightRamp((0.1, 0.4), p=1.0), views.SoftShadow((0.15, 0.4), p=1.0), views.Glare((0.05, 0.2), p=1.0)]
    shown = {
        type(op).__name__.lower(): op for op in (*light, views.SensorNoise((0.0005, 0.002), (0.0, 0.01), p=1.0), *views.anomalies()[::2])
    }
    strips({**shown, "scar": views.CutPaste.scar(p=1.0)}, images, out)


def strips(ops: Mapping[str, views.ViewOp], images: Tensor, out: Path) -> None:
    """Pictures of ops on gray images."""
    for name, op in ops.items():
        picture([images[0], *strip(op, images, None)], (0, 0, 0), out / f"{name}.png")
        print(out / f"{name}.png")


def contrast(x: Tensor) -> float:
    """Spread over the pixels, in spreads of the band's mean: flat water has none."""
    return float((x.std((1, 2)) / x.mean((1, 2)).abs().clamp(min=1e-6)).mean())


def ops(augmentation: views.Augmentation, unit: float) -> dict[str, views.ViewOp]:
    """Every op by name: the domain's own at its strengths, the shared ones at strengths that can be seen (`unit`: a band's spread)."""
    own = [copy.deepcopy(op) for op in (*augmentation.geometry, *augmentation.physics, *augmentation.late)]
    for op in own:
        if hasattr(op, "p"):
            op.p = 1.0
    shared: list[views.ViewOp] = [
        views.ResizedCrop(64, augmentation.global_scale),
        views.Affine(20.0, (0.8, 1.25), 10.0, 0.1, p=1.0),
        views.BiasField((0.3, 0.8), p=1.0),
        views.SharedOffset(unit / 2),
        views.ChannelOffset(unit / 2),
        views.Contrast(0.8, p=1.0),
        views.Gamma((0.5, 2.0), p=1.0),
        views.Defocus((1.0, 3.0), p=1.0),
        views.MotionBlur((3.0, 9.0), p=1.0),
        views.Grayscale(p=1.0),
        views.Erase(p=1.0),
        views.MixUp(1.0),
        views.CutMix(1.0),
    ]
    return {type(op).__name__.lower(): op for op in [*shared, *own]}


def strip(op: views.ViewOp, images: Tensor, spread: tuple[Tensor, Tensor] | None) -> list[Tensor]:
    """The first image under several draws; ops of normalised space are shown in physical units again."""
    found = []
    for seed in range(DRAWS):
        x = images if spread is None else views.PerChannel(spread[1].tolist(), spread[0].tolist())(images)
        out = op(x, torch.Generator().manual_seed(seed + 1))[0]
        found.append(out if spread is None else out * spread[0].view(-1, 1, 1) + spread[1].view(-1, 1, 1))
    return found


def picture(images: list[Tensor], rgb: tuple[int, int, int], path: Path) -> None:
    """Save a strip; the first image sets the stretch of all."""
    low, high = np.quantile(images[0][list(rgb)].numpy(), (0.02, 0.98))
    shown = []
    for image in images:
        colours = ((image[list(rgb)].numpy() - low) / max(high - low, 1e-12)).clip(0, 1) * 255
        small = Image.fromarray(colours.round().astype(np.uint8).transpose(1, 2, 0)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        shown += [np.asarray(small), np.full((SIDE, GAP, 3), 255, dtype=np.uint8)]
    Image.fromarray(np.concatenate(shown[:-1], axis=1)).quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()
