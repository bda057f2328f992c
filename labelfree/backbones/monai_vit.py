"""MONAI's Vision Transformer of volumes (Dosovitskiy et al. 2021, arXiv:2010.11929), for views of any size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from monai.networks.nets import ViT
from torch import Tensor, nn

from labelfree.backbones.base import Features
from labelfree.backbones.layouts import Layout
from labelfree.backbones.volume_networks import AXES, VolumeBackbone
from labelfree.errors import DataError

SIZES = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}  # width and heads of timm's ViTs of that name
LEVELS = 4  # blocks that stand for the pyramid, as in DPT
POSITIONS, FILTER = "patch_embedding.position_embeddings", "patch_embedding.patch_embeddings"


def vit(
    channels: int,
    size: str = "tiny",
    patch_size: int | Sequence[int] = 16,
    img_size: int | Sequence[int] = 96,
    hidden_size: int | None = None,
    mlp_dim: int | None = None,
    num_layers: int = 12,
    num_heads: int | None = None,
    pos_embed_type: str = "learnable",
    dropout_rate: float = 0.0,
    qkv_bias: bool = True,
    class_token: bool = True,
) -> VitBackbone:
    """A ViT of a `size` of SIZES; keywords are those of `monai.networks.nets.ViT`.

    `patch_size`: [4, 16, 16] where slices are thick. `img_size`: of the volumes whose positions are learnt; those of others are
    interpolated. `class_token`: without one the tokens' mean is the volume's vector.
    """
    width, heads = SIZES[size]
    width, heads = hidden_size or width, num_heads or heads
    net: Any = ViT(
        channels,
        img_size,
        patch_size,
        width,
        mlp_dim or 4 * width,
        num_layers,
        heads,
        pos_embed_type=pos_embed_type,
        classification=class_token,
        dropout_rate=dropout_rate,
        spatial_dims=AXES,
        qkv_bias=qkv_bias,
    )
    if class_token:
        del net.classification_head
    for block in net.blocks:
        block.norm_cross_attn = nn.Identity()  # part of every block, and never used
        block.attn.use_flash_attention = dropout_rate == 0  # MONAI's drops weights in evaluation, too
    patch = net.patch_embedding.patch_embeddings.kernel_size
    whole = (img_size,) * AXES if isinstance(img_size, int) else tuple(img_size)
    return VitBackbone(net, channels, width, tuple(side // length for side, length in zip(whole, patch, strict=True)))


class VitBackbone(VolumeBackbone):
    """Volumes are padded with 0 to whole patches. `table`: the grid (D, H, W) of the learnt positions."""

    transformer = True
    layout = Layout(
        ("module", "vit", "encoder", "backbone", "net"),
        (
            r"blocks\.\d+\.(norm_)?cross_attn\.",  # never used
            r"classification_head\.",
            r"encoder[1-4]\.",  # of UNETR
            r"decoder[2-5]\.",
            r"out\.",
            r"conv3d_transpose(_1)?\.",  # of ViTAutoEnc
            r"(proj_feat|proj_axes|proj_view_shape|feat_size)$",
        ),
        ((rf"^{FILTER}\.1\.", f"{FILTER}."),),  # a linear layer of flattened patches
    )

    def __init__(self, net: nn.Module, channels: int, dim: int, table: tuple[int, ...]) -> None:
        super().__init__(net, channels, dim)
        self.table = table

    def forward(self, x: Tensor, hidden: Tensor | None = None, mask_token: Tensor | None = None) -> Features:
        tokens, grid = self._embedded(x, hidden, mask_token)
        for block in self.net.blocks:
            tokens = block(tokens)
        tokens = self.net.norm(tokens)
        prefix, patches = tokens[:, : self.prefix], tokens[:, self.prefix :]
        pooled = prefix[:, 0] if self.prefix else patches.mean(1)
        return Features(pooled, patches.mT.unflatten(2, grid), prefix if self.prefix else None)

    @property
    def prefix(self) -> int:
        """Tokens before those of the patches."""
        return 1 if hasattr(self.net, "cls_token") else 0

    def levels(self, x: Tensor) -> list[Tensor]:
        """What four blocks give, evenly spread, the last among them: the grid stays the same."""
        tokens, grid = self._embedded(x)
        depth = len(self.net.blocks)
        kept = {depth - 1 - level * depth // LEVELS for level in range(LEVELS)}
        levels = []
        for number, block in enumerate(self.net.blocks):
            tokens = block(tokens)
            if number in kept:
                levels.append(self.net.norm(tokens)[:, self.prefix :].mT.unflatten(2, grid))
        return levels

    def attention(self, x: Tensor) -> Tensor:
        """How much the class token (where there is none, a token on average) attends to each patch in the last block."""
        seen: list[Tensor] = []
        last = self.net.blocks[-1].attn
        with _weights_held(last):
            hook = last.drop_weights.register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0]))
            try:
                grid = self.forward(x).tokens
            finally:
                hook.remove()
        assert grid is not None
        weights = seen[0]  # (B, heads, from, to)
        rows = weights[:, :, 0] if self.prefix else weights.mean(2)
        patches = rows[..., self.prefix :]
        return (patches / patches.sum(-1, keepdim=True)).unflatten(2, grid.shape[2:])

    def patch_embedding(self) -> nn.Conv3d:
        patches: nn.Conv3d = self.net.patch_embedding.patch_embeddings
        return patches

    def layers(self) -> list[nn.Module]:
        return [self.net.patch_embedding, *self.net.blocks, self.net.norm]

    def param_groups(self) -> list[list[nn.Parameter]]:
        first, *others = super().param_groups()
        return [[*first, self.net.cls_token] if self.prefix else first, *others]

    def own_names(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Flattened patches become a convolution's, and positions of other volumes are interpolated."""
        own = super().own_names(state)
        kernel = self.patch_embedding().kernel_size
        weight = own.get(f"{FILTER}.weight")
        if weight is not None and weight.ndim == 2 and weight.shape[1] % math.prod(kernel) == 0:
            own[f"{FILTER}.weight"] = weight.unflatten(1, (*kernel, -1)).movedim(-1, 1).contiguous()  # (D, *patch, C) -> (D, C, *patch)
        table = own.get(POSITIONS)
        if table is not None and table.ndim == 3 and table.shape[1] != math.prod(self.table):
            side = round(table.shape[1] ** (1 / AXES))
            if side**AXES != table.shape[1]:
                raise DataError(
                    f"{POSITIONS} are {table.shape[1]} in the file, no cube, and this network has {' x '.join(map(str, self.table))}; "
                    "set backbone.options.img_size to the size that they were learnt for."
                )
            own[POSITIONS] = resampled(table, (side,) * AXES, self.table)
        return own

    def _embedded(self, x: Tensor, hidden: Tensor | None = None, mask_token: Tensor | None = None) -> tuple[Tensor, tuple[int, ...]]:
        """Tokens (B, prefix + N, D) with their positions, and the grid of the N patches."""
        embedding = self.net.patch_embedding
        projection = embedding.patch_embeddings
        short = [-side % length for side, length in zip(x.shape[2:], projection.kernel_size, strict=True)]
        patches = projection(F.pad(x, [pad for length in reversed(short) for pad in (0, length)]) if any(short) else x)
        if hidden is not None:
            token = patches.new_zeros(patches.shape[1]) if mask_token is None else mask_token.to(patches.dtype)
            patches = torch.where(hidden[:, None], token[:, None, None, None], patches)
        grid = tuple(patches.shape[2:])
        tokens = patches.flatten(2).mT + resampled(embedding.position_embeddings, self.table, grid)
        tokens = embedding.dropout(tokens)
        if self.prefix:
            tokens = torch.cat([self.net.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        return tokens, grid


def resampled(positions: Tensor, before: tuple[int, ...], after: tuple[int, ...]) -> Tensor:
    """Positions (1, N, D) of one grid for another: (1, M, D), linear along each axis.

    As products of matrices, for the gradient of trilinear interpolation has no deterministic form on a GPU.
    """
    if before == after:
        return positions
    table = positions[0].unflatten(0, before)
    for axis, (old, new) in enumerate(zip(before, after, strict=True)):
        line = torch.eye(old, dtype=positions.dtype, device=positions.device)[None]
        weights = F.interpolate(line, new, mode="linear", align_corners=False)[0]  # (old, new)
        table = torch.tensordot(table.movedim(axis, -1), weights, dims=1).movedim(-1, axis)
    return table.flatten(0, 2)[None]


@contextmanager
def _weights_held(attention: nn.Module) -> Iterator[None]:
    """Within: attention weights are computed as such, which fused kernels never do."""
    fused, attention.use_flash_attention = attention.use_flash_attention, False  # type: ignore[assignment]
    try:
        yield
    finally:
        attention.use_flash_attention = fused
