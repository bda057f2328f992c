"""docs/extending.md, "A backbone of your own": the page's network is found, trained by every objective, saved and loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from labelfree.backbones import build
from labelfree.backbones.weights import WeightCard, load, save
from labelfree.errors import RecipeError
from labelfree.objectives.registry import objective_names
from labelfree.recipe import Recipe
from tests.docs.pages import TOP, blocks
from tests.objectives.small import small, take_step, views

PAGE = TOP / "docs" / "extending.md"
CODE = next(block for block in blocks(PAGE, "python") if "nn.Conv3d" in block)
ENTRY_POINT = next(block for block in blocks(PAGE, "toml") if "labelfree.backbones" in block)


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Installed as a package that brings the module and the entry point."""
    (tmp_path / "my_networks.py").write_text(CODE, encoding="utf-8")
    told = tmp_path / "my_networks-0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: my_networks\nVersion: 0\n")
    (told / "entry_points.txt").write_text(
        ENTRY_POINT.replace('project.entry-points."labelfree.backbones"', "labelfree.backbones").replace('"', "")
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_networks", None)


def test_the_page_is_short() -> None:
    assert len(CODE.splitlines()) <= 40


@pytest.mark.parametrize("objective", objective_names())
def test_every_objective_takes_a_step_with_it(objective: str) -> None:
    method = small(objective, build("my_networks:residual", 1, dims=3, options={"width": 4, "blocks": 2}))
    assert torch.isfinite(take_step(method, views(method, channels=1, side=16, axes=3)))


def test_its_levels_are_told_and_its_weights_load_back(tmp_path: Path) -> None:
    backbone = build("my_networks:residual", 1, dims=3, options={"width": 4}).eval()
    x = torch.randn(2, 1, 32, 64, 64)
    assert [tuple(level.shape[1:]) for level in backbone.pyramid(x)] == [
        (4, 16, 32, 32), (8, 8, 16, 16), (16, 4, 8, 8), (32, 2, 4, 4),
    ]  # fmt: skip
    assert [len(group) for group in backbone.param_groups()] == [7] * 4
    card = WeightCard("my_networks:residual", ("ct",), "HU", (1.0,), (0.0,), (0.0,), (1.0,), (32, 64, 64), options={"width": 4}, dims=3)
    loaded = load(save(backbone, card, tmp_path / "w.safetensors"))
    assert torch.equal(loaded.embed(x * 1.0), backbone.embed(x))


def test_its_recipe_is_one() -> None:
    text = next(block for block in blocks(PAGE, "yaml") if "my_networks" in block)
    recipe = Recipe.model_validate({"domain": "any", **yaml.safe_load(text)})
    assert build(recipe.backbone.name, 2, dims=3, options=recipe.backbone.options).dim == 64


def test_a_family_is_found_by_its_entry_point() -> None:
    assert build("residual_large", 2, dims=3).dim == 256
    with pytest.raises(RecipeError, match="no network is called 'residual_smal'; did you mean residual_small?"):
        build("residual_smal", 2)


def test_a_family_that_cannot_be_imported_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "more" / "broken-0.dist-info"
    broken.mkdir(parents=True)
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 0\n")
    (broken / "entry_points.txt").write_text("[labelfree.backbones]\nbroken = no_such_module:Family\n")
    monkeypatch.syspath_prepend(tmp_path / "more")
    assert build("resnet10t", 3).channels == 3
    with pytest.raises(RecipeError, match=r"no network is called 'nothing'; .* Networks of broken cannot be imported \(No module named"):
        build("nothing", 3)
