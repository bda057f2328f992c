"""Published weights are found where other programs leave them, without a network; what is missing is told with the place to put it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labelfree.backbones import build, download
from labelfree.backbones.imagenet import PACKAGED, elsewhere, fit_stem
from labelfree.errors import DataError, RecipeError
from tests.offline_weights import by_hand, into_hub, no_network, published

VIT, CNN, DINO = "test_vit.r160_in1k", "test_resnet.r160_in1k", "vit_small_patch14_dinov2.lvd142m"


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_network(tmp_path, monkeypatch)


Layout = Callable[[str, dict[str, Tensor], Path], Path]
LAYOUTS: dict[str, Layout] = {
    "hub, safetensors": lambda name, state, tmp_path: into_hub(name, state, tmp_path, "model.safetensors"),
    "hub, pickle": lambda name, state, tmp_path: into_hub(name, state, tmp_path, "pytorch_model.bin"),
    "by hand, safetensors": by_hand,
    "by hand, pickle": lambda name, state, tmp_path: by_hand(name, state, tmp_path, f"{name}.pth"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", [VIT, CNN])
def test_weights_in_a_cache_are_loaded_tensor_by_tensor_without_a_network(name: str, layout: str, tmp_path: Path) -> None:
    state = published(name)
    assert elsewhere(name)
    assert LAYOUTS[layout](name, state, tmp_path) == download.local_file(name)
    assert not elsewhere(name)
    for init in ("imagenet", name):
        built = build(name, 3, init=init).net.state_dict()
        assert_close(built, {key: state[key] for key in built}, rtol=0, atol=0)


def test_weights_as_their_authors_publish_them_are_found_under_the_authors_name(tmp_path: Path) -> None:
    """DINOv2's file has a mask token that timm's network lacks, and positions of images of 518 pixels."""
    state = published(DINO)
    theirs = {**state, "mask_token": torch.zeros(1, 384)}
    by_hand(DINO, theirs, tmp_path, "dinov2_vits14_pretrain.pth")
    built = build(DINO, 3, init="imagenet")
    assert_close(built.net.state_dict(), state, rtol=0, atol=0)
    assert (built.mean, built.interpolation, built.side) == ((0.485, 0.456, 0.406), "bicubic", 518)
    with torch.inference_mode():
        assert built.eval().embed(torch.rand(2, 3, 64, 90)).shape == (2, 384)
    small = build(DINO, 3, init="imagenet", options={"img_size": 70})
    assert small.net.pos_embed.shape == (1, 5 * 5 + 1, 384)


def test_a_stem_is_fitted_to_other_channels_by_what_they_show(tmp_path: Path) -> None:
    state = published(CNN)
    by_hand(CNN, state, tmp_path)
    wide = build("test_resnet", 4, init=CNN, match=lambda known: [known.index("blue"), None, known.index("red"), None])
    stem = wide.stem
    assert stem is not None
    assert_close(wide.net.state_dict()[stem], fit_stem(state[stem], [2, None, 0, None]))


def test_loading_leaves_the_random_numbers_that_follow_as_they_are(tmp_path: Path) -> None:
    by_hand(CNN, published(CNN), tmp_path)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    download.published_state(CNN)
    assert_close(torch.rand(3), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", [VIT, DINO])
def test_what_is_missing_is_told_with_the_file_and_its_place(name: str, tmp_path: Path) -> None:
    place = tmp_path / "torch" / "hub" / "checkpoints" / f"{name}.safetensors"
    with pytest.raises(RecipeError) as told:
        build(name, 3, init="imagenet")
    assert str(told.value) == (
        f"backbone.init: the weights of {name} are not on this machine (HF_HUB_OFFLINE is set); bring model.safetensors of timm/{name} on "
        f"huggingface.co, and put it here as {place}."
    )


def test_a_publisher_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(download, "reachable", lambda address: bool(looks.append(address)))
    with pytest.raises(RecipeError, match=r"not on this machine \(https://huggingface\.co does not answer\); bring "):
        build(VIT, 3, init="imagenet")
    assert looks == ["https://huggingface.co"]


@pytest.mark.parametrize("name", [VIT, DINO])
def test_a_file_of_another_network_is_refused(name: str, tmp_path: Path) -> None:
    """timm would load what fits, say nothing, and leave the rest at random."""
    path = by_hand(name, published(CNN), tmp_path)
    with pytest.raises(DataError, match=str(path)):
        build(name, 3, init="imagenet")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = by_hand(VIT, published(VIT), tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=rf"{path}: cannot be read as weights of {VIT} \(.*\); bring the file anew"):
        build(VIT, 3, init="imagenet")


def test_a_tag_that_nobody_publishes_is_answered_with_those_there_are() -> None:
    known = r"backbone\.name: timm publishes no weights 'imagenet' of test_vit; it has .*test_vit\.r160_in1k"
    for asked in ("random", "imagenet"):
        with pytest.raises(RecipeError, match=known):
            build("test_vit.imagenet", 3, init=asked)


@pytest.mark.parametrize(("name", "module"), PACKAGED.items())
def test_packaged_weights_are_those_of_the_package_one_by_one(name: str, module: str) -> None:
    if find_spec(module) is None:
        pytest.skip("the extra `imagenet` is not installed")
    folder = Path(find_spec(module).origin).parent  # type: ignore[union-attr, arg-type]
    (file,) = folder.rglob("*.pth")
    theirs = [v for k, v in torch.load(file, weights_only=True).items() if not k.endswith("num_batches_tracked")]
    for asked in (name, f"{name}.in1k"):
        net = build(asked, 3, init="imagenet").net.state_dict()
        ours = [v for k, v in net.items() if not k.endswith("num_batches_tracked")]
        assert len(theirs) == len(ours) + 2  # the classifier
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=False))
