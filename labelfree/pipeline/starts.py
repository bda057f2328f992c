"""How each arm's network starts and reads stored images: all channels by the pool's statistics, or RGB as ImageNet networks know it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from statistics import median
from typing import Any

import torch

from labelfree.backbones import Backbone, build
from labelfree.backbones.base import BILINEAR
from labelfree.backbones.photographs import of_photographs
from labelfree.backbones.slicewise import PREFIX, SliceNetwork, axis_across
from labelfree.backbones.weight_card import WeightCard, card_beside, scale_fault
from labelfree.data.scales import Stored
from labelfree.domain import Domain, Fingerprint, Normalises
from labelfree.errors import DataError
from labelfree.installed_domains import key_for
from labelfree.recipe import BackboneSettings
from labelfree.training.randomness import mixed
from labelfree.transfer.network_inputs import NetworkInput, OfStored, Rendered
from labelfree.views import Augmentation, Normalise, PerChannel
from labelfree.weight_names import weight_file

IMAGENET_SPREAD = 0.5  # standard deviation of photographs under the usual normalisation to [-1, 1]


@dataclass(frozen=True)
class Starts:
    """Builds the networks of the arms for one data set.

    `fingerprint` is the pretraining pool's; `scale` and `offset` are those of the images that are read, which may be stored otherwise.
    `mirror`: whether views on which networks are trained may be mirrored left to right.
    `as_published`: photographs are resized as those were that the weights were taught by; ImageNet's own arms resize linearly.
    """

    settings: BackboneSettings
    domain: Domain
    fingerprint: Fingerprint
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    as_published: bool = False
    mirror: bool = True

    @property
    def augmentation(self) -> Augmentation:
        """The domain's views of these images."""
        views = self.domain.augment(self.fingerprint)
        return views if self.mirror else views.unmirrored()

    def match(self, known: Sequence[str]) -> tuple[int | None, ...]:
        """Of each of the images' channels the position among those that weights know."""
        return self.domain.matches(self.fingerprint.channels, known)

    def network(self, init: str | Path, seed: int) -> Backbone:
        """All channels; `init` is "random", "imagenet", a weight file or a name of published weights, their stem fitted.

        Random parts depend on the seed alone.
        """
        torch.manual_seed(mixed("backbone", seed))
        init = imagenet_source(self.settings) if init == "imagenet" else init
        channels, options = len(self.fingerprint.channels), self.options_of(self.settings)
        return build(self.settings.name, channels, dims=self.dims, init=init, match=self.match, options=options)

    def options_of(self, settings: BackboneSettings) -> dict[str, Any]:
        """Of a network; one that sees slice by slice is told which axis of these volumes lies across slices, where nobody said it."""
        across = {"axis": axis_across(self.fingerprint.spacing)} if settings.name.startswith(PREFIX) else {}
        return {**across, **settings.options}

    @property
    def dims(self) -> int:
        """Spatial axes of the images."""
        return len(self.fingerprint.smallest)

    def photographic(self) -> Backbone:
        """The ImageNet network as published, for three channels; of volumes one that sees slice by slice."""
        settings = self.settings if self.dims == 2 else slicewise_settings(self.settings)
        return build(settings.name, 3, init=imagenet_source(settings), options=self.options_of(settings))

    def reading(self, init: str | Path = "imagenet") -> OfStored:
        """All channels, spread as ImageNet weights expect their input, or as the domain says: pool statistics, never those of scored rows.

        Channels that the card of a weight file knows, in the images' unit, are read as that file was taught; where it has numbers for each
        channel, the others get the spread that those have in the middle.
        """
        return self._of_stored(NetworkInput(self._normalise(init)))

    def _normalise(self, init: str | Path) -> Normalise:
        means, stds = self.fingerprint.mean, self.fingerprint.std
        file = weight_file(str(init))
        card = card_beside(file) if file else None
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

    def as_photographs(self, backbone: Backbone) -> OfStored | None:
        """Stored numbers as `photographs` shows them; None where it shows none."""
        shown = self.photographs(backbone)
        return None if shown is None else self._of_stored(shown)

    def photographs(self, backbone: Backbone) -> NetworkInput | None:
        """Physical numbers as RGB by channel name, rendered as the domain shows it and normalised as the weights want.

        None where no channel is called red, green, blue, where the network reads other axes than the images have, or nobody tells what
        the weights want.
        """
        if self.dims != backbone.dims or not backbone.mean:
            return None
        rendered = Rendered(self.domain, self.fingerprint.channels, self.fingerprint.unit)
        if rendered(torch.zeros(1, len(self.fingerprint.channels), *(2,) * self.dims)) is None:
            return None
        return NetworkInput(
            PerChannel(backbone.mean, backbone.std),
            render=rendered,
            interpolation=backbone.interpolation if self.as_published else BILINEAR,
            slices=backbone.axis if isinstance(backbone, SliceNetwork) else None,
        )

    def as_pictures(self, card: WeightCard) -> OfStored | None:
        """Stored numbers as pictures, for weights that were taught by photographs and find no such channels in these images; None where
        they do, where they were taught by something else, and where the domain shows no pictures.
        """
        if card.dims != self.dims or (card.unit == self.fingerprint.unit and None not in self.of_card(card)):
            return None
        try:
            seen = of_photographs(card)
        except DataError:
            return None
        rendered = Rendered(self.domain, self.fingerprint.channels, self.fingerprint.unit)
        if seen.order != (0, 1, 2) or rendered(torch.zeros(1, len(self.fingerprint.channels), *(2,) * self.dims)) is None:
            return None
        return self._of_stored(NetworkInput(PerChannel(seen.mean, seen.std), render=rendered))

    def _of_stored(self, shown: NetworkInput) -> OfStored:
        """The same of stored numbers."""
        return OfStored(self.scale, self.offset, shown)

    def require_scale(self, card: WeightCard, where: str) -> None:
        """Raises DataError where the images are on another scale than those that weights were taught by."""
        data = self.fingerprint
        ends = [max(abs(low), abs(high)) for low, high in zip(data.low, data.high, strict=True)]
        most = [nan if at is None or not ends else ends[at] for at in self.of_card(card)]
        if fault := scale_fault(card, Stored(data.dtype, data.scale, data.offset), most):
            key = key_for("scale", self.domain.name)
            raise DataError(f"{where}: these images have {fault}; say what the files hold with {key}, or leave the weights out.")

    def of_card(self, card: WeightCard) -> list[int | None]:
        """Of each channel that a card names the position among the images', by name, colour or wavelength; None where they lack it."""
        sources = self.domain.matches(self.fingerprint.channels, card.known, once=True)
        return [sources.index(at) if at in sources else None for at in range(len(card.channels))]

    def as_loaded(self, card: WeightCard) -> OfStored:
        """Stored numbers as `loaded` reads them."""
        return self._of_stored(self.loaded(card))

    def loaded(self, card: WeightCard) -> NetworkInput:
        """Of physical numbers a weight file reads the channels its card names, in its order and with its own normalisation; a missing
        channel is 0 then.
        """
        return NetworkInput(card.normalise, tuple(self.of_card(card)))


def slicewise_settings(settings: BackboneSettings) -> BackboneSettings:
    """The network of pictures that sees volumes slice by slice: these settings' own where it is one, else the usual one, for nobody
    publishes ImageNet weights of networks for volumes (docs/protocol.md, 9).
    """
    if settings.name.startswith(PREFIX):
        return settings
    flat = settings if build(settings.name, 3, options=settings.options).dims == 2 else BackboneSettings()
    return flat.model_copy(update={"name": PREFIX + flat.name})


def imagenet_source(settings: BackboneSettings) -> str | Path:
    """Where ImageNet weights come from: a local file that `backbone.init` names, else "imagenet", the package or timm.

    A file with a weight card beside it is somebody's own pretraining and never stands for ImageNet; nor does a name of published weights.
    """
    file = weight_file(settings.init)
    return file if file is not None and not file.with_suffix(".json").is_file() else "imagenet"
