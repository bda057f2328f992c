"""A head's file is all that a prediction needs: the run is gone, the images are new, and scores are those of the run."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import labelfree
from labelfree.deploy.head_file import read_card
from labelfree.errors import DataError
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent
from tests.small_runs import folder_of, run_on, table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("data") / "pictures")


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_on(folder, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def heads(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The heads alone, elsewhere: nothing of the run is beside them."""
    return Path(shutil.copytree(finished.folder / "heads", tmp_path_factory.mktemp("elsewhere") / "kept"))


def test_a_head_says_of_new_images_what_the_network_and_the_head_of_the_run_say(
    finished: Run, heads: Path, folder: Path, tmp_path: Path
) -> None:
    """An independent way: the exported backbone embeds, the head's own tensors are applied by hand."""
    predictions = labelfree.predict(heads / "linear.safetensors", folder, tmp_path / "out", say=Silent())
    rows = table(predictions.files[0])
    assert [row["path"] for row in rows] == sorted(path.name for path in folder.glob("*.png"))
    tensors = labelfree.load_head(heads / "linear.safetensors").head.state_dict()
    encoder = labelfree.load(finished.folder)
    size = read_card(heads / "linear.safetensors").images.size
    images = [labelfree.read(folder / row["path"], "satellite") for row in rows]
    x = encoder.embed(images, size) - tensors["mean"]
    x = x / (tensors["std"] * x.shape[1] ** 0.5) if "std" in tensors else torch.nn.functional.normalize(x, dim=1)
    expected = (x @ tensors["weight"].T + tensors["bias"]).softmax(1).numpy()
    told = np.array([[float(row["score_across"]), float(row["score_along"])] for row in rows])
    np.testing.assert_allclose(told, expected, atol=1e-5)
    assert [row["class"] for row in rows] == [("across", "along")[at] for at in expected.argmax(1)]
    assert [float(row["score"]) for row in rows] == pytest.approx(told.max(1))


def test_one_image_in_a_notebook(heads: Path, folder: Path) -> None:
    head = labelfree.load_head(heads / "recommended.safetensors")
    said = head.predict(folder / "w00.png")
    assert head.classes == ("across", "along") and said.name in head.classes
    assert sum(said.scores.values()) == pytest.approx(1) and said.score == max(said.scores.values())
    assert said == head.predict(labelfree.read(folder / "w00.png", "satellite"))


@pytest.mark.parametrize("arm", ["statistics", "random"])
def test_every_kind_of_arm_is_kept_whole(arm: str, folder: Path, tmp_path: Path) -> None:
    against = "random" if arm == "statistics" else "statistics"
    primary = f"evaluate.primary={{arm: {arm}, against: {against}, protocol: knn, budget: 2, metric: accuracy}}"
    run = run_on(folder, tmp_path / "run", "evaluate.arms=[statistics, random]", primary)
    shutil.move(run.folder / "heads", tmp_path / "heads")
    shutil.rmtree(run.folder)
    predictions = labelfree.predict(tmp_path / "heads" / "knn.safetensors", folder, tmp_path / "out", say=Silent())
    labels = {row["path"]: row["label"] for row in table(folder / "labels.csv")}
    said = {row["path"]: row["class"] for row in table(predictions.files[0])}
    assert np.mean([said[path] == label for path, label in labels.items()]) > 0.9  # each of them has itself among its neighbours


def test_the_recommended_head_is_the_one_that_is_not_beaten_and_learned_from_all_labels(finished: Run) -> None:
    told = json.loads((finished.folder / "recommended.json").read_text())
    card = read_card(finished.folder / told["file"])
    assert finished.claims["primary"]["verdict"] != "better"
    assert told["arm"] == card.arm == "random" and card.labels == {"across": 12, "along": 12}
    assert "domain is not shown to beat random" in told["why"] and "24 labelled images" in told["expect"]
    page = (finished.folder / "report.html").read_text(encoding="utf-8")
    assert "heads/recommended.safetensors" in page and "is not shown to beat random" in page
    text = (finished.folder / "heads" / "recommended.md").read_text(encoding="utf-8")
    assert (
        "| across | 12 |" in text
        and "the owner&#39;s" not in text
        and "the images are the owner's" in text
        and str(finished.folder) not in text
    )


def test_what_a_run_folder_recommends_is_taken_by_its_name(finished: Run, folder: Path, tmp_path: Path) -> None:
    by_run = labelfree.predict(finished.folder, [folder / "u00.png", folder / "u01.png"], tmp_path / "a", say=Silent())
    by_file = labelfree.predict(finished.folder / "heads" / "recommended.safetensors", folder, tmp_path / "b", say=Silent())
    whole = {row["path"]: row["score_along"] for row in table(by_file.files[0])}
    for row in table(by_run.files[0]):
        assert float(row["score_along"]) == pytest.approx(float(whole[Path(row["path"]).name]), abs=1e-6)


def test_a_table_names_the_images(heads: Path, folder: Path, tmp_path: Path) -> None:
    listed = folder / "three.csv"
    listed.write_text("path\nu03.png\nu01.png\nu02.png\n")
    predictions = labelfree.predict(heads / "knn.safetensors", listed, tmp_path / "out", say=Silent())
    listed.unlink()
    assert [row["path"] for row in table(predictions.files[0])] == ["u03.png", "u01.png", "u02.png"]


def test_a_finished_folder_is_not_done_again_and_another_is_refused(heads: Path, folder: Path, tmp_path: Path) -> None:
    first = labelfree.predict(heads / "knn.safetensors", folder, tmp_path / "out", say=Silent())
    before = first.files[0].stat().st_mtime_ns
    again = labelfree.predict(heads / "knn.safetensors", folder, tmp_path / "out", say=Silent())
    assert again.files == first.files and first.files[0].stat().st_mtime_ns == before
    with pytest.raises(DataError, match="by another head"):
        labelfree.predict(heads / "linear.safetensors", folder, tmp_path / "out", say=Silent())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="holds something else already"):
        labelfree.predict(heads / "knn.safetensors", folder, tmp_path / "full", say=Silent())


@pytest.mark.slow
def test_interrupted_work_goes_on(heads: Path, tmp_path: Path) -> None:
    """A process is killed while it predicts; what it wrote stays, and the whole is that of an undisturbed one."""
    root = folder_of(tmp_path / "many", labelled=0, unlabelled=400, side=64)  # five batches
    (root / "labels.csv").unlink()
    out = tmp_path / "out"
    command = [sys.executable, "-m", "labelfree", "predict", str(heads / "linear.safetensors"), str(root), "--out", str(out)]
    slow = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, env=slow, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part, deadline = out / "predictions.making.csv", time.monotonic() + 120
    while not (part.is_file() and part.read_text().count("\n") > 64) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if part.is_file():
        kept = part.read_text().splitlines()[:-1]
        with part.open("a") as stream:
            stream.write("u39")  # a line that was cut off
    else:
        kept = (out / "predictions.csv").read_text().splitlines()  # a machine that was faster than the test
    second = subprocess.run(command, env=slow, capture_output=True, text=True, check=True)
    whole = labelfree.predict(heads / "linear.safetensors", root, tmp_path / "undisturbed", say=Silent())
    lines = (out / "predictions.csv").read_text().splitlines()
    assert lines[: len(kept)] == kept and "there already" in second.stdout
    assert [row["path"] for row in table(out / "predictions.csv")] == [row["path"] for row in table(whole.files[0])]
    told, expected = (np.array([float(row["score_along"]) for row in table(file)]) for file in (out / "predictions.csv", whole.files[0]))
    np.testing.assert_allclose(told, expected, atol=1e-5)


def test_images_of_another_kind_are_one_sentence(heads: Path, folder: Path, tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    five = tmp_path / "five.tif"
    with rasterio.open(five, "w", driver="GTiff", count=5, height=32, width=32, dtype="uint16") as file:
        file.write(np.full((5, 32, 32), 3000, np.uint16))
    with pytest.raises(DataError, match=r"five\.tif: has 5 channels .*this head wants 3; missing red, green, blue"):
        labelfree.predict(heads / "knn.safetensors", five, tmp_path / "a", say=Silent())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        labelfree.predict(heads / "knn.safetensors", tmp_path / "empty", tmp_path / "b", say=Silent())
    with pytest.raises(DataError, match=r"nowhere\.png: no such image, folder or table"):
        labelfree.predict(heads / "knn.safetensors", tmp_path / "nowhere.png", tmp_path / "c", say=Silent())
    with pytest.raises(DataError, match=r"--vector: this head says one thing of an image"):
        labelfree.predict(heads / "knn.safetensors", folder, tmp_path / "d", vector=tmp_path / "f.gpkg", say=Silent())
    with pytest.raises(DataError, match=r"README: no such head|README: not a head"):
        labelfree.load_head(tmp_path / "README")
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="not a head that this version of labelfree reads"):
        labelfree.load_head(tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="holds no recommended head"):
        labelfree.load_head(folder)


def test_what_cannot_be_read_is_left_out_where_that_is_asked_for(heads: Path, folder: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(folder, tmp_path / "pictures"))
    (root / "u05.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"u05\.png"):
        labelfree.predict(heads / "knn.safetensors", root, tmp_path / "a", say=Silent())
    said = labelfree.predict(heads / "knn.safetensors", root, tmp_path / "b", overrides=["data.on_error=skip"], say=Silent())
    assert (said.images, said.skipped) == (53, 1)
    assert [row["path"] for row in table(tmp_path / "b" / "skipped.csv")] == ["u05.png"]


def test_more_labels_are_compared_with_the_networks_of_the_run(finished: Run, folder: Path, tmp_path: Path) -> None:
    """Six more images get a label. The run pretrained on them, so they train, and the others are scored."""
    more = folder / "more.csv"
    with (folder / "labels.csv").open() as stream:
        rows = list(csv.reader(stream))
    more_rows = [[f"u{i:02d}.png", "along" if i % 2 else "across"] for i in range(6)]
    with more.open("w", newline="") as stream:
        csv.writer(stream).writerows([*rows, *more_rows])
    run = labelfree.evaluate(overrides=[f"data.labels={more}"], weights=finished.folder, out=tmp_path / "again", say=Silent())
    more.unlink()
    weights = "backbones/domain-0.safetensors"
    assert (run.folder / weights).read_bytes() == (finished.folder / weights).read_bytes()
    assert not (run.folder / "checkpoints").exists()
    assert read_card(run.folder / "heads" / "recommended.safetensors").taught_by == 30
    said = [note for note in json.loads((run.folder / "notes.json").read_text()) if "they only train" in note]
    assert said == ["6 of 30 labelled images were pretrained on by run: they only train, the others are scored."]
    scored = {row["path"] for row in table(run.folder / "splits.csv") if "train" in row["role"]}
    assert {f"u{i:02d}.png" for i in range(6)} <= scored


def test_weights_of_a_folder_without_networks_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no pretrained network"):
        labelfree.evaluate("satellite_simclr", [f"data.root={folder}"], tmp_path / "out", weights=folder, say=Silent())
