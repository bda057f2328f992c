"""Whole runs, small: what a run folder holds, how it continues, what it says of what it cannot do."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import labelfree
from labelfree.data.manifest import manifest_from_dataset
from labelfree.errors import DataError, LeakError, RecipeError
from labelfree.progress import Silent
from tests.small_runs import SMALL, folder_of, picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 labelled pictures of two classes and 30 without a label."""
    return folder_of(tmp_path_factory.mktemp("pictures") / "mine")


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> labelfree.pipeline.Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    return labelfree.run("satellite_simclr", [f"data.root={folder}", f"data.labels={folder / 'labels.csv'}", *SMALL], out, say=Silent())


def test_a_run_folder_explains_itself(finished: labelfree.pipeline.Run) -> None:
    expected = {
        "recipe.yaml", "environment.json", "metrics.csv", "checkpoints", "backbone.safetensors", "backbone.json", "backbones", "heads",
        "splits.csv", "results.csv", "predictions.parquet", "classes.json", "private", "report.html", "claims.json", "leaks.json",
    }  # fmt: skip
    assert expected <= {path.name for path in finished.folder.iterdir()}
    assert {path.name for path in (finished.folder / "heads").glob("*.safetensors")} == {
        "knn.safetensors",
        "linear.safetensors",
        "recommended.safetensors",
    }
    resolved = labelfree.show_recipe(finished.folder)
    assert "batch_size: 8" in resolved and "lr: 0.00025" in resolved and "norm: train" in resolved


def test_results_have_the_published_columns(finished: labelfree.pipeline.Run) -> None:
    with finished.results.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    columns = "run,dataset,split,arm,backbone,seed,size,task,protocol,budget,n_labels,draw,fold,metric,value,flags"
    assert list(rows[0]) == columns.split(",")
    assert {row["split"] for row in rows} == {"cv"} and {row["arm"] for row in rows} == {"statistics", "random", "domain"}
    assert {row["fold"] for row in rows} == {"0", "1", "2", "3", "4"}


def test_labelled_rows_stay_out_of_the_pool(finished: labelfree.pipeline.Run) -> None:
    with (finished.folder / "splits.csv").open(newline="") as stream:
        roles = {row["path"]: row["role"] for row in csv.DictReader(stream)}
    assert {role for path, role in roles.items() if path.startswith("u")} == {"pool"}
    assert {role for path, role in roles.items() if not path.startswith("u")} == {"train"}


def test_claims_are_recomputed_from_the_files_alone(finished: labelfree.pipeline.Run) -> None:
    from labelfree.transfer.claims import claims_of

    stored = json.loads((finished.folder / "claims.json").read_text())
    assert json.loads(json.dumps(claims_of(finished.folder).to_dict())) == stored


def test_the_weights_embed_what_they_were_made_for(finished: labelfree.pipeline.Run, folder: Path) -> None:
    encoder = labelfree.load(finished.folder)
    vectors = labelfree.embed(encoder, [folder / "u00.png", folder / "u01.png"])
    assert vectors.shape == (2, encoder.dim) and np.isfinite(vectors).all()


def test_a_finished_folder_is_not_run_over(finished: labelfree.pipeline.Run, folder: Path) -> None:
    same = [f"data.root={folder}", f"data.labels={folder / 'labels.csv'}", *SMALL]
    with pytest.raises(RecipeError, match="this run is finished"):
        labelfree.run("satellite_simclr", same, finished.folder, say=Silent())
    with pytest.raises(RecipeError, match="holds a run of another recipe"):
        labelfree.run("satellite_simclr", [*same, "seed=1"], finished.folder, say=Silent())
    with pytest.raises(RecipeError, match="not a labelfree run"):
        labelfree.run("satellite_simclr", same, folder, say=Silent())


def test_a_comparison_goes_on_at_the_first_missing_cell(finished: labelfree.pipeline.Run) -> None:
    before = finished.results.read_text()
    cells = sorted((finished.folder / "cells").glob("*"))
    for cell in cells[::3]:
        cell.unlink()
    state = finished.folder / "state.json"
    state.write_text(state.read_text().replace('"finished"', '"unfinished"'))
    assert labelfree.resume(finished.folder, say=Silent()).headline == finished.headline
    assert finished.results.read_text() == before


def test_pretraining_alone_then_the_comparison(folder: Path, tmp_path: Path) -> None:
    asked = [f"data.root={folder}", f"data.labels={folder / 'labels.csv'}", *SMALL, "evaluate.labels_per_class=[2]"]
    first = labelfree.pretrain("satellite_simclr", asked, tmp_path / "run", say=Silent())
    assert first.weights is not None and not first.results.exists()
    weights = first.weights.read_bytes()
    second = labelfree.evaluate("satellite_simclr", asked, tmp_path / "run", say=Silent())
    assert second.results.is_file() and (tmp_path / "run" / "backbone.safetensors").read_bytes() == weights
    assert second.claims["primary"]["arm"] == "domain"


def test_a_folder_without_labels_is_pretrained_on(folder: Path, tmp_path: Path) -> None:
    run = labelfree.run("satellite_simclr", [f"data.root={folder}", *SMALL], tmp_path / "run", say=Silent())
    assert run.weights is not None and "nothing was compared" in run.headline
    assert "there are no labels" in (tmp_path / "run" / "report.html").read_text()


def test_your_own_dataset(tmp_path: Path) -> None:
    class Mine(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 40

        def __getitem__(self, i: int) -> tuple[torch.Tensor, str | None]:
            return torch.from_numpy(picture(i % 2, i)).permute(2, 0, 1), None if i < 20 else "ab"[i % 2]

    manifest = manifest_from_dataset(Mine(), ["x", "y", "z"], name="mine")
    arms = [*SMALL, "evaluate.labels_per_class=[2]", "evaluate.arms=[random, imagenet, domain]", "backbone.name=tf_efficientnet_lite0"]
    run = labelfree.run("satellite_simclr", [f"pool.dir={tmp_path / 'pool'}", *arms], tmp_path / "run", manifest=manifest, say=Silent())
    assert "imagenet is left out: no channels are called red, green and blue" in " ".join(
        json.loads((run.folder / "notes.json").read_text())
    )
    assert run.claims["primary"]["against"] == "random"


def test_an_exact_leak_stops_the_run(tmp_path: Path) -> None:
    rows = [("path", "label", "split")]
    for i in range(16):
        Image.fromarray(picture(i % 2, i)).save(tmp_path / f"{i:02d}.png")
        rows.append((f"{i:02d}.png", "ab"[i % 2], "test" if i >= 8 else "train"))
    Image.fromarray(picture(1, 9)).save(tmp_path / "again.png")
    rows.append(("again.png", "", "pretrain"))
    with (tmp_path / "splits.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    with pytest.raises(LeakError, match=r"again\.png is .* 09\.png is scored .same content"):
        labelfree.run("satellite_simclr", [f"data.root={tmp_path}", *SMALL], tmp_path / "run", say=Silent())
    assert not (tmp_path / "run").exists()


def test_weights_of_other_images_are_not_compared(folder: Path, tmp_path: Path) -> None:
    """Labels added after the pretraining would be scored on images that were trained on."""
    labels = tmp_path / "labels.csv"
    rows = (folder / "labels.csv").read_text().splitlines()
    labels.write_text("\n".join(rows[:-4]))
    asked = [f"data.root={folder}", f"data.labels={labels}", *SMALL]
    labelfree.pretrain("satellite_simclr", asked, tmp_path / "run", say=Silent())
    labels.write_text("\n".join(rows))
    with pytest.raises(DataError, match="pretrained on other images"):
        labelfree.evaluate("satellite_simclr", asked, tmp_path / "run", say=Silent())
