"""The arms of a run as encoders: each knows how its network is built, and how it reads the images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch

from labelfree.backbones import build
from labelfree.backbones.weight_card import card_beside
from labelfree.domain import Derives, Size
from labelfree.pipeline.captions import reads_captions, untaught_towers
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.network_encoders import Networks, channels_lacking, said_of
from labelfree.pipeline.pretrainings import backbone_path
from labelfree.planning.auto_values import view_size
from labelfree.planning.costs import input_sizes
from labelfree.recipe import ArmSpec, BackboneSettings, Recipe
from labelfree.transfer.arms import ArmKind, arm_kind
from labelfree.transfer.encoders import Concatenated, Encoder, NetworkEncoder, StatisticsEncoder
from labelfree.transfer.tiles.tiling import Tiling
from labelfree.weight_names import PUBLISHED


@dataclass
class Arms:
    """Makes the encoders of a run; an arm that cannot be made for these images leaves a sentence instead."""

    recipe: Recipe
    inputs: Inputs
    folder: Path
    notes: list[str] = field(default_factory=list)

    def encoders(self) -> list[Encoder]:
        """One encoder an arm and seed, in the recipe's order."""
        found: list[Encoder] = []
        for arm in self.recipe.evaluate.arms:
            if isinstance(arm, ArmSpec):
                found += self._published(arm) if arm.file is None else [self._from_file(arm, arm.file)]
                continue
            kind = arm_kind(arm)
            seeds = self.recipe.pretrain.seeds if kind.pretrained or kind.init == "random" else [0]
            made = [encoder for seed in seeds if (encoder := self._known(kind, seed)) is not None]
            found += made
        return found

    @property
    def sizes(self) -> tuple[int, ...]:
        """Input sizes, the same for every arm; the first is taken where labels are too few to choose."""
        given = self.recipe.evaluate.sizes
        if given != "auto":
            return tuple(dict.fromkeys(given))
        images, question = self.inputs.images, self.inputs.question
        assert images is not None and question is not None
        if any(question.task.protocol(name).on_tiles for name in self.recipe.evaluate.protocols):  # tiles at their own size
            return (max(Tiling.of_pool(images.index).side),)
        if self.recipe.evaluate.tile is not None:
            return (self.recipe.evaluate.tile,)
        return input_sizes(int(np.median(images.index.shape[question.train, -2:].min(axis=1))), self.inputs.starts.dims)

    @cached_property
    def _networks(self) -> Networks:
        return Networks(self.inputs.starts, self.sizes, tile_views=self.recipe.evaluate.tile_views)

    @cached_property
    def _view(self) -> Size:
        """In these proportions networks of this recipe are shown images."""
        data = self.inputs.fingerprint
        return view_size(self.recipe.pretrain, data, self.inputs.domain.plan(data))

    def _known(self, kind: ArmKind, seed: int) -> Encoder | None:
        data, domain = self.inputs.fingerprint, self.inputs.domain
        derive = partial(domain.derived, channels=data.channels, unit=data.unit) if isinstance(domain, Derives) else None
        derived = derive(torch.zeros(1, len(data.channels), *(1,) * self.inputs.starts.dims)).shape[1] if derive else 0
        starts = self.inputs.starts
        statistics = StatisticsEncoder(len(data.channels), derive, derived, starts.scale, starts.offset)
        if kind.reads == "none":
            return statistics
        network = self._photographic(kind) if kind.reads == "rgb" else self._all_bands(kind, seed)
        if network is None or not kind.statistics:
            return network
        return Concatenated(kind.name, [network, statistics])

    def _photographic(self, kind: ArmKind) -> NetworkEncoder | None:
        found = self._networks.photographic(kind.name, self._view)
        if isinstance(found, str):
            self.notes.append(f"The arm {kind.name} is left out: {found}.")
            return None
        return found

    def _all_bands(self, kind: ArmKind, seed: int) -> NetworkEncoder | None:
        if not kind.pretrained:
            reading = self.inputs.starts.reading()
            make = partial(self.inputs.starts.network, kind.init, seed)
            found = self._networks.encoder(kind.name, make, self.recipe.backbone.name, reading, self._view, seed, repr(reading))
            if kind.init == "random" and reads_captions(self.recipe):
                found.untaught = lambda: untaught_towers(self.recipe.pretrain, found, seed, self._view)
            return found
        path = backbone_path(self.folder, kind.name, seed)
        if not path.is_file():
            self.notes.append(f"The arm {kind.name}, seed {seed}, is left out: it was not pretrained in this run.")
            return None
        return self._networks.of_file(kind.name, path, seed)

    def _published(self, arm: ArmSpec) -> list[NetworkEncoder]:
        """Published weights see photographs as they know them; where they are asked to, or there are none to show, all channels."""
        settings = arm_network(self.recipe.backbone, arm)
        starts = replace(self.inputs.starts, settings=settings, as_published=True)
        networks = Networks(starts, self.sizes, self._networks.held, self.recipe.evaluate.tile_views)
        with said_of(f"evaluate.arms: {arm.name}"):
            if arm.weights == PUBLISHED:
                found = networks.photographic(arm.name, self._view)
                if not isinstance(found, str):
                    return [found]
                if starts.dims != 2:
                    self.notes.append(f"The arm {arm.name} is left out: {found}.")
                    return []
                self.notes.append(f"{arm.name} reads all channels, its first layer fitted to them: {found}.")
            reading = starts.reading()
            return [
                networks.encoder(arm.name, partial(starts.network, "imagenet", 0), settings.name, reading, self._view, reads=repr(reading))
            ]

    def _from_file(self, arm: ArmSpec, file: Path) -> NetworkEncoder:
        """A weight file with its sidecar reads what it says; without, it is read as this recipe's own backbone."""
        channels = self.inputs.fingerprint.channels
        card = card_beside(file)
        if card is not None and self.inputs.starts.as_pictures(card) is not None:
            self.notes.append(
                f"{arm.name} was taught by photographs: it is shown these images as red, green and blue, as the field shows them."
            )
            return self._networks.of_file(arm.name, file)
        if card is not None:
            lacking = channels_lacking(file, self.inputs.starts, f"evaluate.arms: {file}")
            if lacking:
                self.notes.append(f"{arm.name} knows {', '.join(lacking)}, which these images lack: it is shown the mean that it knows.")
            return self._networks.of_file(arm.name, file)
        starts = replace(self.inputs.starts, settings=arm_network(self.recipe.backbone, arm))
        name, options = starts.settings.name, starts.options_of(starts.settings)
        make = partial(build, name, len(channels), dims=starts.dims, init=file, match=starts.match, options=options)
        reading = starts.reading()
        return self._networks.encoder(arm.name, make, name, reading, self._view, reads=repr(reading), weights=file)


def arm_network(own: BackboneSettings, arm: ArmSpec) -> BackboneSettings:
    """The network of an arm that names its weights; one of another name than the recipe's takes none of its options."""
    name = arm.backbone or own.name
    return BackboneSettings(name=name, options=own.options if name == own.name else {})
