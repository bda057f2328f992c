"""Labelled boxes of an image as one of its tiles shows them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.data.boxes import ANY, Boxes

SHOWN = 0.36  # of what a tile can show of a box at most: some tile shows that much, 0.6 of each side where a tile's corner lies amid it


def on_tile(boxes: Boxes, corner: Sequence[int], side: Sequence[int], extent: Sequence[int]) -> Boxes:
    """Boxes of an image of `extent` pixels, cut at the borders of the tile that begins at pixel `corner` and is `side` pixels large.

    All three are (height, width). A box counts as an object where the tile shows SHOWN of what it could at most, so that one longer than
    a tile is learned from each that is full of it; a rim of one is ignored. So is what lies outside of the image, where tiles are padded.
    """
    (top, left), (height, width) = corner, side
    origin, tile = np.array([left, top, left, top], np.float32), np.array([width, height], np.float32)
    shown = boxes.corners - origin
    whole = shown[:, 2:] - shown[:, :2]
    shown = np.concatenate([shown[:, :2].clip(0), np.minimum(shown[:, 2:], tile)], 1)
    seen = shown[:, 2:] - shown[:, :2]
    there = (seen > 0).all(1)
    enough = seen.prod(1) >= SHOWN * np.minimum(whole, tile).prod(1)
    outside = _outside(corner, side, extent)
    return Boxes(
        np.concatenate([shown[there], outside]).astype(np.float32),
        np.concatenate([boxes.label[there], np.full(len(outside), ANY)]),
        np.concatenate([(boxes.ignored | ~enough)[there], np.ones(len(outside), bool)]),
    )


def mirrored(boxes: Boxes, width: int) -> Boxes:
    """The boxes on the mirror image of a tile that is `width` pixels wide."""
    left, top, right, bottom = boxes.corners.T
    return Boxes(np.stack([width - right, top, width - left, bottom], 1), boxes.label, boxes.ignored)


def _outside(corner: Sequence[int], side: Sequence[int], extent: Sequence[int]) -> np.ndarray:
    """(m, 4) what of a tile lies above, below, left and right of the image."""
    (top, left), (height, width), (rows, columns) = corner, side, extent
    strips = np.array(
        [[0, 0, width, -top], [0, rows - top, width, height], [0, 0, -left, height], [columns - left, 0, width, height]], np.float32
    )
    return strips[(strips[:, 2:] > strips[:, :2]).all(1)]
