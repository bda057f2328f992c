"""Reading and preparing 40 NIfTI volumes, one thread: this package's medical domain beside MONAI's own transforms.

    OMP_NUM_THREADS=1 python benchmarks/volumes.py

The volumes are generated: CT-like, 192 × 192 × 64 voxels of int16, gzipped, stored left–posterior–superior. Both turn them to RAS, crop the
air away and resample to 1.5 mm. Ours averages where voxels become larger, MONAI's takes the two nearest. Each reader
goes over all files once before it is timed, so that both find them in memory. Cells that benchmarks/results/volumes.csv holds for the same
machine, commit and versions are not measured again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import nibabel
import numpy as np
from cells import RESULTS, append, found, place
from labelfree_medical.files import list_files, read_file
from labelfree_medical.preparation import Preparation

TABLE = RESULTS / "volumes.csv"
COUNT, SHAPE, STEPS, WANTED = 40, (192, 192, 64), (0.9, 0.9, 2.5), 1.5
DEPENDS = ("domains/labelfree_medical", "benchmarks/volumes.py")
AIR = -870.0  # where MONAI's crop begins; ours finds it by itself


def main() -> None:
    cells = [{"reader": name, "volumes": str(COUNT), **place("monai", "nibabel", "numpy", "torch", depends=DEPENDS)} for name in READERS]
    timed(TABLE, cells, READERS, write, minutes=3)


def timed(
    table: Path, cells: Sequence[dict[str, str]], ways: Mapping[str, Callable[[Path], None]], write: Callable[[Path], None], minutes: int
) -> None:
    """Time each way of reading one folder, which `write` fills, and print the table.

    A cell's first column names its way, its second the files and how many there are.
    """
    way, files = list(cells[0])[:2]
    missing = [cell for cell in cells if not found(table, cell)]
    print(f"Expected: {len(missing)} of {len(cells)} cells to measure, about {minutes} minutes with the {files}.", flush=True)
    if missing:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder))
            for cell in missing:
                append(table, cell | {"seconds": f"{measured(ways[cell[way]], Path(folder)):.1f}"})
    print(f"\n| {way} | s for {cells[0][files]} {files} |\n|---|---|")
    for cell in cells:
        row = found(table, cell)
        assert row is not None
        print(f"| {row[way]} | {row['seconds']} |")


def write(folder: Path) -> None:
    """A body in air, each a little larger than the one before, with noise: what gzip has some work with."""
    draw = np.random.default_rng(0)
    index = np.stack(np.meshgrid(*[np.linspace(-1, 1, size) for size in SHAPE], indexing="ij"))
    affine = np.diag([-STEPS[0], -STEPS[1], STEPS[2], 1.0])
    for number in range(COUNT):
        body = (index**2).sum(axis=0) < 0.4 + 0.01 * number
        data = np.where(body, 40, -1000) + draw.integers(-15, 16, SHAPE)
        nibabel.save(nibabel.Nifti1Image(data.astype(np.int16), affine), folder / f"{number:02}.nii.gz")


def by_labelfree(folder: Path) -> None:
    """As the domain does it for a pool."""
    steps = Preparation(crop="foreground", spacing=WANTED)
    for image in list_files(folder).images:
        steps.apply(read_file(image))


def by_monai(folder: Path) -> None:
    """As MONAI's tutorials do it."""
    from monai.transforms import Compose, CropForeground, LoadImage, Orientation, Spacing

    steps = Compose(
        [
            LoadImage(image_only=True, ensure_channel_first=True),
            Orientation("RAS"),
            CropForeground(select_fn=lambda x: x > AIR, margin=2),
            Spacing((WANTED,) * 3, mode="bilinear"),
        ]
    )
    for path in sorted(folder.iterdir()):
        steps(path)


READERS: dict[str, Callable[[Path], None]] = {"labelfree": by_labelfree, "MONAI": by_monai}


def measured(read: Callable[[Path], None], folder: Path) -> float:
    """Seconds to read and prepare all of them, the second time."""
    read(folder)
    begun = time.perf_counter()
    read(folder)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
