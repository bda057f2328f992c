"""What stands beside an exported head: one file that reads pictures and answers, without labelfree."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from labelfree.deploy.exports import export_folder

RGB = ("red", "green", "blue")


def test_the_script_needs_numpy_onnxruntime_and_pillow_alone() -> None:
    source = Path(export_folder.__file__).with_name("infer_onnx.py").read_text(encoding="utf-8")
    names = set()
    for node in ast.walk(ast.parse(source)):
        names |= {each.name.partition(".")[0] for each in node.names} if isinstance(node, ast.Import) else set()
        names |= {str(node.module).partition(".")[0]} if isinstance(node, ast.ImportFrom) else set()
    assert names - set(sys.stdlib_module_names) == {"numpy", "onnxruntime", "PIL"}


def test_gray_that_is_stored_as_colours_is_one_channel_of_gray(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from labelfree.deploy.exports.infer_onnx import read

    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(np.stack([gray] * 3, -1)).save(tmp_path / "gray.png")
    np.testing.assert_array_equal(read(tmp_path / "gray.png", ["gray"]), gray[None])
    Image.fromarray(np.stack([gray, gray, gray + 1], -1)).save(tmp_path / "red.png")
    with pytest.raises(SystemExit, match=r"red.png: has 3 channels, the model wants gray"):
        read(tmp_path / "red.png", ["gray"])


def test_numbers_that_pillow_would_narrow_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    import rasterio

    from labelfree.deploy.exports.infer_onnx import read

    numbers = (np.arange(48).reshape(3, 4, 4) * 1000).astype(np.uint16)
    for count, name in ((1, "gray.tif"), (3, "colours.tif"), (1, "gray.png"), (2, "alpha.png"), (3, "colours.png")):
        driver = "GTiff" if name.endswith("tif") else "PNG"
        shown = {"photometric": "RGB"} if (count, driver) == (3, "GTiff") else {}
        with rasterio.open(tmp_path / name, "w", driver=driver, count=count, height=4, width=4, dtype="uint16", **shown) as file:
            file.write(numbers[:count])
        if count == 1:
            np.testing.assert_array_equal(read(tmp_path / name, ["gray"])[0], numbers[0])
            continue
        with pytest.raises(SystemExit, match=f"{name}: Pillow would narrow its 16-bit colours to 8; save the numbers as .npy"):
            read(tmp_path / name, RGB)
    (tmp_path / "other.tif").write_bytes(b"no picture")
    for name in ("other.tif", "missing.png"):
        with pytest.raises(SystemExit, match=f"{name}: Pillow does not open it .*; save the numbers as .npy"):
            read(tmp_path / name, RGB)


def test_maps_of_images_of_one_name_are_not_written_over_each_other(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from labelfree.deploy.exports.infer_onnx import segment

    with pytest.raises(SystemExit, match="two images have one name"):
        segment(SimpleNamespace(), ["a/1.png", "b/1.png"], tmp_path / "maps", list)
