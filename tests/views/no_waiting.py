"""A device that nobody can look at: torch's `meta`, on which `.item()`, `.nonzero()` and the like fail."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class NoWaiting(TorchDispatchMode):
    """Fails at a copy from the host that would wait: all to the device must be asked for without."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        where = [leaf.device.type for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)]
        if func is torch.ops.aten._to_copy.default and where == ["cpu"] and str(kwargs.get("device")) == "meta":
            assert kwargs.get("non_blocking"), "a copy that waits"
        if "index" in func.name():
            assert len(set(where)) <= 1, f"{func.name()} mixes {where}: the host's indices would be copied, and waited for"
        return func(*args, **kwargs)
