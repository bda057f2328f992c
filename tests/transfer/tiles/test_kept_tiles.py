"""Features of tiles that are read once, when they are asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from labelfree.progress import Silent
from labelfree.transfer.boxes.strides import reduced
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.tiles.features import Tiles, bytes_each
from labelfree.transfer.tiles.kept_tiles import KeptTiles
from labelfree.transfer.tiles.tiling import Tiling
from tests.transfer.boxes.learning import discs
from tests.transfer.maps.learning import Pictures
from tests.transfer.maps.test_training import network


@pytest.fixture
def tiles() -> Tiles:
    images, _ = discs(6, 0)
    return Tiles(Pictures(images), Tiling.of([(64, 64)] * 6))


class Counted(NetworkEncoder):
    """Notes how many tiles it looked at."""

    looked = 0

    def maps(self, stored, measured, size):  # type: ignore[no-untyped-def]
        self.looked += len(stored)
        return super().maps(stored, measured, size)


def counted() -> Counted:
    return Counted("domain", network, lambda stored, _size, _known: stored.float(), [64], name="made up", dim=24)


def test_each_tile_is_looked_at_once_in_any_order(tiles: Tiles, tmp_path: Path) -> None:
    encoder = counted()
    kept = KeptTiles(encoder, tiles, 64, tmp_path, Silent(), change=reduced)
    kept.read(np.array([4, 1]), np.array([2]))
    assert encoder.looked == 3
    numbers, turned = np.array([2, 4, 1, 4, 0]), np.array([True, False, False, True, False])
    levels = kept.levels(numbers, turned)
    assert encoder.looked == 5
    again = KeptTiles(encoder, tiles, 64, tmp_path, Silent(), change=reduced)
    for mine, theirs in zip(again.levels(numbers, turned), levels, strict=True):
        assert torch.equal(mine, theirs)
    assert encoder.looked == 5

    shown = torch.stack(
        [tiles.pool.images[at].flip(-1) if side else tiles.pool.images[at] for at, side in zip(numbers, turned, strict=True)]
    )
    for mine, theirs in zip(levels, reduced(encoder.maps(shown, None, 64), (64, 64)), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=2e-3, atol=2e-3)  # kept in half precision


def test_other_weights_read_anew(tiles: Tiles, tmp_path: Path) -> None:
    first, second = counted(), counted()
    second.network.net[0].weight.data.mul_(2)
    KeptTiles(first, tiles, 64, tmp_path, Silent(), change=reduced).read(np.array([1]), np.array([], np.int64))
    KeptTiles(second, tiles, 64, tmp_path, Silent(), change=reduced).read(np.array([1]), np.array([], np.int64))
    assert (first.looked, second.looked) == (1, 1)


def test_what_finds_no_room_is_computed_and_the_same(tiles: Tiles, tmp_path: Path) -> None:
    encoder = counted()
    each = bytes_each(encoder, tiles, 64)
    bounded = KeptTiles(encoder, tiles, 64, tmp_path / "bounded", Silent(), room=3.5 * each)
    bounded.read(np.arange(6), np.array([], np.int64))
    sizes = [file.stat().st_size for file in (tmp_path / "bounded").rglob("[0-9].npy")]
    assert 3 * each <= sum(sizes) < 3 * each + 1000, "three tiles and headers"
    numbers, turned = np.array([5, 0, 2, 5]), np.array([False, False, False, True])
    free = KeptTiles(counted(), tiles, 64, tmp_path / "free", Silent())
    for mine, theirs in zip(bounded.levels(numbers, turned), free.levels(numbers, turned), strict=True):
        assert torch.equal(mine, theirs)
    assert bounded.widths == free.widths
