"""What joins a backbone and a text tower: both are projected into one space, where an image lies near what is said of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.language.text_towers import TextTower
from labelfree.language.tokens import without_padding

AT_ONCE = 256  # captions


class TextSide(nn.Module):
    """All of an image-text model but its backbone: the projection of images, the text tower with its own, and how cosines become odds.

    `dim`: the backbone's width. `out`: that of the shared space. `scale`, `bias`: logits are scale * cosine + bias, as the objective left
    them; `calibrated` says it.
    """

    scale: Tensor
    bias: Tensor

    def __init__(self, dim: int, tower: TextTower, out: int) -> None:
        super().__init__()
        self.tower = tower
        self.of_images = nn.Linear(dim, out, bias=False)
        self.of_texts = nn.Linear(tower.dim, out, bias=False)
        for layer in (self.of_images, self.of_texts):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("bias", torch.zeros(()))

    def images(self, pooled: Tensor) -> Tensor:
        """Pooled features (B, dim) in the shared space: (B, out), of any length."""
        projected: Tensor = self.of_images(pooled)
        return projected

    def texts(self, numbers: Tensor) -> Tensor:
        """Token numbers (B, L) in the shared space: (B, out), of any length."""
        projected: Tensor = self.of_texts(self.tower(numbers))
        return projected

    def calibrated(self, scale: float, bias: float = 0.0) -> TextSide:
        """The same, told what the objective has learnt of logits."""
        self.scale.fill_(scale)
        self.bias.fill_(bias)
        return self

    @torch.inference_mode()
    def embed(self, captions: Sequence[str]) -> Tensor:
        """Captions as unit vectors (N, out) on the host, a few hundred at a time."""
        there, tokenizer = self.of_texts.weight.device, self.tower.tokenizer
        rows = [torch.empty(0, self.of_texts.out_features)]
        for start in range(0, len(captions), AT_ONCE):
            numbers = tokenizer(captions[start : start + AT_ONCE]).numbers
            rows.append(F.normalize(self.texts(without_padding(numbers, tokenizer.padding).to(there)).float(), dim=-1).cpu())
        return torch.cat(rows)
