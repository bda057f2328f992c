"""The head that the labels so far make: what strategies ask that look where it hesitates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.domain import Row
from labelfree.transfer.heads import train_head
from labelfree.transfer.protocols import find_protocol
from labelfree.transfer.selection import Grid, Search, inner_folds
from labelfree.transfer.tasks.registry import find_task

TASK, PROTOCOL, METRIC = "classification", "linear", "accuracy"
BLOCK = 2**16  # images scored together


def class_scores(features: np.ndarray, labelled: np.ndarray, rows: Sequence[Row], groups: Sequence[str], seed: int) -> np.ndarray:
    """(n, K) float32, rows sum to 1: what a linear head learned from the `labelled` positions of `features` (n, D) says of all images.

    `rows`, `groups`: of the labelled images; K classes in the order of their names. Settings are chosen in folds of the labels, as in a
    comparison. Of one class alone it is certain.
    """
    task = find_task(TASK)
    targets = task.targets(rows)
    if targets.width < 2:
        return np.ones((len(features), targets.width), np.float32)
    learn = np.asarray(features[labelled])
    search = Search(task, find_protocol(PROTOCOL), task.metrics[METRIC], Grid())
    inner = inner_folds(np.array([task.stratum(row) for row in rows]), np.array(groups), seed)
    choice = search.choose({0: learn}, (learn.shape[1],), targets, inner)[0]
    head = train_head(learn, targets, PROTOCOL, choice)
    scores = np.empty((len(features), targets.width), np.float32)
    for start in range(0, len(features), BLOCK):
        scores[start : start + BLOCK] = head(np.array(features[start : start + BLOCK])).numpy()
    return scores
