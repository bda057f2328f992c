"""What holds for every objective: views of any kind, gradients everywhere, BatchNorm's statistics, fp32 losses, options."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from labelfree.backbones import build
from labelfree.errors import RecipeError
from labelfree.objectives import Views
from labelfree.objectives.registry import check_options, make_objective, objective_class, objective_names, objective_options
from tests.objectives.small import Volumes, cnn, small, take_step, views, vit

NAMES = objective_names()
SLOW_NETWORKS = ("target.", "keys.", "slow.", "teacher.")


def test_every_method_is_found_by_name() -> None:
    assert {"simclr", "moco", "moco_v3", "byol", "simsiam", "dino", "dinov2", "distill", "cutpaste", "clip", "siglip"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("network", [cnn, vit, Volumes], ids=["cnn", "vit", "3d"])
def test_a_step_on_any_network_has_gradients_everywhere_and_moves_everything(name: str, network: Any) -> None:
    backbone = network(5) if network is not Volumes else Volumes(2)
    objective = small(name, backbone)
    batch = views(objective, channels=5, side=64) if network is not Volumes else views(objective, channels=2, side=16, axes=3)
    step = objective(batch)
    step.loss.backward()
    assert torch.isfinite(step.loss)
    without = [key for key, p in objective.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.isfinite().all())]
    assert without == []
    assert step.embedding is not None and step.embedding.shape == (6 * objective.crops.globals, backbone.dim)
    assert not step.embedding.requires_grad and not any(value.requires_grad for value in step.logs.values())
    before = {key: p.clone() for key, p in objective.named_parameters()}
    for _ in range(2):  # at first, BatchNorm's zero scales hold the ends of residual branches
        take_step(objective, batch)
    assert [key for key, p in objective.named_parameters() if torch.equal(p, before[key]) and p.ndim > 1] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_slow_network_takes_gradients(name: str) -> None:
    objective = small(name, cnn())
    slow = [p for key, p in objective.named_parameters() if key.startswith(SLOW_NETWORKS)]
    assert bool(slow) is (name not in ("simclr", "simsiam", "distill", "cutpaste", "clip", "siglip"))
    assert not any(p.requires_grad for p in slow)


@pytest.mark.parametrize("name", NAMES)
def test_the_step_after_a_checkpoint_is_the_step_without_one(name: str) -> None:
    """Queue, centre, target: all that a later step depends on is in the state dict."""
    unbroken = small(name, cnn())
    batch = views(unbroken)
    take_step(unbroken, batch)
    resumed = small(name, cnn())
    resumed.load_state_dict(unbroken.state_dict())
    losses = []
    for objective in (unbroken, resumed):
        torch.manual_seed(5)
        take_step(objective, batch)
        losses.append(objective(batch).loss.detach())
    assert torch.equal(*losses)


@pytest.mark.parametrize("name", ["dino", "dinov2"])
def test_local_crops_never_move_the_statistics_that_evaluation_uses(name: str) -> None:
    alone, together = small(name, cnn()), small(name, cnn())
    batch = views(together)
    for objective, locals_ in ((alone, None), (together, batch.locals)):
        torch.manual_seed(3)
        objective(Views(batch.globals, locals_))
    moved = dict(alone.backbone.named_buffers())
    for key, buffer in together.backbone.named_buffers():
        assert_close(buffer, moved[key], msg=key)
    stem = "net.conv1.1.running_mean"
    assert not torch.equal(moved[stem], dict(cnn().named_buffers())[stem])  # global ones do


@pytest.mark.parametrize("name", NAMES)
def test_frozen_statistics_stay_through_training_mode(name: str) -> None:
    backbone = cnn()
    backbone.freeze_statistics()
    objective = small(name, backbone)
    before = copy.deepcopy(dict(objective.backbone.named_buffers()))
    take_step(objective, views(objective))
    for key, buffer in objective.backbone.named_buffers():
        assert torch.equal(buffer, before[key]), key
    assert not any(m.training for m in objective.backbone.modules() if isinstance(m, nn.BatchNorm2d))
    assert not any(m.training for m in objective.exported().modules() if isinstance(m, nn.BatchNorm2d))


@pytest.mark.parametrize("name", NAMES)
def test_what_follows_the_networks_is_fp32_under_autocast(name: str) -> None:
    """Autocast may round inside networks. With these kept out of it the loss is the same number, and so are gradients."""
    objective = small(name, cnn())
    for layer in objective.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.MultiheadAttention)):
            layer.forward = without_autocast(layer.forward)  # type: ignore[method-assign]
    batch, found = views(objective), []
    for rounds in (False, True):
        torch.manual_seed(0)  # masks
        with torch.autocast("cpu", torch.bfloat16, enabled=rounds):
            loss = objective(batch).loss
        assert loss.dtype == torch.float32
        found.append([loss, *torch.autograd.grad(loss, list(objective.backbone.parameters()), allow_unused=True)])
    assert_close(found[1], found[0], rtol=1e-5, atol=1e-6)


def without_autocast(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def alone(*given: Tensor, **named: Any) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return forward(*given, **named)

    return alone


@pytest.mark.parametrize("name", ["dino", "dinov2"])
@pytest.mark.parametrize("exports", ["student", "teacher"])
def test_the_export_rule_is_the_one_that_was_asked_for(name: str, exports: str) -> None:
    objective = small(name, cnn(), exports=exports)
    assert objective.exported() is (objective.backbone if exports == "student" else objective.teacher["backbone"])
    with pytest.raises(RecipeError, match="neither student nor teacher"):
        small(name, cnn(), exports="pupil")


def test_options_are_checked() -> None:
    assert objective_options("simclr")["temperature"] == 0.2
    with pytest.raises(RecipeError, match=r"did you mean pretrain\.options\.temperature"):
        check_options("simclr", {"temprature": 0.1})
    with pytest.raises(RecipeError, match="must be a number above 0 or auto, not 'hot'; its default is 0.2"):
        check_options("simclr", {"temperature": "hot"})
    with pytest.raises(RecipeError, match="must be true or false or auto, not 1; its default is False"):
        check_options("moco_v3", {"freeze_patches": 1})
    with pytest.raises(RecipeError, match="must be a whole number from 1 or auto, not True; its default is 128"):
        check_options("simclr", {"out": True})
    check_options("simclr", {"temperature": "auto", "out": 64})
    check_options("simclr", {"temperature": 1})  # a whole number is a number
    with pytest.raises(RecipeError, match="did you mean simclr"):
        objective_class("simcrl")
    assert make_objective("simclr", build("resnet10t", 1), {"out": 8}).projector[-1].out_features == 8
