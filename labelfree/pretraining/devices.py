"""Where and how networks lie: alone on what there is, or every process of a run on a device of its own, joined by DDP."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from labelfree.objectives.distributed import everyone
from labelfree.pretraining.resampling import deterministic_bicubic

# Buffers are equal on all ranks, since statistics are joint: none is sent. The keyword was renamed in torch 2.14.
_SEND_BUFFERS = next(key for key in ("forward_sync_buffers", "broadcast_buffers") if key in signature(DistributedDataParallel).parameters)
# The head-only start leaves the backbone without gradients.
DDP: dict[str, Any] = {"find_unused_parameters": True, _SEND_BUFFERS: False}


def trainer_devices() -> dict[str, Any]:
    """What `L.Trainer` is told of devices. The launcher's environment is read by `labelfree.training.processes` alone."""
    world = everyone().world
    if world == 1:
        return {"devices": 1, "plugins": [LightningEnvironment()]}
    cuda = torch.cuda.is_available()
    return {
        "accelerator": "gpu" if cuda else "cpu",
        "devices": [torch.cuda.current_device()] if cuda else 1,
        "num_nodes": world,
        "strategy": DDPStrategy(cluster_environment=_OneEach(), **DDP),
    }


def joined(module: nn.Module) -> nn.Module:
    """`module` with its gradients averaged over the ranks; itself in a process that is alone."""
    if everyone().world == 1:
        return module
    ids = [torch.cuda.current_device()] if torch.cuda.is_available() else None
    return DistributedDataParallel(module, device_ids=ids, **DDP)


def channels_last(module: torch.nn.Module) -> None:
    """Lay the kernels of 2D convolutions out channels-last, which measured fastest; others stay as they are."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


@contextmanager
def deterministic_kernels() -> Iterator[None]:
    """Within: a GPU gives the same numbers each time, so that a resumed run equals an unbroken one bit for bit. A processor does anyway.

    The few kernels that have no deterministic form run as they are, and nothing is said of them; `benchmarks/gpu.py` names them.
    """
    if not torch.cuda.is_available():
        yield
        return
    deterministic_bicubic()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read once, when cuBLAS starts
    cudnn: Any = torch.backends.cudnn
    memory: Any = torch.utils.deterministic
    before = (
        torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
        cudnn.deterministic, cudnn.benchmark, memory.fill_uninitialized_memory,
    )  # fmt: skip
    torch.use_deterministic_algorithms(True, warn_only=True)
    cudnn.deterministic, cudnn.benchmark = True, False
    memory.fill_uninitialized_memory = False  # a check for reads of what was never written; it writes every new tensor once more
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*deterministic.*")
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.deterministic, cudnn.benchmark, memory.fill_uninitialized_memory = before[2:]


class _OneEach(LightningEnvironment):
    """The group that is running, as if every process had a machine to itself: so any number on any machines, with any GPU, will do."""

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def world_size(self) -> int:
        return everyone().world

    def global_rank(self) -> int:
        return everyone().rank

    def node_rank(self) -> int:
        return everyone().rank

    def local_rank(self) -> int:
        return 0
