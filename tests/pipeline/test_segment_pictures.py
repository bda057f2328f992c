"""Which scored images are shown: each once, those that show nothing of what is looked for apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from labelfree.pipeline.claimed_cells import EACH, chosen
from labelfree.pipeline.segment_pictures import show_segments
from labelfree.progress import Silent
from labelfree.recipe import Evaluate, Primary
from labelfree.transfer.question import Question
from labelfree.transfer.setup import make_setup
from labelfree.transfer.tasks.masks import Masks
from labelfree.transfer.tasks.segmentation import Segmentation


def test_best_middle_and_worst_are_by_score() -> None:
    scores = np.array([0.5, 0.9, 0.1, 0.7, 0.3, np.nan, 1.0, 0.2, 0.6])
    empty = np.array([0, 0, 0, 0, 0, 0, 1, 1, 0], bool)
    assert chosen(scores, empty, np.zeros(9, bool)) == [
        ("best", 1), ("best", 3), ("middle", 8), ("middle", 0), ("worst", 2), ("worst", 4), ("empty", 7), ("empty", 6)
    ]  # fmt: skip
    withheld = np.isin(np.arange(9), [1, 5, 7])
    assert chosen(scores, empty, withheld) == [("best", 3), ("middle", 8), ("middle", 0), ("worst", 2), ("empty", 6)]


@given(st.lists(st.tuples(st.one_of(st.floats(0, 1), st.just(np.nan)), st.booleans()), max_size=12))
def test_no_image_is_shown_twice_and_order_is_kept(images: list[tuple[float, bool]]) -> None:
    scores, empty = np.array([score for score, _ in images]), np.array([nothing for _, nothing in images], bool)
    found = chosen(scores, empty, np.zeros(len(images), bool))
    places = [at for _, at in found]
    assert len(set(places)) == len(places)
    of = {kind: [at for each, at in found if each == kind] for kind in ("best", "middle", "worst", "empty")}
    assert all(len(each) <= EACH for each in of.values())
    assert all(empty[at] == (kind == "empty") for kind, at in found)
    ranked = sorted(scores[np.isfinite(scores) & ~empty])
    assert len(of["best"] + of["middle"] + of["worst"]) == min(3 * EACH, max(len(ranked), 0) if len(ranked) != 5 else 4)
    told = [scores[at] for at in of["best"] + of["middle"] + of["worst"][::-1]]
    assert told == sorted(told, reverse=True)
    if ranked:
        assert scores[of["best"][0]] == ranked[-1]
    if len(ranked) > 1:
        assert scores[of["worst"][0]] == ranked[0]
    assert len(of["empty"]) == min(EACH, int(empty.sum()))


class BlobPool:
    """Images of one channel, dark with a light square where the mask has an object; every fourth shows none."""

    def __init__(self, count: int = 16, side: int = 32) -> None:
        random = np.random.default_rng(0)
        self.masks = np.zeros((count, side, side), np.int16)
        for at in range(count):
            top, left = random.integers(2, side // 2, 2)
            self.masks[at, top : top + 12, left : left + 12] = at % 4 > 0
        self.images = torch.from_numpy(self.masks + 0.2 * random.normal(size=self.masks.shape)).float()[:, None]
        self.index = SimpleNamespace(shape=np.full((count, 2), side), spacing=np.full((count, 2), np.nan), row_of=np.arange(count))
        self.rows = [SimpleNamespace(withheld=False)] * count

    def __getitem__(self, entry: int) -> Tensor:
        return self.images[entry]

    def measured(self, entries: Sequence[int]) -> None:
        return None

    def sample(self, entry: int) -> int:
        return entry


class PixelsAsFeatures:
    """An arm whose features are the image, or noise where it is blind."""

    backbone, seed, sizes, blocks, by_image = "", 0, (), (1,), False

    def __init__(self, arm: str, blind: bool) -> None:
        self.arm, self.blind, self.digest = arm, blind, arm

    def maps(self, stored: Tensor, measured: Tensor | None, size: Any) -> list[Tensor]:
        seen = torch.nn.functional.avg_pool2d(stored, 2)
        return [torch.randn(seen.shape, generator=torch.Generator().manual_seed(1)) if self.blind else seen]


def comparison(tmp_path: Path, split: str = "test", protocol: str = "emergent") -> dict[str, Any]:
    """segments.json of a comparison of an arm that sees with one that is blind."""
    pool = BlobPool()
    targets = Masks(np.arange(16), 2, names=("background", "square"), load=lambda entry: pool.masks[entry], digest="squares")
    strata = tuple("square" if at % 4 else "nothing" for at in range(16))
    ids = tuple(f"{at}.png" for at in range(16))
    question = Question("squares", split, Segmentation(), ids, (None,) * 16, strata, targets, np.arange(8), np.arange(8, 16))
    primary = Primary(arm="imagenet+domain", against="imagenet", protocol=protocol, budget=100, metric="mean_iou")
    settings = Evaluate(task="segmentation", labels_per_class=[2, 4], draws=1, protocols=[protocol], primary=primary)
    encoders: Any = [PixelsAsFeatures("imagenet", True), PixelsAsFeatures("imagenet+domain", False)]
    preview = SimpleNamespace(preview=lambda entry: np.repeat((pool.images[entry, 0, ..., None].clamp(0, 1) * 255).byte().numpy(), 3, 2))
    inputs: Any = SimpleNamespace(question=question, images=pool, domain=preview, roles=SimpleNamespace(split=split))
    folder: Any = SimpleNamespace(path=tmp_path)
    show_segments(encoders, make_setup(question, settings, ()), primary, inputs, folder, Silent())
    index = tmp_path / "pictures" / "segments.json"
    return json.loads(index.read_text()) if index.is_file() else {}


def test_both_arms_are_shown_beside_the_truth(tmp_path: Path) -> None:
    kept = comparison(tmp_path)
    assert kept["arm"] == "imagenet+domain" and kept["metric"] == "mean_iou"
    assert [each["kind"] for each in kept["images"]] == ["best", "best", "middle", "middle", "worst", "worst", "empty", "empty"]
    assert all([panel["title"] for panel in each["panels"]] == ["image", "truth", "imagenet+domain", "imagenet"] for each in kept["images"])
    assert all(each["score"] > 0.9 for each in kept["images"] if each["kind"] != "empty")  # it sees every square
    truth, seen, blind = (np.asarray(Image.open(tmp_path / "pictures" / panel["file"])) for panel in kept["images"][0]["panels"][1:])
    tinted = (truth != np.asarray(Image.open(tmp_path / "pictures" / kept["images"][0]["panels"][0]["file"]))).any(-1)
    assert (truth == seen).all(-1)[tinted].mean() > 0.9 > (truth == blind).all(-1)[tinted].mean()


def test_dev_images_are_never_shown(tmp_path: Path) -> None:
    assert comparison(tmp_path, split="dev") == {}
