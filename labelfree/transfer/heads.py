"""A trained probe as plain tensors, to be saved beside the backbone and applied without scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.transfer.preparation import prepare
from labelfree.transfer.probes import PROBES, TEMPERATURE, Linear
from labelfree.transfer.selection import Choice, Grid
from labelfree.transfer.threads import one_thread

Head = Mapping[str, Tensor]


def train_head(
    features: np.ndarray,
    targets: np.ndarray,
    classes: int,
    protocol: str,
    choice: Choice,
    blocks: tuple[int, ...] | None = None,
    grid: Grid | None = None,
) -> dict[str, Tensor]:
    """The probe that `choice` names, learned from all rows. `features`: (n, D) at the chosen input size; `targets`: (n,) in 0…classes-1.

    Tensors: `mean` (D,), `blocks`, and `std` (D,) where features are standardised; then `weight` (K, D) and `bias` (K,), or for
    nearest neighbours `bank` (n, D) of prepared rows, `targets` (n,), `neighbours`, `temperature` and `classes`.
    """
    blocks = blocks or (features.shape[1],)
    preparation = prepare(choice.preparation, features, blocks)
    prepared = preparation(features)
    head = {"mean": torch.from_numpy(preparation.mean).float(), "blocks": torch.tensor(blocks)}
    if preparation.std is not None:
        head["std"] = torch.from_numpy(preparation.std).float()
    probe = PROBES[protocol]
    if isinstance(probe, Linear):
        with one_thread():
            fit = probe.train(prepared, targets, classes, (grid or Grid()).trail(protocol, choice.setting))
        return head | {"weight": torch.from_numpy(fit.weight).float(), "bias": torch.from_numpy(fit.bias).float()}
    return head | {
        "bank": F.normalize(torch.from_numpy(prepared), dim=1).float(),
        "targets": torch.from_numpy(targets.astype(np.int64)),
        "neighbours": torch.tensor(min(int(choice.setting), len(targets))),
        "temperature": torch.tensor(TEMPERATURE),
        "classes": torch.tensor(classes),
    }


def head_metadata(protocol: str, choice: Choice, classes: tuple[str, ...]) -> dict[str, str]:
    """What a person needs beside the tensors; strings only, as safetensors wants. Classes are separated by newlines."""
    return {
        "protocol": protocol,
        "classes": "\n".join(classes),
        "size": str(choice.size),
        "preparation": choice.preparation,
        "setting": f"{choice.setting:g}",
        "inner_score": "" if choice.inner is None else f"{choice.inner:.6f}",
    }


def apply_head(head: Head, features: Tensor | np.ndarray) -> Tensor:
    """Class scores (n, K), rows summing to 1, of features (n, D)."""
    x = torch.as_tensor(features).float() - head["mean"]
    if "std" in head:
        x = x / (head["std"] * x.shape[1] ** 0.5)
    else:
        widths = head["blocks"].tolist()
        x = torch.cat([F.normalize(part, dim=1) for part in x.split(widths, dim=1)], 1) / len(widths) ** 0.5
    if "weight" in head:
        return F.linear(x, head["weight"], head["bias"]).softmax(1)
    near, at = (F.normalize(x, dim=1) @ head["bank"].T).topk(int(head["neighbours"]), dim=1)
    votes = ((near - near[:, :1]) / head["temperature"]).exp()
    table = votes.new_zeros(len(x), int(head["classes"])).scatter_add_(1, head["targets"][at], votes)
    return table / table.sum(1, keepdim=True)
