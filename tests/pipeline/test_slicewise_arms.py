"""Volumes against ImageNet: its network and an own one of pictures see them slice by slice, marked as another architecture.

Half a minute: one whole run on generated volumes, which several tests look at; each part has quick tests of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import labelfree
from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import resize, save
from labelfree.deploy.loading import load_head
from labelfree.domain import Fingerprint
from labelfree.pipeline.network_encoders import Networks
from labelfree.pipeline.stages import Run
from labelfree.pipeline.starts import Starts
from labelfree.progress import Silent
from labelfree.reader_settings import domain_with
from labelfree.recipe import BackboneSettings
from labelfree.transfer.network_sizes import FILE
from labelfree.views import ValueWindow
from tests.small_runs import table

pytestmark = pytest.mark.slow
PLUGIN = Path(__file__).parents[1] / "plugins" / "toy_volumes"
WINDOW = ValueWindow(-1350, 150)
RECIPE = """
domain: medical
reader: {{window: lung}}
data: {{root: {root}, leak_limit: 1.0}}
backbone: {{name: "toy_volumes:small_resnet", init: random, options: {{width: 4}}}}
pretrain: {{objective: simclr, steps: 2, batch_size: 8, size: [32, 24, 16], options: {{hidden: 32, out: 16}}}}
evaluate:
  arms: [random, imagenet, domain, {{name: own slices, weights: {weights}}}]
  sizes: [32]
  labels_per_class: [1]
  draws: 2
  protocols: [linear]
  primary: {{arm: imagenet, against: random, protocol: linear, budget: 1, metric: accuracy}}
report: {{share: false}}
"""


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGIN)
        yield labelfree.sample_data(tmp_path_factory.mktemp("volumes") / "data", "medical", variant="volumes")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight file of pictures, as a pretraining on slices leaves it."""
    ones, zeros = (1.0,), (0.0,)
    card = WeightCard("resnet10t", ("gray",), "stored", ones, zeros, (), (), (32, 24), domain="medical", normalisation=WINDOW.told())
    return save(build("resnet10t", 1), card, tmp_path_factory.mktemp("own") / "own.safetensors")


@pytest.fixture(scope="module")
def finished(volumes: Path, own: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    (folder / "volumes.yaml").write_text(RECIPE.format(root=volumes, weights=own), encoding="utf-8")
    return labelfree.run(folder / "volumes.yaml", out=folder / "out", say=Silent())


def starts_of(run: Run, volumes: Path) -> Starts:
    """As the run's, of numbers in physical units."""
    told = json.loads((run.folder / "fingerprint.json").read_text())
    told.pop("format")
    fingerprint = Fingerprint(**{key: tuple(value) if isinstance(value, list) else value for key, value in told.items()})
    return Starts(BackboneSettings(), domain_with("medical", {"window": "lung"}), fingerprint, (1.0,), (0.0,))


def test_every_arm_is_scored_by_its_own_network(finished: Run) -> None:
    networks = {row["arm"]: row["backbone"] for row in table(finished.folder / "results.csv")}
    assert networks == {
        "random": "toy_volumes:small_resnet",
        "domain": "toy_volumes:small_resnet",
        "imagenet": "slicewise/tf_efficientnet_lite0",
        "own slices": "slicewise/resnet10t",
    }


def test_another_architecture_is_marked_with_both_sizes(finished: Run) -> None:
    sizes = json.loads((finished.folder / FILE).read_text())
    flat = build("tf_efficientnet_lite0", 3)
    assert sizes["slicewise/tf_efficientnet_lite0"] == sum(weight.numel() for weight in flat.parameters())
    notes = json.loads((finished.folder / "claims.json").read_text())["notes"]
    marked = [note for note in notes if note.startswith("Different architecture")]
    assert len(marked) == 1 and "slicewise/tf_efficientnet_lite0 (3.4 million weights)" in marked[0] and "small_resnet (0.0" in marked[0]
    assert "different architecture" in (finished.report or Path()).read_text(encoding="utf-8")


def test_an_imagenet_head_reads_a_volume_slice_by_slice(finished: Run, volumes: Path) -> None:
    """The head's file makes the encoder anew: the mean over axial slices, which are thickest, of what the network says of each."""
    head = load_head(finished.folder / "heads" / "linear.safetensors")
    volume = sorted((volumes / "images").iterdir())[0]
    physical = labelfree.read(volume, "medical").physical()[None]
    low, high = WINDOW.low, WINDOW.high
    flat = build("tf_efficientnet_lite0", 3, init="imagenet").eval()
    slices = [(plane[:, [0, 0, 0]] - low) / (high - low) for plane in physical.unbind(-1)]
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (flat.mean, flat.std))
    with torch.inference_mode():
        seen = [(resize(plane, (32, 24)) - mean) / std for plane in slices]
        expected = torch.stack([flat.embed(plane) for plane in seen]).mean(0)
        embedded = head.encoder.embed(physical, 32)
    assert_close(embedded, expected, rtol=1e-3, atol=1e-3)


def test_an_own_network_of_slices_reads_as_its_card_says(finished: Run, volumes: Path, own: Path) -> None:
    volume = sorted((volumes / "images").iterdir())[0]
    physical = labelfree.read(volume, "medical").physical()[None]
    flat, starts = labelfree.load(own).backbone.eval(), starts_of(finished, volumes)
    encoder = Networks(starts, (32,)).of_file("own slices", own)
    with torch.inference_mode():
        expected = torch.stack([flat.embed(WINDOW(resize(plane, (32, 24)))) for plane in physical.unbind(-1)]).mean(0)
    assert_close(encoder.embed(physical, 32).cpu(), expected, rtol=1e-3, atol=1e-3)
