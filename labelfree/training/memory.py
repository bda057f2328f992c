"""Out of memory as one sentence that names the setting to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from labelfree.errors import TrainingError

WORDS = ("can't allocate memory", "not enough memory", "out of memory")


@contextmanager
def out_of_memory(where: str, advice: str) -> Iterator[None]:
    """Within: running out of memory raises TrainingError "out of memory `where`: `advice`." Other errors pass."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError; on a CPU only the words tell
        if isinstance(error, RuntimeError) and not any(word in str(error) for word in WORDS):
            raise
        raise TrainingError(f"out of memory {where}: {advice}.") from error


def batch_fits(batch_size: int) -> AbstractContextManager[None]:
    """`out_of_memory` for a pretraining's batches."""
    smaller = f"pretrain.batch_size={batch_size // 2}, or " if batch_size >= 4 else ""
    return out_of_memory(f"at a batch of {batch_size}", f"set {smaller}a smaller pretrain.size")
