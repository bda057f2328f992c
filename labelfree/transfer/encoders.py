"""What turns images into the features that heads see: a network, plain statistics, or both side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labelfree.backbones.base import Backbone, weights_digest
from labelfree.domain import Size, to_physical
from labelfree.errors import DataError
from labelfree.language.arm_towers import ArmTowers, towers_beside
from labelfree.transfer.network_inputs import OfStored
from labelfree.views import Augmentation

if TYPE_CHECKING:
    from labelfree.data.pool import Pool

ToInput = Callable[[Tensor, Any, Tensor | None], Tensor]
NO_SIZE = 0  # the input size of an encoder that has none
PIXELS = 64 * 128 * 128  # of one batch of inputs
NUMBERS = 2**28  # of one batch of stored images


class Kept(NamedTuple):
    """A part of an encoder as a file keeps it: what `deploy` makes it anew of, as JSON keeps it, and the tensors of its network."""

    told: dict[str, Any]
    tensors: dict[str, Tensor]


class Encoder(Protocol):
    """One arm's feature extractor. `sizes`: the input sizes it may be asked for, in the recipe's order; empty where it has none.

    `blocks`: widths of the parts that features consist of. `digest`: changes whenever features would. `by_image`: whether it normalises
    each image by its own statistics, which a part of one does not tell.
    """

    arm: str
    backbone: str
    seed: int
    sizes: tuple[int, ...]

    @property
    def by_image(self) -> bool: ...

    @property
    def blocks(self) -> tuple[int, ...]: ...

    @property
    def digest(self) -> str: ...

    def features(self, pool: Pool, entries: Sequence[int], size: int) -> np.ndarray:
        """(n, D) float32 of the pool's `entries`."""
        ...

    def embed(self, stored: Tensor, size: Size, measured: Tensor | None = None, whole: Tensor | None = None) -> Tensor:
        """(B, D) float32 on the CPU, of stored images (B, C, *spatial) of one size, `measured` (B, *spatial) bool or everywhere.

        `whole`: (B, C, 2) stored numbers with mean and standard deviation of the images that these are parts of.
        """
        ...

    def kept(self) -> list[Kept]:
        """Its parts, side by side, for a file that holds all of it."""
        ...

    def maps(self, stored: Tensor, measured: Tensor | None, size: Size, whole: Tensor | None = None) -> list[Tensor]:
        """Of stored images (B, C, *spatial), `measured` (B, *spatial) bool: levels (B, C_l, *grid_l) float32, finest first; `whole` as for
        `embed`.
        """
        ...


class StatisticsEncoder:
    """The arm that knows no network: mean and standard deviation of each channel, in physical units, and of what `derive` adds.

    `derive`: physical (B, C, *spatial) -> (B, K, *spatial), such as vegetation indices; `derived` is their number, K. `scale`, `offset`:
    of stored numbers, default 1 and 0.
    """

    arm = "statistics"
    backbone = ""
    seed = 0
    sizes: tuple[int, ...] = ()
    by_image = False

    def __init__(
        self,
        channels: int,
        derive: Callable[[Tensor], Tensor] | None = None,
        derived: int = 0,
        scale: Sequence[float] = (),
        offset: Sequence[float] = (),
    ) -> None:
        self.derive, self.derived = derive, derived
        self.scale, self.offset = tuple(scale) or (1.0,) * channels, tuple(offset) or (0.0,) * channels
        self.blocks = (2 * (channels + derived),)
        self.digest = f"statistics-{channels}-{derived}"

    def features(self, pool: Pool, entries: Sequence[int], size: int = NO_SIZE) -> np.ndarray:
        def statistics(stored: Tensor, measured: Tensor | None) -> Tensor:
            return channel_statistics(self._seen(to_physical(stored, pool.scale, pool.offset)), measured)

        return in_batches(pool, entries, 128, statistics)

    def embed(self, stored: Tensor, size: Size = NO_SIZE, measured: Tensor | None = None, whole: Tensor | None = None) -> Tensor:
        return channel_statistics(self._seen(to_physical(stored, self.scale, self.offset)), measured)

    def kept(self) -> list[Kept]:
        return [Kept({"kind": "statistics", "derived": self.derived}, {})]

    def maps(self, stored: Tensor, measured: Tensor | None, size: Size = NO_SIZE, whole: Tensor | None = None) -> list[Tensor]:
        """One level, a cell a pixel: what each pixel holds, and mean and standard deviation of the 7 x 7 around it."""
        return [local_statistics(self._seen(to_physical(stored, self.scale, self.offset)), measured)]

    def _seen(self, physical: Tensor) -> Tensor:
        return physical if self.derive is None else torch.cat([physical, self.derive(physical)], dim=1)


class OneNetwork:
    """Holds the network of one encoder at a time: who asks for another lets the last one go, so that no device has to hold all arms'."""

    def __init__(self) -> None:
        self.owner: object = None
        self.network = nn.Module()

    def of(self, owner: object, make: Callable[[], nn.Module]) -> nn.Module:
        """The network of `owner`, made where it is not the one that is held."""
        if self.owner is not owner:
            self.owner, self.network = None, nn.Module()  # gone before the next is made
            self.network, self.owner = make(), owner
        return self.network


class NetworkEncoder:
    """A network on whole images.

    `backbone`: what makes it, when it is first asked for and whenever `held` has let it go since; or the network itself: a module with
    `.embed(x: (B, C, *spatial)) -> (B, D)`; it's put into evaluation mode. `prepare`: (stored (B, C', *spatial'), size, measured
    (B, *spatial') bool or None) -> the network's input at that size; `reads`: what it does besides the images, such as how it normalises.
    `dim`: D. `name`: the architecture, for the tables. `augmentation`: the views of these images, on which the network may be trained.
    `weights`: the file it comes from, beside which a text side may lie. `untaught`: makes the towers of an untrained network, beside a text
    side that has learnt nothing either; None of any other.
    """

    def __init__(
        self,
        arm: str,
        backbone: nn.Module | Callable[[], nn.Module],
        prepare: ToInput,
        sizes: Sequence[int],
        seed: int = 0,
        *,
        name: str | None = None,
        dim: int | None = None,
        device: str | torch.device = "cpu",
        reads: str = "",
        held: OneNetwork | None = None,
        augmentation: Augmentation | None = None,
        weights: Path | None = None,
    ) -> None:
        self.weights = weights
        self.untaught: Callable[[], ArmTowers] | None = None
        self.arm, self.seed, self.sizes = arm, seed, tuple(sizes)
        self.backbone = name or str(getattr(backbone, "name", type(backbone).__name__))
        self.prepare, self.device, self.reads, self.augmentation = prepare, device, reads, augmentation
        self._make = (lambda: backbone) if isinstance(backbone, nn.Module) else backbone
        self._held, self._dim = held or OneNetwork(), dim

    @property
    def network(self) -> nn.Module:
        """In evaluation mode, on the device."""
        return self._held.of(self, lambda: self._make().eval().to(self.device))

    @cached_property
    def blocks(self) -> tuple[int, ...]:
        return (self._dim or int(self.network.dim),)  # type: ignore[arg-type]

    @cached_property
    def digest(self) -> str:
        """Of the weights, and of how images are read for them."""
        return weights_digest(self.network, self.reads)

    @cached_property
    def towers(self) -> ArmTowers | None:
        """What the network's features are in the words of the text side beside its weights; None where there is none."""
        return None if self.weights is None else towers_beside(self.weights)

    @torch.inference_mode()
    def embed(self, stored: Tensor, size: Size, measured: Tensor | None = None, whole: Tensor | None = None) -> Tensor:
        """(B, D) float32 on the CPU."""
        embedded: Tensor = self.network.embed(self.shown(stored, measured, size, whole))  # type: ignore[operator]
        return embedded.float().cpu()

    @torch.inference_mode()
    def maps(self, stored: Tensor, measured: Tensor | None, size: Size, whole: Tensor | None = None) -> list[Tensor]:
        """The network's pyramid."""
        return [level.float().cpu() for level in self.network.pyramid(self.shown(stored, measured, size, whole))]  # type: ignore[operator]

    def shown(self, stored: Tensor, measured: Tensor | None, size: Size, whole: Tensor | None = None) -> Tensor:
        """What the network is given of stored images, on its device."""
        known = None if measured is None else measured.to(self.device)
        if whole is None or not isinstance(self.prepare, OfStored):
            return self.prepare(stored.to(self.device), size, known)
        return self.prepare(stored.to(self.device), size, known, whole.to(self.device))

    @property
    def by_image(self) -> bool:
        return isinstance(self.prepare, OfStored) and self.prepare.normalise.by_image

    def features(self, pool: Pool, entries: Sequence[int], size: int) -> np.ndarray:
        batch = max(1, PIXELS // size ** int(getattr(self.network, "dims", 2)))
        return in_batches(pool, entries, batch, lambda stored, measured: self.embed(stored, size, measured))

    def kept(self) -> list[Kept]:
        network: Any = self.network
        if not isinstance(self.prepare, OfStored) or not isinstance(network, Backbone):
            raise DataError(f"{self.arm}: a network and an input of your own cannot be kept in a file; build them by labelfree.backbones.")
        told = {"architecture": network.name, "options": network.options, "channels": network.channels, "dims": network.dims}
        shown = {"input": self.prepare.shown.told(), "licence": network.licence}
        return [Kept({"kind": "network", **told, **shown}, dict(network.net.state_dict()))]


class Concatenated:
    """Several encoders side by side, e.g. ImageNet's RGB features and statistics of all channels. Sizes are the first part's."""

    def __init__(self, arm: str, parts: Sequence[Encoder]) -> None:
        self.arm, self.parts = arm, tuple(parts)
        self.backbone, self.seed, self.sizes = parts[0].backbone, parts[0].seed, parts[0].sizes
        self.blocks = tuple(width for part in parts for width in part.blocks)

    @property
    def digest(self) -> str:
        return "+".join(part.digest for part in self.parts)

    def features(self, pool: Pool, entries: Sequence[int], size: int) -> np.ndarray:
        return np.concatenate([part.features(pool, entries, size if part.sizes else NO_SIZE) for part in self.parts], 1)

    def embed(self, stored: Tensor, size: Size, measured: Tensor | None = None, whole: Tensor | None = None) -> Tensor:
        return torch.cat([part.embed(stored, size if part.sizes else NO_SIZE, measured, whole) for part in self.parts], 1)

    def kept(self) -> list[Kept]:
        return [kept for part in self.parts for kept in part.kept()]

    @property
    def by_image(self) -> bool:
        return any(part.by_image for part in self.parts)

    def maps(self, stored: Tensor, measured: Tensor | None, size: Size, whole: Tensor | None = None) -> list[Tensor]:
        """The levels of all parts, the finest first."""
        levels = [level for part in self.parts for level in part.maps(stored, measured, size, whole)]
        return sorted(levels, key=lambda level: -level[0, 0].numel())


def network_of(encoder: Encoder) -> NetworkEncoder | None:
    """The network of an encoder that is one; else None."""
    return encoder if isinstance(encoder, NetworkEncoder) else None


def towers_of(encoder: Encoder) -> ArmTowers | None:
    """The towers of an arm that has a text side, to go on from its features; None of any other, and where parts of an image are pooled."""
    network = network_of(encoder)
    return None if network is None else network.towers


def channel_statistics(physical: Tensor, measured: Tensor | None = None) -> Tensor:
    """Mean and standard deviation of each channel over the `measured` pixels (B, *spatial): (B, C, *spatial) -> (B, 2C)."""
    pixels = physical.flatten(2)
    if measured is None:
        return torch.cat([pixels.mean(2), pixels.std(2, unbiased=False)], 1)
    known = measured.flatten(1)[:, None].to(pixels)
    count = known.sum(2).clamp(min=1)
    mean = (pixels * known).sum(2) / count
    return torch.cat([mean, (((pixels - mean[..., None]).square() * known).sum(2) / count).sqrt()], 1)


def local_statistics(physical: Tensor, measured: Tensor | None = None, side: int = 7) -> Tensor:
    """(B, C, *spatial) -> (B, 3C, *spatial): each pixel, mean and standard deviation of the `measured` ones in the cube around it."""
    known = torch.ones_like(physical[:, :1]) if measured is None else measured[:, None].to(physical)
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[physical.ndim - 3]

    def around(x: Tensor) -> Tensor:
        return pool(x, side, stride=1, padding=side // 2)

    share = around(known).clamp(min=1e-6)
    centre = (physical * known).flatten(2).sum(2) / known.flatten(2).sum(2).clamp(min=1)  # first, so that squares keep their digits
    centred = (physical - centre[..., *(None,) * (physical.ndim - 2)]) * known
    mean = around(centred) / share
    spread = (around(centred.square()) / share - mean.square()).clamp(min=0).sqrt()
    return torch.cat([physical * known, mean + centre[..., *(None,) * (physical.ndim - 2)], spread], 1)


def in_batches(pool: Pool, entries: Sequence[int], batch: int, embed: Callable[[Tensor, Tensor | None], Tensor]) -> np.ndarray:
    """`embed` over entries in batches of images of one size, and where they are measured: (n, D) float32, in the order asked for."""
    positions: dict[tuple[int, ...], list[int]] = {}
    for at, entry in enumerate(entries):
        positions.setdefault(() if pool.uniform else tuple(pool[int(entry)].shape), []).append(at)
    features: np.ndarray | None = None
    for same in positions.values():
        fits = min(batch, max(1, NUMBERS // pool[int(entries[same[0]])].numel()))  # volumes are large
        for start in range(0, len(same), fits):
            chunk = same[start : start + fits]
            wanted = [int(entries[at]) for at in chunk]
            stored = pool.batch(wanted) if pool.uniform else torch.stack([pool[entry] for entry in wanted])
            rows = embed(stored, pool.measured(wanted)).float().cpu().numpy()
            if features is None:
                features = np.empty((len(entries), rows.shape[1]), np.float32)
            features[chunk] = rows
    assert features is not None, "no entry was asked for"
    return features
