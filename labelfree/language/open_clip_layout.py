"""Both towers as open_clip names and configures them: what `open_clip.create_model("local-dir:…")` reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from labelfree.backbones.base import Backbone
from labelfree.backbones.open_clip_networks import OpenClipViT
from labelfree.backbones.photographs import of_photographs
from labelfree.backbones.timm_networks import FLEXIBLE, TimmBackbone
from labelfree.backbones.weight_card import WeightCard
from labelfree.domain import Size, sides
from labelfree.errors import DataError
from labelfree.language.loading import Towers
from labelfree.language.text_towers import CheckpointTower, SmallTransformer, TextTower
from labelfree.language.tokens import OfEncoder
from labelfree.language.towers import TextSide

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
PLACEHOLDER = {"width": 8, "head_width": 8, "layers": 1, "patch_size": 32, "image_size": 32}  # of a ViT that says nothing
OF_NO_MATTER = {*FLEXIBLE, "drop_rate", "drop_path_rate", "attn_drop_rate", "proj_drop_rate"}  # what they change is no tensor and no answer


@dataclass(frozen=True)
class Part:
    """A tower: its section of the configuration, its tensors under open_clip's names. `size`: of images that it is shown, 0 of texts."""

    config: dict[str, Any]
    state: dict[str, Tensor]
    size: Size = 0


@dataclass(frozen=True)
class Layout:
    """A whole model: `config` as it stands in the file, `state`, and `size`, at which open_clip shows images to the tower.

    `tokenizer`: one of the model's own, as its library keeps it, and the number that pads; None: open_clip's byte pairs.
    """

    config: dict[str, Any]
    state: dict[str, Tensor]
    size: Size
    tokenizer: OfEncoder | None = None


def whole(towers: Towers) -> Layout:
    """Both towers. Raises DataError, a reason that begins with `its`, where open_clip cannot hold the image tower."""
    card, backbone = towers.backbone.card, towers.backbone.backbone
    seen = of_photographs(card)
    kind = type(backbone)
    if kind not in IMAGE_TOWERS:
        raise DataError(f"its network {card.architecture} is none that open_clip makes by name")
    tower = IMAGE_TOWERS[kind](backbone, card)
    state = {name: tensor.detach().cpu() for name, tensor in tower.state.items()}
    if seen.order != (0, 1, 2):
        stem = f"visual.trunk.{backbone.stem}" if f"visual.trunk.{backbone.stem}" in state else f"visual.{backbone.stem}"
        state[stem] = state[stem][:, list(seen.order)]
    projection = towers.side.of_images.weight.detach().cpu()
    state |= {"visual.head.proj.weight": projection} if "timm_model_name" in tower.config else {"visual.proj": projection.T}
    shown = {"mode": "RGB", "mean": list(seen.mean), "std": list(seen.std), "interpolation": "bilinear", "resize_mode": "squash"}
    return _model(towers.side, tower.config, state, tower.size, shown)


def words_alone(side: TextSide) -> Layout:
    """The text tower and the scale, beside a small image tower that says NaN of every image until another takes its place."""
    config = dict(PLACEHOLDER)
    patches = (config["image_size"] // config["patch_size"]) ** 2
    width, patch = config["width"], config["patch_size"]
    shapes = {
        "class_embedding": (width,), "positional_embedding": (patches + 1, width), "proj": (width, side.of_texts.out_features),
        "conv1.weight": (width, 3, patch, patch), "transformer.resblocks.0.attn.in_proj_weight": (3 * width, width),
        "transformer.resblocks.0.attn.in_proj_bias": (3 * width,), "transformer.resblocks.0.attn.out_proj.weight": (width, width),
        "transformer.resblocks.0.attn.out_proj.bias": (width,), "transformer.resblocks.0.mlp.c_fc.weight": (4 * width, width),
        "transformer.resblocks.0.mlp.c_fc.bias": (4 * width,), "transformer.resblocks.0.mlp.c_proj.weight": (width, 4 * width),
        "transformer.resblocks.0.mlp.c_proj.bias": (width,),
    }  # fmt: skip
    norms = ("ln_pre", "ln_post", "transformer.resblocks.0.ln_1", "transformer.resblocks.0.ln_2")
    shapes |= {f"{norm}.{part}": (width,) for norm in norms for part in ("weight", "bias")}
    state = {f"visual.{name}": torch.full(shape, math.nan) for name, shape in shapes.items()}
    return _model(side, config, state, config["image_size"], {})


def _model(side: TextSide, vision: dict[str, Any], state: dict[str, Tensor], size: Size, shown: Mapping[str, Any]) -> Layout:
    kind = type(side.tower)
    if kind not in TEXT_TOWERS:
        raise DataError("its text tower is an encoder of transformers, which open_clip looks for by a name on the hub and in no folder")
    text = TEXT_TOWERS[kind](side)
    gelu, wanted = text.config.pop("quick_gelu", False), vision.pop("quick_gelu", None)
    if wanted is not None and wanted != gelu:
        raise DataError("its two towers have two kinds of GELU, and open_clip one setting for both")
    quick = {"quick_gelu": True} if gelu else {}
    scale, bias = float(side.scale), float(side.bias)
    state = {**state, **text.state, "logit_scale": torch.tensor(math.log(scale))}
    model = {"embed_dim": side.of_texts.out_features, "custom_text": True, **quick, "vision_cfg": vision, "text_cfg": text.config}
    if bias:
        model["init_logit_bias"] = bias
        state["logit_bias"] = torch.tensor(bias)
    tensors = {name: tensor.detach().float().cpu().contiguous().clone() if tensor.is_floating_point() else tensor.cpu().clone()
               for name, tensor in state.items()}  # fmt: skip
    tokenizer = side.tower.tokenizer
    own = tokenizer if isinstance(tokenizer, OfEncoder) else None
    return Layout({"model_cfg": model, "preprocess_cfg": {**shown, "size": size}}, tensors, size, own)


def _of_timm(backbone: Backbone, card: WeightCard) -> Part:
    """`visual.trunk.*` of open_clip's TimmModel, which makes the network by its name and no option but the pooling."""
    named = {key: value for key, value in backbone.options.items() if key not in OF_NO_MATTER}
    pool = named.pop("global_pool", "")
    if named:
        raise DataError(f"its network has options ({', '.join(named)}) that open_clip does not pass on to timm")
    if backbone.dim != int(backbone.net.num_features):
        raise DataError(f"its network {card.architecture} widens its features behind the pooling, which open_clip does not count with")
    size: Size = card.size
    if getattr(backbone, "transformer", False):  # there it has one table of positions, of the size that timm makes it for
        height, width = backbone.net.patch_embed.img_size
        size = int(height) if height == width else (int(height), int(width))
    config = {"timm_model_name": card.architecture, "timm_model_pretrained": False, "timm_pool": pool, "timm_proj": "linear"}
    state = {f"visual.trunk.{name}": tensor for name, tensor in backbone.net.state_dict().items()}
    return Part({**config, "image_size": size if isinstance(size, int) else list(sides(size, 2))}, state, size)


def _of_small(side: TextSide) -> Part:
    tower = side.tower
    assert isinstance(tower, SmallTransformer)
    size = tower.size
    config = {"context_length": size["longest"], "vocab_size": tower.net.vocab_size, "width": size["width"], "heads": size["heads"]}
    state = {f"text.{name}": tensor for name, tensor in tower.net.state_dict().items()}
    return Part({**config, "layers": size["layers"]}, state | {"text.text_projection": side.of_texts.weight.T})


def _of_own(backbone: Backbone, card: WeightCard) -> Part:
    """A transformer of open_clip's own."""
    assert isinstance(backbone, OpenClipViT)
    gelu = bool(backbone.config.get("quick_gelu"))
    config = {key: value for key, value in backbone.config.items() if key != "quick_gelu"} | {"quick_gelu": gelu}
    height, width = backbone.net.image_size
    state = {f"visual.{name}": tensor for name, tensor in backbone.net.state_dict().items()}
    return Part(config, state, int(height) if height == width else (int(height), int(width)))


def _of_checkpoint(side: TextSide) -> Part:
    """As it came, with the projection that it has now."""
    tower = side.tower
    assert isinstance(tower, CheckpointTower)
    state, projection = {f"text.{name}": tensor for name, tensor in tower.net.state_dict().items()}, side.of_texts.weight
    config = {key: value for key, value in tower.config.items() if key not in ("proj_bias", "proj_type")}
    if tower.out is None:
        state["text.text_projection"] = projection.T
    else:  # its own, and what was learnt behind it, are one
        own = tower.net.text_projection
        state |= {"text.text_projection.weight": projection @ own.weight, "text.text_projection.bias": projection @ own.bias}
        config["proj_bias"] = True
    return Part({**config, "quick_gelu": tower.quick_gelu}, state)


IMAGE_TOWERS: dict[type[Backbone], Callable[[Backbone, WeightCard], Part]] = {TimmBackbone: _of_timm, OpenClipViT: _of_own}
TEXT_TOWERS: dict[type[TextTower], Callable[[TextSide], Part]] = {SmallTransformer: _of_small, CheckpointTower: _of_checkpoint}
