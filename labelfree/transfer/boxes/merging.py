"""Boxes found on tiles become those of their image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torchvision.ops import batched_nms

from labelfree.data.boxes import Detections

OVERLAP = 0.5
MOST = 100


def merged(found: Sequence[Detections], corners: np.ndarray, side: Sequence[int], extent: Sequence[int]) -> Detections:
    """Of tiles that begin at `corners` (t, 2) (y, x), in the image's frame, each object once."""
    offsets = [np.tile(corner[::-1], 2).astype(np.float32) for corner in np.asarray(corners)]
    boxes = np.concatenate([each.corners + offset for each, offset in zip(found, offsets, strict=True)])
    label, score = (np.concatenate([getattr(each, name) for each in found]) for name in ("label", "score"))
    kept = batched_nms(*map(torch.from_numpy, (boxes, score, label)), OVERLAP).numpy()[:MOST]
    return Detections(boxes[kept], label[kept], score[kept])
