"""The linear head of pixels, beside scikit-learn on features brought to every pixel."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from labelfree.domain import IGNORE
from labelfree.transfer.maps.base import to_shape
from labelfree.transfer.maps.linear import C, PixelLinear, at_pixels, labelled_pixels
from tests.transfer.maps.learning import learn_from

SIDE = 12


def blobs(images: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Two channels that tell three classes apart, with noise; part of each mask is unknown."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(images, SIDE, SIDE, dtype=torch.int64)
    masks[:, 3:9, 2:7] = 1
    masks[:, 6:11, 8:11] = 2
    means = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    pixels = means[masks].permute(0, 3, 1, 2) + torch.randn(images, 2, SIDE, SIDE, generator=generator)
    masks[:, 0] = IGNORE
    return pixels, masks


def test_the_head_is_scikit_learns_regression() -> None:
    pixels, masks = blobs()
    fitted = PixelLinear().fit(learn_from(pixels, masks, 3, pixels=pixels))
    rows, classes = pixels.permute(0, 2, 3, 1).reshape(-1, 2).numpy(), masks.flatten().numpy()
    known = classes != IGNORE
    scaled = StandardScaler().fit(rows[known])
    peer = LogisticRegression(C=C, tol=1e-8, max_iter=1000).fit(scaled.transform(rows[known]) / np.sqrt(2), classes[known])
    told = fitted.head([pixels], (SIDE, SIDE)).softmax(1).permute(0, 2, 3, 1).reshape(-1, 3)
    np.testing.assert_allclose(told, peer.predict_proba(scaled.transform(rows) / np.sqrt(2)), atol=2e-3)
    assert fitted.converged


def test_ignored_pixels_teach_nothing() -> None:
    pixels, masks = blobs()
    other = pixels.clone()
    other[:, :, 0] = 1e3
    heads = [PixelLinear().fit(learn_from(part, masks, 3, pixels=part)).head for part in (pixels, other)]
    torch.testing.assert_close(heads[0].weight, heads[1].weight)
    torch.testing.assert_close(heads[0].bias, heads[1].bias)


def test_a_class_without_a_pixel_is_never_called() -> None:
    pixels, masks = blobs()
    fitted = PixelLinear().fit(learn_from(pixels, masks.clamp(max=1), 3, pixels=pixels))
    assert 2 not in fitted.head([pixels], (SIDE, SIDE)).argmax(1)


@pytest.mark.parametrize("shape", [(12, 12), (9, 14), (6, 7, 8)])
def test_features_at_pixels_are_those_of_interpolated_maps(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    levels = [torch.randn(1, 3, *(max(1, side // step) for side in shape), generator=generator) for step in (1, 2, 5)]
    whole = torch.cat([to_shape(level, shape) for level in levels], 1).flatten(2)[0].T
    pixels = np.random.default_rng(0).permutation(int(np.prod(shape)))[:40]
    np.testing.assert_allclose(at_pixels(levels, pixels, shape), whole[pixels], atol=1e-5)


def test_the_head_commutes_with_interpolation() -> None:
    pixels, masks = blobs(2)
    coarse = F.avg_pool2d(pixels, 3)
    fitted = PixelLinear().fit(learn_from(coarse.repeat_interleave(3, 2).repeat_interleave(3, 3), masks, 3, pixels=pixels))
    head = PixelLinear().head({"width": 3, "widths": [2, 2]})
    head.weight.normal_(generator=torch.Generator().manual_seed(0))
    levels = [pixels, coarse]
    brought = torch.cat([to_shape(level, (SIDE, SIDE)) for level in levels], 1)
    expected = torch.einsum("kc,bchw->bkhw", head.weight, brought)
    torch.testing.assert_close(head(levels, (SIDE, SIDE)), expected)
    assert fitted.head.config == {"width": 3, "widths": [2]}


def test_rare_classes_are_seen_and_weights_make_up_for_it() -> None:
    masks = torch.zeros(1, 200, 200, dtype=torch.int64)
    masks[0, :4, :4] = 1
    learn = learn_from(torch.zeros(1, 1, 200, 200), masks, 2, pixels=torch.zeros(1, 1, 200, 200))
    _, classes, weights = labelled_pixels(learn)
    assert (classes == 1).sum() == 16
    assert weights[classes == 1].sum() / weights.sum() == pytest.approx(16 / 200**2)
