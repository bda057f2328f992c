"""Scores drawn over images and alone, a few rows at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelfree.reporting import heat_pictures, save_picture
from labelfree.reporting.heat_pictures import heated, plain_heat


@pytest.mark.parametrize("shape", [(37, 21), (19, 11)], ids=["the image's size", "another size"])
def test_rows_drawn_together_change_nothing(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    image, heat = draw.integers(0, 256, (37, 21, 3), np.uint8), draw.random(shape, np.float32)
    heat[0, :3] = np.nan
    at_once = heated(image, heat, 0.7)
    monkeypatch.setattr(heat_pictures, "PIXELS", 50)
    np.testing.assert_array_equal(heated(image, heat, 0.7), at_once)
    assert (at_once != image).any() and (at_once[0, 0] == image[0, 0]).all(), "where nothing is said the image is as it was"


def test_scores_alone_are_gray_and_white_from_full_on(tmp_path: Path) -> None:
    heat = np.array([[0.0, 1.0, 2.0], [4.0, np.nan, 0.5]], np.float32)
    save_picture(plain_heat(heat, 2.0), tmp_path / "heat.png")
    with Image.open(tmp_path / "heat.png") as opened:
        assert opened.mode == "L" and np.array(opened).tolist() == [[0, 128, 255], [255, 0, 64]]
