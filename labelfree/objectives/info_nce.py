"""InfoNCE: Representation Learning with Contrastive Predictive Coding (van den Oord et al. 2018, arXiv:1807.03748)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from labelfree.objectives.base import in_fp32
from labelfree.objectives.blockwise import CrossEntropy, Pairs, by_blocks, held_at_once


def info_nce(queries: Tensor, keys: Tensor, positive: Tensor, scale: Tensor | float, ids: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Cross entropy of picking each query's key by cosine similarity, eq. 4 of the paper: the mean over the queries, in fp32.

    `queries`: (N, D), this rank's. `keys`: (M, D), every rank's. `positive`: (N,) place of each query's key among them. `scale`:
    1 / temperature, a tensor where it is learned. `ids` of queries (N,) and keys (M,), integers: a key with the query's id is no negative.
    """
    with in_fp32(queries):
        queries, keys = F.normalize(queries.float(), dim=-1), F.normalize(keys.float(), dim=-1)
        pairs = Pairs(positive, ids=ids)
        if not held_at_once(queries, keys):
            return by_blocks(CrossEntropy(), scale * queries, keys, pairs).mean()
        similarity = scale * queries @ keys.T  # (N, M)
        return F.cross_entropy(pairs.leave_out_(similarity), positive)
