"""The text side of a weight file, written; `reading` reads it."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from labelfree.language.reading import FORMAT, TOKENIZER, text_file
from labelfree.language.tokens import OfEncoder
from labelfree.language.towers import TextSide
from labelfree.training.files import call_with


def save_text_side(side: TextSide, weights: Path, objective: str) -> Path:
    """Write it beside the weight file of its backbone."""
    from safetensors.torch import save_file

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in side.state_dict().items()}
    if isinstance(side.tower.tokenizer, OfEncoder):
        state[TOKENIZER] = torch.frombuffer(bytearray(side.tower.tokenizer.told.encode()), dtype=torch.uint8)
    facts = {"objective": objective, "tower": side.tower.told, "dim": side.of_images.in_features, "out": side.of_images.out_features}
    told = {"format": "pt", "labelfree_text": FORMAT, "facts": json.dumps(facts, default=str)}
    call_with(text_file(weights), lambda part: save_file(state, part, metadata=told))
    return text_file(weights)
