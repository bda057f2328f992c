"""Ragged volumes from end to end: a field and a 3D network that third parties wrote are pretrained, compared, reported and embedded.

About ten seconds: one whole run, which several tests look at.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import labelfree
from labelfree.backbones.weights import resize
from labelfree.data.near_duplicates import near_pairs, prints
from labelfree.data.pool_index import thumbnail
from labelfree.errors import LeakError, RecipeError
from labelfree.pipeline.stages import Run
from labelfree.pretraining.job import Plan
from labelfree.progress import Silent

PLUGIN = Path(__file__).parents[1] / "plugins" / "toy_volumes"
RECIPE = """
domain: toy_volumes
data: {{root: {root}}}
backbone: {{name: "toy_volumes:small_resnet", init: random, options: {{width: 4}}}}
pretrain: {{objective: simclr, steps: 4, batch_size: 8, options: {{hidden: 32, out: 16}}}}
evaluate:
  arms: [statistics, random, domain]
  labels_per_class: [1, 3]
  draws: 2
  primary: {{arm: domain, against: random, protocol: linear, budget: 3, metric: accuracy}}
"""


@pytest.fixture(scope="module")
def plugin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGIN)
        yield


@pytest.fixture(scope="module")
def volumes(plugin: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelfree.sample_data(tmp_path_factory.mktemp("volumes") / "data", "toy_volumes")


@pytest.fixture(scope="module")
def finished(volumes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    recipe = folder / "volumes.yaml"
    recipe.write_text(RECIPE.format(root=volumes), encoding="utf-8")
    return labelfree.run(recipe, out=folder / "out", say=Silent())


def test_every_arm_has_scores_under_both_protocols(finished: Run) -> None:
    with (finished.folder / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(row["arm"], row["protocol"]) for row in rows} == {
        (arm, protocol) for arm in ("statistics", "random", "domain") for protocol in ("knn", "linear")
    }
    assert all(0 <= float(row["value"]) <= 1 for row in rows)
    page = finished.report.read_text(encoding="utf-8") if finished.report else ""
    assert "small_resnet" in page and (finished.folder / "pictures" / "views-domain-0.png").is_file()


def test_tiles_and_views_follow_the_voxels(finished: Run) -> None:
    """Slices are twice as thick as pixels are wide: half as many of them. A tile is as long along each axis as nine in ten volumes are."""
    seen = json.loads((finished.folder / "fingerprint.json").read_text())
    assert seen["smallest"] == seen["largest"] == [12, 25, 24]
    card = json.loads((finished.folder / "backbone.json").read_text())
    assert card["size"] == [16, 32, 32] and card["dims"] == 3 and card["architecture"] == "toy_volumes:small_resnet"


def test_weights_load_and_embed_whole_volumes(finished: Run, volumes: Path) -> None:
    files = sorted(volumes.glob("*.npz"))[:3]
    vectors = labelfree.embed(finished.folder, files)
    loaded = labelfree.load(finished.folder)
    assert vectors.shape == (3, loaded.dim) == (3, 16) and np.isfinite(vectors).all()
    physical = labelfree.read(files[0], "toy_volumes").physical()[None]
    seen = (resize(physical, (16, 32, 32)).clamp(-500, 1500) - 500) / 1000  # the domain's window
    assert loaded.card.normalisation == {"kind": "window", "low": -500, "high": 1500} and loaded.card.mean == ()
    with torch.no_grad():
        expected = loaded.backbone.net(seen).mean((2, 3, 4))[0]
    assert_close(torch.from_numpy(vectors[0]), expected, rtol=1e-4, atol=1e-4)


def test_a_plan_is_read_back_as_it_was_made(finished: Run) -> None:
    stored = json.loads((finished.folder / "plan.json").read_text())["plans"]["domain-0"]
    plan = Plan(**stored)
    assert (plan.size, plan.local_size) == ((16, 32, 32), (8, 16, 16))
    assert Plan(**json.loads(json.dumps(plan.to_dict()))) == plan


def test_a_copy_of_a_scored_volume_is_found_in_the_pool(volumes: Path, tmp_path: Path) -> None:
    shutil.copytree(volumes, tmp_path / "data")
    with np.load(volumes / "39.npz") as file:
        np.savez(tmp_path / "data" / "00.npz", voxels=file["voxels"].astype(np.float32), spacing=file["spacing"])
    recipe = tmp_path / "volumes.yaml"
    recipe.write_text(RECIPE.format(root=tmp_path / "data"), encoding="utf-8")
    with pytest.raises(LeakError, match=r"39\.npz"):
        labelfree.run(recipe, out=tmp_path / "out", say=Silent())


def test_a_turned_volume_is_a_near_duplicate(volumes: Path) -> None:
    first, other = (np.load(volumes / name)["voxels"][None] for name in ("00.npz", "02.npz"))
    turned = [first[:, ::-1], first[:, :, :, ::-1], first.swapaxes(2, 3)]
    seen = near_pairs(prints(thumbnail(first)[None]), prints(np.stack([thumbnail(each) for each in (*turned, other)])))
    assert {j for _, j, _ in seen} == {0, 1, 2}


def test_what_a_run_cannot_do_with_volumes_is_one_sentence(volumes: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "volumes.yaml"
    recipe.write_text(RECIPE.format(root=volumes), encoding="utf-8")
    for change, said in (
        ("backbone.name=resnet10t", r"backbone\.name: resnet10t reads pictures, and these images have 3 spatial axes"),
        ("pretrain.size=[32, 32]", r"pretrain\.size: 32 x 32 is for 2 axes, these images have 3; give one number, or 3"),
        ("pool.tile=[16, 16]", r"pool\.tile: 16 x 16 is for 2 axes, these images have 3; give one number, or 3"),
        (
            "evaluate.arms=[imagenet-inflated, random, domain]",
            r"there are no published weights for toy_volumes:small_resnet; use init: random",
        ),
    ):
        overrides = [change, "backbone.options={}"] if change.startswith("backbone") else [change]
        with pytest.raises(RecipeError, match=said):
            labelfree.run(recipe, overrides, tmp_path / "out", say=Silent())
