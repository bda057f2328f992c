"""PatchCore's parts against plain NumPy and scikit-learn, written from the paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from labelfree.transfer.patches import distances
from labelfree.transfer.patches.cells import cells_of
from labelfree.transfer.patches.coreset import k_centres
from labelfree.transfer.patches.distances import nearest
from labelfree.transfer.patches.memory import CoresetHead, scales
from labelfree.transfer.patches.tokens import PatchTokens, around


def vectors(count: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) + 5


def greedy(points: np.ndarray, count: int, first: int) -> list[int]:
    """The definition: always the point whose nearest chosen one is furthest."""
    apart, chosen = cdist(points, points), [first]
    while len(chosen) < count:
        chosen.append(int(apart[:, chosen].min(1).argmax()))
    return chosen


@given(st.integers(2, 60), st.integers(1, 6), st.integers(0, 5))
def test_k_centres_are_the_greedy_ones(count: int, width: int, seed: int) -> None:
    points = vectors(count, width, seed)
    found = k_centres(points, min(10, count), seed).tolist()
    assert found == greedy(points.double().numpy(), min(10, count), found[0])


def test_wide_vectors_are_covered_nearly_as_well_by_their_projections() -> None:
    points = vectors(400, 300)
    chosen = k_centres(points, 40, 0)
    best = greedy(points.numpy(), 40, int(chosen[0]))
    covered = [cdist(points.numpy(), points.numpy()[at]).min(1).max() for at in (chosen.tolist(), best)]
    assert covered[0] < 1.1 * covered[1]


def test_what_repeats_is_kept_once() -> None:
    assert len(k_centres(vectors(3, 4).repeat(5, 1), 10, 0)) == 3


@pytest.mark.parametrize("block", [7, 2**23])
def test_nearest_is_scikit_learns(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "NUMBERS", block)
    kept, asked = vectors(50, 8), vectors(33, 8, seed=1)
    told, which = nearest(asked, kept)
    expected, at = NearestNeighbors(n_neighbors=1).fit(kept.numpy()).kneighbors(asked.numpy())
    assert_allclose(told, expected[:, 0], rtol=1e-5)
    assert which.tolist() == at[:, 0].tolist()


def patchcore(levels: list[np.ndarray], bank: np.ndarray, neighbours: int) -> tuple[np.ndarray, float]:
    """Distances of an image's patches and its score, from levels (C, H, W) that are one grid: sections 3.1 and 3.3, eq. 6 and 7."""
    means = []
    for level in levels:
        padded = np.pad(level, ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        means.append(windows.mean((3, 4)))
    patches = np.concatenate(means).reshape(sum(map(len, levels)), -1).T
    apart = cdist(patches, bank)
    furthest = apart.min(1).argmax()
    score = apart[furthest].min()
    if neighbours:
        support = bank[np.argsort(cdist(bank[apart[furthest].argmin()][None], bank)[0])[:neighbours]]
        exponents = np.exp(cdist(patches[furthest][None], support)[0])
        score *= 1 - np.exp(score) / exponents.sum()
    return apart.min(1).reshape(levels[0].shape[1:]), score


@pytest.mark.parametrize("neighbours", [0, 5])
def test_distances_and_scores_are_the_papers(neighbours: int) -> None:
    draw = np.random.default_rng(0)
    levels = [draw.normal(size=(channels, 6, 5)) for channels in (4, 7)]
    bank = draw.normal(size=(30, 11)) / 2
    head = CoresetHead(30, 11, neighbours)
    head.bank = torch.from_numpy(bank).float()
    parts = PatchTokens((48, 40))([torch.from_numpy(level)[None].float() for level in levels], (48, 40))
    told = head(parts)
    expected, score = patchcore(levels, bank, neighbours)
    assert_allclose(told[0], expected, rtol=1e-4)
    assert_allclose(head.score(parts, told, torch.ones(1, 6, 5, dtype=torch.bool)), [score], rtol=1e-4)


def test_levels_of_a_cnn_are_its_second_and_third_and_lie_on_the_finer_grid() -> None:
    tokens = PatchTokens((64, 96))
    levels = [torch.randn(2, channels, 64 // step, 96 // step) for channels, step in ((3, 4), (5, 8), (7, 16), (9, 32))]
    (found,) = tokens(levels, (64, 96))
    assert found.shape == (2, 12, 8, 12)
    torch.testing.assert_close(found[:, :5], around(levels[1]))


def test_levels_of_a_vit_are_the_last_two() -> None:
    levels = [torch.full((1, 2, 8, 8), float(at)) for at in range(4)]
    (found,) = PatchTokens((128, 128))(levels, (128, 128))
    assert found[0, :, 4, 4].tolist() == [2.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize("shape", [(40,), (32, 20), (16, 24, 8)])
def test_plain_numbers_of_pixels_are_averaged_over_patches_in_any_number_of_axes(shape: tuple[int, ...]) -> None:
    level = torch.randn(2, 3, *shape)
    (found,) = PatchTokens(shape)([level], shape)
    assert found.shape == (2, 3, *(side // 4 for side in shape))
    torch.testing.assert_close(found[0, 0].flatten()[0], level[0, 0][tuple(slice(4) for _ in shape)].mean())


def test_a_network_beside_statistics_counts_as_much_as_they_do() -> None:
    tokens = torch.cat([vectors(500, 6), 1000 * vectors(500, 2, seed=1)], 1)
    centre, scale = scales(tokens, [6, 2], [False, True])
    spread = ((tokens - centre) * scale).var(0, unbiased=False)
    assert_allclose([spread[:6].sum(), spread[6:].sum()], [1, 1], rtol=1e-4)
    assert_allclose(scales(tokens[:, :6], [6], [False])[1], np.ones(6))


def test_a_channel_that_never_changes_says_nothing() -> None:
    tokens = torch.cat([vectors(100, 2), torch.full((100, 1), 0.3)], 1)
    assert scales(tokens, [3], [True])[1][2] == 0


def test_cells_show_the_image_by_half_and_a_narrow_image_has_some() -> None:
    known = np.ones((10, 16), bool)
    known[:, 12:] = False
    assert cells_of(known, (-3, 0), (16, 16), (4, 4)).tolist() == [
        [False] * 4,
        [True, True, True, False],
        [True, True, True, False],
        [False] * 4,
    ]
    assert cells_of(np.ones((1, 16), bool), (-7, 0), (16, 16), (4, 4)).any()
    assert not cells_of(np.zeros((16, 16), bool), (0, 0), (16, 16), (4, 4)).any()
