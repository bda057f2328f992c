"""Transforms of albumentations as an op: pixels of 8 bits, masks and boxes go through one draw (Buslaev et al. 2020, arXiv:1809.06839)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Generator, Tensor

from labelfree.errors import DataError
from labelfree.views.geometry import Geometry

if TYPE_CHECKING:
    from albumentations import BasicTransform

MOST = 255  # of 8 bits
TRIES = 8  # draws of a transform that are looked at before it is used


def is_transform(made: object) -> bool:
    """Whether it is a transform of albumentations, or a composition of some; without importing the package."""
    return any(kind.__module__.partition(".")[0] == "albumentations" for kind in type(made).__mro__)


class FromAlbumentations(Geometry):
    """A transform, or a `Compose` of several without targets of its own, on images of 1 or 3 channels that keeps their size.

    `scale`, `offset`: physical = stored * scale + offset, one number a channel: its transforms are made for numbers of 8 bits, so pixels go
    through it as they were stored. Masks hold whole numbers from `IGNORE` (-1) to 254, and -1 where a transform moves in what no image
    shows. A draw is a seed an image, so what looks at boxes to choose a crop (`RandomSizedBBoxSafeCrop`) is refused, by `on`.
    """

    def __init__(self, transform: BasicTransform, scale: Sequence[float], offset: Sequence[float]) -> None:
        super().__init__()
        self.scale, self.offset = (np.asarray(numbers, np.float32) for numbers in (scale, offset))
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the internet for its newest version
        import albumentations

        boxes = albumentations.BboxParams("pascal_voc", label_fields=["position"], clip=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that transforms of pixels have no use for boxes
            self.joint = albumentations.Compose([transform], bbox_params=boxes)

    def on(self, shape: Sequence[int]) -> FromAlbumentations:
        """Itself, tried on made-up images of this shape. Raises DataError where pixels, masks and boxes would not stay together."""
        image = np.random.default_rng(0).integers(0, MOST + 1, (*shape, len(self.scale))).astype(np.uint8)
        middle = np.array([[shape[1] / 4, shape[0] / 4, shape[1] / 2, shape[0] / 2]])
        for seed in range(TRIES):
            alone = self._drawn(image, seed)["image"]
            beside = self._drawn(image, seed, mask=np.ones(shape, np.uint8), boxes=middle)["image"]
            if not np.array_equal(alone, beside):
                raise DataError(f"{self.joint.transforms[0]}: what it draws depends on the boxes or masks of an image; take another one.")
        return self

    def draw(self, n: int, generator: Generator) -> list[int]:
        """A seed for each image."""
        return torch.randint(2**31, (n,), generator=generator).tolist()  # type: ignore[no-any-return]

    def apply(self, x: Tensor, params: list[int]) -> Tensor:  # type: ignore[override]
        """(B, C, *side): floating point as pixels in physical units, whole numbers and bool as masks."""
        change = self._pixels if x.is_floating_point() else self._mask
        changed = [torch.from_numpy(change(each, seed)) for each, seed in zip(x.cpu().numpy(), params, strict=True)]
        return torch.stack(changed).to(x)

    def apply_boxes(self, boxes: Sequence[Tensor], shape: Sequence[int], params: list[int]) -> list[Tensor]:
        posed = []
        for given, seed in zip(boxes, params, strict=True):
            there = (given[:, 2:] > given[:, :2]).all(1).nonzero()[:, 0]  # another op may have left nothing of a box
            kept = self._drawn(np.zeros((*shape, len(self.scale)), np.uint8), seed, boxes=given[there].numpy())
            moved = torch.zeros_like(given)  # of what left the image nothing is left
            for corners, position in zip(kept["bboxes"], kept["position"], strict=True):
                moved[there[int(position)]] = torch.as_tensor(np.asarray(corners[:4]), dtype=given.dtype)
            posed.append(moved)
        return posed

    def _pixels(self, physical: np.ndarray, seed: int) -> np.ndarray:
        stored = (physical - self.offset[:, None, None]) / self.scale[:, None, None]
        image = np.ascontiguousarray(stored.round().clip(0, MOST).astype(np.uint8).transpose(1, 2, 0))
        changed = self._drawn(image, seed)["image"].reshape(image.shape).transpose(2, 0, 1)
        return changed.astype(np.float32) * self.scale[:, None, None] + self.offset[:, None, None]

    def _mask(self, mask: np.ndarray, seed: int) -> np.ndarray:
        shift = int(mask.dtype != bool)  # what is moved in is filled with 0: nobody knows what it shows
        if mask.size and int(mask.max()) + shift > MOST:
            raise DataError(f"albumentations takes masks of numbers up to {MOST - 1}, one here holds {int(mask.max())}.")
        shifted = np.ascontiguousarray((mask[0].astype(np.int64) + shift).astype(np.uint8))
        posed = self._drawn(np.zeros((*shifted.shape, len(self.scale)), np.uint8), seed, mask=shifted)["mask"]
        return (posed.astype(np.int64) - shift).astype(mask.dtype)[None]

    def _drawn(self, image: np.ndarray, seed: int, mask: np.ndarray | None = None, boxes: np.ndarray | None = None) -> dict[str, Any]:
        """What the transform makes of an image (H, W, C), with a mask or boxes (n, 4) where they are given."""
        targets: dict[str, Any] = {"image": image, "bboxes": np.zeros((0, 4)) if boxes is None else boxes}
        targets["position"] = list(range(len(targets["bboxes"])))
        self.joint.set_random_seed(seed)
        drawn: dict[str, Any] = self.joint(**targets) if mask is None else self.joint(**targets, mask=mask)
        if drawn["image"].shape[:2] != image.shape[:2]:
            sizes = " to ".join("{1} x {0}".format(*each.shape) for each in (image, drawn["image"]))
            raise DataError(f"{self.joint.transforms[0]}: changes tiles from {sizes} pixels; take transforms that keep the size.")
        return drawn
