"""Fine-tuning on 13 bands of generated images: from a recipe to its report, its head, what that predicts, and a graph that says the same.

Runs of ten to twenty seconds of a free core: networks are trained, and torch takes five of them for an export.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from labelfree_satellite import Satellite, generated_patches
from safetensors.torch import load_file

import labelfree
from labelfree.deploy.exports.onnx_file import NEEDED
from labelfree.deploy.head_file import read_card
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent
from labelfree.transfer.maps.training import MapTraining
from labelfree.transfer.tuning import asking
from tests.small_runs import table

for package in NEEDED:
    pytest.importorskip(package)

BANDS = list(generated_patches.BANDS)
SMALL = [
    "data.card=null", "data.leak_limit=1.0", "backbone={name: test_resnet, init: random}", "pretrain.steps=2", "pretrain.minutes=null",
    "pretrain.batch_size=8", "pretrain.options={hidden: 32}", "evaluate.on=dev", "evaluate.draws=1", "evaluate.sizes=[64]",
    "evaluate.arms=[random, domain]",
]  # fmt: skip

pytestmark = pytest.mark.slow  # test_tuned_heads.py fine-tunes and exports three bands


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample of the generated kind: fewer scenes, as many bands."""
    folder = tmp_path_factory.mktemp("generated")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(generated_patches, "SPLITS", {"pretrain": 2, "train": 4, "dev": 2})
        Satellite().generate(folder, seed=1)
    return folder


def run_on(folder: Path, out: Path, *more: str) -> Run:
    return labelfree.run("satellite_simclr", [f"data.root={folder}", *SMALL, *more], out, say=Silent())


@pytest.fixture(scope="module")
def tuned(patches: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asking, "STEPS", 8)
        patched.setattr(asking, "STOPS", (0.5, 1.0))  # the probe alone would be another test
        return run_on(
            patches,
            tmp_path_factory.mktemp("runs") / "classes",
            "evaluate.task=classification",
            "evaluate.protocols=[linear, finetune]",
            "evaluate.labels_per_class=[4]",
            "evaluate.primary={arm: domain, against: random, protocol: finetune, budget: 4, metric: accuracy}",
        )


def stored(file: Path, names: list[str]) -> np.ndarray:
    """(C, H, W) of the bands of these names, as a file holds them, by rasterio alone."""
    with rasterio.open(file) as opened:
        pixels: np.ndarray = opened.read([opened.descriptions.index(name) + 1 for name in names])
    return pixels


def test_both_networks_were_tuned_and_the_report_tells_it(tuned: Run) -> None:
    scored = {(row["arm"], row["protocol"]): row["mean"] for row in tuned.claims["table"]}
    assert set(scored) == {(arm, protocol) for arm in ("random", "domain") for protocol in ("linear", "finetune")}
    assert max(scored.values()) > 2 / len(generated_patches.COVERS)
    assert tuned.claims["primary"]["protocol"] == "finetune"
    page = (tuned.folder / "report.html").read_text(encoding="utf-8")
    assert "fine-tuned network" in page and all(band in page for band in BANDS)


def test_the_head_keeps_a_network_of_13_bands_that_has_learned(tuned: Run) -> None:
    file = tuned.folder / "heads" / "finetune.safetensors"
    card, tensors = read_card(file), load_file(file)
    trunk = {name.removeprefix("encoder.0."): tensor for name, tensor in tensors.items() if name.startswith("encoder.0.")}
    before = load_file(tuned.folder / "backbones" / "domain-0.safetensors")
    stem = next(name for name, tensor in before.items() if tensor.ndim == 4)
    assert list(card.images.channels) == BANDS and trunk[stem].shape[1] == 13
    moved = (trunk[stem] - before[stem]).abs().amax((0, 2, 3))
    assert (moved > 0).all()  # of every band


def test_the_graph_decides_as_the_head_does_on_every_labelled_row(tuned: Run, patches: Path, tmp_path: Path) -> None:
    from labelfree.deploy.exports.infer_onnx import Model

    head = tuned.folder / "heads" / "finetune.safetensors"
    made = labelfree.export(head, tmp_path / "out", say=Silent())
    labelled = [row for row in table(patches / "splits.csv") if row["split"] in ("train", "dev")]
    assert made.images == made.decisions == made.same == len(labelled) and made.apart < 1e-4
    said = table(labelfree.predict(head, patches / "images", tmp_path / "said", say=Silent()).files[0])
    model = Model(made.onnx)
    assert model.channels == BANDS
    classes = {f"images/{row['path']}": row for row in said}
    scores, called = model.scores(np.stack([stored(patches / row["path"], BANDS) for row in labelled]))
    assert called is not None
    assert [model.classes[at] for at in called] == [classes[row["path"]]["class"] for row in labelled]
    theirs = np.array([[float(classes[row["path"]][f"score_{name}"]) for name in model.classes] for row in labelled])
    np.testing.assert_allclose(scores, theirs, atol=2e-4)


def test_the_tuned_network_goes_on_in_timm(tuned: Run, tmp_path: Path) -> None:
    """The state dict beside the graph, in a network that labelfree had no hand in."""
    import timm

    made = labelfree.export(tuned.folder / "heads" / "finetune.safetensors", tmp_path / "out", say=Silent())
    net = timm.create_model("test_resnet", in_chans=13, num_classes=0, checkpoint_path=str(made.folder / "network.safetensors"))
    kept = load_file(tuned.folder / "heads" / "finetune.safetensors")
    assert all(torch.equal(tensor, kept[f"encoder.0.{name}"]) for name, tensor in net.state_dict().items())


def test_a_decoder_and_its_network_are_tuned_on_13_bands_and_exported(
    patches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maps: every pixel of every labelled image is called as by the head."""
    pytest.importorskip("segmentation_models_pytorch")
    steps, run_of = 6, MapTraining.run
    monkeypatch.setattr(MapTraining, "run", lambda self, _: run_of(self, steps))
    run = run_on(
        patches,
        tmp_path / "run",
        "evaluate.task=segmentation",
        "evaluate.protocols=[finetune]",
        "evaluate.labels_per_class=[8]",
        "evaluate.primary={arm: domain, against: random, protocol: finetune, budget: 8, metric: mean_iou}",
    )
    head = run.folder / "heads" / "finetune.safetensors"
    card: Any = read_card(head)
    assert list(card.images.channels) == BANDS
    made = labelfree.export(head, tmp_path / "out", say=Silent())
    assert made.images > 0 and made.decisions == made.images * 64 * 64 and made.same > 0.999 * made.decisions and made.apart < 1e-4
