"""Statistics of whole images, whatever parts they come in, and what a pool knows of the images that its tiles were cut from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from labelfree.data import moments as module
from labelfree.data.moments import joined, moments, two_pixels
from labelfree.data.pool import build_pool
from labelfree.data.rescaled_pool import RescaledPool
from labelfree.domain import Row, Sample
from labelfree.progress import Silent
from labelfree.views import PerImage


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).normal((3000, -2), (4, 900), (7, 5, 6, 2)).transpose(3, 0, 1, 2)


def test_they_are_numpy_s_in_any_parts(image: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = np.stack([image.mean((1, 2, 3)), image.std((1, 2, 3), ddof=1)], 1)
    np.testing.assert_allclose(moments(image), expected, rtol=1e-12)
    monkeypatch.setattr(module, "CHUNK", 17)
    np.testing.assert_allclose(joined((image[:, at : at + 2], None) for at in range(0, 7, 2)), expected, rtol=1e-12)


def test_what_was_not_measured_has_no_part(image: np.ndarray) -> None:
    known = np.random.default_rng(1).random(image.shape[1:]) < 0.4
    expected = np.stack([image[:, known].mean(1), image[:, known].std(1, ddof=1)], 1)
    np.testing.assert_allclose(moments(np.where(known, image, 1e9), known), expected, rtol=1e-12)
    assert moments(image, np.zeros(known.shape, bool)).tolist() == [[0, 0], [0, 0]]


def test_two_pixels_stand_for_an_image(image: np.ndarray) -> None:
    one = PerImage().of(torch.from_numpy(image[None]))
    other = PerImage().of(torch.from_numpy(two_pixels(moments(image))[None]))
    torch.testing.assert_close((one.mean, one.std), (other.mean, other.std))


def test_a_pool_of_tiles_knows_the_whole_image(tmp_path: Path) -> None:
    volumes = [np.random.default_rng(at).integers(0, 4000, (1, 40, 48, 40)).astype(np.int16) + 1000 * at for at in range(2)]
    rows = [Row(f"{at}", tmp_path / f"{at}") for at in range(2)]
    for row in rows:
        row.path.touch()

    def read(row: Row) -> Sample:
        return Sample(torch.from_numpy(volumes[int(row.id)]), ("x",), (2.0,), (-10.0,), "stored", spacing=(1.0, 1.0, 3.0))

    pool = build_pool(rows, read, {}, tmp_path / "pools", say=Silent(), tile=16)
    assert len(pool) > 2
    for entry in (0, len(pool) - 1):
        image = volumes[int(pool.rows[entry].id)]
        found = pool.whole([entry])[0, 0]
        assert found.mean().item() == pytest.approx(image.mean(), rel=1e-5) and found.std().item() == pytest.approx(image.std(), rel=1e-3)
    same = RescaledPool(pool, (1.0,), (0.0,))
    torch.testing.assert_close(same.whole([0]), pool.whole([0]) * 2 - 10)
    assert pool.sample(0).spacing == (1.0, 1.0, 3.0)
