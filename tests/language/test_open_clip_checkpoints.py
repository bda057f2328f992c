"""Checkpoints of open_clip from this machine: both towers say what open_clip says, go on learning, and are an arm as they came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import labelfree
from labelfree.backbones.weight_card import card_beside
from labelfree.errors import DataError, RecipeError
from labelfree.language import load_towers
from labelfree.language.open_clip_checkpoint import how_to_use
from labelfree.language.reading import load_text_side
from labelfree.objectives.base import Situation
from labelfree.objectives.clip import CLIP
from labelfree.objectives.registry import make_objective
from labelfree.objectives.siglip import SigLIP
from labelfree.progress import Silent
from tests.language.test_towers import encoder

open_clip = pytest.importorskip("open_clip")
SAID = ["a field, a road and two ponds", "no finding", "many " * 100]
TEXT = {"context_length": 32, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
VIT = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}
TIMM = {"timm_model_name": "test_resnet", "timm_model_pretrained": False, "timm_pool": "avg", "timm_proj": "linear", "image_size": 40}
SIGLIP_TEXT = {**TEXT, "no_causal_mask": True, "pool_type": "last", "proj_bias": True, "norm_kwargs": {"eps": 1e-6}}
OWN = {"embed_dim": 24, "vision_cfg": VIT, "text_cfg": TEXT}
CONFIGS: dict[str, dict[str, Any]] = {
    "own ViT": OWN,
    "quick GELU, mean": {**OWN, "quick_gelu": True, "vision_cfg": {**VIT, "pool_type": "avg", "final_ln_after_pool": True}},
    "timm": {"embed_dim": 24, "vision_cfg": TIMM, "text_cfg": TEXT},
    "SigLIP": {"embed_dim": 64, "custom_text": True, "init_logit_bias": -10, "text_cfg": SIGLIP_TEXT,
               "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": "none", "image_size": 160}},
}  # fmt: skip
SHOWN = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25], "interpolation": "bicubic", "resize_mode": "shortest"}


def checkpoint(folder: Path, config: dict[str, Any], weights: str = "open_clip_pytorch_model.bin") -> Any:
    """A folder as `local-dir:` takes it, of random weights; and the model."""
    folder.mkdir(exist_ok=True)
    told = json.loads(json.dumps(config))
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": told, "preprocess_cfg": SHOWN}), encoding="utf-8")
    torch.manual_seed(0)
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases and scales, too, are what was learnt
            parameter.add_(torch.randn_like(parameter) * 0.02)
    torch.save(model.state_dict(), folder / weights)
    return model


def picture(folder: Path, side: int) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "seen.png")
    return folder / "seen.png"


SLOW = {"quick GELU, mean"}  # of two that differ little


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in CONFIGS])
def test_both_towers_say_what_open_clip_says(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "theirs"
    model = checkpoint(folder, CONFIGS[name])
    file = labelfree.convert(folder, "open_clip", tmp_path / "ours", domain="satellite")
    towers, card = load_towers(file), card_beside(file)
    assert card is not None and card.unit == "display" and card.size == model.visual.image_size[0]
    assert_close(torch.tensor(card.mean), torch.tensor(SHOWN["mean"]))
    show = open_clip.transform.image_transform_v2(open_clip.transform.PreprocessCfg(size=card.size, **SHOWN), is_train=False)
    seen = picture(tmp_path, card.size)
    with torch.no_grad():
        theirs = model.encode_image(show(Image.open(seen))[None], normalize=True)
        texts = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(SAID), normalize=True)
    assert_close(towers.embed(labelfree.read(seen, "satellite")), theirs, rtol=1e-4, atol=1e-5)
    assert_close(towers.embed_texts(SAID), texts, rtol=1e-4, atol=1e-5)
    assert towers.scale == pytest.approx(float(model.logit_scale.detach().exp()), rel=1e-5)
    assert towers.bias == (0 if model.logit_bias is None else pytest.approx(float(model.logit_bias.detach())))
    back = labelfree.export(file, tmp_path / "back", format="open_clip", say=Silent())
    assert back.joined and back.apart < 1e-5, "and the way back"
    assert any(f"backbone.name={card.architecture} " in line and f"pretrain.options.text={file}" in line for line in how_to_use(file))


@pytest.mark.slow  # three checkpoints; the tests above read one field's unit
def test_fields_differ_in_their_unit_and_not_in_what_the_network_sees(tmp_path: Path) -> None:
    checkpoint(tmp_path / "theirs", OWN)
    seen, vectors = picture(tmp_path, 32), []
    for domain in ("satellite", "inspection", "medical"):
        towers = load_towers(labelfree.convert(tmp_path / "theirs", "open_clip", tmp_path / domain, domain=domain))
        vectors.append(towers.embed(labelfree.read(seen, domain)))
    assert_close(vectors[1], vectors[0], rtol=1e-4, atol=1e-5)
    assert_close(vectors[2], vectors[0], rtol=1e-4, atol=1e-5)


def test_a_state_dict_and_a_configuration_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = checkpoint(tmp_path / "theirs", OWN)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/Tiny.json").write_text(json.dumps(OWN), encoding="utf-8")
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", list(open_clip.factory._MODEL_CONFIG_PATHS))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    open_clip.add_model_config(tmp_path / "configs")
    plain = tmp_path / "tiny.pt"
    torch.save({"state_dict": {f"module.{key}": value for key, value in model.state_dict().items()}}, plain)
    file = labelfree.convert(plain, "open_clip/Tiny", tmp_path / "ours", domain="satellite")
    card = card_beside(file)
    assert card is not None and card.mean == pytest.approx(open_clip.OPENAI_DATASET_MEAN)
    numbers = open_clip.get_tokenizer("Tiny")(SAID)
    with torch.no_grad():
        assert_close(load_towers(file).embed_texts(SAID), model.encode_text(numbers, normalize=True), rtol=1e-4, atol=1e-5)
    for name, why in {
        "open_clip": "is a file of weights alone; say its configuration",
        "open_clip/Tinny": "no configuration 'Tinny'; did you mean open_clip/Tiny",
        "open_clip/Tiny:laion": "lists no weights 'laion' of Tiny",
        "open_clip/ViT-L-14": "differ in how images are normalised; say which",
    }.items():
        with pytest.raises(RecipeError, match=why):
            labelfree.convert(plain, name, tmp_path / "other", domain="satellite")


@pytest.mark.slow  # transformers takes seconds to import
def test_a_tokenizer_that_comes_with_it_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    encoder(folder)
    for name in ("config.json", "model.safetensors"):
        (folder / name).unlink()
    text = {**TEXT, "vocab_size": 8, "hf_tokenizer_name": "somebody/tokenizer", "tokenizer_kwargs": {"clean": "lower"}, "context_length": 6}
    model = checkpoint(folder, {**OWN, "text_cfg": text})
    file = labelfree.convert(folder, "open_clip", tmp_path / "ours", domain="satellite")
    said = ["A field", "a road a field a road a field a road", "FIELD", ""]
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    tokenizer.clean_fn = open_clip.tokenizer.get_clean_fn("lower")
    with torch.no_grad():
        theirs = model.encode_text(tokenizer(said), normalize=True)
    assert_close(load_towers(file).embed_texts(said), theirs, rtol=1e-4, atol=1e-5)
    labelfree.export(file, tmp_path / "back", format="open_clip", say=Silent())
    (folder / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"its tokenizer \(somebody/tokenizer\) is not with it; put tokenizer.json"):
        labelfree.convert(folder, "open_clip", tmp_path / "other", domain="satellite")


REFUSED = {
    "is a ResNet of open_clip's own": {**OWN, "vision_cfg": {**VIT, "layers": [1, 1, 1, 1]}},
    "pools by attention": {**OWN, "vision_cfg": {**VIT, "attentional_pool": True}},
    "has a decoder of captions": {**OWN, "multimodal_cfg": {"layers": 1}},
    "has a head of open_clip's own": {**OWN, "vision_cfg": {**TIMM, "timm_proj": "mlp"}},
    "is an encoder of transformers": {**OWN, "text_cfg": {"hf_model_name": "roberta-base"}},
    "knows 100 tokens": {**OWN, "text_cfg": {**TEXT, "vocab_size": 100}},
}


@pytest.mark.parametrize("why", REFUSED)
def test_kinds_that_are_not_read_are_said(tmp_path: Path, why: str) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": REFUSED[why]}), encoding="utf-8")
    with pytest.raises(DataError, match=why):
        labelfree.convert(tmp_path, "open_clip", domain="satellite")


def test_wrong_files_are_said(tmp_path: Path) -> None:
    ours = tmp_path / "ours.safetensors"
    with pytest.raises(RecipeError, match="say whose images they are to see with --domain"):
        labelfree.convert(tmp_path, "open_clip")
    with pytest.raises(DataError, match=r"has no open_clip_config.json"):
        labelfree.convert(tmp_path, "open_clip", ours, domain="satellite")
    config = tmp_path / "open_clip_config.json"
    config.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="is no configuration of open_clip's"):
        labelfree.convert(tmp_path, "open_clip", ours, domain="satellite")
    config.write_text(json.dumps({"model_cfg": OWN}), encoding="utf-8")
    with pytest.raises(DataError, match="holds no checkpoint of the model in open_clip_config.json that open_clip reads"):
        labelfree.convert(tmp_path, "open_clip", ours, domain="satellite")
    (tmp_path / "model.pth").write_bytes(b"no weights")
    with pytest.raises(DataError, match="holds no checkpoint"):
        labelfree.convert(tmp_path, "open_clip", ours, domain="satellite")
    torch.save({"conv1.weight": torch.zeros(2)}, tmp_path / "model.pth")
    with pytest.raises(DataError, match="holds no checkpoint"):
        labelfree.convert(tmp_path, "open_clip", ours, domain="satellite")
    with pytest.raises(DataError, match="no such file or folder"):
        labelfree.convert(tmp_path / "nowhere", "open_clip/ViT-B-32", domain="satellite")
    assert not ours.exists()


def test_a_pretraining_begins_with_both(tmp_path: Path) -> None:
    checkpoint(tmp_path / "theirs", CONFIGS["own ViT"])
    file = labelfree.convert(tmp_path / "theirs", "open_clip", tmp_path / "ours", domain="satellite")
    options = {"text": str(file)}
    backbone = labelfree.load(file).backbone
    objective = make_objective("clip", backbone, options)
    assert isinstance(objective, CLIP)
    side = load_text_side(file)
    assert_close(dict(objective.side.named_parameters()), dict(side.named_parameters()))
    assert all(parameter.requires_grad for parameter in objective.side.parameters()) and objective.training
    at = Situation(images=100, batch_size=32, steps=10, continues=True, options=options)
    rules = CLIP.rules(at)
    assert rules["options.out"].value == 24 and rules["options.temperature"].value == pytest.approx(1 / float(side.scale))
    assert rules["lr"].value < 1e-4 and rules["options.image_rate"].value == 1
    assert "options.scale" not in SigLIP.rules(at), "a scale of CLIP's says nothing to SigLIP"
    with pytest.raises(RecipeError, match=r"pretrain.options.out: 256, and the text tower's file has a space of 24"):
        CLIP.check({**options, "out": 256}, at)
    from labelfree.backbones import build

    other = make_objective("siglip", build("test_resnet", 13), options)
    assert isinstance(other, SigLIP)
    assert_close(other.side.of_texts.weight, side.of_texts.weight)
    assert other.side.of_images.in_features == other.backbone.dim
    file.with_name("ours.text.safetensors").unlink()
    with pytest.raises(RecipeError, match=r"pretrain.options.text: .*ours.safetensors has no text tower beside it"):
        make_objective("clip", backbone, options)
