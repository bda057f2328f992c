"""A head whose network was trained along, from a run to its predictions: the file holds that network, and a threshold decides.

A run of a quarter of a minute: folds of folds, in each of which a network is trained.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

import labelfree
from labelfree.backbones import build
from labelfree.deploy.head_file import read_card
from labelfree.errors import RecipeError
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent
from labelfree.transfer.tuning import asking
from tests.small_runs import folder_of, run_on, table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("data") / "pictures")


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asking, "STEPS", 4)
        patched.setattr(asking, "STOPS", (0.5, 1.0))  # the probe alone would be another test
        return run_on(
            folder,
            tmp_path_factory.mktemp("runs") / "run",
            "evaluate.protocols=[linear, finetune]",
            "evaluate.labels_per_class=[4]",
            "evaluate.draws=1",
            "evaluate.max_false_alarms=0.25",
            "evaluate.alarm=across",
            "evaluate.primary={arm: domain, against: random, protocol: finetune, budget: 4, metric: balanced_accuracy}",
        )


@pytest.mark.slow
def test_the_file_holds_the_network_as_it_was_trained(finished: Run, folder: Path, tmp_path: Path) -> None:
    """By hand: the tensors of the file in a fresh network, and the probe's arithmetic."""
    file = finished.folder / "heads" / "finetune.safetensors"
    rows = table(labelfree.predict(file, folder, tmp_path / "out", say=Silent()).files[0])
    card, tensors = read_card(file), load_file(file)
    trunk = {name.removeprefix("encoder.0."): tensor for name, tensor in tensors.items() if name.startswith("encoder.0.")}
    pretrained = load_file(finished.folder / "backbones" / "domain-0.safetensors")
    assert any(not torch.equal(trunk[name], tensor) for name, tensor in pretrained.items())
    backbone = build(card.images.architecture, 3)
    backbone.net.load_state_dict(trunk)
    part = card.parts[0]["input"]["normalise"]
    mean, std = (torch.tensor(part[name]).view(3, 1, 1) for name in ("mean", "std"))
    images = torch.stack([(labelfree.read(folder / row["path"], "satellite").physical() - mean) / std for row in rows])
    with torch.inference_mode():
        x = backbone.eval().embed(images) - tensors["head.mean"]
    x = x / (tensors["head.std"] * x.shape[1] ** 0.5) if "head.std" in tensors else torch.nn.functional.normalize(x, dim=1)
    expected = (x @ tensors["head.weight"].T + tensors["head.bias"]).softmax(1).numpy()
    told = np.array([[float(row["score_across"]), float(row["score_along"])] for row in rows])
    np.testing.assert_allclose(told, expected, atol=1e-4)
    assert card.protocol == "finetune" and card.setting in (2, 4)


@pytest.mark.slow
def test_decisions_are_made_at_the_threshold(finished: Run, folder: Path, tmp_path: Path) -> None:
    file = finished.folder / "heads" / "recommended.safetensors"
    card = read_card(file)
    assert card.alarm == "across" and card.threshold is not None and 0 < card.threshold < 1
    rows = table(labelfree.predict(file, folder, tmp_path / "out", say=Silent()).files[0])
    assert [row["class"] == "across" for row in rows] == [float(row["score_across"]) >= card.threshold for row in rows]
    assert all(row["score"] == row[f"score_{row['class']}"] for row in rows)
    assert f"- across is called from a score of {card.threshold:g} on" in file.with_suffix(".md").read_text()


@pytest.mark.slow
def test_the_report_tells_what_thresholds_do_and_how_true_scores_are(finished: Run) -> None:
    claims = json.loads((finished.folder / "claims.json").read_text())
    page = (finished.folder / "report.html").read_text(encoding="utf-8")
    scored = pq.read_table(finished.folder / "predictions.parquet").to_pandas()
    units = set(scored.group.fillna(scored.row_id))
    for told in claims["operating"]:
        assert told["missed"]["whole"] + told["false_alarms"]["whole"] == len(units) < 24 and told["most"] == 0.25
        assert told["unit"] == "group"  # stripes of two kinds do look alike
        assert told["sentence"] in page.replace("&#39;", "'")
    assert 'id="operating"' in page and 'id="reliability"' in page
    assert json.loads((finished.folder / "reliability.json").read_text())["protocol"] == "finetune"


def test_more_classes_than_two_are_told_before_anything_is_trained(folder: Path, tmp_path: Path) -> None:
    labels = folder / "three.csv"
    names = sorted(path.name for path in folder.glob("[wl]*.png"))
    labels.write_text("path,label\n" + "".join(f"{name},{'abc'[at % 3]}\n" for at, name in enumerate(names)))
    with pytest.raises(RecipeError, match="a threshold tells two classes apart, these labels have 3; leave it out"):
        run_on(folder, tmp_path / "run", f"data.labels={labels}", "evaluate.max_false_alarms=0.1")
    assert not (tmp_path / "run" / "backbones").exists()
    labels.unlink()
