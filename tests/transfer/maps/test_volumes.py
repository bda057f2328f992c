"""Heads of voxels: balls in noise are learned, of slices that somebody drew too, and small structures are seen often enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelfree.backbones import Backbone
from labelfree.domain import IGNORE
from labelfree.transfer.maps.base import to_shape
from labelfree.transfer.maps.finetune import Finetune
from labelfree.transfer.maps.frozen import Frozen
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.maps.linear import PixelLinear, at_pixels
from labelfree.transfer.maps.losses import segmentation_loss
from labelfree.transfer.maps.prediction import PredictedMaps
from labelfree.transfer.maps.shown_tiles import with_objects
from labelfree.transfer.maps.training import MapTraining
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.tiling import Tiling, tent
from labelfree.transfer.tiles.training import tiles_at_once
from tests.transfer.maps.learning import learn_from

pytest.importorskip("monai")
SIDE = 12


def network() -> Backbone:
    """The same weights whenever it is made."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        stages: list[nn.Module] = []
        for before, after in ((1, 8), (8, 12)):
            stages += [nn.Conv3d(before, after, 3, 2, 1), nn.BatchNorm3d(after), nn.ReLU()]
        net = nn.Sequential(*stages)
        net(torch.randn(4, 1, SIDE, SIDE, SIDE))
    return Backbone(net, "stages", 1, dims=3, dim=12)


def balls(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """A bright and a dark ball on noise, (count, 1, 12, 12, 12), and what they are."""
    rng = np.random.default_rng(seed)
    at = np.stack(np.indices((SIDE,) * 3), -1)
    images, masks = 0.3 * rng.standard_normal((count, 1, *(SIDE,) * 3)), np.zeros((count, *(SIDE,) * 3), np.int64)
    for image, mask in zip(images, masks, strict=True):
        for kind, value in ((1, 2.0), (2, -2.0)):
            ball = np.square(at - rng.uniform(3, SIDE - 3, 3)).sum(-1) < rng.uniform(2.5, 3.5) ** 2
            mask[ball], image[0][ball] = kind, value + 0.3 * rng.standard_normal(ball.sum())
    return torch.from_numpy(images).float(), torch.from_numpy(masks)


def worst_share(fitted: Fitted, images: Tensor, masks: Tensor, levels: list[Tensor]) -> float:
    """The least intersection over union of a class, of a head that is given `levels`."""
    with torch.no_grad():
        found = fitted.head(levels, tuple(images.shape[2:])).argmax(1)
    return min(float(((found == k) & (masks == k)).sum() / ((found == k) | (masks == k)).sum()) for k in range(3))


@pytest.fixture(scope="module")
def learn() -> Learn:
    """Of a network's stages, and of what each voxel holds."""
    images, masks = balls(6, 0)
    return replace(learn_from(images, masks, 3, network, images, steps=120), objects=(1, 2))


@pytest.mark.parametrize("protocol", [PixelLinear(), pytest.param(Frozen(), marks=pytest.mark.slow)], ids=["linear", "frozen"])
def test_balls_are_learned_from_kept_features(learn: Learn, protocol: Frozen) -> None:
    """A decoder of volumes takes a tenth of a second for a step."""
    images, masks = balls(4, 1)
    with torch.no_grad():
        levels = [images, *network().eval().pyramid(images)]
    assert worst_share(protocol.fit(learn), images, masks, levels) > 0.5


@pytest.mark.slow
def test_balls_are_learned_with_the_network() -> None:
    """Steps of network and decoder."""
    fitted = Finetune().fit(replace(learn_from(*balls(6, 0), 3, network, steps=40), objects=(1, 2)))
    images, masks = balls(4, 1)
    assert fitted.trunk is not None
    with torch.no_grad():
        levels = fitted.trunk.pyramid(images)  # type: ignore[operator]
    assert worst_share(fitted, images, masks, levels) > 0.4


@pytest.mark.parametrize("protocol", [PixelLinear(), pytest.param(Frozen(), marks=pytest.mark.slow)], ids=["linear", "frozen"])
def test_slices_that_nobody_drew_are_left_out(protocol: Frozen) -> None:
    """Every fourth slice is drawn: a head finds what lies between."""
    (images, masks), new = balls(4, 0), balls(4, 1)
    masks[:, np.arange(SIDE) % 4 > 0] = IGNORE
    fitted = protocol.fit(replace(learn_from(images, masks, 3, pixels=images, steps=100), objects=(1, 2)))
    assert worst_share(fitted, *new, [new[0]]) > 0.35


def test_the_loss_of_a_volume_is_that_of_its_drawn_slices() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, masks = torch.randn(2, 3, 6, 5, 4, generator=draw), torch.randint(0, 3, (2, 6, 5, 4), generator=draw)
    weights = torch.tensor([0.5, 1.0, 2.0])
    sparse = masks.clone()
    sparse[:, ::2] = IGNORE
    expected = segmentation_loss(logits[:, :, 1::2], masks[:, 1::2], weights)
    torch.testing.assert_close(segmentation_loss(logits, sparse, weights), expected)


def test_features_at_voxels_are_those_of_interpolated_maps() -> None:
    levels = [torch.randn(1, 2, 6, 5, 4), torch.randn(1, 3, 3, 3, 2)]
    voxels = np.array([0, 7, 61, 119])
    whole = torch.cat([to_shape(level, (6, 5, 4)) for level in levels], 1).flatten(2)[0].T
    np.testing.assert_allclose(at_pixels(levels, voxels, (6, 5, 4)), whole[voxels].numpy(), atol=1e-5)


def mostly_empty(side: int = 32) -> Learn:
    """A volume of 27 tiles, of which one shows an object and nine are unknown."""
    long = 2 * side + side // 2
    masks = torch.zeros(1, long, long, long, dtype=torch.int64)
    masks[0, 1, 1, 1] = 1
    masks[0, 55:] = IGNORE
    learn = learn_from(torch.zeros(1, 1, long, long, long), masks, 2, pixels=torch.zeros(1, 1, 1, 1, 1))
    return replace(learn, all_tiles=replace(learn.all_tiles, tiling=Tiling((side,) * 3, ((long,) * 3,))), objects=(1,))


def test_a_third_of_the_tiles_learned_from_show_an_object() -> None:
    learn = mostly_empty()
    assert len(learn.tiles) == 27
    tiles, counts = np.unique(with_objects(learn, 1 / 3), return_counts=True)
    known = [tile for tile in learn.tiles if (learn.masks([tile], np.zeros(1, bool)) != IGNORE).any()]
    assert tiles.tolist() == known and counts[0] == max(counts) and set(counts[1:]) == {1}
    assert 1 / 3 <= counts[0] / counts.sum() < 1 / 2
    assert with_objects(learn, 0.0).tolist() == learn.tiles.tolist()


def test_steps_are_as_large_as_memory_allows(learn: Learn, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [tiles_at_once((side,) * 3) for side in (32, 64, 96, 128)] == [8, 8, 2, 1]
    assert [tiles_at_once((side,) * 2) for side in (64, 256, 512)] == [8, 8, 8]
    from labelfree.transfer.tiles import training

    monkeypatch.setattr(training, "MOST_PIXELS", 3 * SIDE**3)
    assert len(MapTraining(learn, False).batch(0)[0]) == 3


def test_a_volume_is_predicted_in_strips_as_if_all_its_tiles_were_blended_at_once() -> None:
    """Tiles answer with drawn numbers: what joins them is compared with plain sums over the whole volume."""
    tiling = Tiling((8, 8, 8), ((19, 13, 5),))
    told = torch.randn(len(tiling), 3, 8, 8, 8, generator=torch.Generator().manual_seed(0))

    class Drawn(nn.Module):
        def forward(self, levels: list[Tensor], shape: tuple[int, ...]) -> Tensor:
            return levels[0]

    predicted = PredictedMaps(Fitted(Drawn()), tiling, np.array([0]), lambda tiles: [told[tiles]])  # type: ignore[arg-type]
    total, weight = np.zeros((3, 19 + 8, 13 + 8, 5 + 8)), np.zeros((19 + 8, 13 + 8, 5 + 8))
    for tile, corner in zip(told.softmax(1).numpy(), tiling.corner, strict=True):
        there = tuple(slice(first + 4, first + 12) for first in corner)
        total[:, *there] += tile * tent((8, 8, 8))
        weight[there] += tent((8, 8, 8))
    inside = (slice(4, 23), slice(4, 17), slice(4, 9))
    strips = list(predicted.strips(0))
    assert len(strips) == 3 and max(strip.shape[1] for strip in strips) <= 8
    np.testing.assert_allclose(np.concatenate(strips, 1), (total / weight.clip(1e-9))[:, *inside], rtol=1e-4, atol=1e-6)
    assert predicted[0].shape == (19, 13, 5)


def test_tiles_have_fewer_voxels_where_these_are_longer() -> None:
    shapes, spacings = [(256, 256, 40), (250, 240, 44)], [(0.8, 0.8, 5.0), (0.8, 0.8, 5.0)]
    assert Tiling.of(shapes, spacings).side == (96, 96, 32)
    assert Tiling.of(shapes).side == (64, 64, 64)
