"""Whole images judged by their patches: tiles, gaps and padding, pictures and volumes, and the same from a head's file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

import labelfree
from labelfree.backbones.weight_card import WeightCard
from labelfree.data.pool import Pool, build_pool
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.head_file import write_head
from labelfree.deploy.loading import load_head
from labelfree.domain import Row, Sample
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.transfer.encoders import Encoder, StatisticsEncoder
from labelfree.transfer.maps.base import to_shape
from labelfree.transfer.patches.cells import cells_of
from labelfree.transfer.patches.heat import Seen, at_pixels, heat_map
from labelfree.transfer.patches.learning import LearnPatches
from labelfree.transfer.patches.memory import Coreset, CoresetHead
from labelfree.transfer.patches.prediction import PredictedPatches
from labelfree.transfer.patches.tokens import PatchTokens
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.features import Tiles, input_size
from labelfree.transfer.tiles.kept_tiles import KeptTiles
from labelfree.transfer.tiles.tiling import Tiling
from tests.deploy.made_heads import BANDS, ONES, ZEROS, network, patch_head, patch_sample, statistics

SPOT = (slice(70, 84), slice(40, 54))  # where the last image is not as the others are
GAP = (slice(0, 40), slice(60, 90))  # where it is not measured, and holds what none does


def samples(shape: tuple[int, ...], channels: int, spot: tuple[slice, ...], gap: tuple[slice, ...]) -> list[Sample]:
    """Smooth noise; the last image has a bright spot, and a gap that is filled with much more."""
    made = []
    for at in range(4):
        draw = np.random.default_rng(at)
        pixels = (1000 + 60 * draw.normal(size=(channels, *shape))).astype(np.uint16)
        measured = None
        if at == 3:
            pixels[:, *spot] += 900
            pixels[:, *gap] = 30_000
            measured = torch.ones(shape, dtype=torch.bool)
            measured[gap] = False
        made.append(Sample(torch.from_numpy(pixels), BANDS[:channels], ONES[:channels], ZEROS[:channels], "stored", measured=measured))
    return made


def pool_of(images: list[Sample], folder: Path) -> Pool:
    rows = []
    for at in range(len(images)):
        (folder / f"{at}").touch()
        rows.append(Row(f"{at}", folder / f"{at}"))
    return build_pool(rows, lambda row: images[int(row.id)], {}, folder / "pools", say=Silent(), max_skipped=1.0)


def learned(
    pool: Pool, encoder: Encoder, side: tuple[int, ...], folder: Path
) -> tuple[Fitted[CoresetHead], PredictedPatches, tuple[int, ...]]:
    """A head of the first three images, and what it says of the last two."""
    tiles = Tiles(pool, Tiling(side, tuple(map(tuple, pool.index.shape.tolist()))))
    size = encoder.sizes[0] if encoder.sizes else 0
    shown = input_size(side, size)
    assert isinstance(shown, tuple)
    maps = KeptTiles(encoder, tiles, size, folder / "features", Silent(), change=PatchTokens(shown))
    plain = (not encoder.sizes,)
    learn = LearnPatches(
        network=None, maps=maps, all_tiles=tiles, images=np.arange(3), width=2, size=size, steps=None, seed=0, plain=plain
    )  # fmt: skip
    fitted = Coreset().fit(learn)
    told = PredictedPatches(fitted, tiles, np.array([2, 3]), lambda numbers: maps.levels(numbers, np.zeros(len(numbers), bool)))
    return fitted, told, shown


@pytest.fixture(scope="module", params=[statistics, network], ids=["statistics", "network"])
def judged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Encoder, list[Sample], Fitted[CoresetHead], PredictedPatches, Path]:
    folder, encoder = tmp_path_factory.mktemp("judged"), request.param()
    images = samples((110, 90), 4, SPOT, GAP)
    fitted, told, _ = learned(pool_of(images, folder), encoder, (64, 64), folder)
    return encoder, images, fitted, told, folder


Judged = tuple[Encoder, list[Sample], Fitted[CoresetHead], PredictedPatches, Path]


def test_the_spot_is_found_and_a_gap_says_nothing(judged: Judged) -> None:
    _, _, _, told, _ = judged
    assert told.score(1) > 1.3 * told.score(0)
    heat = told.heat(1)
    assert np.isnan(heat[GAP]).all() and np.isfinite(np.delete(heat, np.s_[:40], 0)).all()
    assert heat[SPOT].mean() > 1.3 * np.nanmedian(heat)


def test_a_head_s_file_says_the_same(judged: Judged, tmp_path: Path) -> None:
    encoder, images, fitted, told, _ = judged
    size = encoder.sizes[0] if encoder.sizes else 0
    card = HeadCard(
        "anomaly", "coreset", ("normal", "anomalous"),
        WeightCard(encoder.backbone, BANDS, "stored", ONES, ZEROS, (1000.0,) * 4, (500.0,) * 4, size, domain="satellite", arm=encoder.arm,
                   dtype="uint16", low=ZEROS, high=(3000.0,) * 4, reader={"bands": list(BANDS)}),
        (64, 64), tuple(part.told for part in encoder.kept()), threshold=(told.score(0) + told.score(1)) / 2, alarm="anomalous",
        config=dict(fitted.head.config), labels={"normal": 3},
    )  # fmt: skip
    file = write_head(tmp_path / "head.safetensors", card, fitted.head.state_dict(), [part.tensors for part in encoder.kept()])
    head = load_head(file)
    for at, anomalous in ((0, False), (1, True)):
        said = head.predict(images[2 + at])
        assert said.score == pytest.approx(told.score(at), rel=1e-3) and said.anomalous is anomalous  # kept features have half precision
        np.testing.assert_allclose(said.heat, told.heat(at), atol=0.01 * told.score(at))
    with pytest.raises(DataError, match="channels"):
        head.predict(Sample(images[0].data[:3], BANDS[:3], ONES[:3], ZEROS[:3], "stored"))


def test_what_fills_a_gap_is_not_scored() -> None:
    known, gap = np.ones((64, 64), bool), np.zeros((64, 64), bool)
    gap[:16, 32:] = True
    cells = cells_of(known & ~gap, (0, 0), (64, 64), (8, 8), gap)
    assert not cells[:3, 3:].any() and cells[3:].all() and cells[:, :3].all()  # nor what lies beside it, whose mean it is part of
    assert cells_of(known, (0, 0), (64, 64), (8, 8)).all()


def test_a_volume_is_judged_as_a_picture_is(tmp_path: Path) -> None:
    spot, gap = (slice(8, 16),) * 3, (slice(0, 4),) * 3
    images = samples((24, 20, 20), 1, spot, gap)
    _, told, _ = learned(pool_of(images, tmp_path), StatisticsEncoder(1), (16, 16, 16), tmp_path)
    heat = told.heat(1)
    assert heat.shape == (24, 20, 20) and np.isnan(heat[gap]).all() and told.score(1) > 1.3 * told.score(0)
    assert all(8 <= at < 16 for at in np.unravel_index(np.nanargmax(heat), heat.shape))


@pytest.mark.parametrize("shape", [(20, 30), (16, 400), (5, 64)])
def test_images_smaller_than_a_tile_and_narrow_ones_have_maps_of_their_own_size(shape: tuple[int, int], tmp_path: Path) -> None:
    images = samples(shape, 2, (slice(0, 5), slice(4, 12)), (slice(0, 1), slice(0, 1)))
    _, told, _ = learned(pool_of(images, tmp_path), StatisticsEncoder(2), (32, 32), tmp_path)
    assert told.heat(0).shape == shape and told.score(1) > 10 > told.score(0)


@pytest.mark.parametrize(("side", "grid"), [((40,), (5,)), ((24, 40), (6, 5)), ((16, 12, 8), (4, 4, 2))])
def test_maps_are_smoothed_as_scipy_smooths_them_over_what_is_known(side: tuple[int, ...], grid: tuple[int, ...]) -> None:
    from scipy.ndimage import gaussian_filter

    draw = np.random.default_rng(0)
    distances, known = draw.random(grid, np.float32), draw.random(side) > 0.2
    every = torch.ones(1, *grid, dtype=torch.bool)
    plain = to_shape(torch.from_numpy(distances)[None, None], side)[0, 0].numpy()
    sigma = [length / count / 2 for length, count in zip(side, grid, strict=True)]
    total, weight = (gaussian_filter(each.astype(np.float32), sigma, mode="constant") for each in (np.where(known, plain, 0), known))
    told = at_pixels(torch.from_numpy(distances)[None], every, torch.from_numpy(known)[None])[0].numpy()
    np.testing.assert_allclose(told[known], (total / weight)[known], rtol=1e-4)


def test_a_map_of_a_large_image_takes_little_more_than_its_four_bytes_a_pixel(tmp_path: Path) -> None:
    """Read in slices, as scenes are: a column of 3,000 rows of pixels."""
    head = labelfree.load_head(patch_head(tmp_path / "head.safetensors", statistics(), 0))
    size = (3000, 200)

    def read(start: int, stop: int) -> Sample:
        return patch_sample(stop - start, size[1], seed=start)

    head.judged(lambda start, stop: patch_sample(stop - start, 64), (64, 64))  # what is imported and kept for every image
    tracemalloc.start()
    heat = head.judged(read, size).heat
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert heat.shape == size and heat.dtype == np.float32 and np.isfinite(heat).all()
    assert peak < 7 * heat.size, f"{peak / heat.size:.1f} bytes a pixel"


def test_a_map_is_flat_where_distances_are_and_tiles_meet_without_a_seam() -> None:
    known = np.ones((40, 72), bool)
    known[:3] = False
    tiles = [Seen((0, left), np.full((5, 5), 2.0, np.float32), np.ones((5, 5), bool)) for left in (0, 16, 32)]
    heat = heat_map(tiles, (40, 40), known)
    np.testing.assert_allclose(heat[3:], 2.0, rtol=1e-5)
    assert np.isnan(heat[:3]).all()
