"""What others got wrong with BYOL and SimSiam: where gradients stop, whose rate stays, what BatchNorm's buffers do."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from labelfree.objectives import Views
from labelfree.objectives.base import Situation
from labelfree.objectives.byol import BYOL, regression_loss
from labelfree.objectives.simsiam import SimSiam, negative_cosine
from labelfree.training.optimisers import parameter_groups
from tests.objectives.small import cnn, small, take_step, views

STEM = "net.conv1.1.running_mean"


@pytest.mark.parametrize("name", ["byol", "simsiam"])
def test_both_views_predict_each_other(name: str) -> None:
    objective = small(name, cnn())
    batch = views(objective).globals
    assert_close(objective(Views(batch)).loss, objective(Views(torch.cat([batch[6:], batch[:6]]))).loss)


def test_the_losses_are_where_they_should_be_at_agreement() -> None:
    x = torch.randn(5, 7)
    assert float(regression_loss(3 * x, x)) == pytest.approx(0.0, abs=1e-6)
    assert float(negative_cosine(3 * x, x)) == pytest.approx(-1.0)


def test_simsiam_stops_the_gradient_at_the_projection_that_is_told() -> None:
    """The gradient is that of predictions against constants: the projections are recomputed apart and held."""
    simsiam = small("simsiam", cnn()).eval()
    batch = views(simsiam)
    simsiam(batch).loss.backward()
    got = simsiam.projector[0].weight.grad.clone()
    with torch.no_grad():
        told = simsiam.projector(simsiam.backbone.embed(batch.globals)).chunk(2)
    simsiam.zero_grad()
    p1, p2 = simsiam.predictor(simsiam.projector(simsiam.backbone.embed(batch.globals))).chunk(2)
    (negative_cosine(p1, told[1]) / 2 + negative_cosine(p2, told[0]) / 2).backward()
    assert_close(got, simsiam.projector[0].weight.grad)


def test_simsiams_last_projector_norm_has_no_scale_and_its_predictor_is_a_bottleneck() -> None:
    simsiam = SimSiam(cnn())
    norm = simsiam.projector[-1]
    assert isinstance(norm, nn.BatchNorm1d) and not norm.affine
    assert simsiam.predictor[0].out_features < simsiam.predictor[-1].out_features


def test_only_simsiams_predictor_keeps_its_rate() -> None:
    simsiam = small("simsiam", cnn(), predictor_rate=10.0)
    groups = parameter_groups(simsiam.backbone, simsiam, 1e-4, simsiam.steady)
    steady = [group for group in groups if group["part"] == "steady"]
    assert {id(p) for group in steady for p in group["params"]} == {id(p) for p in simsiam.predictor.parameters()}
    assert {group["factor"] for group in steady} == {10.0} and {g["factor"] for g in groups if g not in steady} == {1.0}
    assert sum(len(group["params"]) for group in groups) == len(list(simsiam.parameters()))


def test_simsiams_rate_goes_with_the_batch_and_from_weights_its_predictor_keeps_up() -> None:
    rules = SimSiam.rules(Situation(images=8_000, batch_size=512, steps=100))
    assert rules["optimiser"].value == "sgd" and rules["lr"].value == pytest.approx(0.1)
    from_weights = SimSiam.rules(Situation(images=8_000, batch_size=512, steps=100, continues=True))
    assert from_weights["optimiser"].value == "adamw" and from_weights["options.predictor_rate"].value == 10.0


def test_byols_target_averages_parameters_once_a_step_and_its_statistics_are_its_own() -> None:
    byol = small("byol", cnn(), momentum=0.75, final_momentum=0.75)
    assert isinstance(byol, BYOL)
    batch = views(byol)
    before = byol.target["projector"][0].weight.clone()
    byol(batch)
    assert torch.equal(byol.target["projector"][0].weight, before)  # a forward pass alone moves nothing
    own = dict(byol.target["backbone"].named_buffers())[STEM].clone()
    assert torch.any(own != 0)  # but the statistics: the target sees batches in training mode
    take_step(byol, batch)
    assert_close(byol.target["projector"][0].weight, 0.75 * before + 0.25 * byol.projector[0].weight)


def test_byol_predicts_through_a_head_that_the_target_lacks() -> None:
    byol = small("byol", cnn())
    assert not [key for key in byol.target.state_dict() if "predictor" in key]
    assert byol.predictor[-1].out_features == byol.projector[-1].out_features
