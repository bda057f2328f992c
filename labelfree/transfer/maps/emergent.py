"""Emergent segmentation: segments that a network finds without any label, named by the few there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from labelfree.domain import IGNORE
from labelfree.transfer.maps.base import MapHead, MapProtocol, to_shape
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.maps.spectral_cut import cut_in_two
from labelfree.transfer.maps.tokens import MOST, Standard, affinities, averaged, centroids, cluster_count, seen_levels
from labelfree.transfer.tiles.base import Fitted

TILES = 8  # looked at together
MOST_TILES = 500  # that clusters are made of
SIDES = 2  # of a cut
NAMED = (
    "The only labels used are those of the budget's images, to name {}, so that the mean IoU over classes of their known pixels is as high "
    "as renaming one at a time makes it."
)


class SegmentsHead(MapHead):
    """Segments that no label made, each with the class it was named.

    `which`: positions of the levels it reads. `mean`, `std`: (C,), of their channels side by side. `votes`: (S, K), logarithms: one half
    is the segment's name's, the other is shared out as its pixels are.
    """

    mean: Tensor
    std: Tensor
    votes: Tensor

    def __init__(self, width: int, segments: int, which: Sequence[int], channels: int) -> None:
        super().__init__()
        self.config = {"width": width, "segments": segments, "which": list(which), "channels": channels}
        self.which = tuple(which)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        self.register_buffer("votes", torch.zeros(segments, width))

    def forward(self, levels: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
        return self.votes[self.segments(levels, shape)].movedim(-1, 1)

    def segments(self, levels: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
        """(B, *shape) int64: the segment of every pixel."""
        raise NotImplementedError

    def parts(self, levels: Sequence[Tensor]) -> list[tuple[slice, Tensor]]:
        """The standardised levels it reads, each with the channels that are its own."""
        found, start = [], 0
        for level in (levels[at].float() for at in self.which):
            own = slice(start, start + level.shape[1])
            found.append((own, Standard(self.mean[own], self.std[own])(level)))
            start = own.stop
        return found


class ClusterHead(SegmentsHead):
    """A segment is what lies nearest to one of the `centres` (S, C) of clusters: a 1x1 head, whatever the size of an image."""

    centres: Tensor

    def __init__(self, width: int, segments: int, which: Sequence[int], channels: int) -> None:
        super().__init__(width, segments, which, channels)
        self.register_buffer("centres", torch.zeros(segments, channels))

    def segments(self, levels: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
        parts = self.parts(levels)

        def nearest(at: int) -> Tensor:
            """Of one image: of a volume, every voxel's nearness to every centre is hundreds of megabytes."""
            near = [to_shape(affinities(part[at : at + 1], self.centres[:, own]), shape) for own, part in parts]
            return torch.stack(near).sum(0).argmax(1) if len(near) > 1 else near[0].argmax(1)

        return torch.cat([nearest(at) for at in range(len(levels[0]))])


class CutHead(SegmentsHead):
    """Segment 1 is the side of each image's normalised cut that stands out, segment 0 the rest."""

    def segments(self, levels: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
        return cut_in_two(side_by_side([part for _, part in self.parts(levels)]), shape)


class Emergent(MapProtocol):
    """Clusters of tokens over all images at hand, by k-means."""

    name = "emergent"
    words, title = "emergent", "emergent segmentation"
    reading = "emergent segmentation: tokens are clustered without any label, and the labels only say what each cluster is called"
    method = (
        "Emergent: k-means of standardised tokens over all images that may be learned from, labelled or not, four clusters a class "
        f"(8 to 64), assigned between cells by interpolation. {NAMED.format('clusters')}"
    )

    def fit(self, learn: Learn) -> Fitted:
        """A `ClusterHead`."""
        which, standard, tokens = _looked_at(learn)
        centres = centroids(tokens, cluster_count(learn.width, len(tokens)), learn.seed)
        head = ClusterHead(learn.width, len(centres), which, tokens.shape[1])
        head.mean, head.std, head.centres = standard.mean, standard.std, centres
        counts = _counted(head, learn)
        apart = torch.cdist(centres, centres)
        apart[:, counts.sum(1) == 0] = torch.inf  # a cluster in which nothing is known is called as the nearest one that has a name
        head.votes = _votes(counts)[apart.argmin(1)]
        return Fitted(head)

    def head(self, config: Mapping[str, Any]) -> ClusterHead:
        return ClusterHead(**config)


class EmergentCut(MapProtocol):
    """Each image cut in two by the affinities of its tokens."""

    name = "emergent_cut"
    words, title = "emergent cut", "emergent segmentation by a spectral cut"
    reading = "spectral cut: each image is parted in two by its tokens without any label, and the labels only name the two sides"
    method = (
        "Emergent cut: each image is parted in two by the second eigenvector of its tokens' affinities (TokenCut), standardised over "
        f"all images that may be learned from. {NAMED.format('the two sides')}"
    )

    def fit(self, learn: Learn) -> Fitted:
        """A `CutHead`."""
        which, standard, tokens = _looked_at(learn)
        head = CutHead(learn.width, SIDES, which, tokens.shape[1])
        head.mean, head.std = standard.mean, standard.std
        head.votes = _votes(_counted(head, learn))
        return Fitted(head)

    def head(self, config: Mapping[str, Any]) -> CutHead:
        return CutHead(**config)


def side_by_side(parts: Sequence[Tensor]) -> Tensor:
    """Levels (B, C_i, *grid_i) as tokens (B, C, *grid) of the coarsest grid among them: finer ones averaged."""
    grid = min((part.shape[2:] for part in parts), key=max)
    return torch.cat([averaged(part, grid) for part in parts], 1)


def _looked_at(learn: Learn) -> tuple[tuple[int, ...], Standard, Tensor]:
    """Positions of the levels that are read, how their channels are standardised, and standardised tokens (n, C) of them.

    Each level weighs the same, however many channels it has.
    """
    tiles = learn.seen_tiles
    tiles = tiles[:: -(-len(tiles) // MOST_TILES)]
    which: tuple[int, ...] = ()
    widths: list[int] = []
    found = []
    for _, levels in _batches(learn, tiles):
        which = which or seen_levels(levels, learn.shape)
        widths = [levels[at].shape[1] for at in which]
        tokens = side_by_side([levels[at] for at in which]).flatten(2)  # (b, C, n)
        step = -(-tokens.shape[2] * len(tiles) // MOST)
        found.append(tokens[:, :, ::step].transpose(1, 2).flatten(0, 1))
    tokens = torch.cat(found)
    standard = Standard.of(tokens)
    weights = torch.cat([torch.full((width,), width**0.5) for width in widths])
    standard = Standard(standard.mean, standard.std * weights)
    return which, standard, standard(tokens)


def _batches(learn: Learn, tiles: np.ndarray) -> Iterator[tuple[np.ndarray, list[Tensor]]]:
    for start in range(0, len(tiles), TILES):
        some = tiles[start : start + TILES]
        yield some, learn.levels(some, np.zeros(len(some), bool))


def _counted(head: SegmentsHead, learn: Learn) -> Tensor:
    """(S, K) known pixels of the budget in each segment, by class."""
    classes = learn.width
    counts = torch.zeros(len(head.votes) * classes, dtype=torch.int64)
    for tiles, levels in _batches(learn, learn.tiles):
        truth = learn.masks(tiles, np.zeros(len(tiles), bool))
        known = truth != IGNORE
        places = head.segments(levels, learn.shape)[known] * classes + truth[known]
        counts += torch.bincount(places, minlength=len(counts))
    return counts.reshape(-1, classes)


def names_of(counts: Tensor) -> Tensor:
    """(S,) the class of each segment, of whose pixels `counts` (S, K) are known: the highest mean IoU that is found by naming one segment
    otherwise at a time, from what most of its pixels are.

    A majority alone would never name a class that is rare, such as a defect that covers a hundredth of a picture. A segment of which
    nothing is known bears the commonest class.
    """
    names = torch.where(counts.sum(1, keepdim=True) > 0, counts, counts.sum(0)).argmax(1)
    while counts.sum():
        means = _once_renamed(counts, names)
        segment, name = divmod(int(means.argmax()), counts.shape[1])
        if float(means[segment, name]) <= float(means[0, names[0]]) + 1e-9:  # what it is as they are named
            break
        names[segment] = name
    return names


def _once_renamed(counts: Tensor, names: Tensor) -> Tensor:
    """(S, K) mean IoU over the classes of these pixels, once a segment is named a class."""
    pixels, truth = counts.sum(1, keepdim=True), counts.sum(0)
    named, there = one_hot(names, counts.shape[1]), truth > 0
    hit, called = (named * counts).sum(0) - named * counts, (named * pixels).sum(0) - named * pixels  # (S, K), by all other segments
    without = _iou(hit, called, truth) * there
    gained = _iou(hit + counts, called + pixels, truth) * there - without
    return (without.sum(1, keepdim=True) + gained) / there.sum()


def _iou(hit: Tensor, called: Tensor, truth: Tensor) -> Tensor:
    return hit.double() / (called + truth - hit).clamp(min=1)


def _votes(counts: Tensor) -> Tensor:
    """(S, K), of counted pixels and one more that is shared out as all are; see `SegmentsHead`."""
    overall = (counts.sum(0) + 1e-3) / (counts.sum() + 1e-3 * counts.shape[1])
    shares = (counts + overall) / (counts.sum(1, keepdim=True) + 1)
    return ((one_hot(names_of(counts), counts.shape[1]) + shares) / 2).log()
