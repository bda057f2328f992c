"""What the networks of a run see in images of the pool, before any label: pictures for its report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from labelfree.data.pool import Pool, at_even_steps
from labelfree.data.rescaled_pool import RescaledPool
from labelfree.errors import RecipeError
from labelfree.pipeline.confidential import withheld
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs
from labelfree.reporting import TokenGrid, save_tokens
from labelfree.reporting.segment_pictures import colours_of, overlay, plane
from labelfree.transfer.arms import ARMS, is_baseline
from labelfree.transfer.encoders import Encoder, NetworkEncoder
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
    originals = {at: inputs.domain.preview(pool.sample(int(entries[at]))) for at in shown}
    grids = {}
    for encoder in looked_at(encoders):
        try:
            grids[encoder.arm] = list(_grids(encoder, setup.sizes_of(encoder)[-1], pool, entries, originals))
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


def _grids(encoder: NetworkEncoder, size: int, pool: Pool, entries: np.ndarray, originals: dict[int, np.ndarray]) -> Iterator[TokenGrid]:
    """`originals`: positions among `entries` of those that are shown, and their pictures."""
    tokens, attention = list[Tensor](), dict[int, Tensor]()
    with torch.inference_mode():
        for at, entry in enumerate(entries.tolist()):
            x = encoder.shown(pool[entry][None], pool.measured([entry]), size)
            levels = encoder.network.pyramid(x)  # type: ignore[operator]
            tokens.append(levels[seen_level(levels)][0].float().cpu())
            if at in originals and (looks := attention_maps(encoder.network, x)) is not None:  # type: ignore[arg-type]
                attention[at] = looks[0].float().cpu()
    colours, clusters = TokenColours.of(tokens), TokenClusters.of(tokens)
    tints = colours_of([str(cluster) for cluster in range(len(clusters.centres))])
    columns, rows = ["image", "colours", "clusters", "cut", *(["attention"] if attention else [])], []
    for at, image in originals.items():
        seen, shape = tokens[at], tuple(pool[int(entries[at])].shape[1:])
        cut = cut_in_two(clusters.standard(seen[None]), shape)[0].numpy()
        row = [image, _over(image, plane(colours.picture(seen), 1)), overlay(image, plane(clusters.mask(seen, shape)), tints)]
        row += [overlay(image, plane(cut), (None, tints[0])), *([_looks(image, attention[at][0])] if attention else [])]
        rows.append(row)
    yield TokenGrid(f"seen at {size} px" if size else "", columns, rows)
    if attention:
        heads = range(1, min(MOST_HEADS + 1, len(next(iter(attention.values())))))
        of_heads = [[_looks(originals[at], maps[head]) for head in heads] for at, maps in attention.items()]
        yield TokenGrid("attention of each head", [str(head) for head in heads], of_heads)


def _looks(image: np.ndarray, attention: Tensor) -> np.ndarray:
    """(*grid) attention from black to white, as large as the picture `image`."""
    gray = (255 * attention / attention.max()).round().to(torch.uint8).numpy()
    return _over(image, np.repeat(plane(gray)[..., None], 3, axis=2))


def _over(image: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """A picture (h, w, 3) uint8 made as large as `image`."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize(image.shape[1::-1], Image.Resampling.BICUBIC))
