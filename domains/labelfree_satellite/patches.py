"""torchgeo's data sets and samplers as images to pretrain on: one patch a query of the sampler, read when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch.utils.data import Dataset

if TYPE_CHECKING:
    from torch import Tensor


class GeoPatches(Dataset["Tensor"]):
    """Patches (C, H, W) of a torchgeo `GeoDataset`, where a sampler of it (grid, random, or of one part of a spatial split) looks.

    The sampler is run through once, so that patch i is the same whenever it is read. Give it to
    `labelfree.data.manifest.manifest_from_dataset` with the names of the channels and their unit.
    """

    def __init__(self, dataset: Any, sampler: Iterable[Any]) -> None:
        self.dataset = dataset
        self.queries = list(sampler)

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, index: int) -> Tensor:
        image: Tensor = self.dataset[self.queries[index]]["image"]
        return image
