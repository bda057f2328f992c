"""One image that a head is asked about: what is refused, and what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelfree.deploy.asked_image import AskedImage, open_image
from labelfree.deploy.input_images import InputImages
from labelfree.domain import Row
from labelfree.errors import DataError
from labelfree.reader_settings import domain_with


def test_a_region_needs_a_domain_that_finds_shapes(tmp_path: Path) -> None:
    """Pictures of parts lie nowhere."""
    Image.fromarray(np.zeros((70, 70), np.uint8)).save(tmp_path / "part.png")
    row = Row("part.png", tmp_path / "part.png")
    images = InputImages(domain_with("inspection", {}), [row], lenient=True)
    with pytest.raises(DataError, match="inspection: this domain finds no shapes on its images; leave --region out"):
        open_image(images, row, tmp_path / "aoi.gpkg")
    asked = open_image(images, row, None)
    assert isinstance(asked, AskedImage) and asked.wanted is None and asked.slices.size == (70, 70)


@pytest.mark.parametrize("lenient", [True, False])
def test_an_image_that_cannot_be_read_is_left_out_where_it_may_be(lenient: bool, tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG")
    row = Row("torn.png", tmp_path / "torn.png")
    images = InputImages(domain_with("inspection", {}), [row], lenient)
    if lenient:
        told = open_image(images, row, None)
        assert isinstance(told, str) and "torn.png" in told
    else:
        with pytest.raises(DataError, match=r"torn\.png"):
            open_image(images, row, None)
