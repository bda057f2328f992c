"""A head: what a protocol learned from labels. `labelfree.deploy` keeps it in a file, with the network below it."""

from __future__ import annotations

import numpy as np

from labelfree.transfer.protocols import Head, HeadProtocol, find_protocol
from labelfree.transfer.selection import Choice, Grid
from labelfree.transfer.tasks import Targets


def train_head(
    features: np.ndarray,
    targets: Targets,
    protocol: str | HeadProtocol,
    choice: Choice,
    blocks: tuple[int, ...] | None = None,
    grid: Grid | None = None,
) -> Head:
    """The head that `choice` names, learned from all rows. `features`: (n, D) at the chosen input size. `protocol`: one that learns from
    unlabelled images too is given bound to them.
    """
    learner = find_protocol(protocol) if isinstance(protocol, str) else protocol
    preparation = learner.prepare(choice.preparation, features, blocks or (features.shape[1],))
    tensors = learner.fit(preparation(features), targets, (grid or Grid()).trail(learner, choice.setting))
    return Head.of(learner, preparation, tensors)
