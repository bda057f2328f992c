"""Images are decoded once; what is read back is what was in the files, whatever happened in between."""

from __future__ import annotations

import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.manifest import load_manifest, manifest_from_dataset
from labelfree.data.pool import Pool, build_pool, read_sample
from labelfree.data.tiles import Cut, auto_tile, starts
from labelfree.domain import Row, Sample
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain, texture, write

DOMAIN = PillowDomain()


class Heard(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, sentence: str) -> None:
        self.lines.append(sentence)


def files(folder: Path, sizes: list[tuple[int, int]], channels: int = 3) -> list[Row]:
    draw = np.random.default_rng(0)
    rows = []
    for i, (height, width) in enumerate(sizes):
        path = write(folder / f"{i:03d}.png", draw.integers(0, 255, (height, width, channels) if channels > 1 else (height, width)))
        rows.append(Row(path.name, path))
    return rows


def build(rows: list[Row], folder: Path, read: Callable[[Row], Sample] = DOMAIN.read, say: Silent | None = None, **more: Any) -> Pool:
    return build_pool(rows, read, DOMAIN.settings(), folder / "pools", say=say or Silent(), workers=2, **more)


def test_what_is_read_back_equals_the_files(tmp_path: Path) -> None:
    rows = files(tmp_path, [(16, 20)] * 9)
    pool = build(rows, tmp_path)
    assert pool.uniform and pool.dtype == torch.uint8 and pool.channels == ("red", "green", "blue") and pool.unit == "relative"
    assert pool.rows == rows and [row.id for row in pool.images] == [row.id for row in rows]
    for i, row in enumerate(rows):
        assert torch.equal(pool[i], DOMAIN.read(row).data)
    assert torch.equal(pool.batch([7, 0, 7]), torch.stack([DOMAIN.read(rows[i]).data for i in (7, 0, 7)]))
    assert torch.equal(pool[-1], pool[8])
    with pytest.raises(IndexError):
        pool[9]
    assert pool.entries([rows[4], rows[1], Row("unknown", Path("x"))]).tolist() == [4, 1]


def test_a_batch_is_a_copy(tmp_path: Path) -> None:
    pool = build(files(tmp_path, [(8, 8)] * 3), tmp_path)
    batch, one = pool.batch([0, 1]), pool[0]
    before = batch.clone()
    batch.zero_(), one.zero_()
    assert torch.equal(pool.batch([0, 1]), before)


def test_reopened_without_reading_a_file(tmp_path: Path) -> None:
    rows = files(tmp_path, [(8, 8)] * 5)
    first = build(rows, tmp_path)

    def refuse(row: Row) -> Sample:
        raise AssertionError("read again")

    labelled = [replace(row, label="new", group="g") for row in rows]
    again = build(labelled, tmp_path, read=refuse)
    assert again.folder == first.folder and again.rows == labelled  # labels play no part in the key


@pytest.mark.parametrize("change", ["content", "rows", "settings", "tile"])
def test_anything_that_changes_pixels_changes_the_pool(tmp_path: Path, change: str) -> None:
    rows = files(tmp_path, [(8, 8)] * 4)
    first = build(rows, tmp_path)
    settings: dict[str, Any] = dict(DOMAIN.settings())
    more: dict[str, Any] = {}
    if change == "content":
        write(rows[0].path, np.full((8, 8, 3), 9))
    elif change == "rows":
        rows = rows[:3]
    elif change == "settings":
        settings["bands"] = ["x"]
    else:
        more["tile"] = 4
    second = build_pool(rows, DOMAIN.read, settings, tmp_path / "pools", say=Silent(), **more)
    assert second.folder != first.folder
    if change == "content":
        assert (second[0] == 9).all()


@pytest.mark.parametrize("damage", ["truncate", "flip", "no meta", "bad meta", "no data", "bad index"])
def test_damaged_pools_are_built_again(tmp_path: Path, damage: str) -> None:
    rows = files(tmp_path, [(8, 8)] * 5)
    pool = build(rows, tmp_path)
    expected, folder = pool.batch(range(5)), pool.folder
    del pool
    data, meta = folder / "data.npy", folder / "meta.json"
    if damage == "truncate":
        data.write_bytes(data.read_bytes()[:-10])
    elif damage == "flip":
        raw = bytearray(data.read_bytes())
        raw[-1] ^= 1
        data.write_bytes(bytes(raw))
    elif damage == "no meta":
        meta.unlink()
    elif damage == "bad meta":
        meta.write_text("{")
    elif damage == "no data":
        data.unlink()
    else:
        index = folder / "index.npz"
        index.write_bytes(b"0" * index.stat().st_size)
    heard = Heard()
    again = build(rows, tmp_path, say=heard)
    assert torch.equal(again.batch(range(5)), expected)
    assert any("built again" in line for line in heard.lines)


def test_nothing_is_left_where_building_failed(tmp_path: Path) -> None:
    rows = files(tmp_path, [(8, 8)] * 5)
    rows[3].path.write_bytes(rows[3].path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"003\.png"):
        build(rows, tmp_path)
    assert list((tmp_path / "pools").iterdir()) == []


def test_broken_files_are_counted_and_listed(tmp_path: Path) -> None:
    rows = files(tmp_path, [(8, 8)] * 40)
    rows[7].path.write_bytes(b"no picture")
    heard = Heard()
    pool = build(rows, tmp_path, on_error="skip", max_skipped=0.05, say=heard)
    assert len(pool) == 39 and [identity for identity, _ in pool.skipped] == ["007.png"] and "007.png" in pool.skipped[0][1]
    assert torch.equal(pool[7], DOMAIN.read(rows[8]).data) and pool.rows[7].id == "008.png"
    assert any("1 images could not be read" in line for line in heard.lines)
    with pytest.raises(DataError, match=r"007\.png"):
        build(rows, tmp_path, on_error="fail")
    for row in rows[10:13]:
        row.path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"3 of 40 images could not be read, more than data\.max_skipped=0\.05"):
        build(rows, tmp_path, on_error="skip", max_skipped=0.05)


def test_one_broken_file_of_few_may_be_skipped(tmp_path: Path) -> None:
    rows = files(tmp_path, [(8, 8)] * 10)
    rows[0].path.write_bytes(b"")
    assert len(build(rows, tmp_path, on_error="skip")) == 9
    with pytest.raises(DataError):
        build(rows, tmp_path, on_error="skip", max_skipped=0)


def test_any_error_of_a_reader_names_the_file(tmp_path: Path) -> None:
    def read(row: Row) -> Sample:
        raise RuntimeError("codec")

    with pytest.raises(DataError, match=r"000\.png: cannot be read \(RuntimeError: codec\); .*data\.on_error=skip"):
        build(files(tmp_path, [(8, 8)] * 2), tmp_path, read=read)


def test_another_band_count_is_one_sentence(tmp_path: Path) -> None:
    rows = files(tmp_path, [(8, 8)] * 5, channels=4)
    write(rows[0].path, np.zeros((8, 8, 3)))
    with pytest.raises(DataError, match=r"000\.png: 3 channels, others have 4 \(nir missing\?\)\. Name what the files hold with reader\."):
        build(rows, tmp_path)
    assert len(build(rows, tmp_path, on_error="skip")) == 4


def sample(pixels: np.ndarray, scale: float = 1.0, offset: float = 0.0, unit: str = "reflectance") -> Sample:
    channels = tuple(f"B{i}" for i in range(len(pixels)))
    return Sample(torch.from_numpy(pixels), channels, (scale,) * len(pixels), (offset,) * len(pixels), unit)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 6, 7), (1, 3, 4, 5)])
def test_every_dtype_and_volumes_are_kept_as_stored(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    rows = files(tmp_path, [(4, 4)] * 3)
    draw = np.random.default_rng(1)
    pixels = {row.id: (draw.normal(size=shape) * 100 + 120).clip(0, 250).astype(dtype) for row in rows}
    pool = build(rows, tmp_path, read=lambda row: sample(pixels[row.id], scale=0.5, offset=-3), tile="auto")
    for i, row in enumerate(rows):
        assert pool[i].numpy().dtype == dtype and np.array_equal(pool[i].numpy(), pixels[row.id])
    every = np.stack(list(pixels.values())).astype(np.float64) * 0.5 - 3
    axes = (0, *range(2, every.ndim))
    found = pool.fingerprint()
    np.testing.assert_allclose(found.mean, every.mean(axes), rtol=1e-6)
    np.testing.assert_allclose(found.std, every.std(axes), rtol=1e-6)
    assert found.dtype == dtype and found.smallest == found.largest == shape[1:]


def test_files_of_another_scale_make_a_physical_pool(tmp_path: Path) -> None:
    rows = files(tmp_path, [(4, 4)] * 6)
    high = [sample(np.full((2, 4, 4), 1000 + 1000 * (i > 3), dtype=np.uint16), 1e-4, -0.1 * (i > 3)) for i in range(6)]
    heard = Heard()
    pool = build(rows, tmp_path, read=lambda row: high[int(row.id[:3])], say=heard)
    assert pool.dtype == torch.float32 and pool.scale == (1.0, 1.0)
    assert torch.allclose(pool.batch(range(6)), torch.tensor(0.1)) and any("float32 physical values" in line for line in heard.lines)


def test_mixed_types_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    rows = files(tmp_path, [(4, 4)] * 3)
    mixed = [sample(np.full((1, 4, 4), value)) for value in (np.uint16(4000), np.uint16(4000), np.float32(0.4))]
    with pytest.raises(DataError, match=r"002\.png: float32 up to 0\.4 .*, others are uint16 up to 4,000, and nothing says how"):
        build(rows, tmp_path, read=lambda row: mixed[int(row.id[:3])])
    medians = [sample(np.full((1, 4, 4), value)) for value in (np.uint16(4000), np.uint16(4000), np.float32(4000.5))]
    pool = build(rows, tmp_path / "medians", read=lambda row: medians[int(row.id[:3])])
    assert pool.batch([0, 2]).unique().tolist() == [4000.0, 4000.5]
    units = [sample(np.ones((1, 4, 4)), unit=unit) for unit in ("kelvin", "kelvin", "celsius")]
    with pytest.raises(DataError, match=r"002\.png: unit 'celsius', others 'kelvin'"):
        build(rows, tmp_path, read=lambda row: units[int(row.id[:3])])


def test_ragged_images_whole(tmp_path: Path) -> None:
    rows = files(tmp_path, [(8, 9), (5, 5), (12, 3)])
    pool = build(rows, tmp_path)
    assert not pool.uniform and [tuple(image.shape) for image in pool] == [(3, 8, 9), (3, 5, 5), (3, 12, 3)]
    assert all(torch.equal(pool[i], DOMAIN.read(row).data) for i, row in enumerate(rows))
    with pytest.raises(DataError, match="differ in size"):
        pool.batch([0, 1])
    found = pool.fingerprint([1, 2])
    assert found.count == 2 and found.smallest == (5, 3) and found.largest == (12, 5)
    assert np.allclose(found.mean, np.concatenate([pool[i].reshape(3, -1).numpy() for i in (1, 2)], axis=1).mean(1) / 255)


def test_tiles_come_from_their_image(tmp_path: Path) -> None:
    rows = files(tmp_path, [(32, 48), (16, 16), (10, 40)])
    pool = build(rows, tmp_path, tile=16)
    assert pool.uniform and pool[0].shape == (3, 16, 16) and pool.tile == 16
    assert pool.row_of.tolist() == [0] * 6 + [1] + [2] * 3 and [row.id for row in pool.rows].count("000.png") == 6
    whole = DOMAIN.read(rows[0]).data
    assert torch.equal(torch.cat([torch.cat(list(pool.batch(range(s, s + 3))), 2) for s in (0, 3)], 1), whole)
    assert torch.equal(pool[7][:, 3:13], DOMAIN.read(rows[2]).data[:, :, :16])  # padded by reflection, 3 above and below
    assert len(set(pool.index.digests)) == 3 and len(pool.index.digest) == 10  # digests and thumbnails are the image's


def test_auto_keeps_small_images_of_one_size_whole(tmp_path: Path) -> None:
    pool = build(files(tmp_path, [(20, 24)] * 3), tmp_path, tile="auto")
    assert pool.tile is None and pool[0].shape == (3, 20, 24)


def test_auto_meets_a_late_stranger(tmp_path: Path) -> None:
    rows = files(tmp_path, [(20, 20)] * 150)
    write(rows[1].path, np.zeros((31, 40, 3)))  # between the images looked at beforehand
    heard = Heard()
    pool = build(rows, tmp_path, tile="auto", say=heard)
    assert pool.tile == 20 and pool.uniform and len(pool) == 149 + 4
    assert any("001.png is 31 x 40, others 20 x 20" in line for line in heard.lines)


@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), min_size=1, max_size=20))
def test_auto_tile_suits_nine_images_in_ten(shapes: list[tuple[int, int]]) -> None:
    tile = auto_tile(shapes)
    if tile is None:
        assert len(set(shapes)) == 1 and max(shapes[0]) <= 512
    else:
        assert 1 <= tile <= 256 and sum(min(shape) < tile for shape in shapes) <= 0.1 * len(shapes)


@given(st.integers(1, 2000), st.integers(1, 300))
def test_tiles_stay_inside_and_reach_both_borders(side: int, tile: int) -> None:
    first = starts(max(side, tile), tile)
    assert min(first) >= 0 and max(first) + tile <= max(side, tile) and sorted(set(first)) == first
    if len(first) > 1:
        assert first[0] == 0 and first[-1] + tile == side
        assert max(np.diff(first)) <= 1.5 * tile


def test_fewer_tiles_where_the_space_is_small(tmp_path: Path) -> None:
    rows = files(tmp_path, [(64, 64)] * 4)
    heard = Heard()
    pool = build(rows, tmp_path, tile=16, max_gb=4 * 5.5 * 16 * 16 * 3 / 1e9, say=heard)
    assert len(pool) == 4 * 5 and (pool.folder / "data.npy").stat().st_size < 4 * 5 * 16 * 16 * 3 + 1000
    assert any("5 of up to 16 tiles" in line for line in heard.lines)
    shutil.rmtree(tmp_path / "pools")
    assert torch.equal(build(rows, tmp_path, tile=16, max_gb=4 * 5.5 * 16 * 16 * 3 / 1e9).batch(range(20)), pool.batch(range(20)))


def test_labelled_images_are_never_sampled_away(tmp_path: Path) -> None:
    rows = files(tmp_path, [(16, 16)] * 10)
    rows[4] = replace(rows[4], label="a")
    pool = build(rows, tmp_path, tile="auto", max_gb=5.5 * 768 / 1e9)
    assert len(pool) == 5 and rows[4] in pool.rows
    with pytest.raises(DataError, match=r"pool\.max_gb: room for 5 images, 10 have labels"):
        build([replace(row, label="a") for row in rows], tmp_path, max_gb=5.5 * 768 / 1e9)


def test_size_and_time_are_said_first(tmp_path: Path) -> None:
    heard = Heard()
    build(files(tmp_path, [(16, 16)] * 10), tmp_path, say=heard)
    assert re.match(r"Pool: 10 images read once into 10 images, whole, 3 channels; 0\.0 MB, about \d+ s; in ", heard.lines[0])


def test_a_pool_goes_to_another_process(tmp_path: Path) -> None:
    pool = build(files(tmp_path, [(8, 8)] * 3), tmp_path)
    first = pool[0]
    sent = pickle.dumps(pool)
    assert torch.equal(pickle.loads(sent)[0], first) and b"_data" not in sent


def test_a_users_dataset_is_keyed_by_its_pixels(tmp_path: Path) -> None:
    images = [torch.full((1, 6, 6), i, dtype=torch.uint8) for i in range(4)]
    found = manifest_from_dataset(images, ["gray"])
    assert found.read is not None
    first = build(found.rows, tmp_path, read=found.read)
    assert torch.equal(first.batch(range(4)), torch.stack(images))
    assert build(found.rows, tmp_path, read=found.read).folder == first.folder
    images[2] += 1
    assert build(found.rows, tmp_path, read=found.read).folder != first.folder


def test_statistics_see_only_the_entries_asked_for(tmp_path: Path) -> None:
    rows = [Row(f"{i}.png", write(tmp_path / f"{i}.png", np.full((4, 4), 51 * i))) for i in range(4)]
    pool = build(rows, tmp_path)
    assert pool.fingerprint([0, 1]).mean == pytest.approx((0.1,)) and pool.fingerprint([0, 1]).std == pytest.approx((0.1,))
    assert pool.fingerprint([0, 1]).digest != pool.fingerprint([0, 2]).digest
    assert pool.fingerprint([1, 0]).digest == pool.fingerprint([0, 1]).digest


def test_padding_only_where_an_image_is_smaller() -> None:
    image = texture(np.random.default_rng(0), 8).transpose(2, 0, 1)
    ((corner, padded, _),) = Cut(12)(image, "x")
    assert corner == (-2, -2)
    assert padded.shape == (3, 12, 12) and np.array_equal(padded[:, 2:10, 2:10], image)
    assert np.array_equal(padded[:, 1], padded[:, 3])


def test_eurosat_rgb_in_seconds(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    manifest = load_manifest(Data(root=real_data("eurosat_rgb"), card="eurosat-rgb"), DOMAIN)
    rows = manifest.subset("pretrain", "train")[::8]
    pool = build(rows, tmp_path, tile="auto")
    assert pool.uniform and pool[0].shape == (3, 64, 64) and len(pool) == len(rows)
    for i in (0, 500, len(rows) - 1):
        assert torch.equal(pool[i], DOMAIN.read(rows[i]).data)


def test_a_file_is_read_again_where_the_interpreter_stumbled() -> None:
    """numpy's headers, parsed as Python in several threads, now and then end in a SystemError under 3.11."""
    asked = []

    def read(row: Row) -> Sample:
        asked.append(row)
        if len(asked) < 3:
            raise SystemError("AST constructor recursion depth mismatch")
        return Sample(torch.ones(1, 2, 2), ("gray",), (1.0,), (0.0,), "stored")

    assert isinstance(read_sample(read, Row("a.npy", Path("a.npy"))), Sample) and len(asked) == 3

    def broken(row: Row) -> Sample:
        raise SystemError("always")

    fault = read_sample(broken, Row("a.npy", Path("a.npy")))
    assert isinstance(fault, DataError) and str(fault).startswith("a.npy: cannot be read (SystemError: always)")
