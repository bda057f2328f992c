"""The steps by which heads are trained, and networks along with them: AdamW, each group of parameters at a rate of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelfree.errors import TrainingError
from labelfree.training.schedules import warm_cosine


class Descent:
    """Steps over `groups` of parameters. `warm`: share of all steps over which rates rise, before they fall as a cosine; `named`: what is
    trained, in messages.
    """

    def __init__(self, groups: Sequence[dict[str, Any]], warm: float, named: str) -> None:
        self.optimiser, self.warm, self.named = torch.optim.AdamW(groups), warm, named
        self.rates = [group["lr"] for group in self.optimiser.param_groups]

    def step(self, loss: Tensor, step: int, steps: int, entries: np.ndarray) -> float:
        """Take one step down a loss, and give what it was. `entries`: the images of the batch, by their places in the pool.

        Raises TrainingError where the loss is no number.
        """
        value = float(loss.detach())
        if not math.isfinite(value):
            images = ", ".join(map(str, np.unique(entries).tolist()))
            raise TrainingError(
                f"{self.named}: the loss is {value} at step {step + 1} of {steps}; look for infinite values in the labelled images (those "
                f"in places {images} of the pool)."
            )
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * warm_cosine(step, steps, round(self.warm * steps))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return value
