import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from labelfree.transfer import apply_head, head_metadata, train_head
from labelfree.transfer.selection import Choice, Grid, answer_with


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["centre_l2", "standardise"])
@pytest.mark.parametrize(("protocol", "setting"), [("linear", 10.0), ("knn", 5.0)])
def test_a_saved_head_gives_the_scores_of_the_probe(tmp_path, protocol: str, setting: float, kind: str, classes: int) -> None:
    generator = np.random.default_rng(0)
    targets = np.arange(36) % classes
    learn = (generator.normal(size=(36, 50)) + 2 * np.eye(50)[targets]).astype(np.float32)
    judge = generator.normal(size=(20, 50)).astype(np.float32)
    choice, blocks = Choice(64, kind, setting, 0.75), (40, 10)
    expected = answer_with(choice, learn, targets, judge, blocks, classes, protocol, Grid())
    names = tuple(f"class {k}" for k in range(classes))
    path = tmp_path / "head.safetensors"
    save_file(train_head(learn, targets, classes, protocol, choice, blocks), path, metadata=head_metadata(protocol, choice, names))
    np.testing.assert_allclose(apply_head(load_file(path), torch.from_numpy(judge)).numpy(), expected.scores, atol=1e-5)


def test_metadata_names_what_the_tensors_cannot() -> None:
    told = head_metadata("linear", Choice(128, "centre_l2", 0.1, None), ("river", "sea lake"))
    assert told["classes"].split("\n") == ["river", "sea lake"]
    assert (told["size"], told["setting"], told["inner_score"]) == ("128", "0.1", "")
