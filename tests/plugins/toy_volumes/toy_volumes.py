"""A field whose images are small volumes of ragged size, and a 3D network, as a third party would write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labelfree.domain import Defaults, Fingerprint, Row, Sample
from labelfree.errors import DataError
from labelfree.views import Augmentation, Dihedral, Noise, SharedGain, ValueWindow

SHAPES = ("ball", "rod")
READING = Lock()  # numpy parses headers as Python, which 3.11 gets wrong in several threads (CPython issue 106905)
SPACING = (2.0, 1.0, 1.0)  # millimetres: slices are thick


class ToyVolumes:
    """`.npz` files with `voxels` (D, H, W) and `spacing`, in an arbitrary unit."""

    name = "toy_volumes"

    def settings(self) -> Mapping[str, Any]:
        return {"domain": self.name}

    def files(self, root: Path) -> list[Path]:
        return sorted(root.rglob("*.npz"))

    def read(self, row: Row) -> Sample:
        try:
            with READING, np.load(row.path) as file:
                voxels, spacing = torch.from_numpy(file["voxels"]), tuple(map(float, file["spacing"]))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{row.path}: is no volume ({error}); write it again.") from error
        return Sample(voxels[None], ("ct",), (1.0,), (-1000.0,), "toy", spacing=spacing, source=row.id)

    def recognises(self, sample: Sample) -> str | None:
        return "it is a volume" if sample.data.ndim == 4 else None

    def rgb(self, channels: Sequence[str]) -> None:
        return None

    def matches(self, channels: Sequence[str], known: Sequence[str], once: bool = False) -> tuple[int | None, ...]:
        return tuple(known.index(name) if name in known else None for name in channels)

    def render(self, x: Tensor, channels: Sequence[str], unit: str, measured: Tensor | None = None) -> None:
        return None

    def augment(self, fingerprint: Fingerprint) -> Augmentation:
        flips = Dihedral(axes=(-1, -2, -3), transpose=False)
        return Augmentation([flips], [SharedGain(0.1), Noise((0.0, 30.0))], global_scale=(0.4, 1.0), local_scale=(0.1, 0.4))

    def normalise(self, fingerprint: Fingerprint) -> ValueWindow:
        return ValueWindow(-500, 1500)

    def missing(self, channels: Sequence[str]) -> list[str]:
        return []

    def plan(self, fingerprint: Fingerprint) -> Defaults:
        return {}

    def preview(self, sample: Sample) -> np.ndarray:
        """The slice in the middle."""
        plane = sample.physical()[0, sample.data.shape[1] // 2]
        low, high = plane.min(), plane.max()
        gray = ((plane - low) / (high - low).clamp(min=1) * 255).byte().numpy()
        return np.repeat(gray[..., None], 3, axis=-1)

    def generate(self, directory: Path, seed: int = 0, variant: str = "") -> None:
        """16 volumes without a label, 12 to learn from and 12 that are scored."""
        directory.mkdir(parents=True, exist_ok=True)
        draw, lines = np.random.default_rng(seed), ["path,label,split"]
        for number in range(40):
            split = "pretrain" if number < 16 else "train" if number < 28 else "test"
            shape = SHAPES[number % 2]
            np.savez(directory / f"{number:02d}.npz", voxels=volume(draw, shape), spacing=SPACING)
            lines.append(f"{number:02d}.npz,{'' if split == 'pretrain' else shape},{split}")
        (directory / "splits.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def volume(draw: np.random.Generator, shape: str) -> np.ndarray:
    """(D, H, W) uint16 of no fixed size: bright balls or rods in noise."""
    size = (int(draw.integers(12, 18)), int(draw.integers(24, 36)), int(draw.integers(24, 36)))
    at = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1) * SPACING
    voxels = draw.normal(1000, 60, size)
    for _ in range(6):
        apart = at - draw.uniform(0, np.array(size) * SPACING)
        apart = apart if shape == "ball" else apart[..., 1:]  # a rod runs along the slices
        voxels += 500 * np.exp(-np.square(apart).sum(-1) / 18)
    return voxels.clip(0, 4000).astype(np.uint16)


class Block(nn.Module):
    """Two convolutions beside a shortcut, half the side (He et al. 2016, arXiv:1512.03385)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv3d(before, after, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm3d(after),
            nn.ReLU(),
            nn.Conv3d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm3d(after),
        )
        self.shortcut = nn.Conv3d(before, after, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.convolutions(x) + self.shortcut(x))


def small_resnet(channels: int, width: int = 8) -> nn.Module:
    """Three blocks; gives its last map."""
    return nn.Sequential(Block(channels, width), Block(width, 2 * width), Block(2 * width, 4 * width))
