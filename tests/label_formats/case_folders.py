"""A case of label formats on disk, read the way that a run reads it, and what of it is not as its `expect.json` says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import labelfree
from labelfree.data.label_formats.annotated import Annotations
from labelfree.domain import Row
from labelfree.progress import Silent
from labelfree.reader_settings import domain_with

LABELS = "data.labels="
READ_ELSEWHERE = {  # keys of expect.json that speak of what is no annotation
    "case", "kind", "domain", "commands", "box_tolerance", "mask_tolerance", "frame", "accept", "level", "predict", "scores",
    "smallest_object",
}  # fmt: skip
SOURCES = {"coco.json", "annotations.xml", "json", "Annotations", "data.yaml", "boxes.csv"}


def source_of(folder: Path) -> str:
    """What a case types behind `data.labels=DIR/`, empty where it types none."""
    commands = json.loads((folder / "expect.json").read_text(encoding="utf-8")).get("commands", [])
    typed = {word.removeprefix(f"{LABELS}DIR/") for command in commands for word in command["run"] if word.startswith(LABELS)}
    return min(typed, default="")


@dataclass(frozen=True)
class LabelCase:
    """A case whose labels are a file or folder of a tool for annotations."""

    folder: Path

    @cached_property
    def expected(self) -> Mapping[str, Any]:
        stored = json.loads((self.folder / "expect.json").read_text(encoding="utf-8"))
        return {key: value for key, value in stored.items() if key not in READ_ELSEWHERE}

    @cached_property
    def domain(self) -> str:
        """Whose reader the case is written for."""
        return str(json.loads((self.folder / "expect.json").read_text(encoding="utf-8"))["domain"])

    @cached_property
    def tolerances(self) -> Mapping[str, float]:
        stored = json.loads((self.folder / "expect.json").read_text(encoding="utf-8"))
        return {key: stored.get(f"{key}_tolerance", 0.0) for key in ("box", "mask")}

    @cached_property
    def found(self) -> Annotations:
        root = self.folder / "data"
        return labelfree.annotations(root, root / source_of(self.folder), domain=self.domain, say=Silent())

    def read(self, path: Path) -> np.ndarray:
        """(C, height, width) as the case's domain reads it."""
        return np.asarray(domain_with(self.domain, {}).read(Row(path.name, path, boxes="")).data)

    def wrong(self) -> Iterator[str]:
        """One sentence for each key that is not as expected."""
        for key, expected in self.expected.items():
            if key not in CHECKS:
                yield f"nothing checks the key {key!r}"
            elif got := CHECKS[key](self, expected):
                yield f"{key}: {got}"


def _states(case: LabelCase, expected: list[str]) -> str:
    got = sorted(name for name, image in case.found.images.items() if image.state == "negative")
    return "" if got == sorted(expected) else f"{got}, right is {sorted(expected)}"


def _count(state: str) -> Callable[[LabelCase, int], str]:
    def check(case: LabelCase, expected: int) -> str:
        got = sum(state in ("", image.state) for image in case.found.images.values())
        return "" if got == expected else f"{got}, right is {expected}"

    return check


def _objects(case: LabelCase, expected: Mapping[str, int]) -> str:
    return "" if case.found.counts == Counter(expected) else f"{dict(case.found.counts)}, right is {expected}"


def _boxes(case: LabelCase, expected: Mapping[str, list[list[Any]]]) -> str:
    """Where a case says that content decides, `_on_content` looks at it: the boxes are those of the other frame."""
    if "on_content" in case.expected:
        return ""
    for name, right in expected.items():
        got = sorted((each.name, *each.box) for each in case.found.images[name].objects)
        if [box[0] for box in got] != [box[0] for box in sorted(right)] or any(
            abs(number - true) > case.tolerances["box"]
            for box, true_box in zip(got, sorted(right), strict=True)
            for number, true in zip(box[1:], true_box[1:], strict=True)
        ):
            return f"{name} has {got}, right is {right}"
    return ""


def _on_content(case: LabelCase, expected: Mapping[str, Any]) -> str:
    for name, image in case.found.images.items():
        picture = case.read(image.path)[0]
        picture = picture * 255 if picture.max() <= 1 else picture
        inside = np.zeros(picture.shape, bool)
        for each in image.objects:
            inside |= each.mask(*picture.shape)
        if image.objects and not (
            np.median(picture[inside]) >= expected["inside_at_least"] and np.median(picture[~inside]) <= expected["outside_at_most"]
        ):
            return f"{name}: {np.median(picture[inside]):.0f} inside and {np.median(picture[~inside]):.0f} outside"
    return ""


def _each(what: str, count: Callable[[Any], Any]) -> Callable[[LabelCase, Mapping[str, Any]], str]:
    """A number of each image that is named."""

    def check(case: LabelCase, expected: Mapping[str, Any]) -> str:
        got = {name: count(case.found.images[name]) for name in expected}
        return "" if got == expected else f"{what} {got}, right is {expected}"

    return check


def _mask_pixels(case: LabelCase, expected: Mapping[str, Mapping[str, int]]) -> str:
    for name, right in expected.items():
        got = case.found.images[name].pixels()
        if any(abs(got.get(of, 0) - pixels) > case.tolerances["mask"] for of, pixels in right.items()):
            return f"{name} has {got}, right is {right}"
    return ""


def _bad_lines(case: LabelCase, expected: Mapping[str, list[int]]) -> str:
    """Each faulty line is named with its file, and no other file is."""
    missing = [
        f"{file} line {line}"
        for file, lines in expected.items()
        for line in lines
        if not any(file in fault and f"line {line}" in fault for fault in case.found.faults)
    ]
    others = [fault for fault in case.found.faults if not any(file in fault for file in expected)]
    return f"not named: {missing}; {others}" if missing or others else ""


CHECKS: dict[str, Callable[[LabelCase, Any], str]] = {
    "images": _count(""),
    "negative": _count("negative"),
    "unlabelled": _count("unlabelled"),
    "negatives": _states,
    "objects": _objects,
    "boxes": _boxes,
    "on_content": _on_content,
    "mask_pixels": _mask_pixels,
    "ignored_pixels": _each("pixels", lambda image: int(image.ignored_mask().sum())),
    "crowd": _each("crowds", lambda image: image.crowds),
    "lines": _each("lines", lambda image: image.lines),
    "unused": _each("faulty objects", lambda image: len(image.unused)),
    "image_labels": _each("labels", lambda image: ", ".join(image.labels)),
    "bad_lines": _bad_lines,
}
