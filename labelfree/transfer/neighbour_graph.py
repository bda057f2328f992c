"""A graph of images that are alike, and labels spread over it (Zhou et al. 2004, "Learning with local and global consistency")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array, eye_array
from scipy.sparse.linalg import cg

NEIGHBOURS = 20
POWER = 3  # of a similarity, to be a weight
REACH = 0.95  # alpha of the paper: how far a label spreads
SPARE = 20  # neighbours known beyond those needed, so that leaving out a few rows costs no new search
TOLERANCE = 1e-6  # relative, of a residual
BLOCK = 2**25  # similarities held at once


@dataclass(frozen=True)
class Graph:
    """Unlabelled rows and the nearest of the others to each, found once for whatever labelled rows join them later.

    `rows`: (u, D) float32 of length 1. `near`, `likeness`: (u, m) positions of the nearest others, nearest first, and their cosines.
    """

    rows: np.ndarray
    near: np.ndarray
    likeness: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> Graph:
        """`rows`: (u, D) of length 1."""
        rows = rows.astype(np.float32)
        return cls(rows, *nearest(rows, rows, NEIGHBOURS + SPARE, np.arange(len(rows))))

    def joined(self, labelled: np.ndarray, kept: np.ndarray) -> csr_array:
        """Weights among (n, D) `labelled` rows of length 1, which come first, and the rows `kept`, (u,) bool, of this graph.

        A row and one of its 20 nearest weigh similarity³ (0 below 0), both ways added up: symmetric, (n + kept, n + kept).
        """
        labelled = labelled.astype(np.float32)
        nodes = np.concatenate([labelled, self.rows[kept]])
        links = [nearest(labelled, nodes, NEIGHBOURS, np.arange(len(labelled)))]
        near, likeness = self._among(kept, len(labelled))
        step = max(1, BLOCK // (len(labelled) + near.shape[1]))
        for start in range(0, len(near), step):
            part = slice(start, start + step)
            new = nodes[len(labelled) :][part] @ labelled.T
            candidates = np.concatenate([np.broadcast_to(np.arange(len(labelled)), new.shape), near[part]], 1)
            value, at = _largest(np.concatenate([new, likeness[part]], 1), NEIGHBOURS)
            links.append((np.take_along_axis(candidates, at, 1), value))
        from_node = np.repeat(np.arange(len(nodes)), np.concatenate([np.full(len(which), which.shape[1]) for which, _ in links]))
        to_node, cosine = (np.concatenate([part.ravel() for part in column]) for column in zip(*links, strict=True))
        there = cosine > 0
        weight = cosine[there].astype(np.float64) ** POWER
        one_way = csr_array((weight, (from_node[there], to_node[there])), shape=(len(nodes), len(nodes)))
        return csr_array(one_way + one_way.T)

    def _among(self, kept: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours of the rows kept among themselves, numbered from `first` on; those left out are no one's (cosine -inf)."""
        number = np.full(len(kept), -1)
        number[kept] = np.arange(first, first + kept.sum())
        near = number[self.near[kept]]
        likeness = np.where(near >= 0, self.likeness[kept], -np.inf).astype(np.float32)
        short = np.flatnonzero((near >= 0).sum(1) < min(NEIGHBOURS, kept.sum() - 1))
        if len(short):
            among = self.rows[kept]
            which, cosine = nearest(among[short], among, near.shape[1], short)
            likeness[short] = -np.inf
            near[short, : which.shape[1]], likeness[short, : which.shape[1]] = which + first, cosine
        return near, likeness


def nearest(queries: np.ndarray, rows: np.ndarray, count: int, themselves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (q, k) in `rows` (n, D) of the nearest to each of `queries` (q, D), and their cosines, nearest first; all of length 1.

    `themselves`: (q,) where a query stands among the rows, which is none of its neighbours. k: `count`, or n - 1 where that is less.
    """
    count = min(count, len(rows) - 1)
    which, value = np.zeros((len(queries), count), np.int64), np.zeros((len(queries), count), np.float32)
    step = max(1, BLOCK // max(1, len(rows)))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        cosines = queries[part] @ rows.T
        cosines[np.arange(len(cosines)), themselves[part]] = -np.inf
        value[part], which[part] = _largest(cosines, count)
    return which, value


def spread(weights: csr_array, known: np.ndarray) -> np.ndarray:
    """Z of (I - alpha S) Z = Y with S = D^-1/2 W D^-1/2: how much of each class reaches each of n nodes, (n, K).

    `weights`: W, (n, n), symmetric, none below 0. `known`: Y, (n, K). A node that no label reaches has zeros.
    """
    degree = np.asarray(weights.sum(1)).ravel()
    scale = diags_array(np.divide(1.0, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0))
    system = csr_array(eye_array(len(degree)) - REACH * (scale @ weights @ scale))
    columns = [cg(system, column, rtol=TOLERANCE)[0] for column in known.T.astype(np.float64)]
    return np.maximum(np.stack(columns, 1), 0.0)  # the solution has none below 0, its last digits may


def _largest(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` largest of each row, falling, and where they stand."""
    value, at = torch.from_numpy(values).topk(min(count, values.shape[1]), dim=1)
    return value.numpy(), at.numpy()
