"""Running out of memory as one sentence that names the setting to lower, and what a step keeps for its backward pass."""

from __future__ import annotations

import ctypes
import gc
import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from labelfree.errors import TrainingError


class OutOfMemory(TrainingError):
    """It did, or by an `estimate` of what is needed and free it would have."""

    estimate = ""


TRIM, MMAPS = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of glibc's mallopt
USUAL = {TRIM: 128 * 1024, MMAPS: 65_536}
WORDS = ("can't allocate memory", "not enough memory", "out of memory")


@contextmanager
def out_of_memory(where: str, advice: str) -> Iterator[None]:
    """Within: running out of memory raises OutOfMemory "out of memory `where`: `advice`." Other errors pass."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError; on a CPU only the words tell
        if isinstance(error, RuntimeError) and not any(word in str(error) for word in WORDS):
            raise
        raise OutOfMemory(f"out of memory {where}: {advice}.") from error


def give_memory_back() -> None:
    """What a step that ran out of memory still held goes back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Within: what a step frees is kept for the next one, on Linux. The system would clear every page anew: a sixth of a DINO step's
    processor time (2 cores, EfficientNet-Lite0 at 64 pixels), and up to two fifths on a virtual machine.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAPS, 0)
    libc.mallopt(TRIM, 2**31 - 1)
    try:
        yield
    finally:
        for option, value in USUAL.items():
            libc.mallopt(option, value)
        libc.malloc_trim(0)


def batch_fits(batch_size: int) -> AbstractContextManager[None]:
    """`out_of_memory` for a pretraining's batches."""
    smaller = f"pretrain.batch_size={batch_size // 2}, or " if batch_size >= 4 else ""
    return out_of_memory(f"at a batch of {batch_size}", f"set {smaller}a smaller pretrain.size")


def kept_for_backward(forward: Callable[[], Tensor]) -> int:
    """Bytes of all tensors that `forward` keeps for the backward pass of what it returns, each counted once; parameters are among them."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        result = forward()  # alive to the end, so that no memory is given away and counted as another's
    del result
    return sum(kept.values())
