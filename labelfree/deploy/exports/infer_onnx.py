"""Ask an exported head what images show, with numpy, onnxruntime and Pillow alone.

    python infer_onnx.py image.png more/*.png          a table of classes and scores; of maps, the share of each class
    python infer_onnx.py --out maps image.png          of maps, also a picture of class numbers for each image; of anomalies one of scores

Pictures are PNG, JPEG, WebP, BMP, PGM, PPM or TIFF of one page, with the levels that they hold; what cannot be read so is refused, comes as
.npy, (channels, height, width) or (height, width) of stored numbers, in the order of the model's `channels`. Every pixel is taken for
measured. Numbers of another kind or scale than those of the model's images are refused.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

LISTS = ("classes", "channels", "scale", "offset", "size")
COLOURS = ["red", "green", "blue"]
OVERLAP = 1 / 4  # of a tile, at least, between neighbours
BATCH = 4  # tiles at once
LEAST = 0.05  # score of a box that is looked at
SAME = 0.5  # intersection over union above which two boxes of a class, or what two tiles share of them, are one object's
BYTE, MISSING = 255, 1e38  # white of 8 bits; from where on real numbers stand for no measurement
REACH = 0.02  # of a tile's side: nearer to its border a box may have been cut by it
Image.MAX_IMAGE_PIXELS = None  # line scans are large
Slices = tuple[slice, ...]
Write = Callable[[list[Any]], Any]


class Model:
    """A file of ONNX and what its metadata say: `classes`, `channels`, `size` of an image or tile, `kind`: images, pooled (images in
    tiles), maps, boxes, patches.
    """

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # a default that can be overridden is no mistake
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        told = self.session.get_modelmeta().custom_metadata_map
        self.told = {name: json.loads(value) if name in LISTS else value for name, value in told.items()}
        self.kind, self.classes, self.channels = told["kind"], self.told["classes"], self.told["channels"]
        self.size, self.threshold = tuple(self.told["size"]), float(told["threshold"]) if "threshold" in told else None
        asked = {each.name: each.shape for each in self.session.get_inputs()}
        self.by_image, self.asks_known = "whole" in asked, "known" in asked
        self.features = int(asked["so_far"][1]) if "so_far" in asked else 0

    def run(self, pixels: np.ndarray, **more: Any) -> list[np.ndarray]:
        """All outputs for stored numbers (B, C, H, W)."""
        return list(self.session.run(None, {"pixels": np.ascontiguousarray(pixels, dtype=np.float32), **more}))

    def about(self, pixels: np.ndarray, count: int) -> dict[str, np.ndarray]:
        """What a model that normalises by image is told with `count` tiles of one (C, H, W): two pixels with its mean and deviation; and
        one that asks which pixels of tiles show the image: all of them; one that pools tiles that nothing was seen before them.
        """
        known = {"known": np.ones((count, *self.size), np.float32)} if self.asks_known else {}
        if self.features:
            nothing = np.stack([np.zeros(self.features), np.full(self.features, -np.inf)]).astype(np.float32)
            known |= {"so_far": nothing, "tiles": np.array(count, np.float32)}
        if not self.by_image:
            return known
        mean, apart = pixels.mean((1, 2), dtype=np.float64), pixels.std((1, 2), ddof=1, dtype=np.float64) / 2**0.5
        whole = np.stack([mean - apart, mean + apart], 1)[None, :, None].astype(np.float32)
        return {"whole": np.repeat(whole, count, 0), **known}

    def scores(self, pixels: np.ndarray, threshold: float | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Stored numbers (B, C, H, W) of images of one size: scores (B, K), and the number of the class that is called (B,), or (B, K) bool
        where an image may be of several; None where there are no classes.

        `threshold`: another one than the model's own, where it has one.
        """
        if threshold is not None and self.threshold is None:
            raise SystemExit("this model has no threshold: it calls the class of the largest score.")
        more = {} if threshold is None else {"threshold": np.array(threshold, np.float32)}
        parts = (self.pooled(image, more) for image in pixels)
        found = [np.concatenate(each) for each in zip(*parts, strict=True)] if self.features else self.run(pixels, **more)
        return found[0], found[1] if self.classes else None

    def pooled(self, pixels: np.ndarray, more: dict[str, Any]) -> list[np.ndarray]:
        """All outputs for stored numbers (C, H, W) of one image of any size, looked at in tiles."""
        shape, found = pixels.shape[1:], list[np.ndarray]()
        corners = [(top, left) for top in covering(shape[0], self.size[0]) for left in covering(shape[1], self.size[1])]
        for start in range(0, len(corners), BATCH):
            some = corners[start : start + BATCH]
            about = {**self.about(pixels, len(some)), "tiles": np.array(len(corners), np.float32), **more}
            about |= {"so_far": found[-1]} if found else {}
            found = self.run(np.stack([cut(pixels, corner, self.size) for corner in some]), **about)
        return found

    def name(self, called: np.ndarray) -> str:
        """Of what is called of one image: `a`, or `a|b` of several classes."""
        several = np.flatnonzero(called) if called.ndim else [int(called)]
        return "|".join(self.classes[at] for at in several)

    def boxes(self, pixels: np.ndarray, threshold: float | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Stored numbers (C, H, W) of an image of any size: corners (n, 4) x0 y0 x1 y1 in its pixels, numbers of classes (n,), scores (n,).

        The surest first; none is thinner than a pixel. An object that several tiles show is told once, from its parts where none shows it
        whole. `threshold`: the least score of an object, the model's own where none is given.
        """
        shape, found = pixels.shape[1:], []
        corners = [(top, left) for top in covering(shape[0], self.size[0]) for left in covering(shape[1], self.size[1])]
        limit = np.array([shape[1], shape[0]] * 2, np.float32)
        for corner in corners:  # what lies below the threshold may be a part of what does not
            box, label, score = self.run(cut(pixels, corner, self.size)[None], threshold=np.array(LEAST, np.float32))
            box = box + np.array([corner[1], corner[0]] * 2, np.float32)
            middle, inside = (box[:, :2] + box[:, 2:]) / 2, box.clip(0, limit)
            there = ((middle >= 0) & (middle <= limit[:2]) & (inside[:, 2:] - inside[:, :2] >= 1)).all(1)
            found.append((inside[there], label[there], score[there]))
        tiles = np.array([[left, top, left + self.size[1], top + self.size[0]] for top, left in corners], np.float64)
        of_tile = np.repeat(np.arange(len(tiles)), [len(part[0]) for part in found])
        boxes, labels, scores = (np.concatenate(each) for each in zip(*found, strict=True))
        boxes, labels, scores = joined(boxes, labels, scores, tiles, of_tile)
        least = self.threshold if threshold is None else threshold
        sure = scores.astype(np.float64) >= (LEAST if least is None else least)
        return boxes[sure], labels[sure], scores[sure]

    def judged(self, pixels: np.ndarray, threshold: float | None = None) -> tuple[float, bool, np.ndarray]:
        """Stored numbers (C, H, W) of an image of any size: how far it is from normal images, whether that reaches the threshold, and where
        it comes from, (H, W). Tiles are blended. `threshold`: the model's own where none is given.
        """
        shape, weights, more = pixels.shape[1:], tent(self.size), self.about(pixels, 1)
        least = {} if threshold is None else {"threshold": np.array(threshold, np.float32)}
        total, weight, best, alarm = np.zeros(shape, np.float32), np.zeros(shape, np.float32), 0.0, False
        for corner in ((top, left) for top in covering(shape[0], self.size[0]) for left in covering(shape[1], self.size[1])):
            there, inside = shared(corner, self.size, shape)
            more["known"] = np.zeros((1, *self.size), np.float32)
            more["known"][0][inside] = 1
            score, called, heat = self.run(cut(pixels, corner, self.size)[None], **more, **least)
            best, alarm = float(np.maximum(best, score[0])), alarm or bool(called[0])  # what is no number stays none
            total[there] += heat[0][inside] * weights[inside]
            weight[there] += weights[inside]
        return best, alarm, total / weight

    def shares(self, pixels: np.ndarray) -> np.ndarray:
        """Stored numbers (C, H, W) of an image of any size: the share of each class at every pixel, (K, H, W). Tiles are blended."""
        shape, weights = pixels.shape[1:], tent(self.size)
        total, weight = np.zeros((len(self.classes), *shape), np.float32), np.zeros(shape, np.float32)
        corners = [(top, left) for top in covering(shape[0], self.size[0]) for left in covering(shape[1], self.size[1])]
        for start in range(0, len(corners), BATCH):
            some = corners[start : start + BATCH]
            (told,) = self.run(np.stack([cut(pixels, corner, self.size) for corner in some]), **self.about(pixels, len(some)))
            for tile, corner in zip(told, some, strict=True):
                there, inside = shared(corner, self.size, shape)
                total[(slice(None), *there)] += tile[(slice(None), *inside)] * weights[inside]
                weight[there] += weights[inside]
        return np.asarray(total / weight)


def joined(
    boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray, tiles: np.ndarray, of_tile: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The objects of an image, the surest first, from boxes (n, 4) of overlapping `tiles` (t, 4), all as x0 y0 x1 y1 in its pixels.

    `of_tile`: (n,). Boxes that borders cut are one object's where two tiles show the same of it in what they share, across any number of
    tiles. Its box is the surest that a tile shows whole, or encloses all parts; its score is the highest of them.
    """
    order = np.argsort(-scores, kind="stable")
    boxes, labels, scores, of_tile = boxes[order].astype(np.float64), labels[order], scores[order], of_tile[order]
    frame = tiles[of_tile]
    inner = np.concatenate([frame[:, :2] > tiles[:, :2].min(0), frame[:, 2:] < tiles[:, 2:].max(0)], axis=1)
    ends = inner & (np.abs(boxes - frame) <= REACH * np.tile(frame[:, 2:] - frame[:, :2], 2))
    of_object, taken = np.arange(len(boxes)), set[tuple[int, int]]()
    for _, _, one, other in sorted(alike(boxes, labels, scores, tiles, of_tile, ends)):
        sides = {(one, int(of_tile[other])), (other, int(of_tile[one]))}  # a box has one partner in a tile
        if not sides & taken:
            taken |= sides
            pair = of_object[[one, other]]
            of_object[of_object == pair.max()] = pair.min()
    first, which, count = np.unique(of_object, return_inverse=True, return_counts=True)
    whole, told = ~ends.any(1), np.tile([np.inf, np.inf, -np.inf, -np.inf], (len(first), 1))
    np.minimum.at(told[:, :2], which, boxes[:, :2])
    np.maximum.at(told[:, 2:], which, boxes[:, 2:])
    shown, surest = np.unique(which[whole], return_index=True)
    told[shown] = boxes[whole][surest]
    kept = strongest(told, labels[first], (count == 1) & ~whole[first])
    return told[kept].astype(np.float32), labels[first][kept], scores[first][kept]


def alike(
    boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray, tiles: np.ndarray, of_tile: np.ndarray, ends: np.ndarray
) -> Iterator[tuple[float, float, int, int]]:
    """Pairs of boxes that show one object, as (-likeness, -both scores, one, other). `ends`: (n, 4) bool, sides that borders may cut."""
    meet = (np.maximum(tiles[:, None, :2], tiles[:, :2]) < np.minimum(tiles[:, None, 2:], tiles[:, 2:])).all(2)
    for first, second in np.argwhere(np.triu(meet, 1)):
        one, other = np.flatnonzero(of_tile == first), np.flatnonzero(of_tile == second)
        low, high = np.maximum(tiles[first, :2], tiles[second, :2]), np.minimum(tiles[first, 2:], tiles[second, 2:])
        here, there = (boxes[part].clip(np.tile(low, 2), np.tile(high, 2)) for part in (one, other))
        shared = np.minimum(here[:, None, 2:], there[None, :, 2:]) - np.maximum(here[:, None, :2], there[None, :, :2])
        both = np.maximum(shared, 0).prod(2)
        union = area(here)[:, None] + area(there) - both
        cut_off = goes_on(ends[one], tiles[first], tiles[second])[:, None] | goes_on(ends[other], tiles[second], tiles[first])
        likeness = np.where(cut_off & (labels[one][:, None] == labels[other]), both / np.maximum(union, 1e-9), 0)
        for at, beside in np.argwhere(likeness >= SAME):
            least, most = sorted((int(one[at]), int(other[beside])))
            yield -float(likeness[at, beside]), -float(scores[least] + scores[most]), least, most


def goes_on(ends: np.ndarray, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n,) bool: whether a border of its `own` tile may cut a box that the `other` tile shows more of."""
    return (ends & np.concatenate([other[:2] < own[:2], other[2:] > own[2:]])).any(1)


def strongest(boxes: np.ndarray, labels: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Positions of boxes, given with the surest first, that none before them of their class covers for more than half of both together.

    `part`: (n,) bool, of which half of their own is enough.
    """
    by_left, sizes, kept = np.argsort(boxes[:, 0], kind="stable"), area(boxes), np.ones(len(boxes), bool)
    covered = [list[int]() for _ in boxes]  # weaker ones, by each box
    for one, begin, end in zip(by_left, range(1, len(boxes) + 1), np.searchsorted(boxes[by_left, 0], boxes[by_left, 2]), strict=True):
        other = by_left[begin:end][labels[by_left[begin:end]] == labels[one]]
        low, high = np.maximum(boxes[one, :2], boxes[other, :2]), np.minimum(boxes[one, 2:], boxes[other, 2:])
        both, weaker = np.maximum(high - low, 0).prod(1), np.maximum(one, other)
        whole = np.where(part[weaker], sizes[weaker], sizes[one] + sizes[other] - both)
        for best, weak in np.stack([one + other - weaker, weaker], 1)[both > SAME * whole]:
            covered[best].append(weak)
    for best, weak in enumerate(covered):
        kept[weak if kept[best] else []] = False
    return np.flatnonzero(kept)


def area(boxes: np.ndarray) -> np.ndarray:
    """(n,) of boxes (n, 4)."""
    return np.asarray(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))


def covering(length: int, tile: int) -> list[int]:
    """First pixels of tiles that show all of an axis, evenly spread; padded on both sides where the axis is shorter."""
    if length <= tile:
        return [(length - tile) // 2]
    count = ceil((length - tile) / max(1, int(tile * (1 - OVERLAP)))) + 1
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
    return np.asarray(np.multiply.outer(down, along), np.float32)


def read(path: str | Path, channels: Sequence[str], told: Mapping[str, Any] | None = None) -> np.ndarray:
    """The stored numbers of an image, (C, H, W), in the order of `channels`. `told`: what a model says of its images; it refuses others."""
    path = Path(path)
    try:
        pixels, names, full = (np.load(path, allow_pickle=False), list(channels), 0) if path.suffix.lower() == ".npy" else picture(path)
    except (OSError, ValueError) as error:
        why = f"Pillow does not open it ({error})" if isinstance(error, OSError) else error
        raise SystemExit(f"{path}: {why}; save the numbers as .npy.") from None
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    if names == COLOURS and list(channels) == ["gray"] and (pixels == pixels[:1]).all():
        pixels, names = pixels[:1], ["gray"]  # gray that is stored as colours
    if pixels.ndim != 3 or len(pixels) != len(channels):
        raise SystemExit(f"{path}: has {len(pixels)} channels, the model wants {', '.join(channels)}.")
    pixels = pixels[[names.index(name) for name in channels]] if set(channels) == set(names) else pixels
    return as_taught(path, pixels.astype(np.uint8) if pixels.dtype == bool else pixels, full, told or {})


def as_taught(path: Path, pixels: np.ndarray, full: int, told: Mapping[str, Any]) -> np.ndarray:
    """Numbers as a model's images hold them; others are refused. `full`: what is white in a picture of 8 bits and fewer, else 0."""
    if not (np.abs(pixels) < MISSING).all():
        raise SystemExit(f"{path}: some pixels hold no number, and a model takes all for measured; fill them, or ask `labelfree predict`.")
    taught, most, step = np.dtype(told.get("dtype") or pixels.dtype), float(told.get("largest", np.inf)), int(told.get("step", 1))
    whole, known = taught.kind != "f" or most < np.inf, most < np.inf
    byte = whole and (most <= BYTE if taught.kind == "f" else taught.itemsize == 1)
    if (whole, byte) != (pixels.dtype.kind != "f", pixels.dtype.itemsize == 1):
        wanted = f"whole numbers of {'8 bits' if byte else 'more than 8 bits'}" if whole else "real numbers"
        raise SystemExit(f"{path}: holds {pixels.dtype}, the model's images {wanted} ({taught}); give images that are stored like these.")
    if known and full not in (0, most):
        return (pixels * (most / full)).astype(np.float32)  # 1 bit, say, for a model of 8
    if known and (pixels.min() < 0 or pixels.max() > most or (step > 1 and (pixels % step).any())):
        held = f"{pixels.min():,} to {pixels.max():,}, the model's images 0 to {most:,.0f}" + f" in steps of {step}" * (step > 1)
        raise SystemExit(f"{path}: holds {held}, so it is on another scale; convert it.")
    return pixels


def picture(path: Path) -> tuple[np.ndarray, list[str], int]:
    """Of a picture: (C, H, W), names of channels, and what is white, 0 of more than 8 bits. Raises ValueError where levels would change."""
    with path.open("rb") as file:
        head = file.read(26)
    if head[:2] in (b"P2", b"P3", b"P5", b"P6"):
        return netpbm(path.read_bytes())
    with Image.open(path) as image:
        tags, deep = getattr(image, "tag_v2", {}), image.mode.startswith(("I", "F"))
        bits = max(head[24:25] if image.format == "PNG" else tags.get(258, (1,) if tags else ()), default=8)
        meaning, frames = tags.get(262, 1), getattr(image, "n_frames", 1) if tags else 1
        odd = {
            "Pillow changes levels of JPEG 2000": image.format == "JPEG2000",
            f"it holds {frames} pictures": frames > 1,
            f"0 is white in its {bits} bits": meaning == 0 and bits > 8,
            "its colours are not red, green and blue": meaning in (5, 8, 9, 10),
            "its 8 bits have a sign": bits == 8 and 2 in tags.get(339, ()),
            f"Pillow would narrow its {bits}-bit colours to 8": bits > 8 and not deep,
        }
        if why := next((why for why, applies in odd.items() if applies), ""):
            raise ValueError(why)
        if deep or image.mode == "1":
            return np.array(image), ["gray"], int(not deep)
        gray = image.mode in ("L", "LA")
        pixels = np.array(image.convert("L" if gray else "RGB"))
    full = 2**bits - 1 if tags and gray else BYTE
    return (pixels // (BYTE // full) if gray else pixels.transpose(2, 0, 1)), ["gray"] if gray else COLOURS, full


def netpbm(data: bytes) -> tuple[np.ndarray, list[str], int]:
    """PGM and PPM as `picture`: Pillow stretches 10 and 12 bits to 16."""
    head = re.match(rb"P([56])" + rb"(?:\s|#[^\n]*\n)+(\d+)" * 3 + rb"(?:#[^\n]*\n)?\s", data)
    if head is None:
        raise ValueError("its header is broken, or its numbers are text")
    count, columns, rows, most = 3 if head[1] == b"6" else 1, *map(int, head.groups()[1:])
    pixels = np.frombuffer(data, ">u2" if most > 255 else "u1", rows * columns * count, head.end()).reshape(rows, columns, count)
    full = 2 ** most.bit_length() - 1 if most <= 255 else 0
    return pixels.transpose(2, 0, 1).astype(np.uint8 if full else np.uint16), COLOURS if count == 3 else ["gray"], full


def classify(model: Model, paths: Sequence[str], threshold: float | None, write: Write) -> None:
    names = model.classes
    for path in paths:
        scores, called = model.scores(read(path, model.channels, model.told)[None], threshold)
        names = names or ["value", *(f"value_{at}" for at in range(2, scores.shape[1] + 1))]
        if path == paths[0]:
            write(["path", *(["class"] if called is not None else []), *names])
        write([path, *([model.name(called[0])] if called is not None else []), *(f"{score:.6f}" for score in scores[0])])


def segment(model: Model, paths: Sequence[str], out: Path | None, write: Write) -> None:
    if out is not None and len({Path(path).stem for path in paths}) < len(paths):
        raise SystemExit("two images have one name, and one map would lie over the other; ask for them apart, each with its own --out.")
    write(["path", *(f"percent_{name}" for name in model.classes)])
    for path in paths:
        numbers = model.shares(read(path, model.channels, model.told)).argmax(0).astype(np.uint8)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            Image.fromarray(numbers).save(out / f"{Path(path).stem}.png")
        write([path, *(f"{100 * (numbers == at).mean():.4f}" for at in range(len(model.classes)))])


def detect(model: Model, paths: Sequence[str], threshold: float | None, write: Write) -> None:
    write(["path", "class", "score", "x0", "y0", "x1", "y1"])
    for path in paths:
        for box, label, score in zip(*model.boxes(read(path, model.channels, model.told), threshold), strict=True):
            write([path, model.classes[label], f"{score:.6f}", *(f"{corner:.2f}" for corner in box)])


def judge(model: Model, paths: Sequence[str], threshold: float | None, out: Path | None, write: Write) -> None:
    least = model.threshold if threshold is None else threshold
    decides = least is not None and np.isfinite(least)
    write(["path", "score", "threshold", "verdict"])
    for path in paths:
        score, called, heat = model.judged(read(path, model.channels, model.told), threshold)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            full = 2 * float(least or 0) if decides else float(heat.max())
            Image.fromarray((255 * (heat / max(full, 1e-12)).clip(0, 1)).astype(np.uint8)).save(out / f"{Path(path).stem}.png")
        write([path, f"{score:.6f}", *([f"{least:.6f}", model.classes[int(called)]] if decides else ["", ""])])


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
    elif model.kind == "patches":
        judge(model, asked.images, asked.threshold, asked.out, write)
    else:
        (detect if model.kind == "boxes" else classify)(model, asked.images, asked.threshold, write)


if __name__ == "__main__":
    main()
