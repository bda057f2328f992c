"""The gradient of antialiased bicubic resampling in a deterministic form, which CUDA has none of.

Transformers resample their position embeddings for crops of another size, so their runs would not resume bit for bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

KERNEL = "_upsample_bicubic2d_aa_backward"


@cache
def deterministic_bicubic(device: str = "CUDA") -> torch.library.Library:
    """From here on, in this process, the gradient on `device` is `gradient`. What is returned must live as long as that."""
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the kernel is replaced is what is meant
        library.impl(KERNEL, gradient, device)
    return library


def gradient(
    grad: Tensor,
    output_size: Sequence[int],
    input_size: Sequence[int],
    align_corners: bool,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Tensor:
    """(N, C, *input) of (N, C, *output): resampling is y = R x Sᵀ, and so its gradient is Rᵀ g S."""
    rows = _weights(input_size[2], output_size[0], align_corners, scales_h, grad)
    columns = _weights(input_size[3], output_size[1], align_corners, scales_w, grad)
    return rows.T @ grad @ columns


def _weights(before: int, after: int, align_corners: bool, scale: float | None, like: Tensor) -> Tensor:
    """(after, before): what each new pixel of an axis takes of the old ones: the identity, resampled along its first axis."""
    identity = torch.eye(before, dtype=like.dtype, device=like.device)[None, None]
    return torch.ops.aten._upsample_bicubic2d_aa(identity, [after, before], align_corners, scale, None)[0, 0]
