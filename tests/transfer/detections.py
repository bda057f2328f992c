"""Detection as the tests of this folder speak of it: boxes in, answers of the seam out; and COCO's own word on the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from faster_coco_eval import COCO, COCOeval_faster

from labelfree.data.boxes import ANY, Boxes, Detections
from labelfree.transfer.tasks import Weights
from labelfree.transfer.tasks.detection import BoxTargets, Detection

TASK = Detection()
Pair = tuple[Detections, Boxes]


def targets(drawn: Sequence[Boxes], classes: int) -> BoxTargets:
    """Targets of what is drawn on each image."""
    return BoxTargets(np.arange(len(drawn)), classes, tuple(f"class {k}" for k in range(classes)), load=lambda entry: drawn[entry])


def answers(images: Sequence[Pair], classes: int) -> pa.Table:
    """What the task keeps of images."""
    return TASK.answers((found for found, _ in images), targets([drawn for _, drawn in images], classes))


def measure(metric: str, table: pa.Table) -> float:
    """A metric, every image counted once."""
    return TASK.metrics[metric].value(table)


def resampled(metric: str, table: pa.Table, groups: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The same on resamplings of groups: (B,)."""
    return TASK.metrics[metric](table, Weights(counts, groups))


def coco(images: Sequence[Pair], classes: int) -> COCOeval_faster:
    """The same images through faster-coco-eval; a region that is ignored for every class is a crowd of each."""
    boxes, results = [], []
    for image, (found, drawn) in enumerate(images, start=1):
        for corners, label, ignored in zip(drawn.corners.astype(float), drawn.label, drawn.ignored, strict=True):
            for category in range(classes) if label == ANY else [label]:
                box = _box(corners)
                about = {"id": len(boxes) + 1, "image_id": image, "category_id": int(category) + 1, "iscrowd": int(ignored)}
                boxes.append({**about, "bbox": box, "area": box[2] * box[3]})
        for corners, label, score in zip(found.corners.astype(float), found.label, found.score, strict=True):
            results.append({"image_id": image, "category_id": int(label) + 1, "bbox": _box(corners), "score": float(score)})
    truth = COCO(
        {
            "images": [{"id": image, "width": 1000, "height": 1000} for image in range(1, len(images) + 1)],
            "categories": [{"id": k + 1, "name": f"class {k}"} for k in range(classes)],
            "annotations": boxes,
        }
    )
    judged = COCOeval_faster(truth, truth.loadRes(results), "bbox", print_function=lambda *words: None)
    judged.run()
    return judged


def stats(images: Sequence[Pair], classes: int) -> dict[str, float]:
    """What COCO says of every metric of ours, NaN where it says -1."""
    numbers = coco(images, classes).stats[:6]
    return {name: np.nan if number < -0.5 else float(number) for name, number in zip(TASK.metrics, numbers, strict=True)}


def _box(corners: np.ndarray) -> list[float]:
    x0, y0, x1, y1 = corners.tolist()
    return [x0, y0, x1 - x0, y1 - y0]


def example(seed: int, images: int, classes: int, ties: bool = False, regions: bool = True) -> list[Pair]:
    """Images with objects of every size, crowds and ignored regions, and what a middling detector finds; some show nothing, on some
    nothing is found. `ties`: few different scores, so that many are equal.
    """
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(images):
        count = int(generator.integers(0, 7))
        corners = _corners(generator, count)
        ignored = (generator.random(count) < 0.2) & regions
        label = generator.integers(classes, size=count)
        drawn = Boxes.of(corners, np.where(ignored & (generator.random(count) < 0.5), ANY, label), ignored)
        seen = np.repeat(np.arange(count), generator.integers(0, 3, size=count))
        moved = np.round(corners[seen] + generator.normal(scale=np.repeat([2, 8], 2)[generator.integers(4, size=(len(seen), 4))]))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        called = np.where(generator.random(len(seen)) < 0.8, label[seen], generator.integers(classes, size=len(seen)))
        false = int(generator.integers(0, 5))
        corners = np.concatenate([moved, _corners(generator, false)])
        called = np.concatenate([called, generator.integers(classes, size=false)])
        score = generator.integers(1, 4, size=len(called)) / 4 if ties else generator.permutation(1000)[: len(called)] / 1000
        made.append((Detections.of(corners, called, score), drawn))
    return made


def _corners(generator: np.random.Generator, count: int) -> np.ndarray:
    """(n, 4) boxes of 8 to 200 pixels a side, at whole pixels, so that overlaps at the very thresholds occur."""
    least = generator.integers(0, 300, size=(count, 2))
    sides = np.round(8 * 25 ** generator.random((count, 2))).astype(int)
    return np.concatenate([least, least + sides], axis=1).astype(float)
