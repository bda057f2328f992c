"""The shipped recipes for volumes: what they ask can be asked, and a reduced run of each ends with scores and a head."""

from __future__ import annotations

from pathlib import Path

import pytest

import labelfree
from labelfree.data.cards import find_card
from labelfree.pipeline.recipe_checks import check
from labelfree.progress import Silent
from labelfree.recipe_file import load_recipe
from tests.small_runs import table

NAMES = ("medical_volume_byol", "medical_volume_segment")
REDUCED = [
    "pretrain.minutes=null", "pretrain.steps=2", "pretrain.size=[24, 16, 24]", "pretrain.batch_size=4", "evaluate.draws=2",
    "data.leak_limit=1.0", "reader.spacing=12", "evaluate.minutes=0.2",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_for_volumes_can_be_carried_out(name: str) -> None:
    """A dry run: networks are made, ImageNet's for slices too, and nothing is read."""
    pytest.importorskip("monai")
    recipe = load_recipe(name)
    check(recipe)
    card = find_card(str(recipe.data.card))
    assert card.generated and card.variant == "volumes" and card.reader == {"window": [-1000.0, 400.0]}
    assert {"random", "imagenet"} < set(recipe.evaluate.arms) and recipe.evaluate.primary.arm == "domain"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_reduced_run_ends_with_scores_and_a_head(name: str, tmp_path: Path) -> None:
    """A minute each: forty volumes, two steps of pretraining, every arm of the recipe."""
    pytest.importorskip("monai")
    recipe = load_recipe(name)
    budget = min(size for size in recipe.evaluate.labels_per_class if size != "all")
    asked = [*REDUCED, f"evaluate.labels_per_class=[{budget}]", f"evaluate.primary.budget={budget}"]
    run = labelfree.run(name, asked, tmp_path / "run", say=Silent())
    scored = {row["arm"]: row["backbone"] for row in table(run.folder / "results.csv")}
    assert set(scored) == set(recipe.evaluate.arms)
    assert scored["imagenet"] == "slicewise/tf_efficientnet_lite0" and scored["domain"] == recipe.backbone.name
    assert (run.folder / "heads" / "recommended.safetensors").is_file()
    assert run.report is not None and "generated" in run.report.read_text(encoding="utf-8").lower()
