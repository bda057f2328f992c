"""Heads of maps and of patches that nobody trained, and scenes to look at with them: what they say is checked against plain arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.head_file import write_head
from labelfree.domain import Sample
from labelfree.transfer.encoders import Encoder, NetworkEncoder, StatisticsEncoder
from labelfree.transfer.maps.base import MapHead
from labelfree.transfer.maps.linear import PixelLinear
from labelfree.transfer.network_inputs import NetworkInput, OfStored
from labelfree.transfer.patches.memory import CoresetHead
from labelfree.transfer.patches.tokens import PatchTokens
from labelfree.transfer.protocols import Head
from labelfree.transfer.tiles.features import input_size
from labelfree.views import Normalise, PerChannel, PerImage

BANDS = ("blue", "green", "red", "nir")
CLASSES = ("background", "water", "wood")
ONES, ZEROS = (1.0,) * 4, (0.0,) * 4
SIDE, KEPT = (64, 64), 40  # of tiles, and how many patches of one are kept


def statistics() -> Encoder:
    return StatisticsEncoder(4)


def network(normalise: Normalise | None = None) -> Encoder:
    torch.manual_seed(0)
    shown = NetworkInput(normalise or PerChannel((1000.0,) * 4, (500.0,) * 4))
    return NetworkEncoder("random", build("test_resnet", 4), OfStored(ONES, ZEROS, shown), (64,))


def by_image() -> Encoder:
    """A network that is shown each image by its own statistics."""
    return network(PerImage())


def map_head(path: Path, encoder: Encoder, side: int = 64, decoder: MapHead | None = None) -> Path:
    """A linear head of pixels with drawn weights, large enough to be sure of something; or one that is given."""
    head = decoder or _linear(encoder, side)
    images = WeightCard(
        encoder.backbone, BANDS, "stored", ONES, ZEROS, (1000.0,) * 4, (500.0,) * 4, encoder.sizes[0] if encoder.sizes else 0,
        domain="satellite", arm=encoder.arm, dtype="uint16", low=ZEROS, high=(3000.0,) * 4, reader={"bands": list(BANDS)},
    )  # fmt: skip
    parts = encoder.kept()
    card = HeadCard(
        "segmentation",
        "frozen" if decoder else "linear",
        CLASSES,
        images,
        (side, side),
        tuple(part.told for part in parts),
        config=dict(head.config),
        labels={"all": 9},
    )
    return write_head(path, card, head.state_dict(), [part.tensors for part in parts])


def _linear(encoder: Encoder, side: int) -> MapHead:
    widths = [level.shape[1] for level in encoder.maps(torch.rand(1, 4, side, side) * 1000, None, (side, side))]
    draw = torch.Generator().manual_seed(1)
    head = PixelLinear().head({"width": len(CLASSES), "widths": widths})
    scale = 1 / 500 if not encoder.sizes else 1.0
    head.load_state_dict({"weight": torch.randn(len(CLASSES), sum(widths), generator=draw) * scale, "bias": torch.zeros(len(CLASSES))})
    return head


def scene(
    path: Path, height: int, width: int, nodata: float | None = None, gap: tuple[slice, slice] | None = None, seed: int = 0
) -> np.ndarray:
    """A GeoTIFF of four bands that vary smoothly, 10 m a pixel; where there is a `gap` nothing is measured. Returns (4, H, W)."""
    import rasterio
    from rasterio.transform import from_origin

    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / draw.uniform(9, 30) + draw.uniform(0, 6)) + np.sin(columns / draw.uniform(9, 30)) for _ in BANDS]
    pixels = (1000 + 350 * np.stack(waves) + draw.normal(0, 20, (4, height, width))).clip(1, 3000).astype(np.uint16)
    if gap is not None:
        pixels[:, *gap] = nodata
    form = {"driver": "GTiff", "count": 4, "height": height, "width": width, "dtype": "uint16", "nodata": nodata, "tiled": True}
    with rasterio.open(path, "w", **form, crs="EPSG:32632", transform=from_origin(500_000, 5_400_000, 10, 10)) as file:
        file.write(pixels)
    return pixels


def vector_head(path: Path, head: Head, classes: tuple[str, ...], **changes: Any) -> Path:
    """A head of vectors on the statistics of four bands, whatever features it really learned from."""
    images = WeightCard("", BANDS, "stored", ONES, ZEROS, (1000.0,) * 4, (500.0,) * 4, 0, domain="satellite", arm="statistics")
    parts = statistics().kept()
    card = HeadCard("classification", head.protocol.name, classes, images, (32, 32), tuple(part.told for part in parts), **changes)
    return write_head(path, card, dict(head.named_buffers()), [part.tensors for part in parts])


def spotted(height: int, width: int, seed: int) -> np.ndarray:
    """Smooth noise with a spot that is unlike the rest."""
    draw = np.random.default_rng(seed)
    made = 1000 + 60 * draw.normal(size=(len(BANDS), height, width))
    made[:, height // 2 : height // 2 + 12, width // 3 : width // 3 + 12] += 700
    return made.astype(np.uint16)


def patch_sample(*shape: int, seed: int = 0) -> Sample:
    return Sample(torch.from_numpy(spotted(*shape, seed)), BANDS, ONES, ZEROS, "stored")


def patch_head(path: Path, encoder: Encoder, neighbours: int, threshold: float | None = None) -> Path:
    """Of patches of one image, as a protocol would keep them."""
    size = encoder.sizes[0] if encoder.sizes else 0
    shown, normal = input_size(SIDE, size), torch.from_numpy(spotted(*SIDE, 7)).float()[None]
    assert isinstance(shown, tuple)
    whole = {"whole": torch.stack([normal.mean((2, 3)) - 40, normal.mean((2, 3)) + 40], 2)} if encoder.by_image else {}
    parts = PatchTokens(shown)(encoder.maps(normal, None, shown, **whole), SIDE)
    tokens = torch.cat(parts, 1).flatten(2)[0].T
    head = CoresetHead(KEPT, tokens.shape[1], neighbours)
    head.scale = torch.full((tokens.shape[1],), 0.1 / float(tokens.std()))  # of far larger distances every weight is 1
    head.bank = (tokens * head.scale)[torch.linspace(0, len(tokens) - 1, KEPT).long()]
    images = WeightCard(
        encoder.backbone, BANDS, "stored", ONES, ZEROS, (1000.0,) * 4, (500.0,) * 4, size, domain="satellite", arm=encoder.arm,
        dtype="uint16", low=ZEROS, high=(3000.0,) * 4, reader={"bands": list(BANDS)},
    )  # fmt: skip
    card = HeadCard(
        "anomaly", "coreset_weighed" if neighbours else "coreset", ("normal", "anomalous"), images, SIDE,
        tuple(part.told for part in encoder.kept()), threshold=threshold, alarm="anomalous", config=dict(head.config), labels={"normal": 1},
    )  # fmt: skip
    return write_head(path, card, head.state_dict(), [part.tensors for part in encoder.kept()])
