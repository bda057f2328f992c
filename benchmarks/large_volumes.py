"""Peak memory of planning and pretraining on volumes of 512 × 512 × 400 voxels, generated: int16 NIfTI of 210 MB each.

    python benchmarks/large_volumes.py
    python benchmarks/large_volumes.py --count 12 --packed

Each command runs in a process of its own, whose largest resident memory the system tells; pages of the memory-mapped pool count while they
are looked at. Pretraining takes a few steps, as volumes (patches of 64 × 64 × 64) and as pictures of axial slices. Nothing is kept.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np
from command_peaks import peak

PRETRAIN = ["pretrain.minutes=null", "pretrain.steps=4", "pretrain.batch_size=4", "data.card=null"]
VOLUMES = ["pretrain.size=[64,64,64]"]
SLICES = ["reader.slices=axial", "pretrain.size=128", "backbone={name: resnet10t, init: random}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=4, help="volumes")
    parser.add_argument("--side", type=int, nargs=3, default=[512, 512, 400], help="voxels along each axis")
    parser.add_argument("--packed", action="store_true", help="as .nii.gz, which is unpacked whole")
    parser.add_argument("--only", nargs="+", default=["plan", "volumes", "slices"], choices=["plan", "volumes", "slices"])
    given = parser.parse_args()
    print(f"Expected: about 5 minutes and {given.count * np.prod(given.side) * 4 / 1e9:.2g} GB of disk.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        files, out = Path(folder, "images"), Path(folder)
        written(files, given.count, tuple(given.side), ".nii.gz" if given.packed else ".nii")
        asked = [f"data.root={files}", f"pool.dir={out / 'pool'}"]
        commands = {
            "plan": ["plan", str(files), "--out", str(out / "plan.yaml")],
            "volumes": ["pretrain", "medical_volume_byol", *asked, *PRETRAIN, *VOLUMES, "--out", str(out / "volumes")],
            "slices": ["pretrain", "medical_volume_byol", *asked, *PRETRAIN, *SLICES, "--out", str(out / "slices")],
        }
        print("| command | peak GB | s |\n|---|---|---|", flush=True)
        for name in given.only:
            command, begun = commands[name], time.monotonic()
            print(f"| {command[0]}, {name} | {peak(command, out) / 1e9:.2f} | {time.monotonic() - begun:.0f} |", flush=True)


def written(folder: Path, count: int, shape: tuple[int, ...], ending: str) -> None:
    """A body in air with noise, each a little larger than the one before; written slice by slice, so that this script holds little."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    plane = np.stack(np.meshgrid(*[np.linspace(-1, 1, side) for side in shape[:2]], indexing="ij"))
    for number in range(count):
        body = (plane**2).sum(axis=0) < 0.4 + 0.3 * number / count
        voxels = np.empty(shape, np.int16, order="F")
        for place in range(shape[2]):
            voxels[..., place] = np.where(body, 40 + place % 50, -1000) + draw.integers(-15, 16, shape[:2])
        nibabel.save(nibabel.Nifti1Image(voxels, np.diag([0.7, 0.7, 1.0, 1.0])), folder / f"{number:02}{ending}")


if __name__ == "__main__":
    main()
