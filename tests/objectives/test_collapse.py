"""Every method, broken as it is known to break: the run stops and names sign, cause and fix, and its sound twin is left alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from labelfree.backbones import Features
from labelfree.domain import Size
from labelfree.errors import TrainingError
from labelfree.objectives import Objective, Step, Views, dinov2
from labelfree.objectives.measures import participation_ratio, similarities
from labelfree.objectives.registry import objective_names
from labelfree.objectives.simsiam import SimSiam, negative_cosine
from labelfree.pretraining.fit import fit
from labelfree.pretraining.health import CollapseGuard
from labelfree.pretraining.teacher import Teacher
from labelfree.progress import Silent
from tests.pretraining.small import metrics, small_job, small_teacher

PLAN = {"check_every": 4, "warmup": 6}
PROTOTYPES = {"hidden": 64, "bottleneck": 32, "prototypes": 64, "local_crops": 2, "momentum": 0.9, "final_momentum": 0.9}


def without_predictor(objective: Objective) -> None:
    objective.predictor = nn.Identity()


def saying_the_same(crop: Size) -> Teacher:
    """A teacher that reads numbers which it does not know: it says nearly the same of all."""
    teacher = small_teacher(crop)
    said = teacher.backbone.forward

    def forward(x: Tensor) -> Features:
        features = said(x)
        assert features.tokens is not None
        return Features(1 + 1e-3 * features.pooled, 1 + 1e-3 * features.tokens)

    teacher.backbone.forward = forward  # type: ignore[method-assign]
    return teacher


def without_stop_gradient(objective: Objective) -> None:
    assert isinstance(objective, SimSiam)

    def forward(views: Views) -> Step:
        embedded = objective.backbone.embed(views.globals)
        z = objective.projector(embedded)
        (p1, p2), (z1, z2) = objective.predictor(z).chunk(2), z.chunk(2)
        return Step(negative_cosine(p1, z2) / 2 + negative_cosine(p2, z1) / 2, similarities(z1, z2), embedded.detach())

    objective.forward = forward  # type: ignore[method-assign]


def softmax_alone(logits: Tensor, temperature: float, *_: Any) -> Tensor:
    """In the place of Sinkhorn-Knopp: answers that nothing balances."""
    return (logits / temperature).softmax(-1)


@dataclass(frozen=True)
class Case:
    """A run of `objective` with `plan` and `options` that is sound, and what breaks it: `bad_plan`, `bad_options`, a `bad_job`, a `harm`
    or a patch.

    `sign`: the log that shows it, or several. `cause`, `fix`: words of the sentence.
    """

    name: str
    objective: str
    sign: str
    cause: str
    fix: str
    plan: dict[str, Any]
    options: dict[str, Any] = field(default_factory=lambda: {"hidden": 64, "out": 32})
    bad_plan: dict[str, Any] = field(default_factory=dict)
    bad_options: dict[str, Any] = field(default_factory=dict)
    harm: Callable[[Objective], None] = lambda objective: None
    unbalanced: bool = False
    bad_job: dict[str, Any] = field(default_factory=dict)


LARS = {"steps": 40, "optimiser": "lars", "lr": 0.1}
CASES = [
    Case("simclr, rate", "simclr", "std|rankme", "too high a learning rate", "pretrain.lr", LARS, bad_plan={"lr": 30.0}),
    Case("moco_v3, rate", "moco_v3", "std|rankme", "too high a learning rate", "pretrain.lr", LARS, bad_plan={"lr": 30.0}),
    Case(
        "moco, rate", "moco", "separation", "too high a learning rate", "pretrain.lr",
        {"steps": 40}, {"hidden": 64, "out": 32, "queue": 128}, bad_plan={"lr": 0.1},
    ),
    Case(
        "byol, no predictor", "byol", "projection_rank", "the target follows too fast", "pretrain.options.momentum",
        {"steps": 80, "lr": 5e-3}, {"hidden": 64, "out": 32, "momentum": 0.8, "final_momentum": 0.8}, harm=without_predictor,
    ),
    Case(
        "simsiam, no stop-gradient", "simsiam", "projection_rank|separation", "stop-gradient", "pretrain.lr",
        {"steps": 80, "optimiser": "sgd", "lr": 0.5}, {"hidden": 64, "out": 64, "bottleneck": 16}, harm=without_stop_gradient,
    ),
    Case(
        "dino, no centre", "dino", "information", "centred too little", "pretrain.options.centre_momentum",
        {"steps": 40, "base": 2}, {**PROTOTYPES, "centre_momentum": 0.5}, bad_options={"centre_momentum": 1.0},
    ),
    Case(
        "dino, no sharpening", "dino", "teacher_entropy", "too warm", "pretrain.options.teacher_temperature",
        {"steps": 32}, PROTOTYPES, bad_options={"teacher_temperature": 1.0},
    ),
    Case(
        "dinov2, no Sinkhorn-Knopp", "dinov2", "information", "the same answer", "pretrain.lr",
        {"steps": 40, "lr": 3e-3, "base": 2}, PROTOTYPES, unbalanced=True,
    ),
    Case(
        "dinov2, no sharpening", "dinov2", "teacher_entropy", "too warm", "pretrain.options.teacher_temperature",
        {"steps": 32}, PROTOTYPES, bad_options={"teacher_temperature": 1.0},
    ),
    Case(
        "distill, a teacher that knows nothing", "distill", "teacher_spread", "these are not the numbers that it was taught by",
        "pretrain.options.teacher", {"steps": 40}, {}, bad_job={"teacher": saying_the_same},
    ),
    Case(
        "cutpaste, rate", "cutpaste", "std|rankme|separation", "too high a learning rate", "pretrain.lr",
        {"steps": 40, "lr": 3e-4}, {"hidden": 64}, bad_plan={"optimiser": "lars", "lr": 30.0},
    ),
    Case(
        "clip, rate", "clip", "std|rankme|image_std|text_std", "too high", "pretrain.lr",
        {"steps": 40, "lr": 3e-4}, {"out": 32, "text": "tiny"}, bad_plan={"optimiser": "lars", "lr": 30.0},
    ),
    Case(
        "siglip, rate", "siglip", "std|rankme|image_std|text_std", "too high", "pretrain.lr",
        {"steps": 40, "lr": 3e-4}, {"out": 32, "text": "tiny", "bias": -3.5}, bad_plan={"optimiser": "lars", "lr": 30.0},
    ),
    Case("distill, rate", "distill", "std|rankme|separation", "too high a learning rate", "pretrain.lr", LARS, {}, bad_plan={"lr": 30.0}),
]  # fmt: skip


# Their like is in the others: a rate too high, a teacher too warm.
LONG = ("moco_v3, rate", "cutpaste, rate", "siglip, rate", "distill, rate", "dinov2, no sharpening")


@pytest.fixture(
    params=[pytest.param(case, marks=pytest.mark.slow) if case.name in LONG else case for case in CASES], ids=lambda case: case.name
)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def test_separation_is_between_two_views_and_two_images() -> None:
    first, second = torch.randn(2, 64, 16, generator=torch.Generator().manual_seed(0))
    assert abs(float(similarities(first, second)["separation"])) < 0.1  # views of an image are no more alike than two images
    assert float(similarities(first, first)["separation"]) == pytest.approx(1)
    alike = torch.ones(64, 16)
    assert float(similarities(alike, alike)["separation"]) == pytest.approx(0, abs=1e-2)


@pytest.mark.parametrize("n", [12, 300])
def test_directions_are_counted(n: int) -> None:
    """n vectors along k axes, whichever way they point, use k directions."""
    for k in (1, 3, 12):
        along = torch.eye(16)[torch.arange(n) % k] * torch.where(torch.arange(n) % 5 < 2, -1.0, 1.0)[:, None]
        assert float(participation_ratio(along)) == pytest.approx(k, rel=1e-4)


def test_every_method_is_broken_here() -> None:
    assert {case.objective for case in CASES} >= set(objective_names())


def test_a_collapse_is_caught_and_explained(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if case.unbalanced:
        monkeypatch.setattr(dinov2, "sinkhorn_knopp", softmax_alone)
    settings = {**PLAN, **case.plan, **case.bad_plan}
    job = small_job(tmp_path, case.objective, {**case.options, **case.bad_options}, harm=case.harm, **settings, **case.bad_job)
    with pytest.raises(TrainingError) as stopped:
        fit(job, Silent())
    told = str(stopped.value)
    assert re.search(f"collapse: ({case.sign}) was", told)
    cause, fix = told.split("The probable cause: ")[1].split("The fix: ")
    assert case.cause in cause and case.fix in fix
    assert max(metrics(tmp_path)) + 1 < job.plan.steps  # before the end


@pytest.mark.slow
def test_the_sound_twin_is_left_alone(case: Case, tmp_path: Path) -> None:
    """It would be stopped, too; and no sign is on its way at the end."""
    fit(small_job(tmp_path, case.objective, case.options, **{**PLAN, **case.plan}), Silent())
    job = small_job(tmp_path, case.objective, case.options)
    guard = CollapseGuard(job.objective())
    checks = metrics(tmp_path)
    guard.check(checks[max(checks)], job.plan.batch_size)
    assert not any(guard.seen.values())
    assert len([step for step in checks if step >= PLAN["warmup"]]) > 6
    assert any(re.fullmatch(case.sign, log) for log in checks[max(checks)])  # what would show it is measured
