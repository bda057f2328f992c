"""Ask an exported head what images show, with numpy, onnxruntime and Pillow alone.

    python infer_onnx.py image.png more/*.png          a table of classes and scores; of maps, the share of each class
    python infer_onnx.py --out maps image.png          of maps, also a picture of class numbers for each image

Pictures are PNG, JPEG, WebP, BMP, or gray TIFF of 8 or 16 bits; anything else comes as .npy, (channels, height, width) or (height, width)
of the numbers that the files hold, in the order of the model's `channels`. Every pixel is taken for measured.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

LISTS = ("classes", "channels", "scale", "offset", "size")
COLOURS = ["red", "green", "blue"]
OVERLAP = 1 / 4  # of a tile, at least, between neighbours
BATCH = 4  # tiles at once
MOST, SAME = 100, 0.5  # boxes of an image; intersection over union above which two of a class are one object's
Slices = tuple[slice, ...]
Write = Callable[[list[Any]], Any]


class Model:
    """A file of ONNX and what its metadata say: `classes`, `channels`, `size` of an image or tile, `kind` (images, maps or boxes)."""

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # a default that can be overridden is no mistake
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        told = self.session.get_modelmeta().custom_metadata_map
        self.told = {name: json.loads(value) if name in LISTS else value for name, value in told.items()}
        self.kind, self.classes, self.channels = told["kind"], self.told["classes"], self.told["channels"]
        self.size = tuple(self.told["size"])
        self.threshold = float(told["threshold"]) if "threshold" in told else None

    def run(self, pixels: np.ndarray, **more: Any) -> list[np.ndarray]:
        """All outputs for stored numbers (B, C, H, W)."""
        found: list[np.ndarray] = self.session.run(None, {"pixels": np.ascontiguousarray(pixels, dtype=np.float32), **more})
        return found

    def scores(self, pixels: np.ndarray, threshold: float | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Stored numbers (B, C, H, W) of images of one size: scores (B, K), and the number of the class that is called (B,), or (B, K) bool
        where an image may be of several; None where there are no classes.

        `threshold`: another one than the model's own, where it has one.
        """
        more: dict[str, Any] = {}
        if threshold is not None:
            if self.threshold is None:
                raise SystemExit("this model has no threshold: it calls the class of the largest score.")
            more = {"threshold": np.array(threshold, np.float32)}
        scores, *called = self.run(pixels, **more)
        return scores, called[0] if called else None

    def name(self, called: np.ndarray) -> str:
        """Of what is called of one image: `a`, or `a|b` of several classes."""
        several = np.flatnonzero(called) if called.ndim else [int(called)]
        return "|".join(self.classes[at] for at in several)

    def boxes(self, pixels: np.ndarray, threshold: float | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Stored numbers (C, H, W) of an image of any size: corners (n, 4) x0 y0 x1 y1 in its pixels, numbers of classes (n,), scores (n,).

        The surest first; none is thinner than a pixel. An object that several tiles show is told by the surest box; parts that a tile's
        border cut are not joined.
        """
        more = {} if threshold is None else {"threshold": np.array(threshold, np.float32)}
        shape, found = pixels.shape[1:], []
        corners = [(top, left) for top in covering(shape[0], self.size[0]) for left in covering(shape[1], self.size[1])]
        limit = np.array([shape[1], shape[0]] * 2, np.float32)
        for corner in corners:
            box, label, score = self.run(cut(pixels, corner, self.size)[None], **more)
            box = box + np.array([corner[1], corner[0]] * 2, np.float32)
            middle, inside = (box[:, :2] + box[:, 2:]) / 2, box.clip(0, limit)
            there = ((middle >= 0) & (middle <= limit[:2]) & (inside[:, 2:] - inside[:, :2] >= 1)).all(1)
            found.append((inside[there], label[there], score[there]))
        boxes, labels, scores = (np.concatenate(each) for each in zip(*found, strict=True))
        kept = strongest(boxes, labels, scores)
        return boxes[kept], labels[kept], scores[kept]

    def shares(self, pixels: np.ndarray) -> np.ndarray:
        """Stored numbers (C, H, W) of an image of any size: the share of each class at every pixel, (K, H, W). Tiles are blended."""
        shape, weights = pixels.shape[1:], tent(self.size)
        total = np.zeros((len(self.classes), *shape), np.float32)
        weight = np.zeros(shape, np.float32)
        corners = [(top, left) for top in covering(shape[0], self.size[0]) for left in covering(shape[1], self.size[1])]
        for start in range(0, len(corners), BATCH):
            some = corners[start : start + BATCH]
            (told,) = self.run(np.stack([cut(pixels, corner, self.size) for corner in some]))
            for tile, corner in zip(told, some, strict=True):
                there, inside = shared(corner, self.size, shape)
                total[(slice(None), *there)] += tile[(slice(None), *inside)] * weights[inside]
                weight[there] += weights[inside]
        whole: np.ndarray = total / weight
        return whole


def strongest(boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Positions of those that no surer box of their class covers for more than half of both together, the surest first."""
    left = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(left) and len(kept) < MOST:
        best, left = int(left[0]), left[1:]
        kept.append(best)
        low, high = np.maximum(boxes[best, :2], boxes[left, :2]), np.minimum(boxes[best, 2:], boxes[left, 2:])
        both = np.prod(np.maximum(high - low, 0), axis=1)
        sizes = [np.prod(boxes[at][..., 2:] - boxes[at][..., :2], axis=-1) for at in (best, left)]
        left = left[(both <= SAME * (sizes[0] + sizes[1] - both)) | (labels[left] != labels[best])]
    return np.array(kept, np.int64)


def covering(length: int, tile: int) -> list[int]:
    """First pixels of tiles that show all of an axis, evenly spread; padded on both sides where the axis is shorter."""
    if length <= tile:
        return [(length - tile) // 2]
    step = max(1, int(tile * (1 - OVERLAP)))
    count = ceil((length - tile) / step) + 1
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def shared(corner: Sequence[int], side: Sequence[int], extent: Sequence[int]) -> tuple[Slices, Slices]:
    """Where a tile that begins at `corner` and an image meet: in the image, and in the tile."""
    ends = [(max(0, first), max(0, min(first + length, whole))) for first, length, whole in zip(corner, side, extent, strict=True)]
    inside = tuple(slice(low - first, high - first) for (low, high), first in zip(ends, corner, strict=True))
    return tuple(slice(low, high) for low, high in ends), inside


def cut(pixels: np.ndarray, corner: Sequence[int], side: Sequence[int]) -> np.ndarray:
    """The tile of (C, H, W) that begins at `corner`; what lies outside the image is its reflection."""
    before = [max(0, -first) for first in corner]
    after = [max(0, first + length - whole) for first, length, whole in zip(corner, side, pixels.shape[1:], strict=True)]
    part = pixels[(slice(None), *shared(corner, side, pixels.shape[1:])[0])]
    return np.pad(part, [(0, 0), *zip(before, after, strict=True)], mode="symmetric") if any(before) or any(after) else part


def tent(side: Sequence[int]) -> np.ndarray:
    """Weights of a tile's pixels where tiles overlap: 1 in the middle, near 0 at the edges."""
    down, along = (np.maximum(1 - np.abs(np.arange(n) + 0.5 - n / 2) / (n / 2), 1e-3) for n in side)
    weights: np.ndarray = np.multiply.outer(down, along).astype(np.float32)
    return weights


def read(path: str | Path, channels: Sequence[str]) -> np.ndarray:
    """The stored numbers of an image, (C, H, W), in the order of `channels`."""
    path = Path(path)
    if path.suffix.lower() == ".npy":
        pixels: np.ndarray = np.load(path, allow_pickle=False)
        pixels = pixels[None] if pixels.ndim == 2 else pixels
        names = list(channels) if len(pixels) == len(channels) else []
    else:
        pixels, names = picture(path)
    if pixels.ndim != 3 or len(pixels) != len(channels):
        raise SystemExit(f"{path}: has {len(pixels)} channels, the model wants {', '.join(channels)}.")
    return pixels[[names.index(name) for name in channels]] if set(channels) == set(names) else pixels


def picture(path: Path) -> tuple[np.ndarray, list[str]]:
    """Of a picture that Pillow opens: (C, H, W), and names of the channels."""
    from PIL import Image

    with path.open("rb") as file:
        head = file.read(26)
    if head[:8] == b"\x89PNG\r\n\x1a\n" and head[24] == 16 and head[25] not in (0, 4):
        raise SystemExit(f"{path}: Pillow would narrow its 16-bit colours to 8; save the numbers as .npy.")
    with Image.open(path) as image:
        if image.mode in ("I;16", "I;16B", "I", "F"):
            return np.array(image)[None], ["gray"]
        gray = image.mode in ("1", "L", "LA")
        if image.mode == "P":
            colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
            gray = bool((colours == colours[:, :1]).all())
        pixels = np.array(image.convert("L" if gray else "RGB"))
    return (pixels[None], ["gray"]) if gray else (pixels.transpose(2, 0, 1), COLOURS)


def classify(model: Model, paths: Sequence[str], threshold: float | None, write: Write) -> None:
    names = model.classes or None
    for path in paths:
        scores, called = model.scores(read(path, model.channels)[None], threshold)
        if names is None:
            names = ["value", *(f"value_{at}" for at in range(2, scores.shape[1] + 1))]
        if path == paths[0]:
            write(["path", *(["class"] if called is not None else []), *names])
        write([path, *([model.name(called[0])] if called is not None else []), *(f"{score:.6f}" for score in scores[0])])


def segment(model: Model, paths: Sequence[str], out: Path | None, write: Write) -> None:
    from PIL import Image

    write(["path", *(f"percent_{name}" for name in model.classes)])
    for path in paths:
        numbers = model.shares(read(path, model.channels)).argmax(0).astype(np.uint8)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            Image.fromarray(numbers).save(out / f"{Path(path).stem}.png")
        write([path, *(f"{100 * (numbers == at).mean():.4f}" for at in range(len(model.classes)))])


def detect(model: Model, paths: Sequence[str], threshold: float | None, write: Write) -> None:
    write(["path", "class", "score", "x0", "y0", "x1", "y1"])
    for path in paths:
        for box, label, score in zip(*model.boxes(read(path, model.channels), threshold), strict=True):
            write([path, model.classes[label], f"{score:.6f}", *(f"{corner:.2f}" for corner in box)])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="What an exported head says of images.")
    parser.add_argument("images", nargs="+", help="pictures, or .npy files of stored numbers (channels, height, width)")
    parser.add_argument("--model", type=Path, default=Path(__file__).with_name("head.onnx"), help="default: head.onnx beside this file")
    parser.add_argument("--threshold", type=float, help="another threshold than the model's own")
    parser.add_argument("--out", type=Path, help="folder for pictures of class numbers, of a model of maps")
    asked = parser.parse_args(arguments)
    model, write = Model(asked.model), csv.writer(sys.stdout, lineterminator="\n").writerow
    if model.kind == "maps":
        segment(model, asked.images, asked.out, write)
    elif model.kind == "boxes":
        detect(model, asked.images, asked.threshold, write)
    else:
        classify(model, asked.images, asked.threshold, write)


if __name__ == "__main__":
    main()
