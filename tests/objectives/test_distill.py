"""Distillation against a case that can be solved by hand, against numpy, and where teacher and student are of different kinds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from labelfree.backbones import Backbone, Features
from labelfree.errors import RecipeError
from labelfree.objectives import Views
from labelfree.objectives.base import Situation, Widths
from labelfree.objectives.distill import Distill, misdirection, on_grid
from labelfree.objectives.registry import check_situation, objective_options
from tests.objectives.small import Volumes, cnn, take_step, vit

SEEDS = st.integers(0, 2**31)


class Pixels(Backbone):
    """A student without weights: each pixel is a token, of as many numbers as the image has channels."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.Identity(), "pixels", channels, dims=2, dim=channels)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_a_linear_student_of_a_linear_teacher_by_hand() -> None:
    """Orthogonal images x_i = e_i, a teacher T x: the loss and its gradient at a projection W are those of 1 - cos(W e_i, T e_i), and the
    least-squares projection, W = T, has loss 0.
    """
    teacher = drawn(5, 4, seed=1)
    objective = Distill(Pixels(4), Widths(5, None)).eval()
    x = torch.eye(4)[:, :, None, None]
    views = Views(x, taught=Features(x.flatten(1) @ teacher.T))
    w = drawn(5, 4, seed=2)
    with torch.no_grad():
        objective.projection.weight.copy_(w)
        objective.projection.bias.zero_()
    loss = objective(views).loss
    loss.backward()
    a, b = w.double().numpy(), teacher.double().numpy()
    lengths, cosines = np.linalg.norm(a, axis=0), (a * b).sum(0) / np.linalg.norm(a, axis=0) / np.linalg.norm(b, axis=0)
    assert float(loss.detach()) == pytest.approx(1 - cosines.mean(), rel=1e-5)
    gradient = -(b / np.linalg.norm(b, axis=0) - cosines * a / lengths) / lengths / 4  # d(1 - cos) / dW, one column an image
    assert_close(objective.projection.weight.grad, torch.from_numpy(gradient).float())
    solved = torch.linalg.lstsq(x.flatten(1), views.taught.pooled).solution.T
    with torch.no_grad():
        objective.projection.weight.copy_(solved)
    step = objective(views)
    assert float(step.loss.detach()) == pytest.approx(0, abs=1e-6) and float(step.logs["positive_similarity"]) == pytest.approx(1)


@given(n=st.integers(1, 9), d=st.integers(1, 17), scale=st.floats(0.01, 100), seed=SEEDS)
def test_the_loss_is_of_directions(n: int, d: int, scale: float, seed: int) -> None:
    said, target = drawn(2, n, d, seed=seed)
    loss = misdirection(said, target)
    assert -1e-5 <= float(loss) <= 2 + 1e-5
    assert_close(misdirection(scale * said, target), loss, rtol=1e-3, atol=1e-5)
    assert_close(misdirection(said, scale * target), loss, rtol=1e-3, atol=1e-5)
    assert_close(misdirection(said, -target), 2 - loss, rtol=1e-3, atol=1e-5)
    assert_close(misdirection(said, said), torch.tensor(0.0), rtol=0, atol=1e-5)


@given(there=st.integers(1, 6), times=st.integers(1, 4), seed=SEEDS)
def test_finer_tokens_are_averaged_over_the_students_cells(there: int, times: int, seed: int) -> None:
    tokens = drawn(2, 3, there * times, there, seed=seed)
    cells = tokens.numpy().reshape(2, 3, there, times, there).mean(3)
    assert_close(on_grid(tokens, (there, there)), torch.from_numpy(cells))


def test_coarser_tokens_are_read_between_their_centres() -> None:
    """Two tokens, 0 and 4, at the centres of four cells: those of the student lie a quarter of the way beyond and between."""
    tokens = torch.tensor([0.0, 4.0]).view(1, 1, 1, 2)
    assert_close(on_grid(tokens, (1, 4)), torch.tensor([0.0, 1.0, 3.0, 4.0]).view(1, 1, 1, 4))
    assert_close(on_grid(tokens.expand(1, 1, 6, 2), (3, 4)), torch.tensor([0.0, 1.0, 3.0, 4.0]).expand(1, 1, 3, 4))  # finer one way
    volume = drawn(1, 2, 3, 4, 5)
    assert torch.equal(on_grid(volume, (3, 4, 5)), volume)
    assert_close(on_grid(volume, (6, 2, 5)), F.interpolate(volume.unflatten(3, (2, 2)).mean(4), (6, 2, 5), mode="trilinear"))


@pytest.mark.parametrize("student", [cnn, vit])
@pytest.mark.parametrize("grid", [(7, 7), (1, 1), (2, 3)])
def test_a_student_learns_of_a_teacher_of_any_width_and_grid(student: Callable[[int], Backbone], grid: tuple[int, int]) -> None:
    objective = Distill(student(5), Widths(24, 12)).train()
    views = Views(drawn(6, 5, 32, 32), taught=Features(drawn(6, 24), drawn(6, 12, *grid)))
    losses = [float(take_step(objective, views)) for _ in range(8)]
    assert losses[-1] < losses[0] and "token_similarity" in objective(views).logs


def test_a_volume_is_taught_as_a_picture_is() -> None:
    objective = Distill(Volumes(2), Widths(24, 12)).train()
    views = Views(drawn(4, 2, 16, 16, 16), taught=Features(drawn(4, 24), drawn(4, 12, 3, 5, 2)))
    losses = [float(take_step(objective, views)) for _ in range(8)]
    assert losses[-1] < losses[0]


def test_without_a_map_of_tokens_pooled_features_alone_are_learnt() -> None:
    objective = Distill(cnn(), Widths(24, None)).train()
    assert objective.token_projection is None
    step = objective(Views(drawn(6, 3, 32, 32), taught=Features(drawn(6, 24))))
    assert "token_similarity" not in step.logs and 0 <= float(step.loss.detach()) <= 2
    assert Distill(cnn(), Widths(24, 12), tokens=0.0).token_projection is None


def test_the_centre_is_the_mean_of_all_that_the_teacher_said() -> None:
    """From the second step on, whatever the number of images: what every image shares turns no direction."""
    objective = Distill(cnn(), Widths(24, 12)).train()
    said = []
    for step in range(4):
        taught = Features(5 + drawn(6, 24, seed=step), 3 + drawn(6, 12, 1, 1, seed=10 + step))
        said.append(taught)
        take_step(objective, Views(drawn(6, 3, 32, 32, seed=step), taught=taught))
    assert_close(objective.centre, torch.cat([each.pooled for each in said]).mean(0))
    assert_close(objective.token_centre, torch.cat([each.tokens for each in said]).mean((0, 2, 3)))
    objective.eval()
    before = objective.centre.clone()
    shown = Views(drawn(6, 3, 32, 32), taught=said[0])
    far = Features(*(x + 100 for x in (said[0].pooled, said[0].tokens)))
    loss = objective(shown).loss
    with torch.no_grad():
        objective.centre += 100
        objective.token_centre += 100
    assert_close(objective(Views(shown.globals, taught=far)).loss, loss, rtol=1e-3, atol=1e-4)
    assert_close(objective.centre, before + 100)


def test_the_teacher_is_not_part_of_it_and_the_student_is_exported() -> None:
    objective = Distill(cnn(), Widths(24, 12))
    assert objective.exported() is objective.backbone
    own = {name.partition(".")[0] for name in objective.state_dict()}
    assert own == {"backbone", "projection", "token_projection", "batches", "centre", "token_centre"}


def test_options_that_teach_nothing_are_refused() -> None:
    options = {**objective_options("distill"), "pooled": 0.0, "tokens": 0.0}
    with pytest.raises(RecipeError, match=r"^pretrain\.options\.pooled: .* nothing is learnt; raise one\.$"):
        check_situation("distill", options, Situation(images=100, batch_size=8, steps=10))
    check_situation("distill", {**options, "tokens": 1.0}, Situation(images=100, batch_size=8, steps=10))
