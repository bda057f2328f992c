"""What the networks of a run see in images of the pool, before any label: pictures for its report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from labelfree.data.pool import Pool, at_even_steps
from labelfree.data.rescaled_pool import RescaledPool
from labelfree.domain import Domain, Sample
from labelfree.errors import RecipeError
from labelfree.pipeline.confidential import withheld
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.volume_planes import flat, pictures
from labelfree.reporting import TokenGrid, save_tokens
from labelfree.reporting.segment_pictures import colours_of, overlay
from labelfree.transfer.arms import ARMS, is_baseline
from labelfree.transfer.encoders import Encoder, NetworkEncoder
from labelfree.transfer.maps.base import to_shape
from labelfree.transfer.maps.spectral_cut import cut_in_two
from labelfree.transfer.maps.tokens import TokenClusters, TokenColours, attention_maps, seen_level
from labelfree.transfer.setup import Setup

IMAGES = 4  # shown
SET = 48  # that colours and clusters are made of, those shown among them
MOST_ARMS = 4
MOST_HEADS = 12


def show_tokens(encoders: Sequence[Encoder], setup: Setup, inputs: Inputs, folder: RunFolder) -> None:
    """What the networks that are `looked_at` see in the same images: colours, clusters and the cut of their tokens, a ViT's attention."""
    pool, images = inputs.pool, inputs.images
    if images is not None and (pool.scale, pool.offset) != (images.scale, images.offset):
        pool = RescaledPool(pool, images.scale, images.offset)  # as arms read every image
    entries = np.array(at_even_steps(inputs.entries, SET))
    shown = at_even_steps(np.flatnonzero(~withheld(pool, entries)).tolist(), IMAGES)
    if not shown:
        return
    grids = {}
    for encoder in looked_at(encoders):
        try:
            grids[encoder.arm] = list(_grids(encoder, setup.sizes_of(encoder)[-1], pool, entries, shown, inputs.domain))
        except RecipeError:  # a network without feature maps
            continue
    if grids:
        save_tokens(folder.path, grids)


def looked_at(encoders: Sequence[Encoder]) -> list[NetworkEncoder]:
    """The first seed of every pretrained arm, weight files among them, and of ImageNet's; where there is none, of untrained networks."""
    networks: dict[str, NetworkEncoder] = {}
    for encoder in encoders:
        if isinstance(encoder, NetworkEncoder):
            networks.setdefault(encoder.arm, encoder)
    pretrained = [arm for arm in networks if arm not in ARMS or ARMS[arm].pretrained]
    beside = [arm for arm in networks if is_baseline(arm)] or [arm for arm in networks if arm not in pretrained]
    return [encoder for arm, encoder in networks.items() if arm in pretrained or arm in beside][:MOST_ARMS]


def _grids(
    encoder: NetworkEncoder, size: int, pool: Pool, entries: np.ndarray, shown: Sequence[int], domain: Domain
) -> Iterator[TokenGrid]:
    """`shown`: positions among `entries` of those that pictures are made of."""
    tokens, attention = list[Tensor](), dict[int, Tensor]()
    with torch.inference_mode():
        for at, entry in enumerate(entries.tolist()):
            x = encoder.shown(pool[entry][None], pool.measured([entry]), size)
            levels = encoder.network.pyramid(x)  # type: ignore[operator]
            tokens.append(levels[seen_level(levels)][0].float().cpu())
            if at in shown and (looks := attention_maps(encoder.network, x)) is not None:  # type: ignore[arg-type]
                attention[at] = looks[0].float().cpu()
    colours, clusters = TokenColours.of(tokens), TokenClusters.of(tokens)
    tints = colours_of([str(cluster) for cluster in range(len(clusters.centres))])
    columns, rows, of_heads = ["image", "colours", "clusters", "cut", *(["attention"] if attention else [])], [], []
    for at in shown:
        seen, entry = tokens[at], int(entries[at])
        canvas = Canvas(domain, pool.sample(entry), tuple(pool[entry].shape[1:]))
        cut = cut_in_two(clusters.standard(seen[None]), canvas.shape)[0].numpy()
        row = [canvas.image, canvas.painted(torch.from_numpy(colours.picture(seen)).movedim(-1, 0))]
        row += [canvas.tinted(clusters.mask(seen, canvas.shape), tints), canvas.tinted(cut, (None, tints[0]))]
        if at in attention:
            average, *heads = (canvas.painted(255 * looks[None] / looks.max()) for looks in attention[at][: MOST_HEADS + 1])
            row.append(average)
            of_heads.append(heads)
        rows.append(row)
    yield TokenGrid(f"seen at {size} px" if size else "", columns, rows)
    if of_heads:
        yield TokenGrid("attention of each head", [str(number) for number in range(1, len(of_heads[0]) + 1)], of_heads)


class Canvas:
    """An image of the spatial `shape`, which maps of it are drawn over; a volume by its middle planes, as its domain shows volumes."""

    def __init__(self, domain: Domain, sample: Sample, shape: tuple[int, ...]) -> None:
        self.domain, self.sample, self.shape = domain, sample, shape
        self.image, _ = pictures(domain, sample, {}, self._middle)

    def tinted(self, numbers: np.ndarray, tints: Sequence[str | None]) -> np.ndarray:
        """The image under a map (*shape) of whole numbers, each in its colour."""
        return overlay(self.image, self._flat(numbers), tints)

    def painted(self, channels: Tensor) -> np.ndarray:
        """A map (3, *grid), or (1, *grid) in gray, of numbers from 0 to 255, as large as the image: (H, W, 3) uint8."""
        fine = channels.float() if len(self.shape) == 2 else to_shape(channels.float()[None], self.shape)[0]  # a plane is cut from voxels
        drawn = np.stack([self._flat(channel) for channel in fine.round().numpy().astype(np.int32)], axis=2).clip(0, 255)
        picture = Image.fromarray(drawn.astype(np.uint8).repeat(3 // drawn.shape[2], axis=2))
        return np.asarray(picture.resize(self.image.shape[1::-1], Image.Resampling.BICUBIC))

    def _flat(self, numbers: np.ndarray) -> np.ndarray:
        """(*spatial) to (h, w)."""
        return flat(self.domain, self.sample, numbers, self._middle)

    @property
    def _middle(self) -> tuple[int, ...]:
        return tuple(side // 2 for side in self.shape)
