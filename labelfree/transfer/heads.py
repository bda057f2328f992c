"""A head: what a protocol learned from labels, kept beside the backbone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from labelfree.errors import DataError
from labelfree.training.files import call_with
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


def save_head(path: Path, head: Head, metadata: dict[str, str]) -> None:
    """Write a head's tensors (.safetensors), and what a person needs beside them."""
    from safetensors.torch import save_file

    call_with(path, lambda part: save_file(dict(head.named_buffers()), part, metadata=metadata))


def load_head(path: Path) -> Head:
    """A saved head. Raises DataError for a file that is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # the file itself does not iterate
            protocol = (file.metadata() or {})["protocol"]
    except (OSError, SafetensorError, KeyError) as error:
        raise DataError(f"{path}: not a head that labelfree wrote ({error}).") from error
    return Head(find_protocol(protocol), tensors)


def head_metadata(protocol: str, choice: Choice, legend: Sequence[str]) -> dict[str, str]:
    """Strings only, as safetensors wants. Names of classes are separated by newlines."""
    return {
        "protocol": protocol,
        "classes": "\n".join(legend),
        "size": str(choice.size),
        "preparation": choice.preparation,
        "setting": f"{choice.setting:g}",
        "inner_score": "" if choice.inner is None else f"{choice.inner:.6f}",
    }
