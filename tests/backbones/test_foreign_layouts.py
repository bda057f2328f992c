"""Files in the layouts of MONAI, MedicalNet and nnssl: random tensors under the names that those projects write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labelfree.backbones import Backbone, build
from labelfree.backbones.conversion import turn_kernels
from labelfree.backbones.layouts import Layout
from labelfree.errors import DataError
from tests.backbones.foreign_files import medicalnet, nnssl, sliding_windows, swin_heads, unetr, vit_of

Written = tuple[dict, Backbone, dict[str, Tensor]]  # a file, the network that it is for, and what that should hold


def same(state: dict[str, Tensor], backbone: Backbone) -> None:
    own = backbone.net.state_dict()
    assert_close({key: own[key] for key in state}, state, rtol=0, atol=0)
    assert set(own) - set(state) <= {key for key in own if key.endswith("num_batches_tracked")}


def started(file: dict, path: Path, name: str, channels: int = 1, **options: object) -> Backbone:
    torch.save(file, path / "published.pt")
    return build(name, channels, dims=3, init=path / "published.pt", options=options)


@pytest.mark.parametrize("layout", ["module", "swinViT", "module.swinViT", "swin_vit"])
def test_swin_unetrs_encoder_is_found_among_heads_and_decoders(layout: str, tmp_path: Path) -> None:
    state, depths = sliding_windows(), {"depths": (1, 1, 1, 1)}
    renamed = {key.replace(".mlp.linear", ".mlp.fc") if layout == "module" else key: tensor for key, tensor in state.items()}
    file = {f"{layout}.{key}": tensor for key, tensor in renamed.items()} | swin_heads("module." if layout.startswith("module") else "")
    same(state, started({"state_dict": file, "epoch": 3}, tmp_path, "monai_swinunetr_12", **depths))


def test_medicalnets_resnets_lie_under_module(tmp_path: Path) -> None:
    file, state = medicalnet(18)
    same(state, started(file, tmp_path, "monai_resnet18", widen_factor=0.125))


def test_unetrs_flattened_patches_become_a_convolution(tmp_path: Path) -> None:
    """MONAI's network of that layout is the oracle: what it gives for a volume, its position table interpolated, too."""
    theirs = vit_of(proj_type="perceptron", classification=False)
    options = {"hidden_size": 24, "num_layers": 2, "img_size": 16, "qkv_bias": False, "class_token": False}
    ours = started(unetr(theirs.state_dict()), tmp_path, "monai_vit_tiny_8", **options).eval()
    x = torch.randn(2, 1, 16, 16, 16)
    tokens = ours(x).tokens
    assert tokens is not None
    assert_close(tokens.flatten(2).mT, theirs.eval()(x)[0], rtol=1e-4, atol=1e-5)
    wider = started(unetr(theirs.state_dict()), tmp_path, "monai_vit_tiny_8", **{**options, "img_size": 32})
    assert wider.net.patch_embedding.position_embeddings.shape == (1, 64, 24)
    with pytest.raises(
        DataError, match=r"published\.pt: .*position_embeddings are 4 in the file, no cube, .* set backbone\.options\.img_size"
    ):
        oblong = vit_of(img_size=(8, 16, 16), classification=False)
        started(oblong.state_dict(), tmp_path, "monai_vit_tiny_8", **{**options, "img_size": 32})


def test_a_vit_with_a_class_token_is_loaded_without_its_classifier(tmp_path: Path) -> None:
    theirs = vit_of(classification=True)
    ours = started(theirs.state_dict(), tmp_path, "monai_vit_tiny_8", hidden_size=24, num_layers=2, img_size=16, qkv_bias=False)
    assert_close(ours.net.cls_token, theirs.cls_token)


SMALL = {"features": (4, 8, 16), "blocks": (1, 2, 1)}


def test_nnssls_encoder_is_read_once_and_its_decoder_left_out(tmp_path: Path) -> None:
    file, state = nnssl(**SMALL)
    same(state, started(file, tmp_path, "nnunet_resenc_l", **SMALL))


def test_all_residual_blocks_of_the_large_encoder_have_nnunets_names() -> None:
    """448 are counted in a file that nnssl's authors published, where every tensor has two names."""
    with torch.device("meta"):
        names = list(build("nnunet_resenc_l", 1).net.state_dict())
    assert len(names) == 224
    assert {"stem.convs.0.conv.weight", "stages.1.blocks.0.skip.1.conv.weight", "stages.5.blocks.5.conv2.norm.bias"} <= set(names)


@pytest.mark.parametrize(
    "harm, said",
    [
        (lambda file: file.pop("module.conv1.weight"), r"1 missing \(e\.g\. conv1\.weight\)"),
        (lambda file: file.update({"module.layer9.weight": torch.zeros(1)}), r"1 left over \(e\.g\. layer9\.weight\)"),
        (lambda file: file.update({"module.bn1.weight": torch.zeros(9)}), r"1 of another shape \(e\.g\. bn1\.weight\)"),
        (lambda file: file.update({"conv1.weight": torch.zeros(1)}), r"the file holds conv1\.weight twice, .* and they differ"),
    ],
)
def test_tensors_that_do_not_fit_are_named(harm: Callable[[dict[str, Tensor]], object], said: str, tmp_path: Path) -> None:
    file, _ = medicalnet(10)
    harm(file["state_dict"])
    with pytest.raises(DataError, match=rf"published\.pt: .*{said}"):
        started(file, tmp_path, "monai_resnet10", widen_factor=0.125)


def test_one_tensor_under_two_names_is_one(tmp_path: Path) -> None:
    tensor = torch.ones(2)
    layout = Layout(("module", "encoder"), (r".*\.again\.",))
    assert layout.own({"module.encoder.a.b": tensor, "a.b": tensor, "encoder.a.again.b": tensor}, ["a.b"]).keys() == {"a.b"}
    assert layout.own({"encoder.": tensor}, ["a"]).keys() == {"encoder."}


def test_turned_kernels_see_turned_volumes_alike() -> None:
    torch.manual_seed(0)
    backbone, x = build("nnunet_resenc_l", 1, options=SMALL).eval(), torch.randn(1, 1, 8, 12, 16)
    before = backbone.embed(x)
    turn_kernels(backbone.net, (2, 1, 0))
    assert_close(backbone.embed(x.permute(0, 1, 4, 3, 2)), before, rtol=1e-4, atol=1e-5)


def test_a_stem_is_fitted_by_the_channels_names(tmp_path: Path) -> None:
    theirs = build("monai_dynunet_16", 2, options={"filters": (4, 8, 16)})
    path = tmp_path / "own.pt"
    torch.save(theirs.net.state_dict(), path)
    path.with_suffix(".json").write_text('{"channels": ["t2", "t1"]}')
    ours = build("monai_dynunet_16", 3, init=path, match=lambda known: [known.index("t1"), None, None], options={"filters": (4, 8, 16)})
    kernel = theirs.net.input_block.conv1.conv.weight
    expected = torch.stack([kernel[:, 1], kernel.mean(1), kernel.mean(1)], dim=1) * 2 / 3
    assert_close(ours.net.input_block.conv1.conv.weight, expected)
