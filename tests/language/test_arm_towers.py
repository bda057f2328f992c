"""An arm of a comparison in words: from features that were kept to the space that both towers share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelfree.errors import DataError
from labelfree.language import TextSide, load_towers
from labelfree.language.arm_towers import towers_beside
from labelfree.transfer.encoders import Concatenated, NetworkEncoder, StatisticsEncoder, towers_of
from tests.language.test_towers import tower, weights


def as_it_is(stored: Tensor, size: int, measured: Tensor | None = None) -> Tensor:
    return stored


def arm(file: Path | None) -> NetworkEncoder:
    return NetworkEncoder("domain", nn.Identity(), as_it_is, [32], dim=512, weights=file)


def test_kept_features_give_what_the_towers_give(tmp_path: Path) -> None:
    file = weights(tmp_path, TextSide(512, tower(), 24).calibrated(20.0, -3.0))
    loaded, images = load_towers(file), torch.rand(3, 2, 32, 32, generator=torch.Generator().manual_seed(1))
    found = towers_of(arm(file))
    assert found is not None and (found.dim, found.scale, found.bias, found.size) == (24, 20.0, -3.0, 32)
    np.testing.assert_allclose(found.images(loaded.backbone.embed(images).numpy()), loaded.embed(images).numpy(), atol=1e-6)
    np.testing.assert_array_equal(found.texts(["a field", "a road"]), loaded.embed_texts(["a field", "a road"]).numpy())
    assert found.images(np.zeros((0, 512), np.float32)).shape == (0, 24)


def test_an_arm_without_a_text_side_has_no_towers(tmp_path: Path) -> None:
    bare = weights(tmp_path, None)
    encoders = [arm(None), arm(bare), StatisticsEncoder(2), Concatenated("both", [arm(bare), StatisticsEncoder(2)])]
    assert [towers_of(each) for each in encoders] == [None] * 4


def test_other_words_are_known_by_their_digest_and_another_network_is_refused(tmp_path: Path) -> None:
    file = weights(tmp_path, TextSide(512, tower(), 24))
    first = towers_beside(file)
    weights(tmp_path, TextSide(512, tower(), 24).calibrated(2.0))
    second = towers_beside(file)
    assert first is not None and second is not None and first.digest != second.digest
    with pytest.raises(DataError, match="gives 13 numbers an image, its text tower was taught beside 512"):
        second.images(np.zeros((2, 13), np.float32))
