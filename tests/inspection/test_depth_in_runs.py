"""What a run's images settle is told, kept with its weights and heads, and holds for every image that these are shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

import labelfree
from labelfree.errors import DataError
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent

RECIPE = """
domain: inspection
data: {root: ROOT, labels: ROOT/labels.csv, leak_limit: 1.0}
backbone: {name: test_resnet}
pretrain: {objective: simclr, steps: 2, batch_size: 8, options: {hidden: 32}}
evaluate:
  arms: [random, domain]
  protocols: [linear]
  sizes: [32]
  draws: 1
  labels_per_class: [2]
  primary: {arm: domain, against: random, protocol: linear, budget: 2, metric: accuracy}
"""


def part(kind: int, seed: int, shift: int = 0) -> np.ndarray:
    """(32, 32) uint16: stripes of 12 bits across or along."""
    draw = np.random.default_rng(seed)
    waves = 1000 * np.sin(np.arange(32) * (0.5 + draw.random()))
    image = 2000 + (waves[None] if kind else waves[:, None]) + draw.normal(0, 100, (32, 32))
    image[0, :2] = 0, 4095
    return image.clip(0, 4095).astype(np.uint16) << shift


class Heard(Silent):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, message: str) -> None:
        self.sentences.append(message)


HEARD = Heard()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("parts")
    for number in range(40):
        tifffile.imwrite(root / f"{number:02}.tif", part(number % 2, number))
    lines = "".join(f"{number:02}.tif,{'across' if number % 2 else 'along'}\n" for number in range(16))
    (root / "labels.csv").write_text(f"path,label\n{lines}", encoding="utf-8")
    for name, image in (("upper", part(0, 99, shift=4)), ("byte", (part(0, 99) >> 4).astype(np.uint8)), ("alike", part(0, 99))):
        (root.parent / "others").mkdir(exist_ok=True)
        tifffile.imwrite(root.parent / "others" / f"{name}.tif", image)
    recipe = root.parent / "small.yaml"
    recipe.write_text(RECIPE.replace("ROOT", root.as_posix()), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELFREE_CACHE", str(root.parent / "cache"))
        return labelfree.run(recipe, out=root.parent / "run", say=HEARD)


@pytest.fixture
def others(run: Run) -> Path:
    return run.folder.parent / "others"


def test_depth_is_told_and_stands_in_recipe_weights_and_heads(run: Run) -> None:
    assert "depth: 12" in (run.folder / "recipe.yaml").read_text()
    assert any("reader.depth=12: 32 of 32 images" in sentence for sentence in HEARD.sentences)
    assert run.weights is not None
    cards = [json.loads(run.weights.with_suffix(".json").read_text())["reader"], labelfree.load_head(run.folder).card.images.reader]
    assert [card["depth"] for card in cards] == [12, 12]


def test_another_scale_is_refused(run: Run, others: Path, tmp_path: Path) -> None:
    head = labelfree.load_head(run.folder)
    assert run.weights is not None and labelfree.embed(run.weights, others / "alike.tif").shape[0] == 1
    assert head.predict(others / "alike.tif").name in ("across", "along")
    for name, said in (("upper", "reaches 65,520"), ("byte", "8 bits")):
        for ask in (lambda path: labelfree.embed(run.weights, path), head.predict):
            with pytest.raises(DataError, match=rf"{name}\.tif: .*{said}"):
                ask(others / f"{name}.tif")
    with pytest.raises(DataError, match=r"another scale"):
        labelfree.predict(head, others, tmp_path / "out", say=Silent())
    with pytest.raises(DataError, match=r"another scale"):
        labelfree.embed_folder(others, run.weights, tmp_path / "vectors.parquet", say=Silent())


def test_a_byte_that_was_read_by_itself_is_refused_too(run: Run, others: Path) -> None:
    assert run.weights is not None
    with pytest.raises(DataError, match=r"values are of 255, these weights want grey levels; .*reader\.depth"):
        labelfree.embed(run.weights, labelfree.read(others / "byte.tif", domain="inspection"))


def test_a_file_of_another_scale_stops_a_run(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "parts"
    root.mkdir()
    for number in range(12):
        tifffile.imwrite(root / f"{number}.tif", part(number % 2, number, shift=4 * (number == 7)))
    recipe = tmp_path / "small.yaml"
    recipe.write_text(RECIPE.replace(", labels: ROOT/labels.csv", "").replace("ROOT", root.as_posix()), encoding="utf-8")
    with pytest.raises(DataError, match=r"7\.tif: reaches 65,520.*12 bits"):
        labelfree.pretrain(recipe, out=tmp_path / "run", say=Silent())
