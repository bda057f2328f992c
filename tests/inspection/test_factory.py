"""A factory's folder, typed by a person: 12-bit pictures in lots, some of them in a CVAT file, no test set; every command a process."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HEIGHT, WIDTH, FULL, LOTS, PARTS, LISTED = 128, 200, 4095, 4, 44, 32
SHORT = (
    "pretrain.minutes=null", "pretrain.steps=2", "pretrain.batch_size=8", "pretrain.size=32", "data.leak_limit=1.0", "evaluate.draws=2",
    "evaluate.labels_per_class=[5]", "evaluate.minutes=1", "evaluate.arms=[imagenet, imagenet+domain]", "evaluate.max_false_alarms=0.2",
)  # fmt: skip


def typed(*words: str | Path, code: int = 0) -> str:
    """A command as a person types it: what it printed, in one line. It must end with this exit code."""
    program = [sys.executable, "-m", "labelfree", *map(str, words)]
    ended = subprocess.run(program, capture_output=True, text=True, encoding="utf-8")
    said = " ".join((ended.stdout + ended.stderr).split())
    assert ended.returncode == code, said
    return said


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def part(seed: int, bad: bool) -> tuple[np.ndarray, list[tuple[int, int, int]]]:
    """(HEIGHT, WIDTH) gray levels of 12 bits, brushed, lit from the left; and corner and side of each dark pit."""
    draw = np.random.default_rng(seed)
    surface = 0.5 + 0.03 * draw.standard_normal((HEIGHT, 1)) + 0.01 * draw.standard_normal((HEIGHT, WIDTH))
    pits = [(*draw.integers(4, (WIDTH - 24, HEIGHT - 24)).tolist(), int(draw.integers(10, 15))) for _ in range(2 * bad)]
    for left, top, side in pits:
        surface[top : top + side, left : left + side] *= 0.4
    levels = FULL * surface * np.linspace(1.3, 0.9, WIDTH)
    return levels.round().clip(0, FULL).astype(np.uint16), pits


def factory(root: Path) -> Path:
    """Pictures in folders of lots, and the CVAT file of the first; every third part of a lot is bad, one is outlined by a line alone."""
    shapes = []
    for number in range(PARTS):
        levels, pits = part(number, bad=number // LOTS % 3 == 1)
        levels[0, 0] = FULL if number == 0 else levels[0, 0]
        name = f"Los_{number % LOTS}/Größe_{number:03d}.{'tif' if number % 2 else 'png'}"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels).save(root / name)
        if number < LISTED:
            drawn = "".join(
                f'<box label="pit" occluded="0" xtl="{left}" ytl="{top}" xbr="{left + side}" ybr="{top + side}"/>'
                for left, top, side in pits
            )
            drawn = '<polyline label="pit" points="2,2;30,30"/>' if number == LISTED - 1 else drawn
            shapes.append(f'<image id="{number}" name="{name}" width="{WIDTH}" height="{HEIGHT}">{drawn}</image>')
    labels = "<labels><label><name>pit</name></label></labels>"
    about = f"<version>1.1</version><meta><task>{labels}</task></meta>"
    (root / "annotations.xml").write_text(f"<annotations>{about}{''.join(shapes)}</annotations>", encoding="utf-8")
    return root


def fresh(folder: Path) -> Path:
    """Two pictures that nobody has seen, a bad one and a good one."""
    folder.mkdir()
    for name, bad in (("bad.png", True), ("good.png", False)):
        Image.fromarray(part(999, bad)[0]).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return factory(tmp_path_factory.mktemp("factory") / "parts")


def asked_by_script(folder: Path, *words: str | Path) -> list[dict[str, str]]:
    """The table that the shipped script prints, without labelfree."""
    ended = script(folder, *words)
    assert ended.returncode == 0, ended.stderr
    return list(csv.DictReader(ended.stdout.splitlines()))


def script(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "infer_onnx.py", *map(str, words)]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, encoding="utf-8")


def test_the_folder_is_looked_at_and_each_question_planned(parts: Path, tmp_path: Path) -> None:
    said = typed("plan", parts, "--labels", parts / "annotations.xml", "--domain", "inspection", "--out", tmp_path / "mine.yaml")
    assert "reader.depth=12" in said and "smallest labelled object: 10 px" in said and "task: detection" in said
    assert f"{LISTED} images listed" in said and "evaluate.task=classification tells them apart" in said
    assert "data.group_folders=true is not proposed: nearly every folder holds something that is not normal" in said
    recipe = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    assert "depth: 12" in recipe and "smallest_defect: 10" in recipe and "tile: 128" in recipe and "metric: map" in recipe


@pytest.mark.slow
def test_good_parts_in_a_folder_elsewhere_are_kept_together_by_lots(parts: Path, tmp_path: Path) -> None:
    """Nobody listed them; whole lots count as labelled, the others are pretrained on."""
    for number in range(24):
        file = tmp_path / f"Gutteile/Charge_{number // 6}/{number:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(part(1000 + number, bad=False)[0]).save(file)
    words = ("plan", parts, "--labels", parts / "annotations.xml", "--domain", "inspection", "evaluate.task=anomaly")
    said = typed(*words, f"data.normal={tmp_path / 'Gutteile'}", "--out", tmp_path / "mine.yaml")
    assert "groups: 8 named" in said and "12 of 24 normal images without a label count as labelled" in said and "task: anomaly" in said


@pytest.mark.slow  # seven programs a question, each of which imports torch; three short pretrainings with their comparisons
@pytest.mark.parametrize("task", ["detection", "anomaly", "classification"])
def test_from_a_plan_to_a_report_a_head_and_onnx_that_decide_alike(parts: Path, tmp_path: Path, task: str) -> None:
    recipe, run, new = tmp_path / "mine.yaml", tmp_path / "run", fresh(tmp_path / "new")
    typed(
        "plan", parts, "--labels", parts / "annotations.xml", "--domain", "inspection", f"evaluate.task={task}", "--out", recipe
    )  # fmt: skip
    assert "Report: " in typed("run", recipe, *SHORT, "--out", run)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Decisions at a threshold" in page and "grey levels" in page
    claims = json.loads((run / "claims.json").read_text(encoding="utf-8"))
    assert claims["primary"]["against"] == "imagenet"

    typed("predict", run, new, "--out", tmp_path / "told")
    told = table(tmp_path / "told" / "predictions.csv")
    assert [row["path"] for row in told] == ["bad.png", "good.png"]
    byte = tmp_path / "byte"
    byte.mkdir()
    Image.fromarray((part(999, False)[0] >> 4).astype(np.uint8)).save(byte / "8bit.png")
    assert "8bit.png" in typed("predict", run, byte, "--out", tmp_path / "refused", code=3)

    assert "labelled images scores are within" in typed("export", run, "--out", tmp_path / "onnx")
    alone = tmp_path / "line"  # as on another machine: what is needed to ask it, and nothing else
    alone.mkdir()
    for name in ("head.onnx", "infer_onnx.py"):
        shutil.copyfile(tmp_path / "onnx" / name, alone / name)
    refused = script(alone, byte / "8bit.png")
    assert refused.returncode == 1 and "8bit.png: holds uint8, the model's images whole numbers of more than 8 bits" in refused.stderr
    np.save(tmp_path / "16bit.npy", part(999, False)[0] * 16)
    assert "on another scale" in script(alone, tmp_path / "16bit.npy").stderr
    asked = asked_by_script(alone, new / "bad.png", new / "good.png")
    if task == "detection":
        boxes = table(tmp_path / "told" / "boxes.csv")
        assert len(asked) == len(boxes)
        for edge in ("x0", "y0", "x1", "y1"):
            assert [float(row[edge]) for row in asked] == pytest.approx([float(row[edge]) for row in boxes], abs=0.01)
    elif task == "anomaly":
        assert [row["verdict"] for row in asked] == [row["verdict"] for row in told]
        assert [float(row["score"]) for row in asked] == pytest.approx([float(row["score"]) for row in told], rel=1e-3)
        assert {row["verdict"] for row in asked_by_script(alone, "--threshold", "0", new / "good.png")} == {"anomalous"}
        for row in told:
            assert Image.open(tmp_path / "told" / row["map"]).size == (WIDTH, HEIGHT)
    else:
        assert [row["class"] for row in asked] == [row["class"] for row in told] and {row["class"] for row in told} <= {
            "normal",
            "anomalous",
        }
        assert {row["class"] for row in asked_by_script(alone, "--threshold", "0", new / "good.png")} == {"anomalous"}
