"""Masks of measured pixels: filled, stored, and statistics that see nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.measured_pixels import blank_share, fill, pack, unpack
from labelfree.data.pool import build_pool
from labelfree.data.pool_index import digest
from labelfree.domain import Row, Sample
from labelfree.progress import Silent


def made(seed: int, shape: tuple[int, ...], dtype: str = "int16", share: float = 0.3) -> Sample:
    draw = np.random.default_rng(seed)
    data, there = draw.integers(-500, 4000, shape).astype(dtype), draw.random(shape[1:]) > share
    count, mask = shape[0], torch.from_numpy(there)
    return Sample(torch.from_numpy(data), tuple("abcd"[:count]), (1e-4,) * count, (-0.1,) * count, "reflectance", measured=mask)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(0, 2**16))
def test_a_mask_comes_back_from_its_bits(shape: list[int], seed: int) -> None:
    mask = np.random.default_rng(seed).random(shape) > 0.3
    bits = pack(mask)
    assert (not bits) == mask.all() and (mask.all() or np.array_equal(unpack(np.frombuffer(bits, np.uint8), tuple(shape)), mask))
    assert len(bits) in (0, -(-mask.size // 8))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_filling_keeps_what_is_measured_and_its_mean(dtype: str) -> None:
    sample = made(0, (3, 9, 7), "float32" if dtype == "float32" else "int16")
    data, there = np.abs(sample.data.numpy()).clip(0, 255).astype(dtype), sample.measured.numpy()  # type: ignore[union-attr]
    before = data.copy()
    fill(data, there)
    assert np.array_equal(data[:, there], before[:, there])
    assert np.allclose(data[:, ~there], before[:, there].mean(1)[:, None], atol=1e-3 if dtype == "float32" else 0.5)


def test_nothing_measured_is_filled_with_0() -> None:
    data = np.full((2, 3, 3), 7, dtype="int16")
    fill(data, np.zeros((3, 3), dtype=bool))
    assert not data.any()


@pytest.mark.parametrize("shape", [(2, 16, 12), (2, 6, 8, 10)], ids=["pictures", "volumes"])
@pytest.mark.parametrize("sizes", [False, True], ids=["one size", "several"])
def test_statistics_are_numpy_s_over_measured_pixels(tmp_path: Path, shape: tuple[int, ...], sizes: bool) -> None:
    samples = [made(seed, (*shape[:-1], shape[-1] + sizes * seed)) for seed in range(5)]
    rows = [Row(str(seed), tmp_path / str(seed), item=seed) for seed in range(5)]
    pool = build_pool(rows, lambda row: samples[row.item or 0], {}, tmp_path / "pools", say=Silent())
    found = pool.fingerprint()
    for channel in range(2):
        known = [s.data[channel][s.measured].double().numpy() * 1e-4 - 0.1 for s in samples]
        values = np.concatenate(known)
        got = (found.mean[channel], found.std[channel], found.low[channel], found.high[channel])
        assert np.allclose(got, (values.mean(), values.std(), values.min(), values.max()), rtol=1e-6, atol=1e-9)
    for entry, sample in enumerate(samples):
        mask, wanted = pool.measured([entry]), sample.measured
        assert mask is not None and wanted is not None and torch.equal(mask[0], wanted)
        assert torch.equal(pool[entry], sample.data)


def test_tiles_carry_their_part_of_the_mask(tmp_path: Path) -> None:
    sample = made(0, (2, 48, 40))
    pool = build_pool([Row("a", tmp_path / "a", item=0)], lambda row: sample, {}, tmp_path / "pools", say=Silent(), tile=16)
    for entry, (top, left) in enumerate(pool.index.corner):
        mask = pool.measured([entry])
        assert mask is not None and sample.measured is not None
        assert torch.equal(mask[0], sample.measured[top : top + 16, left : left + 16])


def test_what_an_image_says_tells_it_apart() -> None:
    sample = made(0, (2, 8, 8))
    others = [
        replace(sample, scale=(1e-3, 1e-3)),
        replace(sample, offset=(0.0, 0.0)),
        replace(sample, measured=None),
        replace(sample, unit="stored"),
        replace(sample, data=sample.data + 1),
    ]
    assert len({digest(s) for s in (sample, *others)}) == 6 and digest(sample) == digest(replace(sample, source="elsewhere"))


def test_blank_pixels_are_those_that_count_as_measured() -> None:
    data = torch.ones(2, 4, 4)
    data[:, 0] = 0
    data[0, 1] = 0
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[0, :2] = False
    sample = Sample(data, ("a", "b"), (1.0, 1.0), (0.0, 0.0), "stored")
    assert blank_share(sample) == 4 / 16
    assert blank_share(replace(sample, measured=mask)) == 2 / 16


@pytest.mark.parametrize("white", [1, 255])
def test_black_in_a_silhouette_is_no_gap(white: int) -> None:
    data = torch.zeros(1, 4, 4, dtype=torch.uint8)
    data[:, 1] = white
    sample = Sample(data, ("gray",), (1.0,), (0.0,), "of 255")
    assert blank_share(sample) == 0
    data[0, 2, 2] = white // 2 + 3  # a third number: then 0 may be a border
    assert blank_share(sample) == 11 / 16
