"""What training does with what an objective asks for: modes of slow networks, rates of steady parts, frozen patches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from labelfree.objectives import Objective
from labelfree.pretraining.fit import fit
from labelfree.pretraining.module import PretrainingModule
from labelfree.progress import Silent
from labelfree.training.schedules import warm_cosine
from labelfree.views import Augmentation, ViewPipeline
from labelfree.views.filters import Blur
from labelfree.views.photometric import Noise
from tests.pretraining.small import small_cnn, small_job, tiny_vit

PEAK = 1e-3


def test_mocos_keys_are_encoded_with_running_statistics_in_a_real_run(tmp_path: Path) -> None:
    """Nobody but the run itself puts the network into training mode; keys must not follow."""
    seen: list[tuple[bool, bool]] = []

    def listen(objective: Objective) -> None:
        query, key = (part.net.bn1 if hasattr(part.net, "bn1") else None for part in (objective.backbone, objective.keys["backbone"]))
        assert query is not None and key is not None
        key.register_forward_hook(lambda *_: seen.append((query.training, key.training)))

    fit(small_job(tmp_path, "moco", {"hidden": 32, "queue": 64}, start=small_cnn, steps=3, harm=listen), Silent())
    assert seen and set(seen) == {(True, False)}


def test_simsiams_predictor_keeps_its_rate_to_the_end(tmp_path: Path) -> None:
    options = {"hidden": 32, "out": 32, "bottleneck": 8, "predictor_rate": 10.0}
    module = PretrainingModule(small_job(tmp_path, "simsiam", options, lr=PEAK, warmup=4, head_only=2))
    optimiser = module.configure_optimizers()
    own = {id(p) for p in module.objective.predictor.parameters()}
    for step in (0, 10, 19):
        module.set_rates(optimiser, step)
        for group in optimiser.param_groups:
            steady = id(group["params"][0]) in own
            start = 2 if group["part"] == "backbone" else 0
            assert group["lr"] == pytest.approx(10 * PEAK if steady else PEAK * warm_cosine(step, 20, 4, start)), (step, group["part"])


@pytest.mark.parametrize("freeze", [True, False])
def test_a_frozen_patch_projection_stays_frozen_when_the_backbone_starts_to_learn(freeze: bool, tmp_path: Path) -> None:
    options = {"hidden": 32, "out": 16, "freeze_patches": freeze}
    learnt: Any = fit(small_job(tmp_path, "moco_v3", options, steps=4, head_only=2, warmup=1), Silent())
    before, after = tiny_vit().net.patch_embed.proj.weight, learnt.net.patch_embed.proj.weight
    assert torch.equal(before, after) is freeze
    assert not torch.equal(tiny_vit().net.blocks[0].attn.qkv.weight, learnt.net.blocks[0].attn.qkv.weight)


@pytest.mark.parametrize("share, learning", [(1.0, 4), (0.5, 2), (0.01, 1)])
def test_only_the_last_layers_learn_where_a_share_is_given(share: float, learning: int, tmp_path: Path) -> None:
    learnt: Any = fit(small_job(tmp_path, "simclr", steps=3, head_only=1, warmup=1, trained=share), Silent())
    layers = list(zip(tiny_vit().param_groups(), learnt.param_groups(), strict=True))
    moved = [any(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) for before, after in layers]
    assert moved == [False] * (len(moved) - learning) + [True] * learning


def test_views_keep_single_precision_where_networks_do_not(tmp_path: Path) -> None:
    """A blur is a convolution, which autocast would round: within a run in bf16 as on any GPU."""
    job = small_job(tmp_path, "dino", {"hidden": 32, "bottleneck": 8, "prototypes": 16})
    job = replace(
        job, views=ViewPipeline(Augmentation(physics=[Blur(p=0.5), Noise((0.0, 8.0))]), job.views.normalise, [1.0] * 3, [0.0] * 3)
    )
    module = PretrainingModule(job)
    plain, _ = module.views_of(3)
    with torch.autocast("cpu", torch.bfloat16):
        cast, _ = module.views_of(3)
    assert cast.globals.dtype == cast.locals.dtype == torch.float32
    assert torch.equal(plain.globals, cast.globals) and torch.equal(plain.locals, cast.locals)
