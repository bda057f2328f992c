"""The arms of a run as encoders: each knows how its network is built, and how it reads the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labelfree.backbones import Backbone, build
from labelfree.backbones.weights import card_of, load
from labelfree.domain import Derives, Size, in_proportion
from labelfree.installed_domains import key_for
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.pretrainings import backbone_path, require_same_data
from labelfree.planning.auto_values import view_size
from labelfree.planning.costs import input_sizes
from labelfree.recipe import ArmSpec, Recipe
from labelfree.transfer.arms import ArmKind, arm_kind
from labelfree.transfer.encoders import Concatenated, Encoder, NetworkEncoder, OneNetwork, StatisticsEncoder, ToInput

NO_PHOTOGRAPHS = "its network reads photographs, with the normalisation that timm tells of its weights"


@dataclass
class Arms:
    """Makes the encoders of a run; an arm that cannot be made for these images leaves a sentence instead."""

    recipe: Recipe
    inputs: Inputs
    folder: Path
    notes: list[str] = field(default_factory=list)
    held: OneNetwork = field(default_factory=OneNetwork)

    def encoders(self) -> list[Encoder]:
        """One encoder an arm and seed, in the recipe's order."""
        found: list[Encoder] = []
        for arm in self.recipe.evaluate.arms:
            if isinstance(arm, ArmSpec):
                found.append(self._from_file(arm))
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
        return input_sizes(int(np.median(images.index.shape[question.train, -2:].min(axis=1))), self.inputs.starts.dims)

    @cached_property
    def _view(self) -> Size:
        """In these proportions networks of this recipe are shown images."""
        data = self.inputs.fingerprint
        return view_size(self.recipe.pretrain, data, self.inputs.domain.plan(data))

    def _known(self, kind: ArmKind, seed: int) -> Encoder | None:
        data, domain = self.inputs.fingerprint, self.inputs.domain
        derive = partial(domain.derived, channels=data.channels, unit=data.unit) if isinstance(domain, Derives) else None
        derived = derive(torch.zeros(1, len(data.channels), *(1,) * self.inputs.starts.dims)).shape[1] if derive else 0
        statistics = StatisticsEncoder(len(data.channels), derive, derived)
        if kind.reads == "none":
            return statistics
        network = self._photographic(kind) if kind.reads == "rgb" else self._all_bands(kind, seed)
        if network is None or not kind.statistics:
            return network
        return Concatenated(kind.name, [network, statistics])

    def _photographic(self, kind: ArmKind) -> NetworkEncoder | None:
        backbone = self.inputs.starts.photographic()  # looked at alone
        to_input = self.inputs.starts.as_photographs(backbone)
        if to_input is None:
            pictures = self.inputs.starts.dims == 2 and backbone.mean
            unnamed = f"no channels are called red, green and blue; name them with {key_for('channels')}"
            self.notes.append(f"The arm {kind.name} is left out: {unnamed if pictures else NO_PHOTOGRAPHS}.")
            return None
        return self._encoder(kind.name, self.inputs.starts.photographic, backbone.name, to_input, 0)

    def _all_bands(self, kind: ArmKind, seed: int) -> NetworkEncoder | None:
        if not kind.pretrained:
            reading = self.inputs.starts.reading()
            make = partial(self.inputs.starts.network, kind.init, seed)
            return self._encoder(kind.name, make, self.recipe.backbone.name, reading, seed, repr(reading))
        path = backbone_path(self.folder, kind.name, seed)
        if not path.is_file():
            self.notes.append(f"The arm {kind.name}, seed {seed}, is left out: it was not pretrained in this run.")
            return None
        require_same_data(card_of(path), self.inputs, path)
        return self._of_file(kind.name, path, seed)

    def _from_file(self, arm: ArmSpec) -> NetworkEncoder:
        """A weight file with its sidecar reads what it says; without, it is read as this recipe's own backbone."""
        channels = self.inputs.fingerprint.channels
        if arm.weights.with_suffix(".json").is_file():
            card = card_of(arm.weights)
            lacking = self.inputs.starts.lacking(card, f"evaluate.arms: {arm.weights}")
            if lacking:
                self.notes.append(f"{arm.name} knows {', '.join(lacking)}, which these images lack: it is shown the mean that it knows.")
            return self._of_file(arm.name, arm.weights)
        settings = self.recipe.backbone
        name = arm.backbone or settings.name
        options = settings.options if name == settings.name else {}
        make = partial(
            build, name, len(channels), dims=self.inputs.starts.dims, init=arm.weights, match=self.inputs.starts.match, options=options
        )
        reading = self.inputs.starts.reading()
        return self._encoder(arm.name, make, name, reading, 0, repr(reading))

    def _of_file(self, arm: str, path: Path, seed: int = 0) -> NetworkEncoder:
        card = card_of(path)
        return self._encoder(
            arm, lambda: load(path).backbone, card.architecture, self.inputs.starts.as_loaded(card), seed, repr(card), card.size
        )

    def _encoder(
        self, arm: str, make: Callable[[], Backbone], name: str, to_input: ToInput, seed: int, reads: str = "", view: Size | None = None
    ) -> NetworkEncoder:
        """`make` builds the network called `name`, when the arm is asked. `view`: a size whose proportions its inputs have; default the
        recipe's.
        """
        view = self._view if view is None else view

        def built() -> Backbone:
            backbone = make()
            for size in self.sizes:
                backbone.require_size(in_proportion(view, size), "evaluate.sizes")
            return backbone.to(memory_format=torch.channels_last) if backbone.dims == 2 else backbone  # type: ignore[call-overload, no-any-return]

        if isinstance(view, tuple):
            to_input, reads = _InProportion(to_input, view), f"{reads} {view}"
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return NetworkEncoder(arm, built, to_input, self.sizes, seed, name=name, device=device, reads=reads, held=self.held)


@dataclass(frozen=True)
class _InProportion:
    """Prepares images so that the longest side has the size asked for, and the others are in proportion."""

    to_input: ToInput
    view: Size

    def __call__(self, stored: Tensor, size: int, measured: Tensor | None) -> Tensor:
        return self.to_input(stored, in_proportion(self.view, size), measured)
