"""The notebook and the README's Python, carried out on a small folder of somebody's own: 40 images, 60 more with labels, no test set."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

import labelfree
from tests.docs.pages import NOTEBOOK, TOP, blocks

# Takes about 20 s on one core: a whole run, in a kernel of its own. Everything that costs time is made small.
SMALL = {
    "backbone.name": "test_resnet", "evaluate.arms": ["statistics", "random", "domain"], "evaluate.primary.arm": "domain",
    "evaluate.primary.against": "random", "evaluate.labels_per_class": [1, 5], "evaluate.draws": 1, "evaluate.sizes": [32],
    "pretrain.minutes": None, "pretrain.steps": 4, "pretrain.batch_size": 8, "pretrain.options": {"prototypes": 32, "hidden": 64},
}  # fmt: skip


def write_images(folder: Path) -> None:
    """my-images/ and labels.csv: three textures that colour alone does not tell apart."""
    (folder / "my-images").mkdir()
    draw = np.random.default_rng(0)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "label"])
        for number in range(100):
            coarse = (4, 8, 16)[number % 3]
            field = draw.uniform(0, 255, (coarse, coarse, 3)).astype(np.uint8)
            Image.fromarray(field).resize((32, 32), Image.Resampling.NEAREST).save(folder / "my-images" / f"{number:03d}.png")
            if number < 60:
                table.writerow([f"{number:03d}.png", ("coarse", "middle", "fine")[number % 3]])


@pytest.fixture(scope="module")
def notebook_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the notebook ran; its first code cell is followed by one that makes the settings small."""
    folder = tmp_path_factory.mktemp("quickstart")
    write_images(folder)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.insert(2, nbformat.v4.new_code_cell(f"settings |= {SMALL!r}"))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return folder


def test_the_notebook_is_short() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert sum(len(cell.source.splitlines()) for cell in cells if cell.cell_type == "code") <= 15


def test_the_notebook_leaves_a_run(notebook_run: Path) -> None:
    left = {file.name for file in (notebook_run / "my-run").iterdir()}
    assert {"report.html", "results.csv", "claims.json", "backbone.safetensors", "backbone.json", "recipe.yaml"} <= left
    rows = list(csv.DictReader((notebook_run / "my-run" / "results.csv").open(encoding="utf-8")))
    assert {row["arm"] for row in rows} == {"statistics", "random", "domain"}
    assert {row["split"] for row in rows} == {"cv"}


def test_weights_load_with_plain_timm(notebook_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = next(block for block in blocks(TOP / "README.md", "python") if "timm.create_model" in block)
    assert len([line for line in block.splitlines() if line and not line.startswith(("import", "from"))]) == 3
    monkeypatch.chdir(notebook_run)
    names: dict = {}
    exec(block, names)
    x = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(names["net"].eval()(x), labelfree.load("my-run").backbone.embed(x))


def test_the_readme_says_what_a_run_folder_holds(notebook_run: Path) -> None:
    text = (TOP / "README.md").read_text(encoding="utf-8")
    unsaid = [file.name for file in (notebook_run / "my-run").iterdir() if f"`{file.name}" not in text]
    assert not unsaid
