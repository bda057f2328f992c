"""Two views of volumes for pretraining, samples a second on one thread: our pool and view pipeline beside MONAI's CacheDataset.

    OMP_NUM_THREADS=1 python benchmarks/volume_views.py

The volumes are generated, MR-like, 96 × 96 × 96 voxels of int16 in NIfTI files; both hold them decoded before anything is timed, ours in a
memory-mapped pool as they are stored, MONAI's as tensors. Of each both make two views of 64 × 64 × 64 by the same steps with the same
probabilities and strengths: a crop of half the volume to all of it, resized; a flip; a turn and a scale; contrast and gamma; a bias
field; noise; a blur; mean 0 and spread 1. MONAI's are dictionary transforms, one sample after the other, collated by its DataLoader into
batches as large as ours. Batches of both take turns, so that both meet the same machine; the ratio is that of the sums. Cells that
benchmarks/results/volume_views.csv holds for the same machine, commit and versions are not measured again.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from cells import RESULTS, append, found, place
from labelfree_medical import Medical
from torch import Tensor

from labelfree.data.pool import build_pool
from labelfree.domain import Row
from labelfree.progress import Silent
from labelfree.views import Affine, Augmentation, BiasField, Blur, Contrast, Dihedral, Gamma, Noise, PerImage, ViewPipeline

TABLE = RESULTS / "volume_views.csv"
DEPENDS = ("labelfree/views", "labelfree/data", "domains/labelfree_medical", "benchmarks/volume_views.py")
PLANES = ((-3, -2), (-3, -1), (-2, -1))
DEGREES, ZOOM, BIAS = 10.0, 0.1, 0.4


@dataclass(frozen=True)
class Work:
    """`count` volumes of `side` voxels along each axis, views of `view`; `batches` of `batch` volumes are timed."""

    count: int = 32
    side: int = 96
    view: int = 64
    batch: int = 8
    batches: int = 20


def main() -> None:
    work = Work()
    cell = {name: str(getattr(work, name)) for name in ("count", "side", "view", "batch", "batches")}
    cell |= place("monai", "nibabel", "numpy", "torch", depends=DEPENDS)
    if found(TABLE, cell) is None:
        print(f"Expected: about 5 minutes; {2 * work.batches * work.batch} volumes, two views of each.", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            append(TABLE, cell | {name: f"{rate:.2f}" for name, rate in rates(work, Path(folder)).items()})
    row = found(TABLE, cell)
    assert row is not None
    ratio = float(row["labelfree"]) / float(row["MONAI"])
    print("| | volumes/s, two views each |\n|---|---|")
    print(f"| labelfree | {row['labelfree']} |\n| MONAI | {row['MONAI']} |\n\nratio {ratio:.2f}")


def rates(work: Work, folder: Path) -> dict[str, float]:
    """Volumes a second of each, both views made, batch by batch in turn; the first batch of each is not timed."""
    files = written(work, folder)
    makers = {"labelfree": by_labelfree(work, files, folder), "MONAI": by_monai(work, files)}
    seconds = dict.fromkeys(makers, 0.0)
    for number in range(work.batches + 1):
        for name, batches in makers.items():
            begun = time.perf_counter()
            views = next(batches)
            if number:
                seconds[name] += time.perf_counter() - begun
            assert views.shape == (2 * work.batch, 1, *(work.view,) * 3), f"{name} made {tuple(views.shape)}"
    return {name: work.batches * work.batch / spent for name, spent in seconds.items()}


def written(work: Work, folder: Path) -> list[Path]:
    """A head in air, each a little larger than the one before, with noise."""
    draw = np.random.default_rng(0)
    index = np.stack(np.meshgrid(*[np.linspace(-1, 1, work.side)] * 3, indexing="ij"))
    files = [folder / f"{number:03}.nii" for number in range(work.count)]
    for number, file in enumerate(files):
        head = (index**2).sum(axis=0) < 0.5 + 0.3 * number / work.count
        data = head * (400 + 100 * index[0]) + np.abs(draw.normal(0, 20, head.shape))
        nibabel.save(nibabel.Nifti1Image(data.astype(np.int16), np.eye(4)), file)
    return files


def by_labelfree(work: Work, files: list[Path], folder: Path) -> Iterator[Tensor]:
    """As pretraining makes them: (2 * batch, 1, view, view, view), without end."""
    domain = Medical()
    pool = build_pool([Row(file.name, file) for file in files], domain.read, domain.settings(), folder / "pool", say=Silent())
    turn = Affine(DEGREES, (1 - ZOOM, 1 + ZOOM), planes=PLANES, spacing=(1.0, 1.0, 1.0), p=0.5)
    photometric = [Contrast(0.2, p=0.5), Gamma((0.8, 1.25), p=0.3), BiasField((0.0, BIAS), p=0.3)]
    views = Augmentation(
        [Dihedral(axes=(-3,), transpose=False), turn],
        [*photometric, Noise((0.0, 20.0), p=0.3), Blur((0.5, 1.0), p=0.2)],
        global_scale=(0.5, 1.0),
        overlap=0.5,
    )
    pipeline = ViewPipeline(views, PerImage(), pool.scale, pool.offset)
    draws, chosen = torch.Generator().manual_seed(0), np.random.default_rng(0)
    while True:
        stored = pool.batch(chosen.choice(len(pool), work.batch, replace=False))
        yield torch.cat([view.normal for view in pipeline.multi_crop(stored, (2, 0), (work.view, work.view), draws)])


def by_monai(work: Work, files: list[Path]) -> Iterator[Tensor]:
    """As MONAI's tutorials of self-supervised pretraining make two views: the cached image copied, each copy changed by itself."""
    from monai.data import CacheDataset, DataLoader
    from monai.transforms import Compose, CopyItemsd, EnsureChannelFirstd, LoadImaged

    copied = [LoadImaged("first"), EnsureChannelFirstd("first"), CopyItemsd("first", names=["second"])]
    steps = Compose([*copied, *random_steps("first", work), *random_steps("second", work)]).set_random_state(0)
    images = CacheDataset([{"first": str(file)} for file in files], steps, cache_rate=1.0, num_workers=1, progress=False)
    while True:
        for batch in DataLoader(images, batch_size=work.batch, shuffle=True, drop_last=True, num_workers=0):
            views: Any = torch.cat([batch["first"], batch["second"]])  # MONAI's own kind of tensor
            yield views.as_tensor()


def random_steps(key: str, work: Work) -> list[Any]:
    """MONAI's own of what `by_labelfree` does."""
    from monai import transforms as t

    turn, smallest = math.radians(DEGREES), round(0.5 ** (1 / 3) * work.side)
    return [
        t.RandSpatialCropd(key, roi_size=(smallest,) * 3, max_roi_size=(work.side,) * 3, random_size=True),
        t.Resized(key, spatial_size=(work.view,) * 3, mode="trilinear"),
        t.RandFlipd(key, prob=0.5, spatial_axis=0),
        t.RandAffined(key, prob=0.5, rotate_range=(turn,) * 3, scale_range=(ZOOM,) * 3, mode="bilinear", padding_mode="border"),
        t.RandScaleIntensityFixedMeand(key, prob=0.5, factors=0.2),
        t.RandAdjustContrastd(key, prob=0.3, gamma=(0.8, 1.25), retain_stats=True),
        t.RandBiasFieldd(key, prob=0.3, coeff_range=(0.0, BIAS / 4)),
        t.RandGaussianNoised(key, prob=0.3, std=20.0, sample_std=True),
        t.RandGaussianSmoothd(key, prob=0.2, sigma_x=(0.5, 1.0), sigma_y=(0.5, 1.0), sigma_z=(0.5, 1.0)),
        t.NormalizeIntensityd(key),
    ]


if __name__ == "__main__":
    main()
