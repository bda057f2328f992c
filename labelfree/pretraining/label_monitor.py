"""The one monitor that looks at labels: off by default, shown, and never asked for any decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.backbones import Backbone
from labelfree.data.pool import Pool
from labelfree.domain import Size
from labelfree.training.randomness import mixed

MOST_IMAGES = 500  # labelled images a check
CHUNK = 64  # images a forward pass
NEIGHBOURS = 5
TEMPERATURE = 0.07


@dataclass(frozen=True)
class LabelledImages:
    """Labelled training images, never scored ones: `entries` of `pool`.

    `targets`, `groups`: class and group of each entry, as numbers. `prepare`: (stored (B, C, *spatial), size, where it is measured
    (B, *spatial) bool or None) -> the network's input.
    """

    pool: Pool
    entries: np.ndarray
    targets: np.ndarray
    groups: np.ndarray
    prepare: Callable[[Tensor, Size, Tensor | None], Tensor]

    def sample(self, seed: int) -> LabelledImages:
        """At most MOST_IMAGES of them, the same for a seed."""
        draw = np.random.default_rng(mixed("watched labels", seed)).permutation(len(self.entries))
        kept = np.sort(draw[:MOST_IMAGES])
        return LabelledImages(self.pool, self.entries[kept], self.targets[kept], self.groups[kept], self.prepare)

    def accuracy(self, backbone: Backbone, size: Size) -> float:
        """kNN accuracy of these images among themselves, at `size` pixels a side. The network is left as it was found."""
        device = next(backbone.parameters()).device
        with undisturbed(backbone):
            chunks = [self.entries[i : i + CHUNK] for i in range(0, len(self.entries), CHUNK)]
            features = torch.cat([backbone.embed(self._inputs(chunk, size, device)).float().cpu() for chunk in chunks])
        return leave_one_out(features, torch.from_numpy(self.targets), torch.from_numpy(self.groups))

    def _inputs(self, entries: Sequence[int] | np.ndarray, size: Size, device: torch.device) -> Tensor:
        if self.pool.uniform:
            return self.prepare(self.pool.batch(entries).to(device), size, self.pool.measured(entries))
        return torch.cat([self.prepare(self.pool[int(e)][None].to(device), size, self.pool.measured([int(e)])) for e in entries])


@contextmanager
def undisturbed(network: nn.Module) -> Iterator[None]:
    """Within: evaluation mode without gradient; afterwards every layer is in the mode it was in.

    Nothing else changes: BatchNorm's statistics stand still, and what a layer may draw is forgotten, since every training step seeds anew.
    """
    modes = [(layer, layer.training) for layer in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for layer, training in modes:
            layer.training = training


def leave_one_out(features: Tensor, targets: Tensor, groups: Tensor) -> float:
    """Share of the rows of `features` (N, D) whose class the nearest others name, their own group left out.

    Centred cosines, NEIGHBOURS votes of exp(similarity / 0.07) each, as the kNN protocol (Wu et al. 2018, arXiv:1805.01978, eq. 4).
    `targets`, `groups`: (N,) whole numbers. Rows with no neighbour of another group are not counted; 0 where there is none.
    """
    unit = F.normalize(features.double() - features.double().mean(0), dim=-1)
    similarity = (unit @ unit.T).masked_fill(groups[:, None] == groups[None], float("-inf"))
    near, which = similarity.topk(min(NEIGHBOURS, len(unit)), dim=1)
    votes = torch.zeros(len(unit), int(targets.max()) + 1, dtype=torch.double)
    votes.scatter_add_(1, targets[which], (near / TEMPERATURE).exp())
    counted = near[:, 0].isfinite()
    right = (votes.argmax(1) == targets)[counted]
    return float(right.double().mean()) if len(right) else 0.0
