"""Text towers: open_clip's transformer in sizes that train on a laptop, or a text encoder of transformers from a local folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.errors import RecipeError
from labelfree.language.tokens import OPEN_CLIP, TOKENIZERS, BytePairs, OfEncoder, Tokenizer

SIZES: dict[str, dict[str, int]] = {  # `base` is the text tower of CLIP's own ViT-B models
    "tiny": {"width": 64, "heads": 2, "layers": 2},
    "small": {"width": 256, "heads": 4, "layers": 4},
    "medium": {"width": 384, "heads": 6, "layers": 6},
    "base": {"width": 512, "heads": 8, "layers": 12},
}
MOST_TOKENS = 512  # of an encoder that does not say how many it takes


class TextTower(nn.Module):
    """An encoder of captions: token numbers (B, L), padded behind their ends, to (B, dim).

    `told`: what makes the same tower again, without its weights (`tower_told`). `tokenizer` makes its numbers.
    """

    dim: int
    tokenizer: Tokenizer

    @property
    def told(self) -> dict[str, Any]:
        raise NotImplementedError

    def forward(self, numbers: Tensor) -> Tensor:
        raise NotImplementedError


class SmallTransformer(TextTower):
    """open_clip's causal text transformer: what it says of a caption is what stands at its end. Random weights.

    Raises RecipeError without open_clip.
    """

    kind = "open_clip"

    def __init__(self, width: int, heads: int, layers: int, longest: int = 77) -> None:
        super().__init__()
        self.tokenizer = tokenizer = BytePairs(longest)
        try:
            from open_clip.transformer import TextTransformer
        except ImportError as error:
            raise RecipeError(OPEN_CLIP) from error
        self.dim, self.size = width, {"width": width, "heads": heads, "layers": layers, "longest": longest}
        self.net = TextTransformer(
            context_length=longest, vocab_size=tokenizer.vocabulary, width=width, heads=heads, layers=layers, output_dim=None
        )

    @property
    def told(self) -> dict[str, Any]:
        return {"kind": self.kind, **self.size}

    def forward(self, numbers: Tensor) -> Tensor:
        """As open_clip's own forward, which takes captions of full length alone: padding behind an end is never looked at."""
        length = numbers.shape[1]
        seen = self.net.token_embedding(numbers) + self.net.positional_embedding[:length]
        said = self.net.ln_final(self.net.transformer(seen, attn_mask=self.net.attn_mask[:length, :length]))
        return said[torch.arange(len(numbers), device=numbers.device), numbers.argmax(-1)]  # the mark of the end has the largest number


class CheckpointTower(TextTower):
    """The text tower of an open_clip checkpoint, whatever its configuration; captions go through it at their full length, padding and all.

    `config`: its `text_cfg`. `out`: the width of its own projection, where that has a bias and so belongs to the tower; None: it has none.
    Raises RecipeError without open_clip, TypeError or ValueError for a configuration that it does not take.
    """

    kind = "open_clip_checkpoint"

    def __init__(self, config: Mapping[str, Any], quick_gelu: bool, tokenizer: Tokenizer, out: int | None, net: nn.Module | None = None):
        super().__init__()
        self.config, self.quick_gelu, self.tokenizer, self.out = dict(config), quick_gelu, tokenizer, out
        if net is None:
            try:
                from open_clip.model import _build_text_tower
            except ImportError as error:
                raise RecipeError(OPEN_CLIP) from error
            net = _build_text_tower(out or 1, dict(config), quick_gelu)
        made: Any = net
        if out is None:
            made.text_projection = None
        self.net = made
        self.dim = out or int(made.width)

    @property
    def told(self) -> dict[str, Any]:
        kept = {
            "clean": getattr(self.tokenizer, "clean", ""),
            "padding": self.tokenizer.padding,
            "own": isinstance(self.tokenizer, OfEncoder),
        }
        size = {"longest": self.tokenizer.longest, "out": self.out}
        return {"kind": self.kind, "config": self.config, "quick_gelu": self.quick_gelu, "tokenizer": kept, **size}

    @classmethod
    def of_told(cls, told: Mapping[str, Any], tokenizer: str) -> CheckpointTower:
        kept, longest = told["tokenizer"], told["longest"]
        pairs = OfEncoder(tokenizer, longest, kept["padding"], kept["clean"]) if kept["own"] else BytePairs(longest, kept["clean"])
        return cls(told["config"], told["quick_gelu"], pairs, told["out"])

    def forward(self, numbers: Tensor) -> Tensor:
        missing = self.tokenizer.longest - numbers.shape[1]
        said: Tensor = self.net(F.pad(numbers, (0, missing), value=self.tokenizer.padding))
        return said


class FolderEncoder(TextTower):
    """A text encoder of transformers: the mean of what it says of a caption's tokens. Nothing is fetched; its code is the library's.

    Raises RecipeError without transformers, or where the folder holds no such encoder.
    """

    kind = "transformers"

    def __init__(self, config: Mapping[str, Any], tokenizer: OfEncoder, net: nn.Module | None = None) -> None:
        super().__init__()
        self.config, self.tokenizer = dict(config), tokenizer
        encoder: Any = net if net is not None else _of_config(config)
        self.net, self.dim = encoder, int(encoder.config.hidden_size)

    @classmethod
    def of_folder(cls, folder: Path) -> FolderEncoder:
        """The encoder in `folder`, with its weights."""
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise RecipeError(TOKENIZERS) from error
        try:
            net = AutoModel.from_pretrained(folder, local_files_only=True)
            known = AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True)
            told = known.backend_tokenizer.to_str()
        except (OSError, ValueError, AttributeError, KeyError) as error:
            raise RecipeError(f"pretrain.options.text: {folder} holds no text encoder ({str(error).splitlines()[0]}).") from error
        most = getattr(net.config, "max_position_embeddings", MOST_TOKENS)
        longest = min(int(known.model_max_length), int(most), MOST_TOKENS)
        config = {key: value for key, value in net.config.to_dict().items() if key != "_name_or_path"}
        return cls(config, OfEncoder(told, longest, int(known.pad_token_id or 0)), net)

    @property
    def told(self) -> dict[str, Any]:
        return {"kind": self.kind, "config": self.config, "longest": self.tokenizer.longest, "padding": self.tokenizer.padding}

    def forward(self, numbers: Tensor) -> Tensor:
        real = numbers != self.tokenizer.padding
        said: Tensor = self.net(input_ids=numbers, attention_mask=real.long()).last_hidden_state
        return (said * real[..., None]).sum(1) / real.sum(1, keepdim=True).clamp_min(1)


def _of_config(config: Mapping[str, Any]) -> nn.Module:
    try:
        from transformers import AutoConfig, AutoModel
    except ImportError as error:
        raise RecipeError(TOKENIZERS) from error
    known = {key: value for key, value in config.items() if key != "model_type"}
    made: nn.Module = AutoModel.from_config(AutoConfig.for_model(config["model_type"], **known))
    return made


def text_tower(name: str) -> TextTower:
    """The tower that a recipe names: a size, or a folder with a text encoder. Raises RecipeError for any other name."""
    if name in SIZES:
        return SmallTransformer(**SIZES[name])
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise RecipeError(f"pretrain.options.text: {name!r} is no size ({', '.join(SIZES)}) and no folder with a text encoder; name one.")
    return FolderEncoder.of_folder(folder)


def tower_told(told: Mapping[str, Any], tokenizer: str) -> TextTower:
    """The tower that `told` tells of, its weights random. `tokenizer`: that of an encoder from a folder, as its library keeps it.

    Raises KeyError or TypeError where it tells of none that is known.
    """
    known = {key: value for key, value in told.items() if key != "kind"}
    made: dict[str, Callable[[], TextTower]] = {
        SmallTransformer.kind: lambda: SmallTransformer(**known),
        CheckpointTower.kind: lambda: CheckpointTower.of_told(told, tokenizer),
        FolderEncoder.kind: lambda: FolderEncoder(known["config"], OfEncoder(tokenizer, known["longest"], known["padding"])),
    }
    return made[told["kind"]]()
