"""Pixels without a measurement in views: they change no other pixel, and are the mean in the end."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from labelfree.views import Augmentation, Contrast, Dihedral, Gamma, PerChannel, ViewOp, ViewPipeline


def pipeline(augmentation: Augmentation, mean: float = 3.0) -> ViewPipeline:
    return ViewPipeline(augmentation, PerChannel([mean] * 2, [2.0] * 2), [1.0] * 2, [0.0] * 2)


def views(filling: float, mask: torch.Tensor | None, augmentation: Augmentation, axes: int = 2) -> torch.Tensor:
    data = torch.rand(3, 2, *(24,) * axes, generator=Generator().manual_seed(1)) * 9
    if mask is not None:
        data = torch.where(mask[:, None], data, filling)
    draw = Generator().manual_seed(5)
    return pipeline(augmentation).many(data, 2, 16, (0.5, 1.0), draw, measured=(mask, mask))


@pytest.mark.parametrize("axes", [2, 3], ids=["pictures", "volumes"])
def test_a_mask_of_ones_changes_nothing(axes: int) -> None:
    ops = Augmentation(geometry=[Dihedral()]) if axes == 2 else Augmentation()
    whole = torch.ones(3, *(24,) * axes, dtype=torch.bool)
    torch.testing.assert_close(views(0, whole, ops, axes), views(0, None, ops, axes))


@pytest.mark.parametrize("axes", [2, 3], ids=["pictures", "volumes"])
def test_gaps_are_the_mean_and_follow_their_image(axes: int) -> None:
    mask = torch.ones(3, *(24,) * axes, dtype=torch.bool)
    mask[:, :9] = False
    ops = Augmentation(geometry=[Dihedral()]) if axes == 2 else Augmentation()
    marked = views(1000.0, mask, ops, axes)  # far from every measured number: (1000 - 3) / 2
    shown = (marked != 0).all(1)
    assert 0.1 < shown.float().mean() < 0.9
    quiet = views(3.0, mask, ops, axes)
    inner = shown & ((marked - quiet).abs() < 1e-4).all(1)  # all but the edge, where the crop blends
    assert inner.float().sum() > 0.8 * shown.float().sum()


@pytest.mark.parametrize("op", [Contrast(0.5, p=1.0), Gamma((2.0, 2.0), p=1.0)], ids=lambda op: type(op).__name__)
def test_statistics_of_an_image_are_those_of_its_measured_pixels(op: ViewOp) -> None:
    mask = torch.rand(3, 24, 24, generator=Generator().manual_seed(0)) > 0.3
    x = torch.rand(3, 2, 24, 24, generator=Generator().manual_seed(1)) * 9
    params = op.draw(3, Generator().manual_seed(2))
    low, high = (op.apply_measured(torch.where(mask[:, None], x, filling), params, mask) for filling in (-50.0, 100.0))
    assert torch.equal(low * mask[:, None], high * mask[:, None])
    for sample in range(3):  # the same pixels alone, in a row
        alone = op.apply(x[sample][:, mask[sample]][None, :, None], params[sample : sample + 1])
        torch.testing.assert_close(low[sample][:, mask[sample]], alone[0, :, 0])
