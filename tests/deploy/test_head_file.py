"""A head's file gives back what was put into it, and says what the tensors cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from labelfree.deploy.head_file import read_card
from labelfree.deploy.loading import load_head
from labelfree.errors import DataError
from labelfree.transfer.heads import train_head
from labelfree.transfer.protocols import find_protocol
from labelfree.transfer.selection import Choice, Grid, Search
from tests.deploy.made_heads import vector_head
from tests.transfer.classes import TASK
from tests.transfer.classes import classes as of_classes


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["centre_l2", "standardise"])
@pytest.mark.parametrize(("protocol", "setting"), [("linear", 10.0), ("knn", 5.0)])
def test_a_saved_head_gives_the_scores_of_the_probe(tmp_path: Path, protocol: str, setting: float, kind: str, classes: int) -> None:
    generator = np.random.default_rng(0)
    targets = np.arange(36) % classes
    learn = (generator.normal(size=(36, 50)) + 2 * np.eye(50)[targets]).astype(np.float32)
    judge = generator.normal(size=(20, 50)).astype(np.float32)
    choice, blocks = Choice(64, kind, setting, 0.75), (40, 10)
    search = Search(TASK, find_protocol(protocol), TASK.metrics["accuracy"], Grid())
    asked = of_classes(targets, classes)
    expected = search.answer(choice, learn, asked, judge, blocks)
    path = vector_head(tmp_path / "head.safetensors", train_head(learn, asked, protocol, choice, blocks), asked.names)
    np.testing.assert_allclose(load_head(path).head(torch.from_numpy(judge)).numpy(), expected.output, atol=1e-5)


def test_a_file_that_is_no_head_is_refused(tmp_path: Path) -> None:
    (tmp_path / "head.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"head\.safetensors: not a head that this version of labelfree reads"):
        load_head(tmp_path / "head.safetensors")


def test_a_later_format_is_told(tmp_path: Path) -> None:
    learn, asked = np.eye(4, dtype=np.float32), of_classes(np.array([0, 1, 0, 1]), 2)
    head = train_head(learn, asked, "linear", Choice(0, "centre_l2", 1.0), (4,))
    path = vector_head(tmp_path / "head.safetensors", head, asked.names, format=99)
    with pytest.raises(DataError, match="its format is 99, this version reads up to 1"):
        load_head(path)


def test_what_any_safetensors_reader_finds_in_it(tmp_path: Path) -> None:
    learn, names = np.eye(4, dtype=np.float32), ("river", "sea lake")
    head = train_head(learn, of_classes(np.array([0, 1, 0, 1]), 2), "linear", Choice(0, "centre_l2", 0.1), (4,))
    path = vector_head(tmp_path / "head.safetensors", head, names)
    with safe_open(path, "pt") as file:
        assert file.metadata()["classes"].split("\n") == list(names) and file.metadata()["protocol"] == "linear"
        assert {"head.weight", "head.bias", "head.mean"} <= set(file.keys())
    assert read_card(path).classes == names


def test_weights_without_a_head_are_told(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "backbone.safetensors")
    with pytest.raises(DataError, match=r"backbone\.safetensors: holds no head \(a network alone, perhaps\); name a file in RUN/heads/"):
        load_head(tmp_path / "backbone.safetensors")
