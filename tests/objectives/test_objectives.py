"""What the method notes demand of the objectives: BatchNorm's statistics, cancelled gradients, momentum by hand, health of logs."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from labelfree.backbones import build
from labelfree.errors import RecipeError
from labelfree.objectives import Views
from labelfree.objectives.dino import DINO
from labelfree.objectives.momentum import cosine, momentum_copy, move_towards
from labelfree.objectives.registry import check_options, make_objective, objective_class, objective_names, objective_options
from labelfree.objectives.simclr import SimCLR, nt_xent


def small_dino(**options) -> DINO:
    torch.manual_seed(0)
    return DINO(build("resnet10t", 3), **{"prototypes": 32, "hidden": 32, "bottleneck": 16, "local_crops": 2, **options})


def some_views(locals_: int = 2) -> Views:
    draw = torch.Generator().manual_seed(1)
    big = torch.randn(8, 3, 64, 64, generator=draw)
    return Views(big, torch.randn(locals_ * 4, 3, 32, 32, generator=draw) * 5 if locals_ else None)


def test_a_view_is_not_its_own_negative() -> None:
    """With N = 1 there is no negative at all: the loss is exactly 0, not ln 2."""
    one = torch.randn(1, 8)
    assert float(nt_xent(one, torch.randn(1, 8), 0.2)) == 0.0


def test_simclr_step_has_finite_loss_and_gradients_everywhere() -> None:
    objective = SimCLR(build("resnet10t", 5), hidden=32, out=16)
    step = objective(Views(torch.randn(8, 5, 32, 32)))
    step.loss.backward()
    assert torch.isfinite(step.loss)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in objective.parameters())
    assert step.embedding is not None and step.embedding.shape == (8, objective.backbone.dim)
    assert -1 <= float(step.logs["negative_similarity"]) <= 1


def test_local_crops_never_move_the_statistics_that_evaluation_uses() -> None:
    alone, together = small_dino(), small_dino()
    together.load_state_dict(alone.state_dict())
    alone.train()(some_views(0))
    together.train()(some_views(2))
    moved = dict(alone.backbone.named_buffers())
    for name, buffer in together.backbone.named_buffers():
        assert_close(buffer, moved[name], msg=name)
    stem = "net.conv1.1.running_mean"
    assert not torch.equal(moved[stem], dict(small_dino().backbone.named_buffers())[stem])  # global ones do


def test_frozen_statistics_stay_through_training_mode() -> None:
    dino = small_dino()
    dino.backbone.freeze_statistics()
    before = copy.deepcopy(dict(dino.backbone.named_buffers()))
    dino.train()(some_views())
    for name, buffer in dino.backbone.named_buffers():
        assert torch.equal(buffer, before[name]), name
    assert not any(m.training for m in dino.backbone.modules() if isinstance(m, nn.BatchNorm2d))


def test_only_the_students_last_layer_is_frozen_and_only_at_first() -> None:
    dino = small_dino(freeze_prototypes=0.1)
    for progress, frozen in ((0.05, True), (0.1, False)):
        dino.zero_grad()
        dino(some_views()).loss.backward()
        dino.before_step(progress)
        assert (dino.head.prototypes.grad is None) is frozen
        assert dino.head.layers[0].weight.grad is not None
    assert not any(p.requires_grad for p in dino.teacher.parameters())


def test_momentum_follows_the_hand_computed_sequence() -> None:
    fast = nn.Linear(1, 1, bias=False)
    fast.weight.data.fill_(1.0)
    slow = momentum_copy(fast)
    slow.weight.data.fill_(0.0)
    seen = []
    for momentum in (0.5, 0.9, 1.0):
        move_towards(slow, fast, momentum)
        seen.append(round(float(slow.weight), 6))
    assert seen == [0.5, 0.55, 0.55]


def test_the_centre_follows_the_teacher_once_a_step() -> None:
    dino = small_dino(centre_momentum=0.9)
    views = some_views(0)
    dino.train()
    expected = 0.1 * dino.teacher["head"](dino.teacher["backbone"].embed(views.globals)).mean(0)
    dino(views)
    assert torch.equal(dino.centre, torch.zeros(32))  # the logits of this step are centred by the steps before
    dino.after_step(0.5)
    assert_close(dino.centre, expected.detach(), rtol=1e-3, atol=1e-4)


def test_a_dino_checkpoint_holds_all_of_its_state() -> None:
    names = set(small_dino().state_dict())
    assert "centre" in names and "teacher.head.prototypes" in names and "batch_centre" not in names


@pytest.mark.parametrize("exports", ["student", "teacher"])
def test_the_export_rule_is_the_one_that_was_asked_for(exports: str) -> None:
    dino = small_dino(exports=exports)
    assert dino.exported() is (dino.backbone if exports == "student" else dino.teacher["backbone"])


def test_cosine_ends_where_it_says() -> None:
    assert cosine(0.99, 1.0, 0.0) == pytest.approx(0.99)
    assert cosine(0.99, 1.0, 0.5) == pytest.approx(0.995)
    assert cosine(0.99, 1.0, 1.0) == pytest.approx(1.0)


def test_objectives_are_found_and_their_options_checked() -> None:
    assert {"simclr", "dino"} <= set(objective_names())
    assert objective_options("simclr")["temperature"] == 0.2
    with pytest.raises(RecipeError, match=r"did you mean pretrain\.options\.temperature"):
        check_options("simclr", {"temprature": 0.1})
    with pytest.raises(RecipeError, match="is not a float"):
        check_options("simclr", {"temperature": "hot"})
    with pytest.raises(RecipeError, match="did you mean simclr"):
        objective_class("simcrl")
    assert make_objective("simclr", build("resnet10t", 1), {"out": 8}).projector[-1].out_features == 8


@pytest.mark.parametrize("name", ["nt_xent", "dino"])
def test_losses_stay_fp32_under_autocast(name: str) -> None:
    from labelfree.objectives.prototypes import cross_view_loss as dino_loss

    first, second = torch.randn(2, 8, 16)
    target = torch.randn(4, 16).softmax(-1)

    def loss() -> torch.Tensor:
        return nt_xent(first, second, 0.1) if name == "nt_xent" else dino_loss(first, target, 0.1)

    plain = loss()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss()
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, plain)
