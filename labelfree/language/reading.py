"""The text side of a weight file: `backbone.text.safetensors` beside `backbone.safetensors`, its facts in the file's own header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from labelfree.errors import DataError
from labelfree.language.text_towers import tower_told
from labelfree.language.towers import TextSide

FORMAT = "1"
TOKENIZER = "tokenizer.json"  # of an encoder from a folder: a tensor of bytes, which no rewriting of words touches


def text_file(weights: Path) -> Path:
    """Where the text side of a weight file lies."""
    return weights.with_name(f"{weights.stem}.text.safetensors")


def facts_of(weights: Path) -> dict[str, Any]:
    """What the text side of a weight file says of itself: `objective`, `out`, and where `scale` and `bias` stand.

    Raises DataError as `load_text_side`.
    """
    from safetensors import safe_open

    side = load_text_side(weights)
    with safe_open(text_file(weights), "pt") as stored:
        facts = json.loads((stored.metadata() or {})["facts"])
    return {"objective": facts.get("objective", ""), "out": facts["out"], "scale": float(side.scale), "bias": float(side.bias)}


def load_text_side(weights: Path) -> TextSide:
    """The text side of a weight file. Raises DataError where it has none, or a broken one."""
    from safetensors import SafetensorError, safe_open

    file = text_file(weights)
    if not file.is_file():
        raise DataError(
            f"{weights}: has no text tower ({file.name} is not beside it), so it cannot be asked in words; one comes of "
            "pretrain.objective=clip or siglip."
        )
    try:
        with safe_open(file, "pt") as stored:
            told = stored.metadata() or {}
            facts: dict[str, Any] = json.loads(told["facts"])
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  # it is no mapping
        tokenizer = state.pop(TOKENIZER, torch.empty(0, dtype=torch.uint8)).numpy().tobytes().decode()
        side = TextSide(facts["dim"], tower_told(facts["tower"], tokenizer), facts["out"])
        side.load_state_dict(state)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(f"{file}: is no text tower that this version reads ({str(error).splitlines()[0]}).") from error
    return side.eval().requires_grad_(False)


def require_taught_beside(side: TextSide, dim: int, weights: Path) -> None:
    """Raises DataError where a text side was taught beside another network than one of `dim` features."""
    if dim != side.of_images.in_features:
        raise DataError(
            f"{weights}: gives {dim} numbers an image, its text tower was taught beside {side.of_images.in_features}; bring the two files "
            "of one run."
        )
