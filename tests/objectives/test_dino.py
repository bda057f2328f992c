"""What others got wrong with DINO and DINOv2: whose last layer is frozen, who sees local crops, centres, masks, KoLeo's edges."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from labelfree.backbones import build
from labelfree.backbones.base import Features
from labelfree.errors import RecipeError
from labelfree.objectives import Views
from labelfree.objectives.base import Situation
from labelfree.objectives.dino import DINO
from labelfree.objectives.dinov2 import DINOv2
from labelfree.objectives.ibot import hidden_blocks, ibot_loss
from labelfree.objectives.koleo import koleo_loss
from labelfree.objectives.measures import teacher_entropies
from labelfree.objectives.prototypes import sinkhorn_knopp
from tests.objectives.small import VIT, Volumes, cnn, small, take_step, views, vit

BOTH = pytest.mark.parametrize("name", ["dino", "dinov2"])


@BOTH
def test_only_the_students_last_layer_is_frozen_and_only_at_first(name: str) -> None:
    objective = small(name, vit(), freeze_prototypes=0.1)
    for progress, frozen in ((0.05, True), (0.1, False)):
        objective.zero_grad()
        objective(views(objective)).loss.backward()
        objective.before_step(progress)
        for head in [objective.head, objective.patch_head] if name == "dinov2" else [objective.head]:
            assert (head.prototypes.grad is None) is frozen
        assert objective.head.layers[0].weight.grad is not None


@BOTH
def test_student_and_teacher_heads_are_separate(name: str) -> None:
    objective = small(name, vit())
    own = {p.data_ptr() for p in objective.head.parameters()}
    assert not own & {p.data_ptr() for p in objective.teacher.parameters()}


@BOTH
def test_the_teacher_never_sees_local_crops(name: str) -> None:
    objective = small(name, vit())
    seen: list[tuple[int, ...]] = []
    objective.teacher["backbone"].net.patch_embed.register_forward_hook(lambda _m, inputs, _o: seen.append(tuple(inputs[0].shape)))
    objective(views(objective))
    assert seen == [(12, 3, 32, 32)]


def test_the_centre_follows_the_teacher_once_a_step() -> None:
    dino = small("dino", cnn(), centre_momentum=0.9)
    assert isinstance(dino, DINO)
    batch = views(dino)
    expected = 0.1 * small("dino", cnn()).teacher["head"](dino.teacher["backbone"].eval().train().embed(batch.globals)).mean(0)
    dino(batch)
    assert torch.equal(dino.centre, torch.zeros(32))  # the logits of this step are centred by the steps before
    dino.after_step(0.5)
    assert_close(dino.centre, expected.detach(), rtol=1e-3, atol=1e-4)
    assert "centre" in dino.state_dict() and "batch_centre" not in dino.state_dict()


def test_dinov2_has_two_heads_and_needs_no_process_group() -> None:
    objective = small("dinov2", vit())
    assert isinstance(objective, DINOv2)
    assert objective.head.prototypes.data_ptr() != objective.patch_head.prototypes.data_ptr()
    assert torch.isfinite(take_step(objective, views(objective)))


def test_dinov2_refuses_a_network_without_tokens() -> None:
    class Flat(Volumes):
        def forward(self, x: Tensor, mask: Tensor | None = None, mask_token: Tensor | None = None) -> Features:
            return Features(super().forward(x).pooled)

    objective = small("dinov2", Flat())
    with pytest.raises(RecipeError, match="take a ViT"):
        objective(views(objective, channels=1, side=16, axes=3))


def test_hidden_patches_are_hidden() -> None:
    """What stands in a hidden patch changes nothing of what the student gives, in a ViT or, pixel by pixel, in a CNN."""
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, :2, :2] = True
    x = torch.randn(1, 3, 32, 32)
    other = x.clone()
    other[:, :, :16, :16] = 7.0
    for network in (vit(), cnn()):
        network.eval()
        shown, changed = network(x, mask).pooled, network(other, mask).pooled
        assert torch.equal(shown, changed)
        assert not torch.equal(network(x).pooled, network(other).pooled)
    token = torch.randn(32)
    assert not torch.equal(vit().eval()(x, mask, token).pooled, vit().eval()(x, mask).pooled)


@given(
    grid=st.one_of(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))),
    n=st.integers(1, 12),
    share=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
def test_blocks_hide_what_was_asked_on_any_grid(grid: tuple[int, ...], n: int, share: float, seed: int) -> None:
    torch.manual_seed(seed)
    mask = hidden_blocks(n, grid, share, (0.1, 0.5))
    assert mask.shape == (n, *grid) and mask.dtype == torch.bool
    count = mask.flatten(1).sum(1)
    tokens = math.prod(grid)
    some = count[count > 0]
    assert (some >= max(1, math.floor(0.1 * tokens))).all() and (some <= max(1, math.ceil(0.5 * tokens))).all()
    assert (some < tokens).all()
    if tokens > 1 and share in (0.0, 1.0):
        assert len(some) == n * share


def test_what_is_hidden_are_blocks() -> None:
    """Half of a 12 x 12 grid in one block has far fewer edges than as many scattered tokens."""
    torch.manual_seed(0)
    mask = hidden_blocks(64, (12, 12), 1.0, (0.5, 0.5)).float()
    scattered = mask.flatten(1)[:, torch.randperm(144)].unflatten(1, (12, 12))

    def edges(m: Tensor) -> float:
        return float(m.diff(dim=1).abs().sum() + m.diff(dim=2).abs().sum())

    assert edges(mask) < 0.35 * edges(scattered)


def test_ibot_weighs_every_image_alike() -> None:
    """One image with one hidden token, one with three: each makes half of the loss; images without any count in the mean."""
    mask = torch.zeros(3, 2, 2, dtype=torch.bool)
    mask[0, 0, 0] = True
    mask[1, :, 0] = True
    mask[1, 0, 1] = True
    student, target = torch.randn(4, 8), torch.randn(4, 8).softmax(-1)
    each = -(target * (student / 0.1).log_softmax(-1)).sum(-1)
    assert_close(ibot_loss(student, target, mask, 0.1), (each[0] + each[1:].mean()) / 3)
    nothing = torch.zeros(3, 2, 2, dtype=torch.bool)
    assert float(ibot_loss(student[:0], target[:0], nothing, 0.1)) == 0.0


def test_koleo_is_safe_for_duplicates_and_a_batch_of_one() -> None:
    x = torch.randn(4, 8).repeat(2, 1).requires_grad_()
    koleo_loss(x).backward()
    assert x.grad is not None and x.grad.isfinite().all() and x.grad.abs().max() < 1
    one = torch.randn(1, 8, requires_grad=True)
    loss = koleo_loss(one)
    loss.backward()
    assert float(loss.detach()) == 0.0 and one.grad is not None
    with torch.autocast("cpu", torch.bfloat16):
        assert koleo_loss(torch.randn(4, 8).bfloat16()).dtype == torch.float32


def test_koleo_is_taken_view_by_view() -> None:
    """Two equal views are no neighbours of each other: the loss is twice that of one, and far from a duplicate's."""
    objective = small("dinov2", vit(), mask_share=0.0, local_crops=0)
    one = torch.randn(6, 3, 32, 32)
    logs = objective(Views(torch.cat([one, one]))).logs
    assert_close(logs["koleo_loss"], 2 * koleo_loss(objective.backbone(one).pooled).detach())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mobilenetv3_small_050", {}),
        ("vit_tiny_patch16_224", {**VIT, "reg_tokens": 2}),
        ("vit_tiny_patch16_224", {**VIT, "global_pool": "avg"}),
    ],
)
def test_dinov2_on_networks_whose_tokens_are_not_what_is_pooled(name: str, options: dict[str, Any]) -> None:
    objective = small("dinov2", build(name, 3, options=options))
    assert torch.isfinite(take_step(objective, views(objective, side=64)))


def test_sinkhorn_uses_every_prototype_equally_and_every_row_is_a_distribution() -> None:
    answer = sinkhorn_knopp(torch.randn(64, 8), 1.0, iterations=30)
    assert_close(answer.sum(1), torch.ones(64))
    assert_close(answer.sum(0), torch.full((8,), 8.0), rtol=1e-3, atol=1e-3)
    assert sinkhorn_knopp(torch.randn(0, 8), 0.1).shape == (0, 8)
    assert sinkhorn_knopp(torch.randn(4, 8), 0.001).isfinite().all()  # exp(1 / 0.001) is not


def test_information_tells_both_kinds_of_collapse() -> None:
    sharp = torch.eye(8)
    one, all_alike = torch.eye(8)[:1].repeat(8, 1), torch.full((8, 8), 1 / 8)
    assert float(teacher_entropies(sharp)["information"]) == pytest.approx(1.0, abs=1e-5)
    assert float(teacher_entropies(one)["information"]) == pytest.approx(0.0, abs=1e-5)
    assert float(teacher_entropies(all_alike)["information"]) == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(("images", "prototypes"), [(500, 1024), (19_999, 1024), (20_000, 2048), (50_000, 4096), (1_000_000, 65_536)])
def test_prototypes_follow_the_number_of_images(images: int, prototypes: int) -> None:
    rules = DINO.rules(Situation(images, 128, 10_000))
    assert rules["options.prototypes"].value == prototypes
    assert rules["options.freeze_prototypes"].value * 10_000 <= 1250
    assert DINO.rules(Situation(images, 128, 10**6))["options.freeze_prototypes"].value * 10**6 <= 1250 * (1 + 1e-6)


def test_koleo_rests_where_a_network_continues() -> None:
    assert "options.koleo" not in DINOv2.rules(Situation(1_000, 64, 100))
    assert DINOv2.rules(Situation(1_000, 64, 100, continues=True))["options.koleo"].value == 0.0


def test_odd_grids_work() -> None:
    objective = small("dinov2", vit())
    assert torch.isfinite(objective(Views(torch.randn(4, 3, 40, 24), torch.randn(4, 3, 24, 8))).loss)
