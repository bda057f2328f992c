"""How each arm's network starts and reads stored images: all channels by the pool's statistics, or RGB as ImageNet networks know it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from labelfree.backbones import Backbone, build
from labelfree.backbones.weight_card import WeightCard, card_beside, scale_fault
from labelfree.backbones.weights import network_input
from labelfree.data.scales import Stored
from labelfree.domain import Domain, Fingerprint, Normalises, Size, to_physical
from labelfree.errors import DataError
from labelfree.installed_domains import key_for
from labelfree.recipe import BackboneSettings
from labelfree.training.randomness import mixed
from labelfree.transfer.encoders import ToInput
from labelfree.views import Normalise, PerChannel

IMAGENET_SPREAD = 0.5  # standard deviation of photographs under the usual normalisation to [-1, 1]


@dataclass(frozen=True)
class Reading:
    """Stored numbers of all channels in physical units (stored * scale + offset, numbers of each channel), and how these are normalised."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    normalise: Normalise

    def __call__(self, stored: Tensor, size: Size, measured: Tensor | None = None) -> Tensor:
        """Stored (B, C, *spatial) -> the network's input at `size`."""
        physical = to_physical(stored, self.scale, self.offset)
        return network_input(physical, self.normalise, size, measured)


@dataclass(frozen=True)
class Starts:
    """Builds the networks of the arms for one data set.

    `fingerprint` is the pretraining pool's; `scale` and `offset` are those of the images that are read, which may be stored otherwise.
    """

    settings: BackboneSettings
    domain: Domain
    fingerprint: Fingerprint
    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def match(self, known: Sequence[str]) -> tuple[int | None, ...]:
        """Of each of the images' channels the position among those that weights know."""
        return self.domain.matches(self.fingerprint.channels, known)

    def network(self, init: str | Path, seed: int) -> Backbone:
        """All channels; `init` is "random", "imagenet" or a weight file, their stem fitted. Random parts depend on the seed alone."""
        torch.manual_seed(mixed("backbone", seed))
        init = imagenet_source(self.settings) if init == "imagenet" else init
        channels, options = len(self.fingerprint.channels), self.settings.options
        return build(self.settings.name, channels, dims=self.dims, init=init, match=self.match, options=options)

    @property
    def dims(self) -> int:
        """Spatial axes of the images."""
        return len(self.fingerprint.smallest)

    def photographic(self) -> Backbone:
        """The ImageNet network as published, for three channels."""
        return build(self.settings.name, 3, init=imagenet_source(self.settings), options=self.settings.options)

    def reading(self, init: str | Path = "imagenet") -> Reading:
        """All channels, spread as ImageNet weights expect their input, or as the domain says: pool statistics, never those of scored rows.

        Channels that the card of a weight file knows, in the images' unit, are read as that file was taught; where it has numbers for each
        channel, the others get the spread that those have in the middle.
        """
        return Reading(self.scale, self.offset, self._normalise(init))

    def _normalise(self, init: str | Path) -> Normalise:
        means, stds = self.fingerprint.mean, self.fingerprint.std
        card = None if init in ("random", "imagenet") else card_beside(Path(init))
        sources = self.match(card.known) if card and card.unit == self.fingerprint.unit else ()
        if card is not None and sources:
            self.require_scale(card, f"backbone.init: {init}")
        if card is None or set(sources) <= {None}:
            if isinstance(self.domain, Normalises):
                return self.domain.normalise(self.fingerprint)
            return PerChannel(means, tuple(s / IMAGENET_SPREAD or 1.0 for s in stds))
        if not isinstance(card.normalise, PerChannel):
            return card.normalise
        spread = median(std / card.std[s] for std, s in zip(stds, sources, strict=True) if s is not None) or IMAGENET_SPREAD
        mean = tuple(m if s is None else card.mean[s] for m, s in zip(means, sources, strict=True))
        std = tuple((own / spread or 1.0) if s is None else card.std[s] for own, s in zip(stds, sources, strict=True))
        return PerChannel(mean, std)

    def as_photographs(self, backbone: Backbone) -> ToInput | None:
        """Stored numbers as `photographs` shows them; None where it shows none."""
        shown = self.photographs(backbone)
        return None if shown is None else self._of_stored(shown)

    def photographs(self, backbone: Backbone) -> ToInput | None:
        """Physical numbers as RGB by channel name, rendered as the domain shows it and normalised as the weights want.

        None where no channel is called red, green, blue, where the images are no pictures, or nobody tells what the weights want.
        """
        if self.dims != 2 or not backbone.mean:
            return None
        domain, data = self.domain, self.fingerprint
        probe = domain.render(torch.zeros(1, len(data.channels), 2, 2), data.channels, data.unit)
        if probe is None:
            return None

        published = PerChannel(backbone.mean, backbone.std)  # and not the network, which is let go meanwhile

        def prepare(physical: Tensor, size: Size, measured: Tensor | None = None) -> Tensor:
            shown = domain.render(physical, data.channels, data.unit, measured)
            assert shown is not None
            return network_input(shown, published, size, measured)

        return prepare

    def _of_stored(self, prepare: ToInput) -> ToInput:
        """The same of stored numbers."""

        def of_stored(stored: Tensor, size: Size, measured: Tensor | None = None) -> Tensor:
            return prepare(to_physical(stored, self.scale, self.offset), size, measured)

        return of_stored

    def require_scale(self, card: WeightCard, where: str) -> None:
        """Raises DataError where the images are on another scale than those that weights were taught by."""
        data = self.fingerprint
        ends = [max(abs(low), abs(high)) for low, high in zip(data.low, data.high, strict=True)]
        most = [nan if at is None or not ends else ends[at] for at in self.of_card(card)]
        if fault := scale_fault(card, Stored(data.dtype, data.scale, data.offset), most):
            raise DataError(
                f"{where}: these images have {fault}; say what the files hold with {key_for('scale')}, or leave the weights out."
            )

    def of_card(self, card: WeightCard) -> list[int | None]:
        """Of each channel that a card names the position among the images', by name, colour or wavelength; None where they lack it."""
        sources = self.domain.matches(self.fingerprint.channels, card.known, once=True)
        return [sources.index(at) if at in sources else None for at in range(len(card.channels))]

    def as_loaded(self, card: WeightCard) -> ToInput:
        """Stored numbers as `loaded` reads them."""
        return self._of_stored(self.loaded(card))

    def loaded(self, card: WeightCard) -> ToInput:
        """Of physical numbers a weight file reads the channels its card names, in its order and with its own normalisation; a missing
        channel is 0 then.
        """
        normalise, found = card.normalise, self.of_card(card)
        there = [at for at, source in enumerate(found) if source is not None]
        order = [source for source in found if source is not None]

        def prepare(physical: Tensor, size: Size, measured: Tensor | None = None) -> Tensor:
            physical = physical[:, order]
            if len(order) < len(found):
                at = torch.tensor(there, device=physical.device)
                centre = physical.new_tensor(normalise.centre(len(found))).view(1, -1, *(1,) * self.dims)
                physical = centre.repeat(len(physical), 1, *physical.shape[2:]).index_copy(1, at, physical)
            return network_input(physical, normalise, size, measured)

        return prepare


def imagenet_source(settings: BackboneSettings) -> str | Path:
    """Where ImageNet weights come from: a local file that `backbone.init` names, else "imagenet", the package or timm.

    A file with a weight card beside it is somebody's own pretraining and never stands for ImageNet.
    """
    if settings.init in ("imagenet", "random") or Path(settings.init).with_suffix(".json").is_file():
        return "imagenet"
    return Path(settings.init)
