"""A checkpoint of open_clip, from a folder or a file on this machine, as a weight file with its card and its text side beside it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labelfree.backbones import Backbone, build
from labelfree.backbones.open_clip_networks import PLAIN, PREFIX, not_plain
from labelfree.backbones.photographs import COLOURS, WHITE
from labelfree.backbones.timm_networks import FLEXIBLE
from labelfree.backbones.weight_card import WeightCard, card_beside
from labelfree.backbones.weights import save
from labelfree.domain import Row, Size
from labelfree.errors import DataError, RecipeError
from labelfree.installed_domains import sound_domains
from labelfree.language.files import save_text_side
from labelfree.language.open_clip_layout import CONFIG
from labelfree.language.reading import text_file
from labelfree.language.text_towers import CheckpointTower
from labelfree.language.tokens import BytePairs, OfEncoder, Tokenizer
from labelfree.language.towers import TextSide
from labelfree.reader_settings import domain_with

NAME = "open_clip"
SHOWN = ("mean", "std", "interpolation", "resize_mode")  # of a preprocessing


@dataclass(frozen=True)
class Read:
    """A checkpoint as open_clip has it: `model` with its weights, made by `config`; `shown`: mean, std and size of its images."""

    where: str
    config: Mapping[str, Any]
    model: Any
    shown: Mapping[str, Any]
    tokenizer: Tokenizer


def convert_open_clip(file: Path, name: str, domain: str | None = None, out: Path | None = None) -> Path:
    """Write both towers of a checkpoint as a weight file, with its card and its text side beside it. Returns the new file.

    `file`: a folder with open_clip_config.json and weights, `name` "open_clip"; or a state dict, `name` "open_clip/CONFIGURATION", behind
    a colon the tag of open_clip's table that tells how its images are normalised. `domain`: whose images it is to read; default the only
    one installed. Raises RecipeError for names that are none, DataError for files that hold no such checkpoint, and for kinds of towers
    that are not read.
    """
    field = _field(domain)
    target = (out or (file / "open_clip" if file.is_dir() else file)).with_suffix(".safetensors")
    for there in (target, target.with_suffix(".json"), text_file(target)):
        if there.exists():
            raise DataError(f"{there}: exists already; name another file with --out.")
    read = _read(file, name)
    backbone, projection = _image_tower(read)
    side = _text_side(read, projection)
    save_text_side(side, target, "siglip" if read.model.logit_bias is not None else "clip")
    return save(backbone, _card(read, backbone, field, name), target)


def how_to_use(file: Path) -> list[str]:
    """Sentences on what a converted checkpoint is good for, with the keys that start from it."""
    card = card_beside(file)
    if card is None or not text_file(file).is_file():
        return []
    own = {key: value for key, value in card.options.items() if FLEXIBLE.get(key) != value}  # those are set anyhow
    options = f" backbone.options='{json.dumps(own)}'" if own else ""
    return [
        f"Start from it: backbone.name={card.architecture}{options} backbone.init={file} pretrain.options.text={file}",
        f"The untouched checkpoint as an arm: {{name: {file.stem}, weights: {file}}} in evaluate.arms.",
    ]


def _field(domain: str | None) -> str:
    known = sound_domains()
    if domain is None and len(known) != 1:
        raise RecipeError(
            f"--as open_clip: such towers read photographs; say whose images they are to see with --domain ({', '.join(known)})."
        )
    return domain or known[0]


def _read(file: Path, name: str) -> Read:
    try:
        import open_clip
    except ImportError as error:
        raise RecipeError("--as open_clip: needs open_clip, which is not installed: pip install 'labelfree[language]'.") from error
    configuration, _, tag = name.removeprefix(PREFIX).partition(":") if name.startswith(PREFIX) else ("", "", "")
    if file.is_dir() and configuration:
        raise RecipeError(f"--as {name}: {file} is a folder, whose own {CONFIG} says what it holds; write --as open_clip.")
    if not file.exists():
        raise DataError(f"{file}: no such file or folder.")
    if not file.is_dir() and not configuration:
        raise RecipeError(f"--as open_clip: {file.name} is a file of weights alone; say its configuration, --as open_clip/ViT-B-32, say.")
    told = _told_in(file) if file.is_dir() else _told_by(open_clip, configuration, tag)
    config = told["model_cfg"]
    _require_read(config, str(file))
    tokenizer = _tokenizer(config["text_cfg"], file)
    try:
        source = {"model_name": f"local-dir:{file}"} if file.is_dir() else {"model_name": configuration, "pretrained": str(file)}
        model = open_clip.create_model(**source, force_custom_text=True, require_pretrained=True).eval()
    except Exception as error:  # open_clip lets pass whatever its libraries raise
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{file}: holds no checkpoint of {configuration or 'the model in ' + CONFIG} that open_clip reads ({why})."
        ) from error
    size = model.visual.preprocess_cfg["size"]
    return Read(str(file), config, model, {**told["preprocess_cfg"], "size": size}, tokenizer)


def _told_in(folder: Path) -> dict[str, Any]:
    """`model_cfg`, and `preprocess_cfg` with open_clip's own numbers where the folder tells none."""
    from open_clip.transform import PreprocessCfg

    file = folder / CONFIG
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        model, shown = dict(told["model_cfg"]), dict(told.get("preprocess_cfg") or {})
        model["text_cfg"], model["vision_cfg"] = dict(model["text_cfg"]), dict(model["vision_cfg"])
    except FileNotFoundError:
        raise DataError(f"{folder}: has no {CONFIG}, so it is no folder of open_clip's.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: is no configuration of open_clip's ({type(error).__name__}: {error}).") from error
    usual = PreprocessCfg()
    return {"model_cfg": model, "preprocess_cfg": {"mean": usual.mean, "std": usual.std, **shown}}


def _told_by(open_clip: Any, configuration: str, tag: str) -> dict[str, Any]:
    """The same of one of open_clip's configurations, and of the weights that its table lists by a tag, or by all of its tags alike."""
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
    from open_clip.transform import PreprocessCfg

    config = open_clip.get_model_config(configuration)
    if config is None:
        from difflib import get_close_matches

        near = get_close_matches(configuration, open_clip.list_models(), 1)
        hint = f"did you mean open_clip/{near[0]}?" if near else "`open_clip.list_models()` shows them."
        raise RecipeError(f"--as: open_clip has no configuration {configuration!r}; {hint}")
    tags = list_pretrained_tags_by_model(configuration)
    if tag and tag not in tags:
        raise RecipeError(f"--as: open_clip lists no weights {tag!r} of {configuration}; it has {', '.join(tags) or 'none'}.")
    usual = PreprocessCfg()
    ways = [
        {key: cfg.get(key, getattr(usual, key)) for key in SHOWN}
        for cfg in (get_pretrained_cfg(configuration, each) for each in ([tag] if tag else tags))
    ]
    if any(way != ways[0] for way in ways):
        raise RecipeError(
            f"--as: weights of {configuration} differ in how images are normalised; say which these are, --as "
            f"open_clip/{configuration}:TAG ({', '.join(tags)})."
        )
    return {"model_cfg": config, "preprocess_cfg": ways[0] if ways else {key: getattr(usual, key) for key in SHOWN}}


def _require_read(config: Mapping[str, Any], where: str) -> None:
    """Raises DataError for kinds of towers that are not read here."""
    vision, text = config["vision_cfg"], config["text_cfg"]
    timm = bool(vision.get("timm_model_name"))
    why = "" if timm else not_plain(vision)
    if "multimodal_cfg" in config:
        why = "has a decoder of captions beside it (CoCa)"
    elif timm and (vision.get("timm_pool") in ("abs_attn", "rot_attn") or vision.get("timm_proj", "linear") not in ("linear", "none")):
        why = "has a head of open_clip's own (attention pooling, or an MLP)"
    elif timm and vision.get("timm_proj_bias"):
        why = "is projected with a bias"
    if why:
        raise DataError(f"{where}: its image tower {why}, which is not read; towers of timm and plain transformers are.")
    if text.get("hf_model_name"):
        raise DataError(f"{where}: its text tower is an encoder of transformers, which open_clip looks for on the hub; it is not read.")
    if text.get("embed_cls") or text.get("tokenizer_mode") or text.get("output_tokens"):
        raise DataError(f"{where}: its text tower has a class token or tokens of its own way (CoCa, CLIPS), which is not read.")


def _tokenizer(text: Mapping[str, Any], file: Path) -> Tokenizer:
    """That of the checkpoint: open_clip's byte pairs, or one of transformers whose files lie in the folder."""
    longest, extra = int(text.get("context_length", 77)), dict(text.get("tokenizer_kwargs") or {})
    if unknown := set(extra) - {"clean"}:
        raise DataError(f"{file}: its tokenizer has settings ({', '.join(sorted(unknown))}) that are not read.")
    if not text.get("hf_tokenizer_name"):
        pairs = BytePairs(longest, extra.get("clean", "lower"))
        if int(text.get("vocab_size", pairs.vocabulary)) < pairs.vocabulary:
            raise DataError(f"{file}: its text tower knows {text['vocab_size']} tokens, and open_clip's tokenizer has {pairs.vocabulary}.")
        return pairs
    if not file.is_dir() or not (file / "tokenizer.json").is_file():
        raise DataError(
            f"{file}: its tokenizer ({text['hf_tokenizer_name']}) is not with it; put tokenizer.json and tokenizer_config.json of it into "
            f"a folder with {CONFIG} and the weights."
        )
    try:
        from transformers import AutoTokenizer

        known = AutoTokenizer.from_pretrained(file, local_files_only=True, use_fast=True)
        return OfEncoder(known.backend_tokenizer.to_str(), longest, int(known.pad_token_id or 0), extra.get("clean", "whitespace"))
    except ImportError as error:
        raise RecipeError("--as open_clip: its tokenizer needs transformers: pip install transformers.") from error
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{file}: its tokenizer cannot be read ({str(error).splitlines()[0]}).") from error


def _image_tower(read: Read) -> tuple[Backbone, Tensor]:
    """The backbone, and the projection (out, dim) of what it gives."""
    visual, vision = read.model.visual, read.config["vision_cfg"]
    if name := vision.get("timm_model_name"):
        pool = vision.get("timm_pool", "avg")
        backbone = _filled(read, name, {"global_pool": pool} if pool else {}, visual.trunk.state_dict())
        flat = vision.get("timm_proj", "linear") == "none"
        return backbone, torch.eye(backbone.dim) if flat else visual.head.proj.weight.detach()
    gelu = {"quick_gelu": True} if read.config.get("quick_gelu") else {}
    state = {key: tensor for key, tensor in visual.state_dict().items() if key != "proj"}
    return _filled(read, PREFIX + PLAIN, {**vision, **gelu}, state), visual.proj.detach().T


def _filled(read: Read, name: str, options: dict[str, Any], state: Mapping[str, Tensor]) -> Backbone:
    try:
        backbone = build(name, 3, options=options)
        backbone.net.load_state_dict(dict(state))
    except (RecipeError, RuntimeError) as error:
        raise DataError(f"{read.where}: its image tower {name} cannot be made here ({str(error).splitlines()[0]}).") from error
    return backbone


def _text_side(read: Read, of_images: Tensor) -> TextSide:
    net: Any = read.model.text
    projection, out = net.text_projection, int(read.config["embed_dim"])
    own = isinstance(projection, nn.Linear) and projection.bias is not None  # a bias stays with its tower
    config = dict(read.config["text_cfg"])
    tower = CheckpointTower(config, bool(read.config.get("quick_gelu")), read.tokenizer, out if own else None, net)
    if own or projection is None:
        of_texts = torch.eye(tower.dim)
    else:
        of_texts = projection.weight.detach() if isinstance(projection, nn.Linear) else projection.detach().T
    if of_texts.shape[0] != of_images.shape[0]:
        raise DataError(f"{read.where}: its towers speak of {of_images.shape[0]} and {of_texts.shape[0]} numbers, so they share no space.")
    side = TextSide(of_images.shape[1], tower, of_images.shape[0])
    with torch.no_grad():
        side.of_images.weight.copy_(of_images)
        side.of_texts.weight.copy_(of_texts)
    bias = read.model.logit_bias
    return side.calibrated(float(read.model.logit_scale.detach().exp()), 0.0 if bias is None else float(bias.detach()))


def _card(read: Read, backbone: Backbone, field: str, name: str) -> WeightCard:
    """By how the field itself reads a picture of 8 bits: its unit and scale, and so what 0 and 1 of a photograph are."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "photograph.png"
        Image.new("RGB", (16, 16), (10, 100, 200)).save(file)
        sample = domain_with(field, {}).read(Row(file.name, file))
    if tuple(sample.channels) != COLOURS or str(sample.data.dtype) != "torch.uint8":
        raise DataError(f"--domain {field}: reads no red, green and blue of 8 bits from a picture, which open_clip's towers see.")
    scales, offsets = np.ravel(sample.scale).tolist(), np.ravel(sample.offset).tolist()
    white = [WHITE * scale for scale in scales]
    mean, std, size = read.shown["mean"], read.shown["std"], read.shown["size"]
    told: Size = int(size) if isinstance(size, int) else int(size[0]) if size[0] == size[1] else tuple(map(int, size))
    return WeightCard(
        architecture=backbone.name,
        options=backbone.options,
        channels=COLOURS,
        roles=COLOURS,
        nm=(None,) * 3,
        unit=sample.unit,
        scale=tuple(scales),
        offset=tuple(offsets),
        mean=tuple(m * top + low for m, top, low in zip(mean, white, offsets, strict=True)),
        std=tuple(s * top for s, top in zip(std, white, strict=True)),
        size=told,
        domain=field,
        dtype="uint8",
        low=tuple(offsets),
        high=tuple(top + low for top, low in zip(white, offsets, strict=True)),
        arm=name,
        objective="siglip" if read.model.logit_bias is not None else "clip",
        licence="as its publisher says",
    )
