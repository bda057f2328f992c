"""A large image is its tiles: what one of them alone shows stays, and nothing else depends on where images are cut or kept."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from labelfree.domain import to_physical
from labelfree.errors import RecipeError
from labelfree.progress import Silent
from labelfree.recipe import Evaluate
from labelfree.transfer.encoders import Concatenated, Encoder, NetworkEncoder, StatisticsEncoder
from labelfree.transfer.features import extract
from labelfree.transfer.network_inputs import NetworkInput, OfStored
from labelfree.transfer.tasks.registry import check_question
from labelfree.transfer.tiles.pooled import PooledTiles, in_tiles
from labelfree.transfer.tiles.tiling import covering, cut, tiles_of
from labelfree.views import Normalise, PerChannel, PerImage

SIDE = 8


class Kept:
    """Images of any size as a pool keeps them, uint16, and where they are measured."""

    scale, offset, uniform = (1.0, 1.0), (0.0, 0.0), False

    def __init__(self, *shapes: tuple[int, int], gaps: bool = False) -> None:
        draw = np.random.default_rng(4)
        self.images = [draw.integers(0, 4096, (2, *shape), np.uint16) for shape in shapes]
        self.masks = [np.arange(image[0].size).reshape(image[0].shape) >= 9 * image.shape[2] for image in self.images] if gaps else None

    def __len__(self) -> int:
        return len(self.images)

    def pixels(self, entry: int) -> np.ndarray:
        return self.images[entry]

    def measured(self, entries: list[int]) -> Tensor | None:
        return None if self.masks is None else torch.from_numpy(np.stack([self.masks[entry] for entry in entries]))


class Net(nn.Module):
    """The mean of each channel, as large as the network is told to make it."""

    dim, name = 2, "net"

    def embed(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def network(normalise: Normalise | None = None) -> NetworkEncoder:
    reads = OfStored((1.0, 1.0), (0.0, 0.0), NetworkInput(normalise or PerChannel((0.0, 0.0), (1.0, 1.0))))
    return NetworkEncoder("imagenet", Net(), reads, [SIDE])


def tiles(pixels: np.ndarray) -> Tensor:
    """(t, C, SIDE, SIDE), by the rule that segmentation cuts by."""
    corners = product(*(covering(length, SIDE) for length in pixels.shape[1:]))
    return torch.from_numpy(np.stack([cut(pixels, corner, (SIDE, SIDE)) for corner in corners]).astype(np.float32))


@given(st.integers(3, 40), st.integers(3, 40))
def test_the_largest_of_tiles_at_their_own_size_and_how_far_it_is_above_their_mean(height: int, width: int) -> None:
    pool = Kept((height, width))
    told = tiles(pool.images[0]).mean((2, 3))
    assert len(told) == tiles_of((height, width), (SIDE, SIDE))
    found = PooledTiles(network(), SIDE).features(pool, [0], SIDE)  # type: ignore[arg-type]
    np.testing.assert_allclose(found[0], torch.cat([told.amax(0), told.amax(0) - told.mean(0)]).numpy(), rtol=1e-5, atol=1e-2)


def test_a_bright_spot_stays_visible_however_large_the_image() -> None:
    """Of one tile in hundreds a mean keeps next to nothing, the largest all, and above the mean nothing else is left."""
    image = np.full((2, 200, 200), 100, np.uint16)
    spotted = image.copy()
    spotted[:, 60:64, 60:64] = 4000
    plain, marked = (PooledTiles(network(), SIDE).embed(torch.from_numpy(each[None]), SIDE)[0] for each in (image, spotted))
    assert plain.tolist() == [100, 100, 0, 0]
    assert (marked - plain).min() > 0.9 * (4000 - 100) * 16 / SIDE**2


def test_memory_holds_some_tiles_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, encoder = Kept((70, 45)), network()
    at_once = PooledTiles(encoder, SIDE).features(pool, [0], SIDE)  # type: ignore[arg-type]
    seen: list[int] = []
    embed = encoder.embed
    monkeypatch.setattr(encoder, "embed", lambda stored, *more: seen.append(len(stored)) or embed(stored, *more))
    monkeypatch.setattr("labelfree.transfer.tiles.pooled.PIXELS", 7 * SIDE**2)
    np.testing.assert_allclose(PooledTiles(encoder, SIDE).features(pool, [0], SIDE), at_once, rtol=1e-6)  # type: ignore[arg-type]
    assert max(seen) == 7 and sum(seen) == tiles_of((70, 45), (SIDE, SIDE))


def test_tiles_without_a_measurement_are_left_out() -> None:
    """The first nine rows of pixels are unknown, so the uppermost tiles show nothing."""
    pool = Kept((40, 20), gaps=True)
    assert pool.masks is not None
    pool.images[0][:, ~pool.masks[0]] = 60000
    found = PooledTiles(StatisticsEncoder(2), SIDE).features(pool, [0], 0)  # type: ignore[arg-type]
    assert found[0, :2].max() < 4096


@pytest.mark.parametrize("by_image", [False, True])
def test_an_image_says_the_same_in_a_pool_and_alone(by_image: bool) -> None:
    """A normalisation by image takes the statistics of the whole of it for each tile."""
    pool, encoder = Kept((30, 50), (9, 5)), PooledTiles(network(PerImage() if by_image else None), SIDE)
    of_pool = encoder.features(pool, [1, 0], SIDE)  # type: ignore[arg-type]
    for row, entry in zip(of_pool, (1, 0), strict=True):
        alone = encoder.embed(torch.from_numpy(pool.images[entry][None]), SIDE)[0]
        np.testing.assert_array_equal(alone.numpy(), row)
    if by_image:
        physical = to_physical(torch.from_numpy(pool.images[0].astype(np.float32)[None]), pool.scale, pool.offset)
        normal = PerImage()(physical)[0].numpy()
        np.testing.assert_allclose(of_pool[1, :2], tiles(normal).mean((2, 3)).amax(0).numpy(), atol=1e-4)


def test_parts_are_pooled_each_and_kept_with_their_tile(tmp_path: Path) -> None:
    pool, both = Kept((30, 20)), Concatenated("imagenet+statistics", [network(), StatisticsEncoder(2)])
    made = in_tiles(both, SIDE)
    assert isinstance(made, Concatenated) and made.blocks == (2, 2, 4, 4) and in_tiles(both, None) is both
    assert len({encoder.digest for encoder in (both, made, in_tiles(both, 2 * SIDE))}) == 3  # features on disk are theirs alone
    features = extract(made, pool, SIDE, tmp_path, Silent())  # type: ignore[arg-type]
    assert features.shape == (1, 12) and len(list(tmp_path.iterdir())) == 2
    statistics: Encoder = in_tiles(StatisticsEncoder(2), SIDE)
    assert [part.told["tile"] for part in statistics.kept()] == [SIDE]


def test_what_cannot_be_asked_of_tiles_is_refused() -> None:
    tiled = Evaluate(tile=256)
    check_question(tiled)
    with pytest.raises(RecipeError, match="evaluate.tile: finetune trains its network on whole images"):
        check_question(tiled.model_copy(update={"protocols": ["linear", "finetune"]}))
    with pytest.raises(RecipeError, match="evaluate.tile: segmentation is asked by tiles already"):
        asked = {"task": "segmentation", "protocols": ["frozen"]}
        check_question(tiled.model_copy(update=asked))
