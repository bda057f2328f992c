"""The arms of a run as encoders: each network built, and told how it reads the images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from labelfree.backbones import Backbone, build
from labelfree.backbones.weights import load
from labelfree.domain import Derives
from labelfree.errors import DataError
from labelfree.installed_domains import key_for
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.pretrainings import backbone_path, require_same_data
from labelfree.planning.costs import input_sizes
from labelfree.recipe import ArmSpec, Recipe
from labelfree.transfer.arms import ArmKind, arm_kind
from labelfree.transfer.encoders import Concatenated, Encoder, NetworkEncoder, StatisticsEncoder


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
        return input_sizes(int(np.median(images.index.shape[question.train, -2:].min(axis=1))))

    def _known(self, kind: ArmKind, seed: int) -> Encoder | None:
        data, domain = self.inputs.fingerprint, self.inputs.domain
        derive = partial(domain.derived, channels=data.channels, unit=data.unit) if isinstance(domain, Derives) else None
        derived = derive(torch.zeros(1, len(data.channels), 1, 1)).shape[1] if derive else 0
        statistics = StatisticsEncoder(len(data.channels), derive, derived)
        if kind.reads == "none":
            return statistics
        network = self._photographic(kind) if kind.reads == "rgb" else self._all_bands(kind, seed)
        if network is None or not kind.statistics:
            return network
        return Concatenated(kind.name, [network, statistics])

    def _photographic(self, kind: ArmKind) -> NetworkEncoder | None:
        backbone = self.inputs.starts.photographic()
        prepare = self.inputs.starts.as_photographs(backbone)
        if prepare is None:
            self.notes.append(
                f"The arm {kind.name} is left out: no channels are called red, green and blue; name them with {key_for('channels')}."
            )
            return None
        return self._encoder(kind.name, backbone, prepare, 0)

    def _all_bands(self, kind: ArmKind, seed: int) -> NetworkEncoder | None:
        if not kind.pretrained:
            reading = self.inputs.starts.reading()
            return self._encoder(kind.name, self.inputs.starts.network(kind.init, seed), reading, seed, repr(reading))
        path = backbone_path(self.folder, kind.name, seed)
        if not path.is_file():
            self.notes.append(f"The arm {kind.name}, seed {seed}, is left out: it was not pretrained in this run.")
            return None
        loaded = load(path)
        require_same_data(loaded, self.inputs, path)
        return self._encoder(kind.name, loaded.backbone, self.inputs.starts.as_loaded(loaded), seed, repr(loaded.card))

    def _from_file(self, arm: ArmSpec) -> NetworkEncoder:
        """A weight file with its sidecar reads what it says; without, it is read as this recipe's own backbone."""
        channels = self.inputs.fingerprint.channels
        if arm.weights.with_suffix(".json").is_file():
            loaded = load(arm.weights)
            found = self.inputs.starts.of_card(loaded.card)
            lacking = [name for name, source in zip(loaded.card.channels, found, strict=True) if source is None]
            if 2 * len(lacking) > len(found) or loaded.card.unit != self.inputs.fingerprint.unit:
                raise DataError(
                    f"evaluate.arms: {arm.weights} wants {', '.join(loaded.card.channels)} in {loaded.card.unit}; "
                    f"these images have {', '.join(channels)} in {self.inputs.fingerprint.unit}."
                )
            self.inputs.starts.require_scale(loaded.card, f"evaluate.arms: {arm.weights}")
            if lacking:
                self.notes.append(f"{arm.name} knows {', '.join(lacking)}, which these images lack: it is shown the mean that it knows.")
            return self._encoder(arm.name, loaded.backbone, self.inputs.starts.as_loaded(loaded), 0, repr(loaded.card))
        settings = self.recipe.backbone
        name = arm.backbone or settings.name
        options = settings.options if name == settings.name else {}
        backbone = build(name, len(channels), init=arm.weights, match=self.inputs.starts.match, options=options)
        reading = self.inputs.starts.reading()
        return self._encoder(arm.name, backbone, reading, 0, repr(reading))

    def _encoder(self, arm: str, backbone: Backbone, prepare: Callable, seed: int, reads: str = "") -> NetworkEncoder:
        for size in self.sizes:
            backbone.require_side(size, "evaluate.sizes")
        device = "cuda" if torch.cuda.is_available() else "cpu"
        fast = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return NetworkEncoder(arm, fast, prepare, self.sizes, seed, device=device, reads=reads)
