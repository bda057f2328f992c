"""How a network's tensors are called in files that others publish, and what stands beside them there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from labelfree.errors import DataError


@dataclass(frozen=True)
class Layout:
    """Names of published tensors and our own.

    `wrappers`: names of modules under which the network may lie, one in another: "module" of DataParallel, "encoder" of a U-Net.
    `beside`: patterns of what a file may hold besides, without the wrappers: decoders, heads, a tensor's second name.
    `renamed`: patterns of names, and what is written in their place.
    """

    wrappers: tuple[str, ...] = ("module",)
    beside: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()

    def own(self, state: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
        """The tensors of `state` under the network's own `names`; those that no pattern knows keep theirs, so that they can be refused.

        Raises DataError where two tensors have one name and differ.
        """
        known, told = set(names), dict[str, Tensor]()
        for name, tensor in state.items():
            plain = self._plain(name, known)
            if plain not in known and any(re.match(pattern, plain) for pattern in self.beside):
                continue
            if plain in told and not torch.equal(told[plain], tensor):
                raise DataError(f"the file holds {plain} twice, the second time as {name}, and they differ; keep the one that was trained.")
            told[plain] = tensor
        return told

    def _plain(self, name: str, known: set[str]) -> str:
        while name not in known and (wrapper := name.partition("."))[0] in self.wrappers and wrapper[2]:
            name = wrapper[2]
        for pattern, replacement in self.renamed:
            name = name if name in known else re.sub(pattern, replacement, name)
        return name
