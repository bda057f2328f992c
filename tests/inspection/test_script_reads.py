"""The script beside an exported head reads the numbers that `labelfree predict` reads, or refuses the file: never others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
from labelfree_inspection import Inspection
from PIL import Image

import labelfree
from labelfree.backbones.weight_card import WeightCard
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.head_file import write_head
from labelfree.domain import Row
from labelfree.progress import Silent
from labelfree.transfer.encoders import StatisticsEncoder

pytest.importorskip("onnxruntime")
from labelfree.deploy.exports.infer_onnx import Model, classify, read
from labelfree.deploy.exports.onnx_file import _levels

GRAY = ["gray"]


def levels(bits: int, dtype: type = np.uint16) -> np.ndarray:
    """(18, 24), every one of a few levels, the largest among them."""
    return np.linspace(0, 2**bits - 1, 18 * 24).round().astype(dtype).reshape(18, 24)


def netpbm(path: Path, pixels: np.ndarray, most: int) -> Path:
    kind = b"P6" if pixels.ndim == 3 else b"P5"
    head = kind + f"\n# a camera\n{pixels.shape[1]} {pixels.shape[0]}\n{most}\n".encode()
    path.write_bytes(head + pixels.astype(">u2" if most > 255 else "u1").tobytes())
    return path


def predicted(path: Path) -> tuple[np.ndarray, dict[str, object]]:
    """What `labelfree predict` reads, and what a model that was taught by such images says of them."""
    sample = Inspection().read(Row(path.name, path))
    dtype = str(sample.data.dtype).removeprefix("torch.")
    card = WeightCard("", sample.channels, sample.unit, sample.scale, sample.offset, (), (), 0, domain="inspection", dtype=dtype)
    return sample.data.numpy(), {"dtype": dtype, **_levels(card)}


def of_card(unit: str, dtype: str, scale: float = 1.0, **reader: int) -> dict[str, object]:
    """What a model says that was taught by such images, as its metadata hold it."""
    images = WeightCard("", ("gray",), unit, (scale,), (0.0,), (), (), 0, domain="inspection", reader=reader, dtype=dtype)
    return {"dtype": dtype, **{name: str(value) for name, value in _levels(images).items()}}


TWELVE, EIGHT = of_card("grey levels", "uint16", depth=12), of_card("of 255", "uint8")
UPPER, ONE = of_card("grey levels", "uint16", depth=12, shift=4), of_card("of 255", "uint8", 255.0)


@pytest.mark.parametrize("most", [7, 15, 255, 1023, 4095, 65535])
def test_pgm_is_read_as_predict_does(tmp_path: Path, most: int) -> None:
    file = netpbm(tmp_path / "a.pgm", levels(most.bit_length()), most)
    pixels, told = predicted(file)
    np.testing.assert_array_equal(read(file, GRAY), pixels)
    np.testing.assert_array_equal(read(file, GRAY, told), pixels)


def test_ppm_is_read_as_predict_does(tmp_path: Path) -> None:
    pixels = np.stack([levels(12), levels(12) // 2, levels(12) // 3], -1)
    file = netpbm(tmp_path / "a.ppm", pixels, 4095)
    np.testing.assert_array_equal(read(file, ["red", "green", "blue"]), predicted(file)[0])


@pytest.mark.parametrize(("bits", "order"), [(10, "<"), (12, "<"), (12, ">"), (14, "<"), (16, ">")])
def test_deep_tiff_is_read_as_predict_does_or_refused(tmp_path: Path, bits: int, order: str) -> None:
    file = tmp_path / "a.tif"
    packed = {} if bits == 16 else {"bitspersample": bits}
    tifffile.imwrite(file, levels(bits)[:, :23], byteorder=order, photometric="minisblack", **packed)
    try:
        np.testing.assert_array_equal(read(file, GRAY), predicted(file)[0])
    except SystemExit as refused:
        assert "save the numbers as .npy" in str(refused) and (bits, order) not in ((12, "<"), (16, ">"))


def shallow(folder: Path) -> list[Path]:
    """Pictures of one silhouette and one ramp in 1, 2, 4 and 8 bits, as PNG, TIFF and PGM."""
    files = [folder / "1.png", folder / "1.tif", folder / "8.png", folder / "8.tif", folder / "0_is_white.tif"]
    Image.fromarray(levels(1, bool)).save(files[0])
    tifffile.imwrite(files[1], levels(1, bool), photometric="minisblack")
    Image.fromarray(levels(8, np.uint8)).save(files[2])
    tifffile.imwrite(files[3], levels(8, np.uint8))
    tifffile.imwrite(files[4], levels(8, np.uint8), photometric="miniswhite")
    for bits in (2, 4):
        files.append(folder / f"{bits}.tif")
        tifffile.imwrite(files[-1], levels(bits, np.uint8), bitspersample=bits, photometric="minisblack")
        files.append(netpbm(folder / f"{bits}.pgm", levels(bits), 2**bits - 1))
    return files


@pytest.mark.parametrize("scale", [1.0, 17.0, 255.0])
def test_shallow_pictures_are_as_bright_for_a_model_as_for_predict(tmp_path: Path, scale: float) -> None:
    """Whatever bits the model was taught by: 0 is black and 255 white in their unit."""
    for file in shallow(tmp_path):
        sample = Inspection().read(Row(file.name, file))
        physical = sample.physical().numpy()
        assert physical.min() == 0 and physical.max() == 255, file.name
        given = scale * read(file, GRAY, of_card("of 255", "uint8", scale))
        np.testing.assert_allclose(given, physical, atol=1e-4, err_msg=file.name)
        np.testing.assert_array_equal(read(file, GRAY, predicted(file)[1]), sample.data.numpy(), err_msg=file.name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("12.jp2", "JPEG 2000"), ("previewed.tif", "it holds 2 pictures"), ("0_is_white.tif", "0 is white in its 16 bits"),
        ("signed.tif", "its 8 bits have a sign"), ("lab.tif", "its colours are not red, green and blue"),
        ("text.pgm", "its numbers are text"),
    ],
)  # fmt: skip
def test_what_pillow_would_change_is_refused(tmp_path: Path, name: str, said: str) -> None:
    file = tmp_path / name
    if name == "12.jp2":
        Image.fromarray(levels(8, np.uint8)).save(file)
    elif name == "previewed.tif":
        with tifffile.TiffWriter(file) as stream:
            stream.write(levels(12)[::3, ::3])
            stream.write(levels(12))
    elif name == "0_is_white.tif":
        tifffile.imwrite(file, levels(12), photometric="miniswhite")
    elif name == "signed.tif":
        tifffile.imwrite(file, levels(7, np.int8), photometric="minisblack")
    elif name == "lab.tif":
        tifffile.imwrite(file, np.stack([levels(8, np.uint8)] * 3, -1), photometric="cielab")
    else:
        file.write_text("P2 2 1 4095 0 4095\n")
    with pytest.raises(SystemExit, match=f"{name}: .*{said}.*; save the numbers as .npy"):
        read(file, GRAY)


@pytest.mark.parametrize(
    ("pixels", "told", "said"),
    [
        (levels(8, np.uint8), TWELVE, r"holds uint8, the model's images whole numbers of more than 8 bits \(uint16\)"),
        (levels(12), EIGHT, "holds uint16, the model's images whole numbers of 8 bits"),
        (levels(16), TWELVE, "holds 0 to 65,535, the model's images 0 to 4,095, so it is on another scale"),
        (levels(12), UPPER, "the model's images 0 to 65,520 in steps of 16"),
        (levels(8, np.uint8), ONE, "holds 0 to 255, the model's images 0 to 1"),
        (levels(12).astype(np.int16) - 5, TWELVE, "holds -5 to 4,090"),
        (levels(12) / 4095, TWELVE, "holds float64, the model's images whole numbers"),
        (levels(12), of_card("stored", "float32"), "holds uint16, the model's images real numbers"),
        (np.where(levels(8) == 7, np.nan, 1.5), of_card("stored", "float32"), "some pixels hold no number"),
        (np.where(levels(8) == 7, 3.4e38, 1.5).astype(np.float32), of_card("stored", "float32"), "some pixels hold no number"),
    ],
)  # fmt: skip
def test_numbers_of_another_kind_or_scale_are_refused(tmp_path: Path, pixels: np.ndarray, told: dict[str, object], said: str) -> None:
    np.save(tmp_path / "a.npy", pixels)
    with pytest.raises(SystemExit, match=f"a.npy: .*{said}"):
        read(tmp_path / "a.npy", GRAY, told)


def test_an_8_bit_picture_is_refused_by_a_head_of_12(tmp_path: Path) -> None:
    Image.fromarray(levels(8, np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(SystemExit, match="a.png: holds uint8"):
        read(tmp_path / "a.png", GRAY, TWELVE)
    Image.fromarray(levels(12)).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read(tmp_path / "b.png", GRAY, TWELVE)[0], levels(12))
    np.save(tmp_path / "signed.npy", levels(12).astype(np.int16))  # as programs write that know no other type
    np.testing.assert_array_equal(read(tmp_path / "signed.npy", GRAY, TWELVE)[0], levels(12))


def test_an_exported_head_of_12_bits_refuses_8_and_16(tmp_path: Path) -> None:
    """Its metadata tell; the text of them is all that the script knows."""
    pytest.importorskip("onnxscript")
    images = WeightCard(
        "", ("gray",), "grey levels", (1.0,), (0.0,), (2000.0,), (500.0,), 0, domain="inspection", arm="statistics", dtype="uint16",
        reader={"depth": 12},
    )  # fmt: skip
    kept = StatisticsEncoder(1).kept()
    width = sum(StatisticsEncoder(1).blocks)
    tensors = {"mean": torch.zeros(width), "blocks": torch.tensor([width]), "std": torch.ones(width)}
    tensors |= {"weight": torch.ones(2, width), "bias": torch.zeros(2)}
    card = HeadCard("classification", "linear", ("bad", "good"), images, (32, 32), tuple(part.told for part in kept))
    head = write_head(tmp_path / "head.safetensors", card, tensors, [part.tensors for part in kept])
    model = Model(labelfree.export(head, tmp_path / "out", say=Silent()).onnx)
    assert (model.told["largest"], model.told["step"]) == ("4095.0", "1")
    for name, pixels in (("12.npy", levels(12)), ("8.npy", levels(8, np.uint8)), ("16.npy", levels(16))):
        np.save(tmp_path / name, pixels)
    rows: list[list[str]] = []
    classify(model, [str(tmp_path / "12.npy")], None, rows.append)
    assert len(rows) == 2
    for name in ("8.npy", "16.npy"):
        with pytest.raises(SystemExit, match=name):
            classify(model, [str(tmp_path / name)], None, rows.append)


def test_what_is_no_number_is_no_score_of_a_normal_image() -> None:
    """0 would be the least score there is."""
    asked = SimpleNamespace(size=(8, 8), threshold=None, about=lambda pixels, count: {})
    asked.run = lambda pixels, **more: [np.array([np.nan]), np.array([False]), np.zeros((1, 8, 8), np.float32)]
    assert np.isnan(Model.judged(asked, np.zeros((1, 8, 8), np.float32))[0])
