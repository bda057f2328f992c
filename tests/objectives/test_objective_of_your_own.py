"""docs/extending.md, "An objective of your own": a package with one class is found, checked, listed and trained."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import lightly.loss as lightly
import pytest
import torch
from torch.testing import assert_close

from labelfree.backbones import build
from labelfree.errors import RecipeError
from labelfree.objectives import Views, registry
from labelfree.recipe_words import outline
from tests.oracles.witness import value_and_gradients

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
SECTION = PAGE.read_text(encoding="utf-8").partition("## An objective of your own\n")[2].partition("\n## ")[0]
CODE, PROJECT = (re.findall(rf"^```{language}\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)[0] for language in ("python", "toml"))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page's module and entry point, as pip lays them down."""
    (tmp_path / "barlow_twins.py").write_text(CODE, encoding="utf-8")
    metadata = tmp_path / "barlow_twins-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: barlow-twins\nVersion: 1.0\n")
    ((group, points),) = tomllib.loads(PROJECT)["project"]["entry-points"].items()
    (metadata / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items()))
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("barlow_twins", None)


def test_it_is_short() -> None:
    assert len([line for line in CODE.splitlines() if line.strip()]) <= 40


@pytest.mark.usefixtures("installed")
def test_its_options_are_checked_and_listed() -> None:
    assert registry.objective_options("barlow_twins") == {"off_diagonal": 5e-3, "hidden": 2048, "out": 2048}
    with pytest.raises(RecipeError, match=r"^pretrain\.options\.off_diagnal .* did you mean pretrain\.options\.off_diagonal\?$"):
        registry.check_options("barlow_twins", {"off_diagnal": 1})
    with pytest.raises(RecipeError, match="must be a number from 0 or auto, not -1; its default is 0.005"):
        registry.check_options("barlow_twins", {"off_diagonal": -1})
    assert "    # of barlow_twins:\n    #   off_diagonal: 0.005  # a number from 0 or auto\n" in outline(registry.options_schemas())


@pytest.mark.usefixtures("installed")
def test_it_learns() -> None:
    torch.manual_seed(0)
    objective = registry.make_objective("barlow_twins", build("resnet10t", 3), {"hidden": 64, "out": 32})
    optimiser = torch.optim.AdamW(objective.parameters(), 1e-3)
    views = Views(torch.randn(2 * 8, 3, 32, 32))
    losses = []
    for _ in range(5):
        step = objective(views)
        optimiser.zero_grad()
        step.loss.backward()
        optimiser.step()
        losses.append(float(step.loss.detach()))
    assert losses[-1] < 0.7 * losses[0] and step.logs["separation"].isfinite()


@pytest.mark.usefixtures("installed")
def test_its_loss_is_lightlys() -> None:
    from barlow_twins import barlow_twins_loss  # type: ignore[import-not-found]

    x = torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(0))
    ours = value_and_gradients(lambda a, b: barlow_twins_loss(a, b, 5e-3), *x)
    theirs = value_and_gradients(lightly.BarlowTwinsLoss(lambda_param=5e-3), *x)
    assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
