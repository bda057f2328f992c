"""Learning rates as a function of the step: nothing to store, nothing to restore."""

from __future__ import annotations

import math


def warm_cosine(step: int, total: int, warmup: int, start: int = 0) -> float:
    """Factor on the learning rate: 0 before `start`, linear over `warmup` steps, then half a cosine that ends near 0 at `total`.

    The cosine runs over the whole of `total`, so groups that start later follow the same decay.
    """
    if step < start:
        return 0.0
    rise = min(1.0, (step - start + 1) / max(warmup, 1))
    return rise * 0.5 * (1.0 + math.cos(math.pi * min(step / max(total, 1), 1.0)))
