"""A factory's folder of large 12-bit pictures, generated, from `labelfree plan` to an ONNX file that decides as the head does.

    python benchmarks/large_parts.py
    python benchmarks/large_parts.py --side 3000 4096 --only anomaly

Lots of parts, every other one with pits of 12 to 30 pixels; 40 are annotated in a CVAT file, good parts lie in a folder elsewhere, there is
no test set. Each question (good or defect, boxes, anomaly) goes through plan, run, predict, export and the script beside the ONNX, a
process each. Told are seconds, the largest resident memory of a process, and how many of the new pictures are decided alike. Rows of
benchmarks/results/large_parts.csv for the same machine, commit and versions are not measured again.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from cells import RESULTS, append, found, place
from command_peaks import peak
from PIL import Image

TABLE = RESULTS / "large_parts.csv"
FULL, LISTED, LOT, NEW = 4095, 40, 8, 4
QUESTIONS = {"classification": 10, "detection": 35, "anomaly": 35}  # minutes on one core
SHORT = [
    "pretrain.minutes=1", "evaluate.draws=2", "evaluate.labels_per_class=[10]", "evaluate.minutes=4", "data.leak_limit=1.0",
    "evaluate.arms=[imagenet, imagenet+domain]", "evaluate.max_false_alarms=0.25",
]  # fmt: skip


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--count", type=int, default=80, help="parts in lots")
    asked.add_argument("--good", type=int, default=40, help="good parts elsewhere")
    asked.add_argument("--side", type=int, nargs=2, default=[1500, 2048], help="rows and columns of a picture")
    asked.add_argument("--only", nargs="+", default=list(QUESTIONS), choices=QUESTIONS)
    given = asked.parse_args()
    rows, columns = given.side
    pictures = given.count + given.good + NEW
    here = {"images": str(pictures), "side": f"{rows}x{columns}", **place("torch", "timm", "onnxruntime")}
    missing = [question for question in given.only if not found(TABLE, here | {"question": question})]
    minutes, gigabytes = sum(QUESTIONS[question] for question in missing), pictures * rows * columns * 2 / 1e9
    print(f"Expected: about {minutes} minutes on one core, {gigabytes:.1f} GB of disk.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        if missing:
            factory(top, given.count, given.good, (rows, columns))
        for question in missing:
            append(TABLE, here | {"question": question, **walked(top, question)})
    for question in given.only:
        print({key: value for key, value in (found(TABLE, here | {"question": question}) or {}).items() if key not in here})


def factory(top: Path, count: int, good: int, side: tuple[int, int]) -> None:
    """parts/ with annotations.xml, good/ and new/."""
    shapes = list[str]()
    for number in range(count):
        file = top / "parts" / f"lot_{number // LOT:02d}" / f"{number:04d}.tif"
        boxes = written(file, number, side, pits=3 * (number % 2))
        if number < LISTED:
            drawn = "".join(f'<box label="pit" xtl="{x}" ytl="{y}" xbr="{x + wide}" ybr="{y + wide}"/>' for x, y, wide in boxes)
            name = file.relative_to(top / "parts").as_posix()
            shapes.append(f'<image id="{number}" name="{name}" width="{side[1]}" height="{side[0]}">{drawn}</image>')
    about = "<version>1.1</version><meta><task><labels><label><name>pit</name></label></labels></task></meta>"
    (top / "parts" / "annotations.xml").write_text(f"<annotations>{about}{''.join(shapes)}</annotations>", encoding="utf-8")
    for number in range(good):
        written(top / "good" / f"charge_{number // LOT:02d}" / f"{number:04d}.tif", 10_000 + number, side, pits=0)
    for number in range(NEW):
        written(top / "new" / f"{number}.tif", 20_000 + number, side, pits=3 * (number % 2))


def written(file: Path, seed: int, side: tuple[int, int], pits: int) -> list[tuple[int, int, int]]:
    """A brushed surface, lit from the left, at the lower end of 16 bits; corner and width of each dark pit."""
    draw = np.random.default_rng(seed)
    surface = 0.5 + 0.03 * draw.standard_normal((side[0], 1), np.float32) + 0.01 * draw.standard_normal(side, np.float32)
    boxes = [(*draw.integers(8, (side[1] - 64, side[0] - 64)).tolist(), int(draw.integers(12, 31))) for _ in range(pits)]
    for left, above, wide in boxes:
        surface[above : above + wide, left : left + wide] *= 0.4
    levels = FULL * surface * np.linspace(1.3, 0.9, side[1], dtype=np.float32)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels.round().clip(0, FULL).astype(np.uint16)).save(file)
    return boxes


def walked(top: Path, question: str) -> dict[str, str]:
    """One question from the plan to the line's PC."""
    out, steps = top / question, dict[str, tuple[float, float]]()
    out.mkdir()
    asked: list[str | Path] = [top / "parts", "--labels", top / "parts" / "annotations.xml", "--domain", "inspection"]
    normal = [f"data.normal={top / 'good'}"] if question == "anomaly" else []
    steps["plan"] = labelfree(top, "plan", *asked, f"evaluate.task={question}", *normal, "--out", out / "mine.yaml")
    steps["run"] = labelfree(top, "run", out / "mine.yaml", *SHORT, "--out", out / "run")
    steps["predict"] = labelfree(top, "predict", out / "run", top / "new", "--out", out / "told")
    steps["export"] = labelfree(top, "export", out / "run", "--out", out / "onnx")
    begun, new = time.monotonic(), sorted((top / "new").iterdir())
    script = [sys.executable, "infer_onnx.py", *map(str, new)]
    said = subprocess.run(script, cwd=out / "onnx", capture_output=True, text=True, check=True).stdout
    took = {f"{name}_seconds": f"{seconds:.0f}" for name, (seconds, _) in steps.items()}
    memory = {f"{name}_gb": f"{peak:.1f}" for name, (_, peak) in steps.items()}
    same, among = alike(question, out / "told", list(csv.DictReader(said.splitlines())))
    return {**took, "script_seconds": f"{time.monotonic() - begun:.0f}", **memory, "same": str(same), "decisions": str(among)}


def alike(question: str, told: Path, script: list[dict[str, str]]) -> tuple[int, int]:
    """Decisions that the script and `predict` share, of how many: boxes where these are asked for, else one a picture."""
    file, key = ("boxes.csv", box) if question == "detection" else ("predictions.csv", decision)
    with (told / file).open(newline="", encoding="utf-8") as stream:
        ours = Counter(map(key, csv.DictReader(stream)))
    theirs = Counter(map(key, script))
    return (ours & theirs).total(), max(ours.total(), theirs.total())


def box(row: dict[str, str]) -> tuple[str, ...]:
    return (Path(row["path"]).name, row["class"], *(f"{float(row[edge]):.0f}" for edge in ("x0", "y0", "x1", "y1")))


def decision(row: dict[str, str]) -> tuple[str, ...]:
    return (Path(row["path"]).name, row.get("verdict") or row["class"])


def labelfree(top: Path, *words: str | Path) -> tuple[float, float]:
    """Seconds of a command and GB of its largest process."""
    begun, command = time.monotonic(), list(map(str, words))
    print(*command, flush=True)
    held = peak(command, top)
    return time.monotonic() - begun, held / 1e9


if __name__ == "__main__":
    main()
