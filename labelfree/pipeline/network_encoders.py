"""Networks as encoders of one data set's images: how each is built, at which sizes it looks, and how it reads what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from labelfree.backbones import Backbone
from labelfree.backbones.base import BILINEAR
from labelfree.backbones.slicewise import PREFIX, SliceNetwork, axis_across
from labelfree.backbones.weights import card_of, load
from labelfree.domain import Size, in_proportion
from labelfree.errors import DataError, RecipeError
from labelfree.installed_domains import key_for
from labelfree.pipeline.own_views import own_tile_views
from labelfree.pipeline.starts import Starts
from labelfree.transfer.encoders import NetworkEncoder, OneNetwork
from labelfree.transfer.network_inputs import OfStored

OF_THE_RECIPE = ("backbone.name: ", "backbone.init: ", "backbone.options: ")
NO_PHOTOGRAPHS = "its network reads photographs, with the normalisation that timm tells of its weights"


@contextmanager
def said_of(key: str) -> Iterator[None]:
    """Within: what is wrong with a network is said of the recipe's `key` that names it."""
    try:
        yield
    except (DataError, RecipeError) as error:
        told = str(error)
        for prefix in OF_THE_RECIPE:
            told = told.removeprefix(prefix)
        raise RecipeError(f"{key}: {told}") from error


@dataclass
class Networks:
    """Makes encoders for the images that `starts` knows, one network held at a time. `sizes`: input sizes, the same for all.

    `tile_views`: of the recipe, further views of labelled tiles.
    """

    starts: Starts
    sizes: tuple[int, ...]
    held: OneNetwork = field(default_factory=OneNetwork)
    tile_views: str | None = None

    def of_file(self, arm: str, path: Path, seed: int = 0) -> NetworkEncoder:
        """A weight file with its card reads what that says; of volumes one for pictures reads each slice so."""
        card = card_of(path)
        name, reads, pictured = card.architecture, repr(card), self.starts.as_pictures(card)
        if pictured is not None:
            return self.encoder(arm, lambda: load(path).backbone, name, pictured, card.size, seed, f"{reads} pictures")
        reading = self.starts.as_loaded(card)
        if card.dims == self.starts.dims:
            return self.encoder(arm, lambda: load(path).backbone, name, reading, card.size, seed, reads, path)
        axis = axis_across(self.starts.fingerprint.spacing)
        reading, reads = reading.by_slices(axis), f"{reads} slices {axis}"
        return self.encoder(arm, lambda: SliceNetwork(load(path).backbone, axis), PREFIX + name, reading, card.size, seed, reads, path)

    def photographic(self, arm: str, view: Size) -> NetworkEncoder | str:
        """The ImageNet network as published, on RGB by channel name; or why these images cannot be shown to it."""
        backbone = self.starts.photographic()  # looked at alone
        to_input = self.starts.as_photographs(backbone)
        if to_input is None:
            unnamed = f"no channels are called red, green and blue; name them with {key_for('channels', self.starts.domain.name)}"
            return unnamed if backbone.mean else NO_PHOTOGRAPHS
        shown = to_input.shown
        reads = [] if shown.interpolation == BILINEAR else [shown.interpolation]
        reads += [] if shown.slices is None else [f"slices {shown.slices}"]
        return self.encoder(arm, self.starts.photographic, backbone.name, to_input, view, reads=" ".join(reads))

    def encoder(
        self,
        arm: str,
        make: Callable[[], Backbone],
        name: str,
        to_input: OfStored,
        view: Size,
        seed: int = 0,
        reads: str = "",
        weights: Path | None = None,
    ) -> NetworkEncoder:
        """`make` builds the network called `name`, when the arm is asked. `view`: a size whose proportions its inputs have. `weights`: the
        file that it is made of.
        """

        def built() -> Backbone:
            backbone = make()
            for size in self.sizes:
                backbone.require_size(in_proportion(view, size), "evaluate.sizes")
            return backbone.to(memory_format=torch.channels_last) if backbone.dims == 2 else backbone  # type: ignore[call-overload, no-any-return]

        if isinstance(view, tuple):
            to_input, reads = to_input.in_proportion(view), f"{reads} {view}"
        device = "cuda" if torch.cuda.is_available() else "cpu"
        views = self.starts.augmentation
        if self.tile_views is not None:
            views = replace(views, labelled=[own_tile_views(self.tile_views, self.starts)])
        return NetworkEncoder(
            arm, built, to_input, self.sizes, seed,
            name=name, device=device, reads=reads, held=self.held, augmentation=views, weights=weights,
        )  # fmt: skip


def channels_lacking(path: Path, starts: Starts, where: str, by_slices: bool = True) -> list[str]:
    """Channels that a weight file knows and the images have not. `where`: what names the file in a sentence. `by_slices`: whether a
    network of pictures may see volumes slice by slice.

    Raises DataError where the images are of other axes, of another unit or scale, or lack more than half of the channels.
    """
    card, images = card_of(path), starts.fingerprint
    if card.dims != starts.dims and not (by_slices and (card.dims, starts.dims) == (2, 3)):
        raise DataError(f"{where} reads {card.dims} spatial axes, these images have {starts.dims}.")
    found = starts.of_card(card)
    lacking = [name for name, source in zip(card.channels, found, strict=True) if source is None]
    if 2 * len(lacking) > len(found) or card.unit != images.unit:
        raise DataError(
            f"{where} wants {', '.join(card.channels)} in {card.unit}; these images have {', '.join(images.channels)} in {images.unit}: "
            f"say what the files hold with {key_for('channels', starts.domain.name)}, or name other weights."
        )
    starts.require_scale(card, where)
    return lacking
