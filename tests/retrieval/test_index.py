"""`labelfree index`: a folder's vectors in Parquet parts that grow, by one checkpoint and one reader, whatever interrupts the work."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

import labelfree
from labelfree.backbones.weights import load, save
from labelfree.errors import DataError, Interrupted
from labelfree.progress import Silent
from labelfree.retrieval import building
from labelfree.retrieval.index_folder import VECTORS
from labelfree.retrieval.opened_index import Index
from tests.selecting.conftest import picture


def table(index: Path) -> dict[str, np.ndarray]:
    """The vector of each path in all parts of an index."""
    parts = parquet.read_table(index / VECTORS)
    return dict(zip(parts["path"].to_pylist(), np.array(parts["vector"].to_pylist(), np.float32), strict=True))


def test_vectors_are_those_of_embed_at_length_one_whatever_the_batch(folder: Path, weights: Path, made: Index) -> None:
    vectors = table(made.path)
    assert len(vectors) == len(made) == 48
    for name, vector in vectors.items():
        alone = labelfree.embed(weights, folder / name)[0]
        np.testing.assert_allclose(vector, alone / np.linalg.norm(alone), atol=1e-5)
    columns = parquet.read_table(made.path / VECTORS).column_names
    assert columns == ["path", "label", "group", "split", "file", "key", "window", "remote", "outline", "vector"]


def test_more_images_are_added_and_none_twice(folder: Path, weights: Path, made: Index) -> None:
    parts = {part: part.read_bytes() for part in (made.path / VECTORS).glob("*.parquet")}
    Image.fromarray(picture(0, 99)).save(folder / "new_field.png")
    grown = labelfree.index(folder, weights, made.path, say=Silent())
    assert len(grown) == 49 and "new_field.png" in table(made.path)
    assert all(part.read_bytes() == before for part, before in parts.items())
    (other := folder.parent / "others").mkdir()
    Image.fromarray(picture(1, 98)).save(other / "00_field.png")  # another image by a name that is known
    assert len(labelfree.index(other, weights, made.path, say=Silent())) == 50
    assert len(labelfree.index(f"{folder.parent}/others/../images", weights, made.path, say=Silent())) == 50


def test_large_indexes_keep_half_the_digits(folder: Path, weights: Path, made: Index, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(building, "LARGE", 40)
    large = labelfree.index(folder, weights, tmp_path / "large.index", say=Silent())
    assert {made.card.dtype, large.card.dtype} == {"float32", "float16"}
    assert parquet.read_schema(next((large.path / VECTORS).glob("*.parquet"))).field("vector").type.value_type == "halffloat"
    before, after = table(made.path), table(large.path)
    for name, vector in before.items():
        np.testing.assert_allclose(after[name], vector, atol=5e-4)
    query = made.checkpoint.of_images([labelfree.read(folder / "05_water.png", "satellite")])
    assert [hit.row.id for hit in made.hits(query, 3)] == [hit.row.id for hit in large.hits(query, 3)]


def test_other_weights_are_refused_and_the_same_elsewhere_are_not(folder: Path, weights: Path, made: Index, tmp_path: Path) -> None:
    for ending in (".safetensors", ".json"):
        shutil.copy(weights.with_suffix(ending), tmp_path / f"moved{ending}")
    assert len(labelfree.index(folder, tmp_path / "moved.safetensors", made.path, say=Silent())) == 48
    loaded = load(weights)
    with torch.no_grad():
        next(loaded.backbone.net.parameters()).requires_grad_(False).add_(0.01)
    other = save(loaded.backbone, loaded.card, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"made\.index: was made by another checkpoint .*test_resnet.* than .*other\.safetensors"):
        labelfree.index(folder, other, made.path, say=Silent())
    with pytest.raises(DataError, match="was made by another checkpoint"):
        labelfree.search(made.path, image=folder / "00_field.png", weights=other)


def test_images_are_read_as_the_index_says(folder: Path, weights: Path, made: Index) -> None:
    with pytest.raises(DataError, match=r"its images were read without reader\.unit=.*, --tile 16; leave that out"):
        labelfree.index(folder, weights, made.path, tile=16, overrides=["reader.unit=stored"], say=Silent())
    with pytest.raises(DataError, match="holds images of the field satellite, not inspection"):
        labelfree.index(folder, weights, made.path, "inspection", say=Silent())


def test_faults_are_one_sentence(folder: Path, weights: Path, made: Index, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: holds no image"):
        labelfree.index(tmp_path / "empty", weights, tmp_path / "new.index", say=Silent())
    with pytest.raises(DataError, match="images: holds something else already"):
        labelfree.index(folder, weights, folder, say=Silent())
    (folder / "07_roof.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"07_roof\.png"):
        labelfree.index(folder, weights, tmp_path / "new.index", say=Silent())
    assert not (tmp_path / "new.index").exists()
    assert len(labelfree.index(folder, weights, tmp_path / "new.index", overrides=["data.on_error=skip"], say=Silent())) == 47
    Image.fromarray(picture(1, 7)).save(folder / "07_roof.png")  # mended: it is tried again
    assert len(labelfree.index(folder, weights, tmp_path / "new.index", say=Silent())) == 48
    next((made.path / VECTORS).glob("*.parquet")).write_bytes(b"torn")
    with pytest.raises(DataError, match=r"part-000000-.*\.parquet: a part of the index that cannot be read"):
        labelfree.load_index(made.path)


def test_an_index_among_the_images_is_no_image(folder: Path, weights: Path) -> None:
    labelfree.index(folder, weights, folder / "my.index", say=Silent())
    labelfree.search(folder / "my.index", folder / "found", image=folder / "00_field.png", say=Silent())
    assert len(labelfree.index(folder, weights, folder / "my.index", say=Silent())) == 48


def test_stopped_work_goes_on(folder: Path, weights: Path, made: Index, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(building, "ROWS", 10)
    out, seen = tmp_path / "stopped.index", []
    whole = building.open_checkpoint

    def stopping(path: Path):
        checkpoint = whole(path)

        def some(samples):
            vectors = checkpoint.images(samples)
            seen.append(len(vectors))
            if len(seen) == 4:
                raise KeyboardInterrupt
            return vectors

        return replace(checkpoint, images=some)

    monkeypatch.setattr(building, "open_checkpoint", stopping)
    with pytest.raises(Interrupted, match=r"what was embedded is in .*stopped\.index. The same command goes on"):
        labelfree.index(folder, weights, out, say=Silent())
    assert len(labelfree.load_index(out)) == 30
    monkeypatch.setattr(building, "open_checkpoint", whole)
    labelfree.index(folder, weights, out, say=Silent())
    expected, told = table(made.path), table(out)
    assert told.keys() == expected.keys() and parquet.read_table(out / VECTORS).num_rows == 48
    for name, vector in expected.items():
        np.testing.assert_allclose(told[name], vector, atol=1e-6)


@pytest.mark.slow
def test_a_killed_process_goes_on(folder: Path, weights: Path, made: Index, tmp_path: Path) -> None:
    """Killed between two parts, the same command ends with every image once, and the vectors of undisturbed work."""
    out = tmp_path / "killed.index"
    begin = "from labelfree.retrieval import building; building.ROWS = 4; from labelfree.cli import main; main()"
    command = [sys.executable, "-c", begin, "index", str(folder), "--weights", str(weights), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 300
    while len(list((out / VECTORS).glob("part-*"))) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 0 < len(labelfree.load_index(out)) < 48, "it was killed in the middle"
    subprocess.run(command, check=True, capture_output=True)
    expected, told = table(made.path), table(out)
    assert told.keys() == expected.keys() and parquet.read_table(out / VECTORS).num_rows == 48
    for name, vector in expected.items():
        np.testing.assert_allclose(told[name], vector, atol=1e-6)
