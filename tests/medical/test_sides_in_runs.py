"""From labels' names to views: what `labelfree plan` writes, what a run does with `auto`, and what a recipe may overrule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.pipeline.context import Context
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs, gather
from labelfree.pipeline.pretraining_plans import view_pipeline
from labelfree.progress import Silent
from labelfree.recipe import Recipe
from labelfree.recipe_file import load_recipe
from labelfree.views import Dihedral

SIDED, PLAIN = ("left effusion", "right effusion"), ("normal", "effusion")


def films(folder: Path, labels: tuple[str, str], labelled: int = 24, unlabelled: int = 8) -> Path:
    """Gray pictures of noise; `labels.csv` names the class of the first ones."""
    folder.mkdir()
    lines = ["path,label"]
    for number in range(labelled + unlabelled):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
        lines += [f"{number:02d}.png,{labels[number % 2]}"] if number < labelled else []
    (folder / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def organs(folder: Path) -> Path:
    """Gray pictures with masks of two organs, numbered 1 and 2."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    lines = ["path,mask,split"]
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number:02d}.png")
        mask = np.zeros((32, 32), dtype=np.uint8)
        mask[4:12, 4:12], mask[4:12, 20:28] = 1, 2
        Image.fromarray(mask).save(folder / "masks" / f"{number:02d}.png")
        lines.append(f"images/{number:02d}.png,masks/{number:02d}.png,{('train', 'train', 'dev')[number % 3]}")
    (folder / "splits.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def inputs_of(recipe: Recipe, out: Path) -> Inputs:
    out.mkdir()
    return gather(Context(recipe, RunFolder(out, recipe), Silent()))


def swaps(recipe: Recipe, inputs: Inputs) -> tuple[bool, bool]:
    """Whether views of the pretraining swap left and right, and those of fine-tuning."""
    pretraining = view_pipeline(recipe, inputs, inputs.starts.reading("random")).geometry
    return tuple(any(isinstance(op, Dihedral) for op in ops) for ops in (pretraining, inputs.starts.augmentation.geometry))  # type: ignore[return-value]


@pytest.mark.parametrize(("labels", "mirror", "said"), [(SIDED, False, "name sides"), (PLAIN, "auto", "no label names a side")])
def test_plan_writes_it_with_its_reason(tmp_path: Path, labels: tuple[str, str], mirror: object, said: str) -> None:
    folder = films(tmp_path / "films", labels)
    proposal = labelfree.plan(folder, "medical", folder / "labels.csv", say=Silent())
    assert proposal.recipe.pretrain.mirror == mirror and said in " ".join(proposal.text.replace("#", "").split())
    assert any("views are not mirrored left to right" in line for line in proposal.lines()) is (mirror is False)
    file = proposal.write(tmp_path / "planned.yaml")
    assert load_recipe(file, ["pretrain.mirror=true"]).pretrain.mirror is True
    assert load_recipe(file).pretrain.mirror == mirror


@pytest.mark.parametrize("views", ["domain", "generic"])
@pytest.mark.parametrize(
    ("labels", "mirror", "swapped"), [(SIDED, "auto", False), (PLAIN, "auto", True), (SIDED, "true", True), (PLAIN, "false", False)]
)
def test_a_run_swaps_no_sides_that_labels_name(tmp_path: Path, views: str, labels: tuple[str, str], mirror: str, swapped: bool) -> None:
    folder = films(tmp_path / "films", labels)
    asked = [f"data.root={folder}", f"data.labels={folder / 'labels.csv'}", f"pretrain.mirror={mirror}", f"pretrain.views={views}"]
    recipe = load_recipe("medical_xray_simsiam", [*asked, "backbone.name=resnet10t", "data.leak_limit=1.0"])
    inputs = inputs_of(recipe, tmp_path / "run")
    assert swaps(recipe, inputs) == (swapped, swapped)


def test_masks_that_name_sides_forbid_it_too(tmp_path: Path) -> None:
    folder = organs(tmp_path / "organs")
    names = "data.classes={0: background, 1: kidney_L, 2: kidney_R}"
    common = [f"data.root={folder}", "evaluate.task=segmentation", "evaluate.on=dev", "evaluate.protocols=[linear]", "data.leak_limit=1.0"]
    claim = "evaluate.primary={arm: imagenet+domain, against: imagenet, protocol: linear, budget: 4, metric: mean_iou}"
    for overrides, swapped in (([names], False), ([], True)):
        recipe = load_recipe("medical_xray_simsiam", [*common, claim, *overrides, "data.card=null", "evaluate.labels_per_class=[4]"])
        inputs = inputs_of(recipe, tmp_path / f"run-{swapped}")
        assert swaps(recipe, inputs) == (swapped, swapped)
        assert inputs.mirror is not None and ("kidney_L" in inputs.mirror.reason) is not swapped
