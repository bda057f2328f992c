"""Copies of small tensors from the host to where others lie, without waiting.

What a step decides (which samples an op changes, which blocks a crop needs) is drawn and decided on the host; only what numbers are
computed with goes to the device. Such a copy is queued behind the device's work, so that the host never waits for it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def copied_to(values: Tensor, device: torch.device) -> Tensor:
    """`values` on `device`; itself where it lies there already."""
    if values.device == device:
        return values
    if device.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()  # a copy from memory that may be paged out would wait
    return values.to(device, non_blocking=True)


def beside(values: Tensor, x: Tensor) -> Tensor:
    """`values`, in their own dtype, on the device of `x`."""
    return copied_to(values, x.device)
