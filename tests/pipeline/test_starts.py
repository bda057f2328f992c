"""Whose weights the ImageNet arms get: never those of somebody's own pretraining."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from labelfree.backbones import build
from labelfree.backbones.weights import WeightCard, save
from labelfree.domain import find_domain
from labelfree.objectives.registry import objective_names, objective_options
from labelfree.pipeline.checking import check
from labelfree.pipeline.starts import Starts, imagenet_source
from labelfree.recipe import BackboneSettings, Evaluate, Pretrain, Primary, Recipe

BANDS = tuple(f"band_{i}" for i in range(5))
ONES, ZEROS = (1.0,) * 5, (0.0,) * 5


def test_a_plain_file_is_imagenet_and_a_pretraining_is_not(tmp_path: Path) -> None:
    plain, own = tmp_path / "plain.safetensors", tmp_path / "own.safetensors"
    published = build("resnet10t", 3)
    save_file(published.net.state_dict(), plain)
    save(build("resnet10t", 5), WeightCard("resnet10t", BANDS, "stored", ONES, ZEROS, ZEROS, ONES, 32), own)
    assert imagenet_source(BackboneSettings(init=str(plain))) == plain
    assert [imagenet_source(BackboneSettings(init=init)) for init in ("imagenet", "random", str(own))] == ["imagenet"] * 3
    settings = BackboneSettings(name="resnet10t", init=str(plain))
    data = SimpleNamespace(channels=BANDS)
    starts = Starts(settings, find_domain("satellite"), data, ONES, ZEROS)  # type: ignore[arg-type]
    stem = "conv1.0.weight"
    assert torch.equal(starts.photographic().net.state_dict()[stem], published.net.state_dict()[stem])
    wide = starts.network("imagenet", 0).net.state_dict()[stem]  # no band is red, green or blue: each gets the mean kernel
    torch.testing.assert_close(wide[:, 0] * 5 / 3, published.net.state_dict()[stem].mean(1))


def test_a_recipe_may_continue_from_weights_of_many_bands(tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    save(build("resnet10t", 5), WeightCard("resnet10t", BANDS, "stored", ONES, ZEROS, ZEROS, ONES, 32), own)
    evaluate = Evaluate(arms=["random", "imagenet+domain"], primary=Primary(against="random"))
    check(Recipe(domain="satellite", backbone=BackboneSettings(name="resnet10t", init=str(own)), evaluate=evaluate))


@pytest.mark.parametrize("objective", objective_names())
def test_auto_may_stand_for_every_option_in_a_recipe(objective: str) -> None:
    options = dict.fromkeys(objective_options(objective), "auto")
    evaluate = Evaluate(arms=["random", "domain"], primary=Primary(arm="domain", against="random"))
    backbone, pretrain = BackboneSettings(name="resnet10t", init="random"), Pretrain(objective=objective, options=options)
    check(Recipe(domain="satellite", backbone=backbone, pretrain=pretrain, evaluate=evaluate))
