"""Segments that no label made: colours are PCA's, cuts find what is there, clusters are named by the budget's labels alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cluster import KMeans
from torch import Tensor

from labelfree.backbones import build
from labelfree.domain import IGNORE
from labelfree.transfer.maps.base import to_shape
from labelfree.transfer.maps.emergent import Emergent, EmergentCut, names_of
from labelfree.transfer.maps.spectral_cut import MOST_TOKENS, cut_in_two, spectral_cut
from labelfree.transfer.maps.tokens import (
    CELLS,
    Standard,
    TokenClusters,
    TokenColours,
    affinities,
    attention_maps,
    centroids,
    cluster_count,
    sampled,
    seen_level,
    seen_levels,
)

KINDS = 3


def blob(shape: Sequence[int], centre: Sequence[float], radius: float) -> np.ndarray:
    """(*shape) bool: a ball; `centre` and `radius` in shares of a side."""
    place = np.stack(np.meshgrid(*((np.arange(side) + 0.5) / side for side in shape), indexing="ij"), -1)
    return np.asarray(np.linalg.norm(place - np.asarray(centre), axis=-1) < radius)


def tokens_of(kinds: np.ndarray, seed: int, noise: float = 0.2, channels: int = 8) -> Tensor:
    """(C, *grid): what each cell shows, (*grid) whole numbers, as a direction of its own, with noise."""
    directions = np.random.default_rng(0).normal(size=(KINDS, channels))  # the same in every image
    return (
        torch.from_numpy(directions[kinds] + noise * np.random.default_rng(seed + 1).normal(size=(*kinds.shape, channels)))
        .movedim(-1, 0)
        .float()
    )


def scene(seed: int, shape: Sequence[int] = (16, 16)) -> np.ndarray:
    """(*shape) kinds: two balls of kinds 1 and 2 on ground of kind 0."""
    random = np.random.default_rng(seed)
    kinds = np.zeros(tuple(shape), np.int64)
    kinds[blob(shape, random.uniform(0.2, 0.4, len(shape)), 0.2)] = 1
    kinds[blob(shape, random.uniform(0.6, 0.8, len(shape)), 0.2)] = 2
    return kinds


def learn_from(
    images: Sequence[np.ndarray], times: int = 2, tiles: Sequence[int] | None = None, unlabelled: Sequence[int] = (), known: float = 1.0
) -> Any:
    """Scenes as a protocol is given them; a mask has `times` the cells of a token grid. `known`: share of pixels whose class is told."""
    maps = torch.stack([tokens_of(kinds, seed) for seed, kinds in enumerate(images)])
    masks = torch.from_numpy(np.stack([np.kron(kinds, np.ones((times,) * kinds.ndim, np.int64)) for kinds in images]))
    masks[torch.from_numpy(np.random.default_rng(9).random(masks.shape) > known)] = IGNORE
    labelled = np.arange(len(images)) if tiles is None else np.array(tiles)

    def truth(wanted: Sequence[int], mirrored: np.ndarray) -> Tensor:
        assert set(wanted) <= set(labelled.tolist()), "a mask outside the budget was asked for"
        return masks[list(wanted)]

    return SimpleNamespace(
        levels=lambda wanted, mirrored: [maps[list(wanted)]],
        masks=truth,
        tiles=labelled,
        width=KINDS,
        shape=tuple(masks.shape[1:]),
        seen_tiles=np.array(unlabelled) if len(unlabelled) else labelled,
        seed=0,
    )


def test_colours_are_the_main_directions_of_the_whole_set() -> None:
    """Witness: a singular value decomposition."""
    images = [tokens_of(scene(seed, (16, 12 + seed)), seed) for seed in range(4)]
    colours = TokenColours.of(images)
    rows = torch.cat([image.flatten(1).T for image in images]).double()
    _, _, directions = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)
    cosines = torch.from_numpy(colours.axes) @ directions[:3].T
    assert torch.allclose(cosines.abs(), torch.eye(3, dtype=torch.float64), atol=1e-8)
    assert np.allclose(colours.directions(images[0]).reshape(-1, 3), (rows[: 16 * 12] - rows.mean(0)).numpy() @ colours.axes.T, atol=1e-5)


def test_a_kind_has_one_colour_in_all_images() -> None:
    kinds = [scene(seed) for seed in range(5)]
    images = [tokens_of(each, seed, noise=0.02) for seed, each in enumerate(kinds)]
    colours = TokenColours.of(images)
    drawn = np.concatenate([colours.picture(image).reshape(-1, 3) for image in images]).astype(float)
    flat = np.concatenate([each.ravel() for each in kinds])
    means = np.stack([drawn[flat == kind].mean(0) for kind in range(KINDS)])
    assert min(np.linalg.norm(means[a] - means[b]) for a in range(KINDS) for b in range(a)) > 100
    assert max(drawn[flat == kind][:, :2].std(0).max() for kind in range(KINDS)) < 10  # the third direction is noise alone


@pytest.mark.parametrize("tokens", [torch.ones(5, 4, 4), torch.randn(1, 3, 3), torch.randn(2, 1, 1)])
def test_sets_with_few_directions_still_have_colours(tokens: Tensor) -> None:
    picture = TokenColours.of([tokens]).picture(tokens)
    assert picture.shape == (*tokens.shape[1:], 3) and picture.dtype == np.uint8


@pytest.mark.parametrize(("shape", "radius"), [((16, 16), 0.25), ((14, 20), 0.2), ((8, 9, 10), 0.3), ((60, 60), 0.25)])
def test_a_cut_finds_the_blob_and_calls_it_what_stands_out(shape: tuple[int, ...], radius: float) -> None:
    inside = blob(shape, [0.4] * len(shape), radius)
    tokens = tokens_of(inside.astype(int), 3)
    side = cut_in_two(tokens[None], shape)[0].numpy().astype(bool)
    assert (side & inside).sum() / (side | inside).sum() > (0.95 if np.prod(shape) <= MOST_TOKENS else 0.85)  # larger grids are averaged


def test_the_cut_is_the_second_eigenvector_of_the_normalised_laplacian() -> None:
    """Witness: the general eigenproblem (D - W) y = l D y."""
    from scipy.linalg import eigh

    tokens = tokens_of(blob((7, 6), (0.5, 0.5), 0.3).astype(int), 1)
    rows = torch.nn.functional.normalize(tokens.flatten(1).T.double(), dim=1).numpy()
    affinity = np.clip(rows @ rows.T, 1e-5, None)
    degrees = np.diag(affinity.sum(1))
    second = eigh(degrees - affinity, degrees)[1][:, 1]
    second -= second.mean()
    found = spectral_cut(tokens).numpy().ravel()
    assert abs(np.corrcoef(second, found)[0, 1]) > 1 - 1e-6
    assert found.max() == pytest.approx(1.0)  # the largest entry is on the side that stands out


def test_what_nothing_parts_is_not_cut() -> None:
    assert (spectral_cut(torch.ones(4, 6, 6)) == 0).all()
    assert (cut_in_two(torch.ones(1, 4, 1, 2), (3, 3)) == 0).all()


def test_clusters_are_numbered_alike_in_the_whole_set() -> None:
    kinds = [scene(seed) for seed in range(4)]
    images = [tokens_of(each, seed, noise=0.02) for seed, each in enumerate(kinds)]
    clusters = TokenClusters.of(images)
    kind_of: dict[int, set[int]] = {}
    for each, tokens in zip(kinds, images, strict=True):
        for kind, cluster in zip(each.ravel().tolist(), clusters.mask(tokens, (16, 16)).ravel().tolist(), strict=True):
            kind_of.setdefault(cluster, set()).add(kind)
    assert len(kind_of) == 8 and all(len(kinds) == 1 for kinds in kind_of.values())  # a cluster never shows two kinds


def test_between_cells_clusters_are_those_of_interpolated_tokens() -> None:
    tokens, centres = torch.randn(2, 5, 4, 6), torch.randn(7, 5)
    between = to_shape(tokens, (9, 13)).movedim(1, -1).reshape(-1, 5)
    nearest = torch.cdist(between, centres).argmin(1)
    assert torch.equal(to_shape(affinities(tokens, centres), (9, 13)).argmax(1).flatten(), nearest)


def test_centroids_are_those_of_k_means_whatever_the_seed_of_the_process() -> None:
    tokens = sampled([tokens_of(scene(seed), seed) for seed in range(3)])
    centres = centroids(tokens, KINDS)
    np.random.seed(5)  # noqa: NPY002  # ours must not read it
    assert torch.equal(centres, centroids(tokens, KINDS))
    witness = KMeans(KINDS, n_init=10, random_state=1).fit(tokens.numpy()).cluster_centers_
    assert torch.cdist(centres.double(), torch.from_numpy(witness).double()).min(1).values.max() < 1e-3


@pytest.mark.parametrize(("classes", "tokens", "count"), [(2, 10_000, 8), (5, 10_000, 20), (40, 10_000, 64), (2, 40, 5), (2, 3, 1)])
def test_the_number_of_clusters_follows_classes_and_tokens(classes: int, tokens: int, count: int) -> None:
    assert cluster_count(classes, tokens) == count


def test_standardising_leaves_constant_channels_alone() -> None:
    tokens = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    assert torch.equal(Standard.of(tokens)(tokens), torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))


def test_the_level_seen_is_the_last_that_is_fine_enough() -> None:
    def levels(*sides: int) -> list[Tensor]:
        return [torch.zeros(1, 2, side, side) for side in sides]

    assert seen_level(levels(64, 32, 16, 8, 4)) == 2
    assert seen_level(levels(14, 14, 14, 14)) == 3  # a ViT
    assert seen_level(levels(CELLS - 1, 4)) == 0
    assert seen_levels(levels(128, 64, 16, 4), (128, 128)) == (0, 2)  # what each pixel is stands beside
    assert seen_levels(levels(128), (128, 128)) == (0,)
    assert seen_levels(levels(64, 16), (128, 128)) == (1,)


def test_attention_of_a_transformer_and_none_of_a_cnn() -> None:
    x = torch.randn(2, 3, 32, 32)
    vit = build("vit_tiny_patch16_224", 3, options={"depth": 1, "embed_dim": 32, "num_heads": 2, "patch_size": 8}).eval()
    with torch.inference_mode():
        maps = attention_maps(vit, x)
        assert maps is not None and maps.shape == (2, 3, 4, 4)
        assert torch.allclose(maps[:, 0], maps[:, 1:].mean(1)) and torch.allclose(maps.flatten(2).sum(2), torch.ones(2, 3), atol=1e-5)
        assert attention_maps(build("tf_efficientnet_lite0", 3).eval(), x) is None


@pytest.mark.parametrize("known", [1.0, 0.1])
def test_clusters_named_by_one_image_are_right_on_new_ones_of_other_sizes(known: float) -> None:
    fitted = Emergent().fit(learn_from([scene(seed) for seed in range(8)], tiles=[2], unlabelled=range(8), known=known))
    new = scene(50, (20, 24))
    logits = fitted.head([tokens_of(new, 50)[None]], (40, 48))
    assert fitted.converged and fitted.trunk is None
    assert logits.shape == (1, KINDS, 40, 48)
    assert torch.allclose(logits.exp().sum(1), torch.ones(1, 40, 48), atol=1e-5)
    assert (logits.argmax(1)[0].numpy() == np.kron(new, np.ones((2, 2), int))).mean() > 0.97


def test_volumes_are_segmented_alike() -> None:
    fitted = Emergent().fit(learn_from([scene(seed, (8, 8, 8)) for seed in range(4)]))
    new = scene(50, (8, 8, 8))
    assert (fitted.head([tokens_of(new, 50)[None]], (8, 8, 8)).argmax(1)[0].numpy() == new).mean() > 0.95


def test_a_cut_is_named_by_the_labels_of_the_budget() -> None:
    images = [blob((16, 16), (0.3 + 0.05 * seed, 0.5), 0.25).astype(int) for seed in range(6)]
    learn = learn_from([2 * image for image in images], tiles=[0, 3])
    fitted = EmergentCut().fit(learn)
    called = fitted.head([torch.stack([tokens_of(2 * image, seed) for seed, image in enumerate(images)])], (32, 32)).argmax(1)
    truth = torch.from_numpy(np.stack([np.kron(2 * image, np.ones((2, 2), int)) for image in images]))
    assert (called == truth).double().mean() > 0.95


def test_a_volume_is_cut_and_named_as_a_picture_is() -> None:
    """Its sides differ, as those of a volume with thick slices do."""
    shape = (10, 12, 6)
    images = [2 * blob(shape, (0.4 + 0.03 * seed, 0.5, 0.5), 0.35).astype(int) for seed in range(5)]
    fitted = EmergentCut().fit(learn_from(images, times=1, tiles=[0, 3]))
    called = fitted.head([torch.stack([tokens_of(image, seed) for seed, image in enumerate(images)])], shape).argmax(1)
    assert (called == torch.from_numpy(np.stack(images))).double().mean() > 0.95


def test_a_batch_is_called_as_its_images_are() -> None:
    head = Emergent().fit(learn_from([scene(seed, (8, 8, 8)) for seed in range(4)])).head
    maps = torch.stack([tokens_of(scene(seed, (8, 8, 8)), seed) for seed in (7, 8, 9)])
    together = head.segments([maps], (16, 16, 16))
    assert torch.equal(together, torch.cat([head.segments([one[None]], (16, 16, 16)) for one in maps]))


def test_a_cluster_in_which_nothing_is_known_is_called_as_its_nearest() -> None:
    """Only kinds 0 and 1 are labelled; kind 2 is near kind 1 in features."""
    kinds = [scene(seed) for seed in range(6)]
    learn = learn_from([np.where(each == 2, 0, each) for each in kinds[:1]] + kinds[1:], tiles=[0], unlabelled=range(6))
    head = Emergent().fit(learn).head
    assert torch.isfinite(head.votes).all() and (head.votes.argmax(1) < 2).all()


def test_the_same_budget_gives_the_same_head() -> None:
    learn = learn_from([scene(seed) for seed in range(4)])
    first, second = Emergent().fit(learn).head.state_dict(), Emergent().fit(learn).head.state_dict()
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("protocol", [Emergent(), EmergentCut()])
def test_a_head_is_its_config_and_its_tensors(protocol: Any) -> None:
    learn = learn_from([scene(seed) for seed in range(4)])
    fitted = protocol.fit(learn).head
    again = protocol.head(json.loads(json.dumps(fitted.config)))
    again.load_state_dict(fitted.state_dict())
    maps = [tokens_of(scene(7), 7)[None]]
    assert torch.equal(again(maps, (32, 32)), fitted(maps, (32, 32)))


def test_what_each_pixel_is_weighs_as_much_as_what_the_network_says() -> None:
    """The network is blind; the level of single pixels tells all."""
    kinds = np.stack([scene(seed, (32, 32)) for seed in range(4)])
    pixels = torch.stack([tokens_of(each, seed) for seed, each in enumerate(kinds)])
    blind = torch.randn(4, 64, 16, 16, generator=torch.Generator().manual_seed(0)) * 1e-3
    learn: Any = SimpleNamespace(
        levels=lambda wanted, mirrored: [pixels[list(wanted)], blind[list(wanted)]],
        masks=lambda wanted, mirrored: torch.from_numpy(kinds[list(wanted)]),
        tiles=np.arange(4), width=KINDS, seed=0, seen_tiles=np.arange(4), shape=(32, 32),
    )  # fmt: skip
    head = Emergent().fit(learn).head
    assert head.which == (0, 1)
    assert (head([pixels, blind], (32, 32)).argmax(1).numpy() == kinds).mean() > 0.95


def mean_iou(counts: np.ndarray, names: Sequence[int]) -> float:
    """By hand, over the classes that are there."""
    ious = []
    for at in np.flatnonzero(counts.sum(0)):
        called = counts[np.asarray(names) == at]
        ious.append(called[:, at].sum() / (called.sum() + counts[:, at].sum() - called[:, at].sum()))
    return float(np.mean(ious))


@given(arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(2, 4)), elements=st.integers(0, 50)).filter(np.any))
@settings(max_examples=60, deadline=None)
def test_no_other_name_of_a_segment_would_raise_the_mean_iou(counts: np.ndarray) -> None:
    names = names_of(torch.from_numpy(counts)).tolist()
    reached = mean_iou(counts, names)
    assert reached >= mean_iou(counts, counts.argmax(1).tolist()) - 1e-9
    for segment in range(len(counts)):
        for name in range(counts.shape[1]):
            assert mean_iou(counts, [*names[:segment], name, *names[segment + 1 :]]) <= reached + 1e-8


def test_a_class_that_is_rare_everywhere_is_named_where_it_is_least_rare() -> None:
    """A defect in a hundredth of the pixels, and a third of one cluster."""
    assert names_of(torch.tensor([[900, 2], [800, 5], [40, 20]])).tolist() == [0, 0, 1]
    assert names_of(torch.tensor([[0, 0, 0], [2, 900, 30]])).tolist() == [1, 1], "of the first nothing is known"
    assert names_of(torch.zeros(3, 2, dtype=torch.int64)).tolist() == [0, 0, 0]
