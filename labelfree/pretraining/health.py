"""Health monitors: a falling loss is no evidence, so the embeddings themselves are watched."""

from __future__ import annotations

from collections import deque

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.errors import TrainingError

FLAT = 0.02  # per-dimension std of unit embeddings times sqrt(D); a healthy spread is 0.3 to 1
FLAT_RANK = 1.5  # effective number of directions; one direction is a collapse
PATIENCE = 3  # checks in a row


@torch.no_grad()
def monitors(embedding: Tensor) -> dict[str, float]:
    """Label-free measures of `embedding` (V * B, D), two views view-major.

    `std`: mean per-dimension standard deviation of unit-length embeddings times sqrt(D): 1 when spread evenly, 0 when collapsed.
    `rankme`: exp of the entropy of the normalised singular values (Garrido et al. 2023, arXiv:2210.02885).
    `alignment`, `uniformity`: Wang and Isola 2020, arXiv:2005.10242 (alpha = 2, t = 2).
    """
    x = embedding.float()
    unit = F.normalize(x, dim=-1)
    first, second = unit.chunk(2) if len(unit) % 2 == 0 else (unit, unit)
    singular = torch.linalg.svdvals(x)
    share = singular / singular.sum().clamp_min(1e-12) + 1e-7
    return {
        "std": float(unit.std(dim=0).mean() * x.shape[-1] ** 0.5),
        "rankme": float(torch.exp(-(share * share.log()).sum())),
        "alignment": float((first - second).pow(2).sum(-1).mean()),
        "uniformity": float(torch.pdist(first).pow(2).mul(-2).exp().mean().log()) if len(first) > 1 else 0.0,
    }


class CollapseGuard:
    """Notices a collapse that lasts: `PATIENCE` checks in a row after warm-up."""

    def __init__(self) -> None:
        self.recent: deque[bool] = deque(maxlen=PATIENCE)

    def check(self, measured: dict[str, float]) -> str | None:
        """A sentence with cause and fix when the embeddings have collapsed, else None. Raises nothing by itself."""
        self.recent.append(measured["std"] < FLAT or measured["rankme"] < FLAT_RANK)
        if len(self.recent) < PATIENCE or not all(self.recent):
            return None
        return (
            f"the embeddings have collapsed (std {measured['std']:.4f}, RankMe {measured['rankme']:.1f} on {PATIENCE} checks in a row): "
            "every image looks the same to the network. The usual cause is too high a rate: lower pretrain.lr, lengthen pretrain.warmup, "
            "or set pretrain.on_collapse=warn to go on."
        )


def require_finite(loss: Tensor, rows: list[str]) -> None:
    """Raises TrainingError with the batch's row ids when the loss is not a number."""
    if not torch.isfinite(loss.detach()).all():
        shown = ", ".join(rows[:8]) + (f" and {len(rows) - 8} more" if len(rows) > 8 else "")
        raise TrainingError(f"the loss is {float(loss):.3g} on the batch of {shown}; look at these images, or lower pretrain.lr.")
