"""Volumes of 0.8 x 0.8 x 5 mm, ragged, one smaller than a patch: from files through pool, plan and views to steps of pretraining."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from labelfree_medical import Medical

from labelfree.backbones import build
from labelfree.data.pool import Pool, build_pool
from labelfree.domain import Row
from labelfree.planning.volumes import NARROW, Device, plan_volumes
from labelfree.pretraining.fit import fit
from labelfree.progress import Silent
from labelfree.views import Affine, Augmentation, Blur, Dihedral, LowResolution, ViewOp, ViewPipeline
from tests.medical.mask_files import write_nifti
from tests.pretraining.small import small_job

pytest.importorskip("monai", reason="MONAI belongs to the extra `medical`", exc_type=ImportError)
STEPS = (0.8, 0.8, 5.0)
SHAPES = [(60 + 4 * (number % 5), 64 + 6 * (number % 3), 9 + number % 4) for number in range(12)]
SMALLER = (20, 64, 9)  # than the patch, along its first axis


@pytest.fixture(scope="module")
def domain() -> Medical:
    return Medical()


@pytest.fixture(scope="module")
def pool(domain: Medical, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    folder, draw = tmp_path_factory.mktemp("thick"), np.random.default_rng(0)
    rows = []
    for number, shape in enumerate([*SHAPES, SMALLER]):
        file = write_nifti(folder / f"{number:02d}.nii", draw.integers(0, 900, shape).astype(np.int16), np.diag([*STEPS, 1.0]))
        rows.append(Row(file.name, file))
    yield build_pool(rows, domain.read, domain.settings(), folder / "pool", say=Silent(), tile="auto", max_gb=1.0)


@pytest.fixture(scope="module")
def views(domain: Medical, pool: Pool) -> Augmentation:
    return domain.augment(pool.fingerprint())


def ops(views: Augmentation) -> list[ViewOp]:
    return [*views.geometry, *views.physics, *views.late]


def test_tiles_keep_all_slices_and_a_volume_smaller_than_one_is_padded(pool: Pool) -> None:
    """As long as deep would be 9 slices of 45 mm beside 56 of 0.8; what is sliced so coarsely is not cut along."""
    assert pool.uniform and tuple(pool.index.shape[0]) == (60, 64, 9)
    smaller = pool.index.corner[pool.index.row_of == len(SHAPES)]
    assert (smaller[:, 0] < 0).all() and len(smaller) == 1


def test_a_patch_has_fewer_voxels_across_thick_slices() -> None:
    shapes = [(512, 512, depth) for depth in (24, 28, 32)]
    planned = plan_volumes(shapes, [STEPS] * 3, 100, NARROW, Device(8e9, 2))
    assert planned.tile == (96, 96, 15)
    across, within = planned.patch[2] * STEPS[2], planned.patch[0] * STEPS[0]
    assert planned.patch[0] == planned.patch[1] and 0.5 < across / within < 2, "about as long in mm along every axis"


def test_no_view_turns_slices_into_each_other_and_blurs_are_as_wide_in_mm(views: Augmentation) -> None:
    [flip] = [op for op in ops(views) if isinstance(op, Dihedral)]
    assert not flip.transpose and flip.axes == (-3,), "left to right, and no turn by a quarter"
    assert {plane for op in ops(views) if isinstance(op, Affine) for plane in op.planes} == {(-3, -2)}
    [blur] = [op for op in ops(views) if isinstance(op, Blur)]
    assert blur.shares == pytest.approx((1.0, 1.0, STEPS[0] / STEPS[2]))
    assert [op.axes for op in ops(views) if isinstance(op, LowResolution)] == [None, (-3, -2)], "thick slices get no thicker"


def test_steps_of_pretraining_see_them_at_a_size_an_axis(domain: Medical, pool: Pool, views: Augmentation, tmp_path: Path) -> None:
    options = {"filters": [4, 8], "strides": [[1, 1, 1], [2, 2, 1]]}
    drawn = {"steps": 3, "batch_size": 4, "size": (32, 32, 8), "on_collapse": "warn", "warmup": 1}
    job = replace(
        small_job(tmp_path, "byol", {"hidden": 16, "out": 8}, **drawn),
        pool=pool,
        entries=np.arange(len(pool)),
        views=ViewPipeline(views, domain.normalise(pool.fingerprint()), pool.scale, pool.offset),
        start=partial(build, "monai_dynunet_16", 1, dims=3, options=options),
    )
    torch.manual_seed(0)
    learnt = fit(job, Silent())
    assert all(tensor.isfinite().all() for tensor in learnt.state_dict().values())
    assert learnt.embed(torch.randn(1, 1, *SMALLER)).isfinite().all()
