"""A teacher's answers over prototypes, as DINO, iBOT and DINOv2 give them, and size rules for them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.device_copies import beside
from labelfree.domain import Default
from labelfree.objectives.base import Alarm, Situation, in_fp32
from labelfree.objectives.distributed import ALONE, Ranks
from labelfree.objectives.momentum import first_momentum

PROTOTYPES = ((20_000, 1024), (50_000, 2048), (100_000, 4096), (500_000, 16_384))  # images below, prototypes
MOST_PROTOTYPES = 65_536
COLD, WARM = 0.02, 0.04  # teacher temperatures for 20,000 images and for 100,000
LONGEST_FREEZE = 1250  # steps
TOO_WARM = Alarm(
    "teacher_entropy",
    "the teacher is too warm and gives every image all prototypes alike, or, where std is near 0 too, all embeddings became one",
    "lower pretrain.options.teacher_temperature, or in the second case pretrain.lr",
    most=0.99,
)


def cross_view_loss(student: Tensor, target: Tensor, student_temperature: float) -> Tensor:
    """Cross entropy between teacher and student, averaged over all pairs of different views (DINO's eq. 3).

    `student`: (V * B, K) logits of all crops, view-major, the global ones first. `target`: (2B, K) teacher probabilities
    of the two global crops, already balanced and sharpened.
    """
    n_globals = 2
    batch = len(target) // n_globals
    with in_fp32(student):
        log_p = F.log_softmax(student.float() / student_temperature, dim=-1).unflatten(0, (-1, batch))  # (V, B, K)
        q = target.float().unflatten(0, (n_globals, batch))  # (G, B, K)
        cross_entropy = -torch.einsum("gbk,vbk->gv", q, log_p) / batch
    different = (~torch.eye(*cross_entropy.shape, dtype=torch.bool)).flatten().nonzero().flatten()  # pairs, known on the host
    return cross_entropy.flatten()[beside(different, student)].mean()


@torch.no_grad()
def sinkhorn_knopp(logits: Tensor, temperature: float, ranks: Ranks = ALONE, iterations: int = 3) -> Tensor:
    """Answers (N, K) that use every prototype equally often over the rows of all ranks (Caron et al. 2020, arXiv:2006.09882).

    `logits`: (N, K) of this rank, N may differ between ranks and be 0. In the logarithmic domain, where nothing overflows at low
    temperatures and the numbers of rows and prototypes cancel. In fp32.
    """
    log_q = logits.float() / temperature
    for _ in range(iterations):
        used = ranks.gather_constant(log_q.logsumexp(0)[None, None]).logsumexp(1)  # (1, K), over the rows of every rank
        log_q = log_q - used  # every prototype is used equally often
        log_q = log_q - log_q.logsumexp(1, keepdim=True)  # every row is a distribution
    return log_q.exp()


def prototype_rules(at: Situation) -> dict[str, Default]:
    """Size rules of DINO and DINOv2, in steps and shares of them."""
    prototypes = next((k for most, k in PROTOTYPES if at.images < most), MOST_PROTOTYPES)
    ramp = min(max(math.log(at.images / 20_000) / math.log(5), 0.0), 1.0) if at.images else 0.0  # 0 at 20,000 images, 1 at 100,000
    hidden = max(256, min(2048, 4 * at.dim))
    freeze = min(0.05, LONGEST_FREEZE / max(at.steps, 1))
    slowest = 0.99 + 0.006 * ramp
    return {
        "options.prototypes": Default(prototypes, f"{at.images:,} images fill no more"),
        "options.hidden": Default(hidden, "four times the backbone's width, from 256 to 2,048"),
        "options.teacher_temperature": _temperature(at, ramp),
        "options.momentum": first_momentum(at, round(slowest, 4)),
        "options.freeze_prototypes": Default(freeze, f"a twentieth of the steps, at most {LONGEST_FREEZE:,}"),
    }


def _temperature(at: Situation, ramp: float) -> Default:
    if at.continues:
        return Default(WARM, "the copy's answers are worth more than the nearest prototype")
    return Default(round(COLD + (WARM - COLD) * ramp, 4), f"sharper answers the fewer the images, {COLD} to {WARM}")
