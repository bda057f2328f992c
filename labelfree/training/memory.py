"""Out of memory as one sentence that names the setting to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
