"""Two small runs whose results are kept: what is rebuilt beneath them changes no score, no claim and no split.

Half a minute: whole runs with ImageNet's network, pretrained and compared. On the machine that wrote them the files are the same bytes;
elsewhere numbers agree to a thousandth. Write them again, where a score is meant to change, with
`GOLDEN=write python -m pytest tests/pipeline/test_golden_runs.py`.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from pathlib import Path

import pytest
import torch

import labelfree
from labelfree.planning.environment import processor
from labelfree.progress import Silent

GOLDEN = Path(__file__).parent / "golden"
FILES = ("results.csv", "claims.json", "splits.csv")
SMALL = [
    "pretrain.objective=simclr", "pretrain.steps=3", "pretrain.minutes=null", "pretrain.batch_size=8", "pretrain.size=32",
    "evaluate.sizes=[32]", "evaluate.draws=2", "evaluate.labels_per_class=[1, 2]",
    "evaluate.primary={arm: imagenet+domain, against: imagenet, protocol: linear, budget: 2, metric: accuracy}",
]  # fmt: skip
RUNS = {
    "given-split": ["evaluate.arms=[statistics, random, imagenet, imagenet+statistics, imagenet-inflated, imagenet+domain]"],
    "folds": ["evaluate.arms=[statistics, imagenet, imagenet+domain]", "evaluate.draws=1", "data.leak_limit=1.0"],
}
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?|-?\d+e-?\d+")


@pytest.mark.parametrize("name", [pytest.param("given-split", marks=pytest.mark.slow), "folds"])
def test_a_fixed_run_gives_what_it_gave(name: str, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run = labelfree.run("satellite_dino", [*_data(name, tmp_path), *SMALL, *RUNS[name]], tmp_path / name, say=Silent())
    finally:
        torch.set_num_threads(threads)
    kept, machine = GOLDEN / name, {"processor": processor(), "torch": torch.__version__}
    if os.environ.get("GOLDEN") == "write":
        kept.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            shutil.copyfile(run.folder / file, kept / file)
        (kept / "machine.json").write_text(json.dumps(machine) + "\n")
    same = json.loads((kept / "machine.json").read_text()) == machine
    for file in FILES:
        text, golden = (run.folder / file).read_text(), (kept / file).read_text()
        assert text == golden if same else _like(text, golden), f"{file} of the run {name} has changed"


def _data(name: str, folder: Path) -> list[str]:
    """The generated set with its split, or a part of it as a person's own folder: labels in a table, no test set."""
    if name == "given-split":
        return []
    made = labelfree.show_data("generated-satellite-rgb").manifest.root  # written once for all tests
    source = Path(shutil.copytree(made, folder / "data"))
    listed = [line.split(",") for line in (source / "splits.csv").read_text().splitlines()]
    path, label, split = (listed[0].index(column) for column in ("path", "label", "split"))
    labelled = [row for row in listed[1:] if row[split] == "train"]
    (source / "splits.csv").unlink()
    (source / "GENERATED.txt").unlink()  # it stands for images of a person's own
    (source / "labels.csv").write_text("path,label\n" + "".join(f"{row[path]},{row[label]}\n" for row in labelled))
    return [f"data.root={source}", f"data.labels={source / 'labels.csv'}"]


def _like(text: str, golden: str) -> bool:
    """The same words, and numbers that agree to a thousandth: another processor rounds otherwise, and two equal scores change places."""
    numbers, others = (list(map(float, NUMBER.findall(each))) for each in (text, golden))
    if NUMBER.sub("#", text) != NUMBER.sub("#", golden):
        return False
    return all(math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-3) for a, b in zip(numbers, others, strict=True))
