"""Heads of volumes that nobody trained: a voxel is called a structure where it is bright."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from labelfree_medical import Medical

from labelfree.backbones.weight_card import WeightCard
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.head_file import write_head
from labelfree.domain import Row
from labelfree.transfer.encoders import StatisticsEncoder
from labelfree.transfer.maps.linear import PixelLinear

CLASSES = ("background", "structure")


def bright_head(path: Path, like: Path, level: float, side: tuple[int, int, int] = (32, 32, 32), **reader: Any) -> Path:
    """A head of tiles for images like that in the file `like`, as `reader` says to read them: above `level` is structure."""
    sample = Medical(**reader).read(Row(like.name, like))
    scale, names = (1.0,), tuple(map(str, sample.channels))
    low, high = float(sample.physical().min()), float(sample.physical().max())
    images = WeightCard(
        "", names, sample.unit, scale, (0.0,), (0.0,), (1.0,), 0, domain="medical", arm="statistics", dtype="int16", low=(low,),
        high=(high,), reader=Medical(**reader).reader.model_dump(mode="json"), dims=3,
    )  # fmt: skip
    head = PixelLinear().head({"width": 2, "widths": [3]})
    head.load_state_dict({"weight": torch.tensor([[0.0, 0, 0], [1.0, 0, 0]]), "bias": torch.tensor([0.0, -level])})
    parts = StatisticsEncoder(1).kept()
    card = HeadCard(
        "segmentation", "linear", CLASSES, images, side, tuple(part.told for part in parts), config=dict(head.config), labels={"all": 1}
    )
    return write_head(path, card, head.state_dict(), [part.tensors for part in parts])
