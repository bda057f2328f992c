"""`labelfree embed`: the vectors of a folder's images in a table, the same as those of each image alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

import labelfree
from labelfree.errors import DataError
from labelfree.progress import Silent


def test_vectors_of_a_folder_are_those_of_its_images(folder: Path, weights: Path, tmp_path: Path) -> None:
    out = labelfree.embed_folder(folder, weights, tmp_path / "made" / "vectors.parquet", say=Silent())
    table = parquet.read_table(out)
    assert table.column_names == ["path", "label", "group", "split", "vector"] and table.num_rows == 48
    names = table["path"].to_pylist()
    alone = labelfree.embed(weights, [folder / name for name in names])
    np.testing.assert_allclose(np.array(table["vector"].to_pylist()), alone, rtol=1e-4, atol=1e-5)
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_broken_image_is_named_and_may_be_left_out(folder: Path, weights: Path, tmp_path: Path) -> None:
    (folder / "07_roof.png").write_bytes(b"no picture")
    out = tmp_path / "vectors.parquet"
    with pytest.raises(DataError, match=r"07_roof\.png"):
        labelfree.embed_folder(folder, weights, out, say=Silent())
    assert not list(tmp_path.glob("vectors*"))
    labelfree.embed_folder(folder, weights, out, overrides=["data.on_error=skip"], say=Silent())
    assert parquet.read_table(out).num_rows == 47
    with pytest.raises(DataError, match=r"vectors\.parquet: is there already; name a new file"):
        labelfree.embed_folder(folder, weights, out, say=Silent())
