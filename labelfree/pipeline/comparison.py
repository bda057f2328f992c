"""The comparison of a run: every arm as an encoder, cells answered, the primary arm's heads, the claims."""

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
from labelfree.errors import DataError
from labelfree.installed_domains import key_for
from labelfree.pipeline.context import Context
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.pictures import show_neighbours
from labelfree.pipeline.pretrainings import backbone_path, require_same_data
from labelfree.pipeline.starts import Starts
from labelfree.planning.auto_values import view_size
from labelfree.planning.costs import input_sizes
from labelfree.progress import Progress
from labelfree.recipe import ArmSpec, Recipe
from labelfree.training.files import call_with
from labelfree.training.memory import out_of_memory
from labelfree.transfer.arms import ArmKind, arm_kind
from labelfree.transfer.comparison import answer
from labelfree.transfer.encoders import Concatenated, Encoder, NetworkEncoder, OneNetwork, StatisticsEncoder, ToInput
from labelfree.transfer.features import extract
from labelfree.transfer.heads import head_metadata, train_head
from labelfree.transfer.selection import best, choose, inner_folds
from labelfree.transfer.setup import Setup

NO_PHOTOGRAPHS = "its network reads photographs, with the normalisation that timm tells of its weights"


@dataclass
class Arms:
    """Makes the encoders of a run; an arm that cannot be made for these images leaves a sentence instead."""

    recipe: Recipe
    inputs: Inputs
    starts: Starts
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
        return input_sizes(int(np.median(images.index.shape[question.train, -2:].min(axis=1))), self.starts.dims)

    @cached_property
    def _view(self) -> Size:
        """In these proportions networks of this recipe are shown images."""
        data = self.inputs.fingerprint
        return view_size(self.recipe.pretrain, data, self.inputs.domain.plan(data))

    def _known(self, kind: ArmKind, seed: int) -> Encoder | None:
        data, domain = self.inputs.fingerprint, self.inputs.domain
        derive = partial(domain.derived, channels=data.channels, unit=data.unit) if isinstance(domain, Derives) else None
        derived = derive(torch.zeros(1, len(data.channels), *(1,) * self.starts.dims)).shape[1] if derive else 0
        statistics = StatisticsEncoder(len(data.channels), derive, derived)
        if kind.reads == "none":
            return statistics
        network = self._photographic(kind) if kind.reads == "rgb" else self._all_bands(kind, seed)
        if network is None or not kind.statistics:
            return network
        return Concatenated(kind.name, [network, statistics])

    def _photographic(self, kind: ArmKind) -> NetworkEncoder | None:
        backbone = self.starts.photographic()  # looked at alone
        prepare = self.starts.as_photographs(backbone)
        if prepare is None:
            pictures = self.starts.dims == 2 and backbone.mean
            unnamed = f"no channels are called red, green and blue; name them with {key_for('channels')}"
            self.notes.append(f"The arm {kind.name} is left out: {unnamed if pictures else NO_PHOTOGRAPHS}.")
            return None
        return self._encoder(kind.name, self.starts.photographic, backbone.name, prepare, 0)

    def _all_bands(self, kind: ArmKind, seed: int) -> NetworkEncoder | None:
        if not kind.pretrained:
            reading = self.starts.reading()
            make = partial(self.starts.network, kind.init, seed)
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
            if card.dims != self.starts.dims:
                raise DataError(f"evaluate.arms: {arm.weights} reads {card.dims} spatial axes, these images have {self.starts.dims}.")
            found = self.starts.of_card(card)
            lacking = [name for name, source in zip(card.channels, found, strict=True) if source is None]
            if 2 * len(lacking) > len(found) or card.unit != self.inputs.fingerprint.unit:
                raise DataError(
                    f"evaluate.arms: {arm.weights} wants {', '.join(card.channels)} in {card.unit}; "
                    f"these images have {', '.join(channels)} in {self.inputs.fingerprint.unit}."
                )
            self.starts.require_scale(card, f"evaluate.arms: {arm.weights}")
            if lacking:
                self.notes.append(f"{arm.name} knows {', '.join(lacking)}, which these images lack: it is shown the mean that it knows.")
            return self._of_file(arm.name, arm.weights)
        settings = self.recipe.backbone
        name = arm.backbone or settings.name
        options = settings.options if name == settings.name else {}
        make = partial(build, name, len(channels), dims=self.starts.dims, init=arm.weights, match=self.starts.match, options=options)
        reading = self.starts.reading()
        return self._encoder(arm.name, make, name, reading, 0, repr(reading))

    def _of_file(self, arm: str, path: Path, seed: int = 0) -> NetworkEncoder:
        card = card_of(path)
        return self._encoder(arm, lambda: load(path).backbone, card.architecture, self.starts.as_loaded(card), seed, repr(card), card.size)

    def _encoder(
        self, arm: str, make: Callable[[], Backbone], name: str, prepare: ToInput, seed: int, reads: str = "", view: Size | None = None
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
            prepare, reads = _InProportion(prepare, view), f"{reads} {view}"
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return NetworkEncoder(arm, built, prepare, self.sizes, seed, name=name, device=device, reads=reads, held=self.held)


@dataclass(frozen=True)
class _InProportion:
    """Prepares images so that the longest side has the size asked for, and the others are in proportion."""

    prepare: ToInput
    view: Size

    def __call__(self, stored: Tensor, size: int, measured: Tensor | None) -> Tensor:
        return self.prepare(stored, in_proportion(self.view, size), measured)


def compare(run: Context, inputs: Inputs) -> list[str]:
    """Answer the question for every arm and save the primary arm's heads. Returns sentences for the report.

    Work that the run's folder already holds is not done again.
    """
    assert inputs.question is not None and inputs.images is not None
    recipe, folder, say = run.recipe, run.folder, run.say
    arms = Arms(recipe, inputs, inputs.starts, folder.path)
    encoders = arms.encoders()
    for note in arms.notes:
        say.say(note)
    with out_of_memory("in the comparison", "name smaller input sizes with evaluate.sizes=[...]"):
        setup = answer(inputs.question, encoders, recipe.evaluate, inputs.images, folder.path, say)
    chief = next((e for e in encoders if e.arm == recipe.evaluate.primary.arm), None)  # its first seed
    if chief is not None:
        save_heads(inputs, chief, setup, folder, say)
    shown = {e.arm: e for e in reversed(encoders) if e.arm in (recipe.evaluate.primary.arm, recipe.evaluate.primary.against)}
    first = {arm: _features(inputs, encoder, setup.sizes_of(encoder)[0], folder, say) for arm, encoder in reversed(shown.items())}
    show_neighbours(inputs, first, folder)
    return arms.notes


def _features(inputs: Inputs, encoder: Encoder, size: int, folder: RunFolder, say: Progress) -> np.ndarray:
    """Features of all evaluation images at one input size, as the comparison left them on disk."""
    question, images = inputs.question, inputs.images
    assert question is not None and images is not None
    return extract(encoder, images, size, folder.path / "features", say, question.images)


def save_heads(inputs: Inputs, encoder: Encoder, setup: Setup, folder: RunFolder, say: Progress) -> None:
    """heads/<protocol>.safetensors: the arm's head trained on all train (or all labelled) rows.

    Settings are chosen inside those rows, among the search points and input sizes that `setup` left to the comparison.
    """
    from safetensors.torch import save_file

    question = inputs.question
    assert question is not None
    rows = question.train
    targets = question.targets[rows]
    folds = inner_folds(targets, question.group_names[rows], question.seed)
    features = {size: _features(inputs, encoder, size, folder, say)[rows] for size in setup.sizes_of(encoder)}
    for protocol in setup.protocols:
        choices = choose(features, encoder.blocks, targets, len(question.classes), folds, protocol, setup.metric, setup.grid)
        choice = best(choices, tuple(features))
        head = train_head(features[choice.size], targets, len(question.classes), protocol, choice, encoder.blocks, setup.grid)
        metadata = head_metadata(protocol, choice, question.classes)
        call_with(folder.path / "heads" / f"{protocol}.safetensors", partial(save_file, head, metadata=metadata))
