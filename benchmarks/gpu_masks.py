"""Masks on a GPU, for `benchmarks/gpu.py`: heads on kept features, and networks trained along with their decoder."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from gpu_jobs import network
from gpu_parts import Form
from torch import Tensor

from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.maps.finetune import Finetune
from labelfree.transfer.maps.frozen import Frozen
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.maps.training import train
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.features import Asked, Maps, Tiles
from labelfree.transfer.tiles.tiling import Tiling

CLASSES = 3
CASES = (("resnet18", "unet"), ("vit_small_patch16_224", "dpt"), ("vit_small_patch16_224", "fpn"))  # network, decoder
LEARNED = 0.8  # mean IoU of a network that was trained along; frozen ones start from random weights and are told alone


class Discs:
    """A pool in memory: images (n, 3, side, side) of red and green discs on noise, and `masks` of what each pixel is."""

    def __init__(self, count: int, side: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        pixels = 0.3 * rng.standard_normal((count, 3, side, side))
        self.masks = np.zeros((count, side, side), np.int16)
        rows, columns = np.mgrid[:side, :side]
        for image, mask in zip(pixels, self.masks, strict=True):
            for kind in (1, 2, 1, 2):
                y, x = rng.uniform(0, side, 2)
                disc = (rows - y) ** 2 + (columns - x) ** 2 < (side * rng.uniform(0.15, 0.25)) ** 2
                mask[disc] = kind
                image[kind - 1][disc], image[2 - kind][disc] = 1.5, 0.0
        self.images = torch.from_numpy(pixels).float()

    def __getitem__(self, at: int) -> Tensor:
        return self.images[at]

    def pixels(self, at: int) -> np.ndarray:
        return self.images[at].numpy()

    def measured(self, entries: list[int]) -> None:
        """Everywhere."""


def masks(form: Form) -> dict[str, Any]:
    """`frozen` and `finetune` learn discs: mean IoU on further images, steps a second, peak memory."""
    side, count, steps = (64, 4, 4) if form.small else (224, 32, 120)
    held_out = Discs(count, side, 1)
    cases: dict[str, Any] = {}
    faults = []
    for name, decoder in CASES[: 1 if form.small else None]:
        learn = learn_from(Discs(count, side, 0), name, side, steps, form.device)
        for protocol in (Frozen(decoder), Finetune(decoder)):
            told = cases[f"{name}, {decoder}, {protocol.name}"] = trained(form, learn, protocol, held_out)
            if not form.small and protocol.trains_trunk and told["mean_iou"] < LEARNED:
                faults.append(f"{name}, {decoder}: fine-tuned, mean IoU is {told['mean_iou']:.2f} and not {LEARNED}")
    return {"cases": cases, "steps": steps, "side": side, "images": count, "faults": faults}


def trained(form: Form, learn: Learn, protocol: Frozen, held_out: Discs) -> dict[str, Any]:
    """A fit, timed and scored."""
    train(Learn(**{**vars(learn), "steps": 2}), protocol.trains_trunk, protocol.decoder)  # the first steps also choose kernels
    if form.cuda:
        torch.cuda.reset_peak_memory_stats()
    form.wait()
    began = time.perf_counter()
    fitted = protocol.fit(learn)
    form.wait()
    seconds = time.perf_counter() - began
    peak = torch.cuda.max_memory_allocated() / 2**30 if form.cuda else None
    return {
        "mean_iou": mean_iou(learn, fitted, held_out),
        "steps_per_s": (learn.steps or 1) / seconds,
        "peak_gib": peak,
        "converged": fitted.converged,
    }


def learn_from(discs: Discs, name: str, side: int, steps: int, device: torch.device) -> Learn:
    """What `frozen` and `finetune` are given of images that are all labelled."""
    encoder = NetworkEncoder(
        "random", lambda: network(name, 3, side), lambda stored, _size, _known: stored.float(), [side], name=name, dim=1, device=device
    )
    levels = [encoder.maps(images, None, side) for images in (discs.images, discs.images.flip(-1))]
    count = len(discs.images)
    arrays = tuple(np.concatenate([straight, mirror]) for straight, mirror in zip(*levels, strict=True))
    pool: Any = discs
    return Learn(
        network=encoder,
        maps=Maps(arrays, Asked.all_of(count).rows(count)),
        all_tiles=Tiles(pool, Tiling.of([(side, side)] * count)),
        mask_of=lambda image: discs.masks[image],
        images=np.arange(count),
        width=CLASSES,
        size=side,
        steps=steps,
        seed=0,
    )


def mean_iou(learn: Learn, fitted: Fitted, held_out: Discs) -> float:
    """Mean over classes of intersection over union, pooled over the images."""
    trunk = (fitted.trunk or learn.trunk()).eval()
    with torch.no_grad():
        logits = fitted.head(trunk.pyramid(held_out.images.to(learn.device)), tuple(held_out.images.shape[2:]))  # type: ignore[operator]
    found, true = logits.argmax(1).cpu().numpy(), held_out.masks
    pairs = [((found == k) & (true == k), (found == k) | (true == k)) for k in range(CLASSES)]
    return float(np.mean([both.sum() / either.sum() for both, either in pairs]))
