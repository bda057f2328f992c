"""Numbers of a whole row of an answer in one arrow column."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def nested(numbers: np.ndarray) -> pa.ListArray:
    """(n, K) -> a column of lists, in the dtype given."""
    offsets = np.arange(0, numbers.size + 1, numbers.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(numbers).ravel()))


def flat(column: pa.ChunkedArray) -> np.ndarray:
    """A column of lists of equal lengths -> (n, K)."""
    numbers: np.ndarray = column.combine_chunks().flatten().to_numpy().reshape(len(column), -1)
    return numbers
