from pathlib import Path

import numpy as np
import pytest
import torch

from labelfree.errors import DataError
from labelfree.transfer.heads import head_metadata, load_head, save_head, train_head
from labelfree.transfer.protocols import find_protocol
from labelfree.transfer.selection import Choice, Grid, Search
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
    path = tmp_path / "head.safetensors"
    save_head(path, train_head(learn, asked, protocol, choice, blocks), head_metadata(protocol, choice, asked.names))
    np.testing.assert_allclose(load_head(path)(torch.from_numpy(judge)).numpy(), expected.output, atol=1e-5)


def test_a_file_that_is_no_head_is_refused(tmp_path: Path) -> None:
    (tmp_path / "head.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"head\.safetensors: not a head that labelfree wrote"):
        load_head(tmp_path / "head.safetensors")


def test_metadata_names_what_the_tensors_cannot() -> None:
    told = head_metadata("linear", Choice(128, "centre_l2", 0.1, None), ("river", "sea lake"))
    assert told["classes"].split("\n") == ["river", "sea lake"]
    assert (told["size"], told["setting"], told["inner_score"]) == ("128", "0.1", "")
