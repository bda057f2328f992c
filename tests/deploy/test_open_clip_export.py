"""Towers in open_clip's layout: plain open_clip loads them and says the same of pictures and of texts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.testing import assert_close

import labelfree
from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import save
from labelfree.domain import Sample
from labelfree.errors import DataError, RecipeError
from labelfree.language import TextSide, load_towers
from labelfree.language.files import save_text_side
from labelfree.language.open_clip_layout import whole
from labelfree.language.text_towers import text_tower
from labelfree.progress import Silent
from tests.language.test_towers import encoder

open_clip = pytest.importorskip("open_clip")
SAID = ["a field, a road and two ponds", "ein Hafen ⛵ 港にある船", "no finding", "many " * 100]
RGB = ("red", "green", "blue")


def card(name: str, **other: Any) -> WeightCard:
    """Of pictures of 8 bits, shown from 0 to 1."""
    made = WeightCard(name, RGB, "display", (1 / 255,) * 3, (0.0,) * 3, (0.3, 0.5, 0.4), (0.2, 0.1, 0.3), 40, dtype="uint8")
    return replace(made, **other)


def towers(folder: Path, told: WeightCard, text: str = "tiny", bias: float = 0.0) -> Path:
    torch.manual_seed(0)
    backbone = build(told.architecture, len(told.channels), dims=told.dims, options=told.options)
    for layer in backbone.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):  # as after a training, not as they begin
            layer.running_mean.uniform_(-0.2, 0.2)
            layer.running_var.uniform_(0.5, 2)
    file = save(backbone, told, folder / "backbone.safetensors")
    save_text_side(TextSide(backbone.dim, text_tower(text), 24).calibrated(20.0, bias), file, "clip")
    return file


def pictures(side: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def as_sample(picture: np.ndarray, told: WeightCard) -> Sample:
    order = [RGB.index(channel.role or str(channel)) for channel in told.known]
    data = torch.from_numpy(picture).movedim(-1, 0)[order]
    return Sample(data, told.channels, told.scale, told.offset, told.unit, source="picture.png")


@pytest.mark.parametrize(
    ("told", "size", "bias"),
    [
        pytest.param(card("test_resnet"), 40, 0.0, marks=pytest.mark.slow),  # the next one, and the channels in their order
        (card("test_resnet", channels=("b", "g", "r"), roles=("blue", "green", "red"), nm=(None,) * 3, unit="stored", scale=(1.0,) * 3,
              mean=(90.0, 80.0, 100.0), std=(50.0, 60.0, 70.0)), 40, -7.0),
        pytest.param(
            card("test_resnet", mean=(), std=(), normalisation={"kind": "depth", "bits": 8}, unit="levels", scale=(1.0,) * 3), 40, 0.0,
            marks=pytest.mark.slow,  # of_photographs is all that differs
        ),
        (card("test_vit", options={"dynamic_img_size": True, "dynamic_img_pad": True}), 160, 0.0),
    ],
    ids=["cnn", "other order", "depth", "vit"],
)  # fmt: skip
def test_plain_open_clip_says_the_same(tmp_path: Path, told: WeightCard, size: int, bias: float) -> None:
    file = towers(tmp_path, told, bias=bias)
    found = labelfree.export(file, tmp_path / "out", format="open_clip", say=Silent())
    assert found.joined and found.apart < 1e-5 and not found.why
    model, _, show = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'out'}")
    model.eval()
    ours, seen = load_towers(file), pictures(size)
    with torch.no_grad():
        theirs = model.encode_image(torch.stack([show(Image.fromarray(one)) for one in seen]), normalize=True)
        texts = model.encode_text(open_clip.get_tokenizer(f"local-dir:{tmp_path / 'out'}")(SAID), normalize=True)
    assert_close(theirs, ours.embed([as_sample(one, told) for one in seen], size), rtol=1e-4, atol=1e-5)
    assert_close(texts, ours.embed_texts(SAID), rtol=1e-4, atol=1e-5)
    assert float(model.logit_scale.detach().exp()) == pytest.approx(20)
    assert model.logit_bias is None if not bias else float(model.logit_bias.detach()) == pytest.approx(bias)


@pytest.mark.slow  # each export makes and loads a model; the test above shows most of it
def test_larger_pictures_are_resized_alike(tmp_path: Path) -> None:
    told = card("test_resnet")
    file = towers(tmp_path, told)
    labelfree.export(str(tmp_path), tmp_path / "out", format="open_clip", say=Silent())
    model, _, show = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'out'}")
    large = np.array(Image.fromarray(pictures(9, 1)[0]).resize((90, 70), Image.Resampling.BICUBIC))
    with torch.no_grad():
        theirs = model.eval().encode_image(show(Image.fromarray(large))[None], normalize=True)
    assert F.cosine_similarity(theirs, load_towers(file).embed(as_sample(large, told))).item() > 0.999


BANDS = WeightCard("test_resnet", tuple("abcde"), "reflectance", (1e-4,) * 5, (0.0,) * 5, (0.2,) * 5, (0.1,) * 5, 40, dtype="uint16")
OTHERS = {
    "5 channels": (BANDS, "5 channels"),
    "reflectance": (card("test_resnet", unit="reflectance", dtype="uint16"), "reflectance stored as uint16"),
    "by image": (card("test_resnet", mean=(), std=(), normalisation={"kind": "image"}), "normalisation (image)"),
    "own ViT": (card("test_vit", options={"embed_dim": 32, "num_heads": 2}), "options (embed_dim, num_heads)"),
    "volume": (
        WeightCard("monai_resnet10", ("CT",), "HU", (1.0,), (0.0,), (0.0,), (300.0,), 32, dims=3, dtype="int16"), "1 channel of volumes"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ["5 channels", pytest.param("volume", marks=pytest.mark.slow)])  # MONAI takes seconds to import
def test_others_are_joined_as_the_page_says(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told, why = OTHERS[case]
    file = towers(tmp_path, told, bias=-3.0)
    found = labelfree.export(file, tmp_path / "exported", format="open_clip", say=Silent())
    assert not found.joined
    assert why in found.why, case
    file.unlink()
    page = (Path(__file__).parents[2] / "docs/export.md").read_text(encoding="utf-8")
    code = page.split("<!-- the join -->")[1].split("```python")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 14
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    alone = open_clip.create_model("local-dir:exported").eval()
    assert alone.encode_image(torch.zeros(1, 3, 32, 32)).isnan().all(), "no image tower pretends to be one"
    exec(code, names)
    model, images = names["model"], torch.rand(2, len(told.channels), *(32,) * told.dims) * told.largest[0]
    backbone, projection = (
        labelfree.load("exported/image_tower/backbone.safetensors"),
        load_file("exported/image_tower/projection.safetensors"),
    )
    with torch.no_grad():
        assert_close(model.encode_image(images, normalize=True), F.normalize(backbone.embed(images) @ projection["weight"].T, dim=-1))
        logits = model.get_logits(images, open_clip.get_tokenizer("local-dir:exported")(SAID))[0]
    assert logits.shape == (2, len(SAID)) and logits.isfinite().all() and float(model.logit_bias) == -3


@pytest.mark.parametrize("case", OTHERS)
def test_why_an_image_tower_is_not_in_the_model(case: str) -> None:
    told, why = OTHERS[case]
    backbone = build(told.architecture, len(told.channels), options=told.options) if told.dims == 2 else nn.Identity()
    side = TextSide(8, text_tower("tiny"), 4)
    with pytest.raises(DataError, match=re.escape(why)):
        whole(SimpleNamespace(backbone=SimpleNamespace(card=told, backbone=backbone), side=side))  # type: ignore[arg-type]


def test_what_cannot_be_exported_is_said(tmp_path: Path) -> None:
    told = card("test_resnet")
    file = towers(tmp_path, told)
    with pytest.raises(RecipeError, match="nothing is exported as 'openclip'; did you mean open_clip"):
        labelfree.export(file, tmp_path / "out", format="openclip", say=Silent())  # type: ignore[call-overload]
    with pytest.raises(RecipeError, match="takes a run or a weight file alone"):
        labelfree.export(file, tmp_path / "out", ["a.png"], format="open_clip", say=Silent())  # type: ignore[call-overload]
    with pytest.raises(DataError, match="name a new or empty folder"):
        labelfree.export(file, tmp_path, format="open_clip", say=Silent())
    file.with_name("backbone.text.safetensors").unlink()
    with pytest.raises(DataError, match="has no text tower"):
        labelfree.export(file, tmp_path / "out", format="open_clip", say=Silent())
    assert not (tmp_path / "out").exists()


def test_an_encoder_of_transformers_is_refused(tmp_path: Path) -> None:
    file = towers(tmp_path, card("test_resnet"), str(encoder(tmp_path / "encoder")))
    with pytest.raises(DataError, match="its text tower is an encoder of transformers"):
        labelfree.export(file, tmp_path / "out", format="open_clip", say=Silent())


def test_no_path_of_this_machine_is_in_the_folder(tmp_path: Path) -> None:
    labelfree.export(towers(tmp_path, card("test_resnet")), tmp_path / "out", format="open_clip", say=Silent())
    for path in (tmp_path / "out").iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()
    assert json.loads((tmp_path / "out/open_clip_config.json").read_text(encoding="utf-8"))["preprocess_cfg"]["size"] == 40
