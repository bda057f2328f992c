"""What every protocol shares: features in, outputs for a whole path of settings out; and the head that is kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
import torch.nn.functional as F
from threadpoolctl import ThreadpoolController
from torch import Tensor, nn

from labelfree.transfer.protocols.scaling import PREPARATIONS, Preparation, prepare
from labelfree.transfer.words import ProtocolWords

if TYPE_CHECKING:
    from labelfree.transfer.encoders import Encoder
    from labelfree.transfer.tasks.base import Targets


@dataclass(frozen=True)
class Fit:
    """One setting's outputs (m, width). `converged`: the solver ended by itself."""

    setting: float
    output: np.ndarray
    converged: bool = True


class Protocol:
    """A way to judge what a network gives at few labels.

    `needs`: what it learns from, vectors of whole images, these beside words, the images themselves, maps of features beside masks or
    beside boxes, patches of normal images, images beside what is said of them, or tokens beside questions; `on_tiles`: whether these are
    of tiles at their own size. `trains_trunk`: whether the network itself is trained along.
    `steps`: how many its training takes where time is not short; None where it has none. `settings`: the grid, from the strongest
    regularisation to the weakest; `thinned`: what is left of it where time is short; `default`: without any search. `words`: how it is
    printed, `title` where there is room; `method`: what a reader of a table must know of it, and `shared` of it and others like it;
    `reading`: what it does. `reads_rest`: whether it also learns from unlabelled images. `plain`: the protocol that is the same but for
    them. `one_size`: why it takes the first of several input sizes; "": it chooses among them. `learns`: whether it learns from labels;
    where not, an arm has one row for all budgets. `wants`: what an arm must have to be asked by it, in words. `leaves_head`: whether a head
    comes of it that can be kept.
    """

    name: str
    words: str
    title: str = ""
    method: str
    shared: str = ""
    reading: str = ""
    needs: Literal["pooled", "words", "images", "pyramid", "boxes", "patches", "captions", "tokens"] = "pooled"
    on_tiles: bool = False
    trains_trunk: bool = False
    steps: int | None = None
    settings: tuple[float, ...]
    default: float
    reads_rest: bool = False
    plain: str = ""
    one_size: str = ""
    learns: bool = True
    wants: str = ""
    leaves_head: bool = True

    def suits(self, encoder: Encoder) -> bool:
        """Whether it can be asked of this encoder; where not, its arm has no such row."""
        return True

    def check(self) -> None:
        """Raises RecipeError where a package that it needs is not installed."""

    @property
    def spoken(self) -> ProtocolWords:
        """How it is printed."""
        return ProtocolWords(self.words, self.title, self.reading, self.plain)

    @property
    def thinned(self) -> tuple[float, ...]:
        return self.settings[1:-1] or self.settings


class HeadProtocol(Protocol):
    """A protocol of vectors: each image is one, (D,).

    `preparations`: of features, those it may be searched with. One that `reads_rest` is bound to unlabelled images by `beside` before
    anything is asked of it.
    """

    shared = (
        "Features: the architecture's own pooling, centred and L2-normalised or standardised per dimension. "
        "Input size, preparation and setting are chosen inside each budget by group-stratified cross-validation, "
        "ties to the smaller size, then the stronger regularisation."
    )
    preparations: tuple[str, ...] = PREPARATIONS

    def beside(self, rest: np.ndarray, blocks: tuple[int, ...]) -> Self:
        """This protocol bound to the features `rest` (u, D) of unlabelled images, in the units the encoder gives them."""
        return self

    def without(self, left_out: np.ndarray) -> Self:
        """The bound protocol, blind to some of its unlabelled images, (u,) bool: those that are labelled now, or held out."""
        return self

    def prepare(self, kind: str, rows: np.ndarray, blocks: tuple[int, ...]) -> Preparation:
        """What features go through before anything is learned of them. `rows`: (n, D), the labelled training rows."""
        return prepare(kind, rows, blocks)

    def path(self, train: np.ndarray, targets: Targets, scored: np.ndarray, settings: Sequence[float]) -> Iterator[Fit]:
        """Outputs for `scored` (m, D) after learning from `train` (n, D), for each of `settings`, in that order.

        A whole path at once, so that what settings share (similarities, projections, warm starts) is computed once.
        """
        raise NotImplementedError

    def fit(self, rows: np.ndarray, targets: Targets, settings: Sequence[float]) -> dict[str, Tensor]:
        """The tensors of a head learned from `rows` (n, D) with the last of `settings`, reached through the others as the search did."""
        raise NotImplementedError

    def outputs(self, tensors: Mapping[str, Any], features: Tensor) -> Tensor:
        """Outputs (n, width) of a head with these tensors for prepared `features` (n, D)."""
        raise NotImplementedError


class Head(nn.Module):
    """A trained protocol as plain tensors, saved beside the backbone and applied without scikit-learn.

    `mean` (D,), `blocks`, and `std` (D,) where features are standardised; the other tensors are the protocol's, which gets a whole number
    as Python's: it decides the shape of what is computed, and exporters must know that beforehand.
    """

    def __init__(self, protocol: HeadProtocol, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.protocol = protocol
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)
        self.widths: list[int] = tensors["blocks"].tolist()
        self.counts = {name: int(tensor) for name, tensor in tensors.items() if tensor.ndim == 0 and not tensor.is_floating_point()}

    @classmethod
    def of(cls, protocol: HeadProtocol, preparation: Preparation, tensors: Mapping[str, Tensor]) -> Head:
        """A head that prepares features itself."""
        first = {"mean": torch.from_numpy(preparation.mean).float(), "blocks": torch.tensor(preparation.blocks)}
        if preparation.std is not None:
            first["std"] = torch.from_numpy(preparation.std).float()
        return cls(protocol, first | dict(tensors))

    def forward(self, features: Tensor | np.ndarray) -> Tensor:
        """Features (n, D) as the encoder gives them -> outputs (n, width): class scores that sum to 1, or numbers."""
        return self.protocol.outputs({**dict(self.named_buffers()), **self.counts}, self.prepared(torch.as_tensor(features).float()))

    def prepared(self, features: Tensor) -> Tensor:
        """Features (n, D) as the protocol wants them."""
        tensors = dict(self.named_buffers())
        x = features - tensors["mean"]
        if "std" in tensors:
            return x / (tensors["std"] * x.shape[1] ** 0.5)
        return torch.cat([F.normalize(part, dim=1) for part in x.split(self.widths, dim=1)], 1) / len(self.widths) ** 0.5


def one_thread() -> AbstractContextManager[object]:
    """Within: BLAS uses one thread. Matrices of a few hundred rows gain nothing from more, and on a busy machine more threads wait
    for one another: 500 rows took 1.5 s with one and 50 to 90 s with two (2 cores, load 7)."""
    limits: AbstractContextManager[object] = _threadpools().limit(limits=1, user_api="blas")
    return limits


@cache
def _threadpools() -> ThreadpoolController:
    return ThreadpoolController()
