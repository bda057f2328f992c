"""Heads of patches as ONNX say what they say in labelfree: scores, decisions at any threshold, and maps, of images of any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import labelfree
from labelfree.deploy.exports.labelled_images import stored_pixels
from labelfree.deploy.patch_heads import PatchesHead
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.patches.base import PatchHead
from tests.deploy.made_heads import SIDE, by_image, network, patch_head, patch_sample, spotted, statistics

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.mark.parametrize(
    ("made", "neighbours"), [
        (statistics, 0), pytest.param(statistics, 9, marks=pytest.mark.slow), pytest.param(network, 9, marks=pytest.mark.slow),
        pytest.param(by_image, 0, marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_the_graph_says_what_the_head_says(made: Callable[[], Encoder], neighbours: int, tmp_path: Path) -> None:
    from labelfree.deploy.exports.infer_onnx import Model

    head = labelfree.load_head(patch_head(tmp_path / "head.safetensors", made(), neighbours))
    model = Model(labelfree.export(head, tmp_path / "onnx", say=Silent()).onnx)
    for seed, shape in enumerate([SIDE, (110, 90), (40, 130), (30, 20)]):  # a tile, several, narrow, padded
        image = patch_sample(*shape, seed=seed)
        said, (score, called, heat) = head.predict(image), model.judged(stored_pixels(head, image))
        assert score == pytest.approx(said.score, rel=1e-4) and not called, "without a threshold nothing is called"
        np.testing.assert_allclose(heat, said.heat, atol=1e-3 * said.score)
        assert heat.max() > 1.1 * heat.min(), "the spot shows"
        for factor, expected in ((0.99, True), (1.01, False)):
            assert model.judged(stored_pixels(head, image), factor * said.score)[1] is expected


def test_scores_are_weighed_by_the_patches_around_in_the_graph_too(tmp_path: Path) -> None:
    """Else the test above would not tell both protocols apart."""
    plain, weighed = (labelfree.load_head(patch_head(tmp_path / f"{n}.safetensors", statistics(), n)) for n in (0, 9))
    image = patch_sample(*SIDE)
    assert weighed.predict(image).score < 0.999 * plain.predict(image).score


@pytest.mark.slow
def test_a_map_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    from labelfree.deploy.exports.infer_onnx import Model

    head = labelfree.load_head(patch_head(tmp_path / "head.safetensors", statistics(), 0))
    true = Model.judged
    monkeypatch.setattr(Model, "judged", lambda *given: (*true(*given)[:2], np.roll(true(*given)[2], 3, 0)))
    images = tmp_path / "images"
    images.mkdir()
    import rasterio

    with rasterio.open(images / "a.tif", "w", driver="GTiff", count=4, height=64, width=64, dtype="uint16") as file:
        file.write(spotted(64, 64, 0))
    with pytest.raises(DataError, match="says otherwise"):
        labelfree.export(head, tmp_path / "onnx", images, say=Silent())


def test_a_head_that_keeps_no_patches_is_refused(tmp_path: Path) -> None:
    class Mean(PatchHead):
        def __init__(self) -> None:
            super().__init__()
            self.config = {}

    head = labelfree.load_head(patch_head(tmp_path / "head.safetensors", statistics(), 0))
    assert isinstance(head, PatchesHead)
    head.head = Mean()
    with pytest.raises(DataError, match="those that keep patches of normal images are"):
        labelfree.export(head, tmp_path / "onnx", say=Silent())
