"""An exported detector finds what the head finds: candidates decoded and told once inside its graph.

torch takes five seconds of a free core for each export, of Faster R-CNN ten.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import labelfree
from labelfree.deploy.exports.onnx_file import NEEDED
from labelfree.progress import Silent
from tests.deploy.made_heads import network, scene, statistics
from tests.deploy.test_boxes import box_head
from tests.deploy.test_export import asked

for package in NEEDED:
    pytest.importorskip(package)


@pytest.mark.parametrize(
    ("detector", "threshold"),
    [("fcos", None), pytest.param("retinanet", 0.5, marks=pytest.mark.slow), pytest.param("faster_rcnn", None, marks=pytest.mark.slow)],
)
def test_a_detector_finds_what_its_head_finds(detector: str, threshold: float | None, tmp_path: Path) -> None:
    head = box_head(tmp_path / "head.safetensors", network(), detector, threshold)
    files = [tmp_path / f"{at}.tif" for at in range(3)]
    for at, (file, size) in enumerate(zip(files, [(64, 64), (50, 64), (64, 40)], strict=True)):
        np.save(file.with_suffix(".npy"), scene(file, *size, seed=at))
    made = labelfree.export(head, tmp_path / "out", files, say=Silent())
    loaded = labelfree.load_head(head)
    expected = {str(file.with_suffix(".npy")): loaded.predict(file) for file in files}
    assert made.images == 3 and made.same == made.decisions == sum(map(len, expected.values())) >= 5
    rows = asked(made.folder, *(file.with_suffix(".npy") for file in files))
    for name, said in expected.items():
        theirs = [row for row in rows if row["path"] == name]
        assert sorted((row["class"], round(float(row["score"]), 3)) for row in theirs) == sorted(
            (each, round(float(score), 3)) for each, score in zip(said.names, said.scores, strict=True)
        )
        boxes = np.array([[float(row[each]) for each in ("x0", "y0", "x1", "y1")] for row in theirs])
        assert np.abs(boxes[:, None] - said.corners).max(2).min(0).max() < 0.05
    scores = np.sort(expected[str(files[0].with_suffix(".npy"))].scores)
    middle = float(scores[-2:].mean())
    assert len(asked(made.folder, "--threshold", str(middle), files[0].with_suffix(".npy"))) == (scores > middle).sum()


def test_a_box_at_the_threshold_may_be_told_by_one_of_both(tmp_path: Path) -> None:
    from labelfree.deploy.exports.trial import tried
    from labelfree.errors import DataError

    scene(tmp_path / "a.tif", 64, 64)
    head = labelfree.load_head(box_head(tmp_path / "head.safetensors", statistics()))
    said, sample = head.predict(tmp_path / "a.tif"), head.read(tmp_path / "a.tif")
    told = (said.corners, said.labels, said.scores)
    least = np.argmin(said.scores)

    class Exported:
        def __init__(self, left_out: int) -> None:
            self.boxes = lambda pixels: tuple(np.delete(each, left_out, 0) for each in told)

    head.card = replace(head.card, threshold=float(said.scores[least]) - 1e-7)
    assert (made := tried(Exported(least), head, [sample])).same == made.decisions - 1
    with pytest.raises(DataError, match="says otherwise"):
        tried(Exported(0), head, [sample])


@pytest.mark.slow
def test_pixels_alone_and_large_images_are_searched_too(tmp_path: Path) -> None:
    """Parts that borders of tiles cut are joined, and the threshold is that of whole objects: as `predict` does."""
    from labelfree.deploy.exports.infer_onnx import Model

    head = box_head(tmp_path / "head.safetensors", statistics())
    file = tmp_path / "scene.tif"
    pixels = scene(file, 90, 85)
    made, said = labelfree.export(head, tmp_path / "out", [file], say=Silent()), labelfree.load_head(head).predict(file)
    boxes, labels, scores = Model(made.onnx).boxes(pixels)
    assert len(boxes) == len(said) > 0 and (np.diff(scores) <= 0).all()
    np.testing.assert_allclose(scores, said.scores, atol=1e-4)
    assert (np.abs(boxes[:, None] - said.corners).max(2).min(1) < 0.05).all() and set(labels) == set(said.labels)
    assert (boxes[:, 2:].max(0) > 64).all()  # beyond the first tile
    middle = float(scores[len(scores) // 2 :][:2].mean())  # between two scores, not on one: they differ in their last digits
    assert len(Model(made.onnx).boxes(pixels, middle)[0]) == (said.scores >= middle).sum()
