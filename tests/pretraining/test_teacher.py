"""A teacher beside a pretraining: it sees the crops that the student sees, stands still, and is in no checkpoint."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from labelfree.backbones import Backbone, Features, build
from labelfree.domain import Size
from labelfree.errors import RecipeError, TrainingError
from labelfree.objectives.base import Widths
from labelfree.pretraining.fit import checkpoint_path, fit, fit_to_the_look
from labelfree.pretraining.module import PretrainingModule
from labelfree.pretraining.teacher import Teacher
from labelfree.pretraining.trial import pace_of
from labelfree.progress import Silent
from tests.pretraining.small import small_cnn, small_job, small_teacher


class Listening(nn.Module):
    """Tells what it was shown, and that a map of it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.shown: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.shown.append(x.detach().clone())
        return x * self.scale


def test_it_is_shown_the_students_crops_in_physical_units(tmp_path: Path) -> None:
    """Before they are normalised and before late ops: normalising what it saw gives what the student saw, which has no late ops here."""
    ears = Listening()
    teacher = Teacher(Backbone(ears, "ears", 3, dims=2, dim=3), lambda x, size, measured: x, 32, "size")
    module = PretrainingModule(small_job(tmp_path, "distill", teacher=lambda crop: teacher))
    ears.shown.clear()
    views, _ = module.views_of(3)
    assert_close(module.views.normalise(ears.shown[0]), views.globals)
    assert ears.shown[0].abs().max() > 50 and isinstance(views.taught, Features) and not views.taught.pooled.requires_grad
    plain, _ = PretrainingModule(small_job(tmp_path, "simclr")).views_of(3)
    assert_close(views.globals, plain.globals[:32])  # a teacher changes no draw


def test_it_is_shown_the_size_that_it_wants_and_answers_in_its_own_widths(tmp_path: Path) -> None:
    module = PretrainingModule(small_job(tmp_path, "distill"))
    assert module.teacher is not None and module.teacher.widths == Widths(512, 512)
    assert module.objective.projection.out_features == 512 and module.objective.projection.in_features == 64
    assert not any(isinstance(part, Teacher) or part is module.teacher.backbone for part in module.modules())
    with pytest.raises(RecipeError, match=r"^pretrain\.options\.teacher_size: .* does not take images of 32 pixels"):
        Teacher(
            build("vit_tiny_patch16_224", 3, options={"dynamic_img_size": False}),
            lambda *given: given[0],
            32,
            "pretrain.options.teacher_size",
        )


def test_it_stands_still_and_is_in_no_checkpoint_nor_export(tmp_path: Path) -> None:
    kept: list[Teacher] = []

    def teacher(crop: Size) -> Teacher:
        kept.append(small_teacher(crop))
        return kept[-1]

    job = small_job(tmp_path, "distill", start=small_cnn, steps=4, teacher=teacher)
    learnt = fit(job, Silent())
    assert learnt.net.state_dict().keys() == small_cnn().net.state_dict().keys()
    now, before = kept[-1].backbone.state_dict(), small_teacher(32).backbone.state_dict()
    assert all(torch.equal(now[name], before[name]) for name in before)
    stored = torch.load(checkpoint_path(job), weights_only=True)
    assert {name.split(".")[1] for name in stored["state_dict"] if name.startswith("objective.")} == {
        "backbone", "projection", "token_projection", "batches", "centre", "token_centre",
    }  # fmt: skip
    held = sum(len(group["params"]) for group in stored["optimizer_states"][0]["param_groups"])
    assert held == len(list(small_cnn().parameters())) + 4


def test_a_run_that_was_stopped_ends_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    whole = fit(small_job(tmp_path / "whole", "distill", steps=6), Silent())
    job = small_job(tmp_path / "broken", "distill", steps=6, look=3)
    fit_to_the_look(job, Silent())
    resumed = fit(job, Silent())
    for name, weight in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weight), name


def test_another_teacher_does_not_go_on_where_one_began(tmp_path: Path) -> None:
    def other(crop: Size) -> Teacher:
        teacher = copy.deepcopy(small_teacher(crop))
        with torch.no_grad():
            next(teacher.backbone.parameters()).add_(1e-3)
        return teacher

    fit_to_the_look(small_job(tmp_path, "distill", steps=6, look=3), Silent())
    with pytest.raises(TrainingError, match=r"^pretrain\.options\.teacher: the teacher is not the one that this run began with; "):
        fit(small_job(tmp_path, "distill", steps=6, look=3, teacher=other), Silent())


def test_steps_are_timed_with_their_teacher_and_memory_is_estimated(tmp_path: Path) -> None:
    pace = pace_of(small_job(tmp_path, "distill", head_only=2), room=2**40)
    assert 0 < pace.head <= pace.full
