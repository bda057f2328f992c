"""Every objective on ragged volumes of thick slices: ten steps, stopped and resumed bit for bit, on networks of volumes by name."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labelfree.backbones import Backbone, build
from labelfree.backbones.weights import network_input
from labelfree.data.pool import Pool, build_pool
from labelfree.domain import Row, Size, find_domain
from labelfree.errors import Interrupted
from labelfree.objectives.dinov2 import DINOv2
from labelfree.objectives.registry import objective_class, objective_names
from labelfree.pretraining.fit import checkpoint_path, checkpoint_step, fit
from labelfree.pretraining.module import PretrainingModule
from labelfree.pretraining.teacher import Teacher
from labelfree.pretraining.trial import _bytes_kept
from labelfree.progress import Silent
from labelfree.views import ValueWindow, ViewPipeline
from tests.pretraining.small import SmallJob, small_captions, small_job

PLUGIN = Path(__file__).parents[1] / "plugins" / "toy_volumes"
STEPS, STOP = 10, 5
CNN = ("monai_dynunet_16", {"filters": [4, 8], "strides": [[1, 1, 1], [2, 2, 2]]})
VIT = ("monai_vit_tiny_8", {"patch_size": [2, 4, 4], "img_size": [8, 16, 16], "hidden_size": 24, "num_layers": 2})
OPTIONS: dict[str, dict[str, Any]] = {
    "simclr": {"hidden": 16, "out": 8},
    "moco": {"hidden": 16, "out": 8, "queue": 16},
    "moco_v3": {"hidden": 16, "out": 8},
    "byol": {"hidden": 16, "out": 8},
    "simsiam": {"hidden": 16, "out": 8, "bottleneck": 4},
    "dino": {"hidden": 16, "bottleneck": 8, "prototypes": 16, "local_crops": 2},
    "dinov2": {"hidden": 16, "bottleneck": 8, "prototypes": 16, "local_crops": 2},
    "distill": {},
    "cutpaste": {"hidden": 16},
    "clip": {"text": "tiny", "out": 8},
    "siglip": {"text": "tiny", "out": 8},
}
NETWORKS = {"moco_v3": VIT, "dino": VIT, "dinov2": VIT}  # as they were published; the others on a CNN


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Tiles of 40 volumes of which no two are of one size, voxels 2 x 1 x 1 mm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGIN)
        folder = tmp_path_factory.mktemp("volumes")
        domain = find_domain("toy_volumes")
        domain.generate(folder / "data")
        rows = [Row(id=path.name, path=path) for path in domain.files(folder / "data")]
        assert len({domain.read(row).data.shape for row in rows[:8]}) > 4
        yield build_pool(rows, domain.read, domain.settings(), folder / "pool", say=Silent(), tile="auto", max_gb=1.0)


def network(name: str, options: dict[str, Any], channels: int = 1) -> Backbone:
    torch.manual_seed(0)
    return build(name, channels, dims=3, options=options)


def teacher(crop: Size) -> Teacher:
    return Teacher(network(*CNN).eval(), lambda x, size, measured: network_input(x, ValueWindow(-500, 1500), size, measured), crop, "size")


def job(pool: Pool, folder: Path, objective: str, **more: Any) -> SmallJob:
    views = find_domain("toy_volumes").augment(pool.fingerprint())
    drawn: dict[str, Any] = {"steps": STEPS, "batch_size": 4, "size": (8, 16, 16), "local_size": (4, 8, 8), "on_collapse": "warn"}
    made = small_job(folder, objective, OPTIONS[objective], **drawn | more)
    return replace(
        made,
        pool=pool,
        entries=np.arange(len(pool)),
        views=ViewPipeline(views, ValueWindow(-500, 1500), pool.scale, pool.offset),
        start=partial(network, *NETWORKS.get(objective, CNN)),
        teacher=teacher if objective_class(objective).learns_from else None,
        captions=small_captions(len(pool)) if objective_class(objective).reads_text else None,
    )


def test_all_objectives_of_pixels_are_tried() -> None:
    assert set(OPTIONS) == set(objective_names())


QUICK = ("simclr", "dino")  # two views, and many crops


@pytest.mark.parametrize("objective", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in OPTIONS])
def test_ten_steps_stopped_and_resumed_equal_unbroken_ones(
    objective: str, pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = fit(job(pool, tmp_path / "unbroken", objective), Silent())
    broken = job(pool, tmp_path / "broken", objective)
    plain = PretrainingModule.loss_at

    def stopped(self: PretrainingModule, step: int) -> Any:
        if step == STOP:
            signal.raise_signal(signal.SIGINT)
        return plain(self, step)

    with monkeypatch.context() as patched:
        patched.setattr(PretrainingModule, "loss_at", stopped)
        with pytest.raises(Interrupted):
            fit(broken, Silent())
    assert 0 < checkpoint_step(checkpoint_path(broken)) < STEPS
    resumed = fit(broken, Silent())
    assert_close(resumed.state_dict(), unbroken.state_dict(), rtol=0, atol=0)
    start = broken.start().state_dict()
    moved = [not torch.equal(tensor, start[key]) for key, tensor in unbroken.state_dict().items()]
    assert all(moved) or objective == "moco_v3", "whose patch embedding stands still"


def test_dino_leaves_a_vit_whose_attention_is_a_volume(pool: Pool, tmp_path: Path) -> None:
    learnt = fit(job(pool, tmp_path, "dino", steps=2, warmup=1), Silent())
    attention = learnt.attention(torch.randn(1, 1, 11, 24, 30))
    assert attention is not None and attention.shape == (1, 3, 6, 6, 8)
    assert_close(attention.sum((2, 3, 4)), torch.ones(1, 3))


def test_dinov2_hides_tokens_of_volumes(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    module = PretrainingModule(job(pool, tmp_path, "dinov2")).train()
    assert isinstance(module.objective, DINOv2) and module.objective.mask_token is not None
    backbone, plain = module.objective.backbone, module.objective.backbone.forward

    def listened(x: torch.Tensor, hidden: torch.Tensor | None = None, mask_token: torch.Tensor | None = None) -> Any:
        seen.extend([] if hidden is None else [hidden])
        return plain(x, hidden, mask_token)

    monkeypatch.setattr(backbone, "forward", listened)
    module.loss_at(0).backward()
    assert seen and seen[0].shape == (8, 4, 4, 4) and seen[0].any() and not seen[0].all()
    assert module.objective.mask_token.grad is not None and module.objective.mask_token.grad.any()


def test_what_a_step_keeps_is_counted_in_voxels(pool: Pool, tmp_path: Path) -> None:
    """Twice the side is eight times the memory, but for the network itself."""
    small, large = (
        _bytes_kept(PretrainingModule(job(pool, tmp_path, "simclr", size=size)).train()) for size in ((8, 16, 16), (16, 32, 32))
    )
    assert large == pytest.approx(8 * small, rel=0.05)
