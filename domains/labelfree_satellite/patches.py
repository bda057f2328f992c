"""torchgeo's data sets and samplers as images to pretrain on: one patch a query of the sampler, read when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import TYPE_CHECKING, Any

from torch.utils.data import Dataset

if TYPE_CHECKING:
    from torch import Tensor


class GeoPatches(Dataset["Tensor"]):
    """Patches (C, H, W) of a torchgeo `GeoDataset`, where a sampler of it (grid, random, or of one part of a spatial split) looks.

    The sampler is run through once, so that patch i is the same whenever it is read; a random one draws from torch's own generator, so seed
    that (`torch.manual_seed`) to find the same patches again. Reads wait for each other: a data set shares its open files. Give it to
    `labelfree.data.manifest.manifest_from_dataset` with the names of the channels and their unit.
    """

    def __init__(self, dataset: Any, sampler: Iterable[Any]) -> None:
        self.dataset = dataset
        self.queries = list(sampler)
        self._one_at_a_time = Lock()

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, index: int) -> Tensor:
        with self._one_at_a_time:
            image: Tensor = self.dataset[self.queries[index]]["image"]
        return image

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_one_at_a_time"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._one_at_a_time = Lock()
