"""An export of 200 CT series, one thread: the medical domain beside MONAI's reader and dicom2nifti.

    pip install dicom2nifti
    OMP_NUM_THREADS=1 python benchmarks/dicom_series.py

The series are generated: 24 slices of 256 × 256 voxels of 12 bits, files without endings and in no order, a folder each. Ours looks at
every header first (no index is kept from before), orders slices by position and refuses what is no volume; MONAI's PydicomReader is given
one series' folder after the other; dicom2nifti converts the whole folder. It writes uncompressed NIfTI, so ours is timed with that as
well. Each goes over all files once before it is timed, so that all find them in memory. Cells that benchmarks/results/dicom_series.csv
holds for the same machine, commit and versions are not measured again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
from cells import RESULTS, place
from labelfree_medical.dicom import list_dicom, read_dicom
from labelfree_medical.generated_dicom import write_slices
from volumes import timed

TABLE = RESULTS / "dicom_series.csv"
SERIES, SHAPE, SPACING = 200, (24, 256, 256), (0.8, 0.8, 3.0)
DEPENDS = ("domains/labelfree_medical", "benchmarks/dicom_series.py")


def main() -> None:
    packages = ("monai", "pydicom", "highdicom", "dicom2nifti")
    cells = [{"way": name, "series": str(SERIES), **place(*packages, depends=DEPENDS)} for name in WAYS]
    timed(TABLE, cells, WAYS, write, minutes=8)


def write(export: Path) -> None:
    """A body in air with noise, its height another in each patient."""
    draw = np.random.default_rng(0)
    index = np.stack(np.meshgrid(*[np.linspace(-1, 1, size) for size in SHAPE], indexing="ij"))
    for patient in range(SERIES):
        body = (index**2).sum(axis=0) < 0.4 + 0.002 * patient
        write_slices(export, patient, list(np.where(body, 40, -1000) + draw.integers(-15, 16, SHAPE)), SPACING, draw)


def read(export: Path) -> None:
    """Every image of the export, as a pool reads it."""
    for image in _listed(export):
        read_dicom(image)


def read_and_write(export: Path) -> None:
    """The same, and a NIfTI file of each."""
    with tempfile.TemporaryDirectory() as out:
        for number, image in enumerate(_listed(export)):
            stored = read_dicom(image)
            values = stored.data[0] * np.array(stored.scale)[0] + np.array(stored.offset)[0]
            nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), np.array(stored.affine)), Path(out, f"{number}.nii"))


def _listed(export: Path) -> tuple:
    """By headers that nobody has looked at before."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["LABELFREE_CACHE"] = cache
        return list_dicom(export).images


def by_monai(export: Path) -> None:
    """As MONAI's tutorials read a folder."""
    from monai.data import PydicomReader
    from monai.transforms import LoadImage

    load = LoadImage(PydicomReader(), image_only=True)
    for folder in sorted({path.parent for path in export.rglob("IM*")}):
        load(folder)


def by_dicom2nifti(export: Path) -> None:
    """As its page shows."""
    from dicom2nifti import convert_directory

    with tempfile.TemporaryDirectory() as out:
        convert_directory(export, out, compression=False, reorient=False)


WAYS: dict[str, Callable[[Path], None]] = {
    "labelfree": read,
    "MONAI": by_monai,
    "labelfree, NIfTI written": read_and_write,
    "dicom2nifti, NIfTI written": by_dicom2nifti,
}

if __name__ == "__main__":
    main()
