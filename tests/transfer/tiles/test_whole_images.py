"""A normalisation by each image's own statistics takes those of the image, whichever part of it is looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelfree.backbones import Backbone
from labelfree.data.pool import Pool, build_pool
from labelfree.domain import Row, Sample
from labelfree.progress import Silent
from labelfree.transfer.encoders import Concatenated, NetworkEncoder, StatisticsEncoder
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.network_inputs import NetworkInput, OfStored
from labelfree.transfer.tiles.features import Asked, Tiles, looked_at, read_maps
from labelfree.transfer.tiles.tiling import Tiling
from labelfree.transfer.tiles.views import TileDraw
from labelfree.views import Augmentation, PerChannel, PerImage, ViewPipeline

SCALE, OFFSET = (2.0, 0.5), (-30.0, 4.0)


class Seen(Backbone):
    """Its features are what it is shown, half as large."""

    def __init__(self) -> None:
        super().__init__(nn.Conv3d(2, 2, 1), "seen", 2, dims=3, dim=2)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        return [x[..., ::2, ::2, ::2]]


def encoder(normalise: nn.Module, order: tuple[int | None, ...] | None = None) -> NetworkEncoder:
    return NetworkEncoder("domain", Seen, OfStored(SCALE, OFFSET, NetworkInput(normalise, order)), [32], name="seen", dim=2)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    """Brighter from slice to slice: no part of it has the statistics of the whole."""
    ramp = np.linspace(0, 3000, 72).reshape(1, -1, 1, 1)
    return (ramp + np.random.default_rng(0).normal(0, 50, (2, 72, 40, 40))).astype(np.int16)


@pytest.fixture(scope="module")
def pool(volume: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("pool")
    (folder / "a").touch()
    sample = Sample(torch.from_numpy(volume), ("x", "y"), SCALE, OFFSET, "stored")
    return build_pool([Row("a", folder / "a")], lambda row: sample, {}, folder / "pools", say=Silent())


def normal(volume: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    return (volume - mean.reshape(2, 1, 1, 1)) / std.reshape(2, 1, 1, 1)


@pytest.fixture(scope="module")
def expected(volume: np.ndarray) -> np.ndarray:
    """The whole volume, normalised as it is looked at in one piece."""
    return normal(volume, volume.mean((1, 2, 3)), volume.std((1, 2, 3), ddof=1))


def tiles_of(pool: Pool) -> Tiles:
    return Tiles(pool, Tiling((32, 32, 32), ((72, 40, 40),)))


@pytest.mark.parametrize("turned", [False, True])
def test_tiles_of_an_evaluation(pool: Pool, expected: np.ndarray, turned: bool) -> None:
    tiles = tiles_of(pool)
    levels, _ = looked_at(encoder(PerImage()), tiles, [0, len(tiles.tiling) - 1], np.full(2, turned), 32)
    for level, corner in zip(levels[0], tiles.tiling.corner[[0, -1]], strict=True):
        part = expected[:, *(slice(first, first + 32) for first in corner)]
        part = part[..., ::-1] if turned else part
        np.testing.assert_allclose(level.numpy(), part[:, ::2, ::2, ::2], atol=2e-3)


def test_channels_chosen_keep_their_own_statistics(pool: Pool, expected: np.ndarray) -> None:
    levels, _ = looked_at(encoder(PerImage(), (1, None)), tiles_of(pool), [0], np.zeros(1, bool), 32)
    np.testing.assert_allclose(levels[0][0, 0].numpy(), expected[1, :32:2, :32:2, :32:2], atol=2e-3)
    assert not levels[0][0, 1].any()


def test_only_a_normalisation_by_image_asks_for_them(pool: Pool) -> None:
    by_set, statistics = encoder(PerChannel((0.0, 0.0), (1.0, 1.0))), StatisticsEncoder(2, scale=SCALE, offset=OFFSET)
    assert not by_set.by_image and not statistics.by_image
    both = Concatenated("both", [encoder(PerImage()), statistics])
    assert both.by_image and len(looked_at(both, tiles_of(pool), [0], np.zeros(1, bool), 32)[0]) == 2


def test_views_of_labelled_tiles(pool: Pool, expected: np.ndarray, tmp_path: Path) -> None:
    tiles, network = tiles_of(pool), encoder(PerImage())
    maps = read_maps(network, tiles, 32, tmp_path, Silent(), asked=Asked(np.array([0]), np.array([0])))
    learn = Learn(
        network=network, maps=maps, all_tiles=tiles, images=np.array([0]), width=2, size=32, steps=1, seed=0, mask_of=lambda _: np.zeros(0)
    )

    class Twice:
        def apply(self, x: Tensor, params: None) -> Tensor:
            return 2 * x

    drawn = learn.inputs([0], np.zeros(1, bool), TileDraw(light=((Twice(), None),)))  # type: ignore[arg-type]
    straight = learn.inputs([0], np.zeros(1, bool))
    np.testing.assert_allclose(straight[0].numpy(), expected[:, :32, :32, :32], atol=2e-3)
    assert (drawn - straight).abs().max() > 0.1, "light stays: it is not divided out again"


def test_views_of_pretraining(pool: Pool, volume: np.ndarray) -> None:
    plain = ViewPipeline(Augmentation(), PerImage(), SCALE, OFFSET)
    tile = torch.from_numpy(volume[None, :, :32, :32, :32])

    def view(whole: Tensor | None) -> Tensor:
        return plain.many(tile, 1, 32, (1.0, 1.0), torch.Generator().manual_seed(0), whole=(whole, None))

    assert view(None).mean().abs() < 0.05 and view(pool.whole([0])).mean() < -0.5


def test_partners_have_their_own(pool: Pool, volume: np.ndarray) -> None:
    plain = ViewPipeline(Augmentation(), PerImage(), SCALE, OFFSET)
    tile = torch.from_numpy(volume[None, :, :32, :32, :32])
    other = pool.whole([0]) + 5000
    draws = torch.Generator().manual_seed(0)
    first, second = plain.many(tile, 2, 32, (1.0, 1.0), draws, partners=tile, whole=(pool.whole([0]), other)).chunk(2)
    assert second.mean() < first.mean() - 1
