"""Health monitors: a falling loss is no evidence, so the embeddings themselves are watched."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.errors import TrainingError
from labelfree.objectives import Objective
from labelfree.objectives.base import Alarm, in_fp32
from labelfree.objectives.measures import unit_std
from labelfree.training.processes import agreed, gathered

FLAT = {  # log -> its least healthy value, whatever the method (docs/health.md has what sound and collapsed runs show)
    "separation": 0.005,
    "projection_rank": 1.05,
    "std": 0.02,
    "rankme": 1.5,
    "rankme_kept": 0.2,
}
APART = 0.25  # `embedding_separation` above which a lost rank is no collapse: images of one kind spread over few directions, and differ
PATIENCE = 3  # checks in a row
STILL = 1e-6  # gradient norm, as a share of the loss, of a network that stands still (sound ones: 1 and more)
SAME = "Images that are all the same, or too few of them in pretrain.batch_size, give a constant loss."
TOGETHER = 16  # losses that a GPU keeps before they are looked at
FEWEST = 8  # images a batch: what fewer spread over is chance
FEWEST_FOR = {"separation": 32}  # a difference of two means scatters more (docs/health.md)
ROWS = 256  # of a batch's embeddings are looked at: what a check costs does not grow with the batch


@torch.no_grad()
def monitors(embedding: Tensor, views: int = 2) -> dict[str, float]:
    """Label-free measures of `embedding` (views * B, D), view-major, in fp32; at most ROWS rows, the first images of each view.

    `std`: mean per-dimension standard deviation of unit-length embeddings times sqrt(D): 1 when spread evenly, 0 when collapsed.
    `rankme`: see `rankme`. `alignment`, between the first two views, and `uniformity`: Wang and Isola 2020, arXiv:2005.10242
    (alpha = 2, t = 2). Spreads are taken within a view and averaged: MoCo's two views come from two networks, which may each be
    constant and yet differ. A batch of one image has its alignment only. `positive_similarity`, `negative_similarity`: mean cosine of two
    views of an image, of two images; an objective that projects logs those of its projections instead. `embedding_separation`: what
    `separation` is to projections (`objectives.measures`).
    """
    seen = embedding.detach().unflatten(0, (views, -1))[:, : ROWS // views].float().cpu()  # (V, B, D); a GPU is slow at so small spectra
    with in_fp32(seen):
        unit = F.normalize(seen, dim=-1)
        measures = {"alignment": float((unit[0] - unit[1]).square().sum(-1).mean())} if views > 1 else {}
        if views > 1 and seen.shape[1] > 1:
            n, positive = seen.shape[1], (unit[0] * unit[1]).sum(-1).mean()
            negative = (unit[0].sum(0) @ unit[1].sum(0) - n * positive) / (n * (n - 1))
            measures |= {"positive_similarity": float(positive), "negative_similarity": float(negative)}
            measures["embedding_separation"] = float((positive - negative) / (1 - negative).clamp_min(1e-6))
        if seen.shape[1] > 1:
            measures["uniformity"] = float(torch.pdist(unit[0]).square().mul(-2).exp().mean().log())
            measures["std"] = fmean(float(unit_std(view)) for view in seen)
            measures["rankme"] = fmean(rankme(view) for view in seen)
    return measures


def rankme(x: Tensor) -> float:
    """How many directions the rows of `x` (N, D) use: exp of the entropy of the singular values' shares, from 1 to min(N, D).

    RankMe, Garrido et al. 2023, arXiv:2210.02885. On a batch the number of rows bounds it: compare values of one batch size only.
    """
    x = x.double()
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x  # eigenvalues are squared singular values: a third of the time of an SVD
    singular = torch.linalg.eigvalsh(gram).clamp_min(0).sqrt()
    share = singular / singular.sum().clamp_min(1e-12) + 1e-7
    return float(torch.exp(-(share * share.log()).sum()))


class CollapseGuard:
    """Notices a collapse that lasts: one and the same sign on PATIENCE checks in a row.

    The signs are the objective's own alarms first, for they know more of the cause, then projections and embeddings that are flat.
    """

    def __init__(self, objective: Objective) -> None:
        flat = [Alarm(log, objective.cause, objective.fix, least) for log, least in FLAT.items()]
        self.seen: dict[Alarm, list[float]] = {alarm: [] for alarm in (*objective.alarms, *flat)}  # values while an alarm holds

    def check(self, measured: Mapping[str, float], images: int) -> str | None:
        """Take note of one check of so many images. A sentence with the probable cause and the fix where a sign has lasted, else None."""
        if "rankme_kept" in measured and measured.get("embedding_separation", 0.0) >= APART:
            measured = {**measured, "rankme_kept": 1.0}
        for alarm, values in self.seen.items():
            if alarm.log in measured and images >= FEWEST_FOR.get(alarm.log, FEWEST):
                value = measured[alarm.log]
                values[:] = [] if alarm.least <= value <= alarm.most else [*values, value][-PATIENCE:]
        return next((_sentence(alarm, values) for alarm, values in self.seen.items() if len(values) == PATIENCE), None)

    def state_dict(self) -> dict[str, Any]:
        return {"seen": [list(values) for values in self.seen.values()]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.seen = {alarm: list(values) for alarm, values in zip(self.seen, state["seen"], strict=True)}


class LearningGuard:
    """Notices on the first checks that nothing can be learnt: the loss never moves, or it has no gradient. Once it has, it is silent."""

    def __init__(self) -> None:
        self.losses: list[float] = []  # of the checks so far, while nothing is learnt
        self.gradients: list[float] = []
        self.learns = False

    def check(self, loss: float, gradient: float, last: bool) -> str | None:
        """Take note of one check, `last` where it is the run's last. A sentence where enough have shown that nothing is learnt."""
        if self.learns:
            return None
        self.losses.append(loss)
        self.gradients.append(gradient)
        flat = all(norm <= STILL * max(abs(value), 1.0) for norm, value in zip(self.gradients, self.losses, strict=True))
        constant = len(set(self.losses)) == 1
        n = len(self.losses)
        self.learns = not flat and not constant
        if (n >= PATIENCE or last) and flat:
            return f"nothing can be learnt: the gradient was {max(self.gradients):.3g} on {_checks(n)}, at a loss of {loss:.6g}. {SAME}"
        if n >= PATIENCE and constant:
            return f"nothing can be learnt: the loss was {loss:.6g} on {_checks(n)}, whatever the images. {SAME}"
        return None

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self.losses, "gradients": self.gradients, "learns": self.learns}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.losses, self.gradients, self.learns = list(state["losses"]), list(state["gradients"]), state["learns"]


def _checks(n: int) -> str:
    return "the first check" if n == 1 else f"each of the first {n} checks"


def _sentence(alarm: Alarm, values: list[float]) -> str:
    *before, last = (f"{value:.3g}" for value in values)
    bounds = [f"at {word} {bound:g}" for word, bound in (("least", alarm.least), ("most", alarm.most)) if math.isfinite(bound)]
    return (
        f"collapse: {alarm.log} was {', '.join(before)} and {last} on {len(values)} checks in a row (healthy: {' and '.join(bounds)}). "
        f"The probable cause: {alarm.cause}. The fix: {alarm.fix}."
    )


class FiniteLosses:
    """Whether every loss was a number, looked at where that costs nothing: at once on a processor, TOGETHER of them at a time on a GPU,
    which would have to be waited for.

    There a run stops up to TOGETHER - 1 steps after the first loss that was none, with the rows of that step all the same. Whoever reads
    or saves what the steps led to asks `require` first, so that no checkpoint holds it.
    """

    def __init__(self, names: Callable[[np.ndarray], list[str]]) -> None:
        self.names = names
        self.unseen: list[tuple[Tensor, np.ndarray]] = []

    def note(self, loss: Tensor, rows: np.ndarray) -> None:
        """The `loss` of the batch of pool entries `rows`."""
        self.unseen.append((loss.detach(), rows))
        if loss.device.type == "cpu" or len(self.unseen) == TOGETHER:
            self.require()

    def require(self) -> None:
        """Raises TrainingError with a batch's row ids, on every process, when a loss of any process is not a number."""
        unseen, self.unseen = self.unseen, []
        if not unseen:
            return
        values = torch.stack([loss.float() for loss, _ in unseen]).tolist()
        fault = next((self._fault(value, rows) for value, (_, rows) in zip(values, unseen, strict=True) if not math.isfinite(value)), "")
        if agreed(bool(fault)):
            raise TrainingError(next(filter(None, gathered(fault))))

    def _fault(self, value: float, rows: np.ndarray) -> str:
        ids = self.names(rows)
        shown = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
        return f"the loss is {value:.3g} on the batch of {shown}; look at these images, or lower pretrain.lr."
