"""Whole runs on films, pictures and volumes full of planted names: none is in anything that may leave.

About half a minute: three runs of seconds, and a copy to share of each.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import labelfree
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent

pytest.importorskip("pydicom")
RECIPE = """
domain: medical
backbone: {name: test_resnet, init: random}
pretrain: {objective: simsiam, steps: 2, batch_size: 8, options: {hidden: 32, out: 16, bottleneck: 8}}
evaluate:
  on: dev
  arms: [statistics, random, domain]
  sizes: [32]
  labels_per_class: [1, 2]
  draws: 2
  primary: {arm: domain, against: random, protocol: linear, budget: 2, metric: accuracy}
data: {leak_limit: 1.0}
"""


def run_on(tmp_path: Path, *overrides: str, name: str = "run") -> Run:
    recipe = tmp_path / "films.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    return labelfree.run(recipe, list(overrides), tmp_path / name, say=Silent())


def told(folder: Path, planted: list[str]) -> list[tuple[str, str]]:
    """(file, name) of every planted name in a file, or in a file's name, outside private/, capitals or not."""
    found = []
    for path in (path for path in folder.rglob("*") if "private" not in path.relative_to(folder).parts):
        content = path.relative_to(folder).as_posix().encode() + (path.read_bytes() if path.is_file() else b"")
        if path.suffix == ".parquet":  # compressed
            content += json.dumps([pq.read_table(path).to_pylist(), str(pq.read_schema(path).metadata)], ensure_ascii=False).encode()
        found += [(path.name, name) for name in planted if name.lower().encode() in content.lower()]
    return found


@pytest.fixture(scope="module")
def case() -> Path:
    base = os.environ.get("LABELFREE_CASES")
    if not base:
        pytest.skip("LABELFREE_CASES is not set")
    return Path(base) / "medical" / "identifiers-planted"


@pytest.fixture(scope="module")
def planted(case: Path) -> list[str]:
    return (case / "identifiers.txt").read_text(encoding="utf-8").split("\n")[:-1]


@pytest.mark.slow
def test_no_name_of_the_films_leaves(case: Path, planted: list[str], tmp_path: Path) -> None:
    films = case / "data" / "dicom"
    run = run_on(tmp_path, f"data.root={films}", f"data.labels={films / 'labels.csv'}", "report.images=true")
    assert told(films, planted)  # the search finds what is there
    assert told(run.folder, planted) == []
    labelfree.report(run.folder, tmp_path / "copy")
    assert told(tmp_path / "copy", planted) == []
    notes = json.loads((run.folder / "notes.json").read_text(encoding="utf-8"))
    assert any("burnt into the pixels" in note for note in notes)
    assert list((run.folder / "pictures").rglob("*.png")) and list((run.folder / "heads").glob("*.safetensors"))
    pytest.importorskip("onnxscript")
    made = labelfree.export(run.folder, tmp_path / "exported", sorted(films.rglob("*.dcm"))[:3], say=Silent())
    assert made.images == 3 and made.onnx.is_file()
    assert told(made.folder, planted) == []


def test_no_name_of_the_pictures_leaves(case: Path, planted: list[str], tmp_path: Path) -> None:
    run = run_on(tmp_path, f"data.root={case / 'data' / 'pictures'}")
    assert told(run.folder, planted) == [] and not (run.folder / "pictures").exists()
    labelfree.report(run.folder, tmp_path / "copy")
    assert told(tmp_path / "copy", planted) == []


def test_no_name_in_the_head_of_a_volume_leaves(tmp_path: Path) -> None:
    """Description, auxiliary file, extension of NIfTI, and the name that gzip keeps of what it packed."""
    nibabel = pytest.importorskip("nibabel")
    names = [f"ZQX{name}" for name in ("DESCRIP", "AUXILIARY", "DATABASE", "TESTINA", "PACKED", "FILE", "BROKEN", "SITE")] + ["19700123"]
    root, draw = tmp_path / "ZQXsite" / "exports", np.random.default_rng(0)
    root.mkdir(parents=True)
    for number in range(24):
        voxels = draw.normal(0, 100, (20, 24, 12)).astype(np.int16)
        voxels[5:10, 5 : 6 + number % 8, 3:8] += 300
        image = nibabel.Nifti1Image(voxels, np.diag([1.0, 1.0, 3.0, 1.0]))
        image.header["descrip"], image.header["aux_file"], image.header["db_name"] = b"ZQXDESCRIP 19700123", b"ZQXAUXILIARY", b"ZQXDATABASE"
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"ZQXTESTINA was here"))
        nibabel.save(image, tmp_path / "plain.nii")
        with (root / f"ZQXFILE{number:02d}.nii.gz").open("wb") as raw, gzip.GzipFile(f"ZQXPACKED{number}.nii", "wb", fileobj=raw) as packed:
            packed.write((tmp_path / "plain.nii").read_bytes())
    shutil.copy(root / "ZQXFILE00.nii.gz", root / "ZQXBROKEN.nii.gz")
    with (root / "ZQXBROKEN.nii.gz").open("r+b") as file:
        file.truncate(900)
    run = run_on(tmp_path, f"data.root={root}", "reader.slices=axial", "data.on_error=skip", "data.max_skipped=0.5", "report.images=true")
    assert told(run.folder, names) == []
    labelfree.report(run.folder, tmp_path / "copy")
    assert told(tmp_path / "copy", names) == []
