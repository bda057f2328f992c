"""Trained networks that an objective learns from: found by the option that names one, and shown crops as they want them.

`<option>`: "imagenet", the recipe's own network with its ImageNet weights; a weight file, which its card explains, or which holds the
network that `<option>_network` names, as published for photographs; or any name whose weights timm publishes. `<option>_size`: the pixels
that crops are shown at, null: twice the crop's, at most those that it was taught at, and these where it takes no others.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from labelfree.backbones import Backbone, build
from labelfree.backbones.weight_card import WeightCard, card_beside
from labelfree.backbones.weights import load
from labelfree.domain import Size, in_proportion, sides
from labelfree.errors import RecipeError
from labelfree.installed_domains import key_for
from labelfree.objectives.registry import objective_class, options_given
from labelfree.pipeline.network_encoders import channels_lacking, said_of
from labelfree.pipeline.starts import Starts, imagenet_source
from labelfree.pretraining.teacher import Teacher
from labelfree.recipe import BackboneSettings, Recipe
from labelfree.transfer.encoders import ToInput
from labelfree.weight_names import weight_file

LARGER = 2  # times the crop's side: enlarged, small images are told apart better; larger yet costs more than it tells (docs/methods.md)


@dataclass(frozen=True)
class NamedTeacher:
    """What a recipe says of the network that its objective learns from. `key`: where it says so. `own`: the recipe's network."""

    key: str
    name: str
    network: str | None
    size: int | None
    own: BackboneSettings

    @property
    def file(self) -> Path | None:
        """The weight file, where it is one and no network's name."""
        return weight_file(self.name)

    @property
    def card(self) -> WeightCard | None:
        return card_beside(self.file) if self.file else None

    def load(self) -> Backbone:
        """The network with its weights. Raises RecipeError naming the option."""
        with said_of(self.key):
            if self.file is None:
                return self._photographic(imagenet_source(self.own) if self.name == "imagenet" else "imagenet")
            return load(self.file).backbone if self.card else self._photographic(self.file)

    def licence(self) -> str:
        """What is told of the terms of its weights, for cards of what they taught."""
        told = self.card.licence if self.card else self._photographic("random").licence
        return f"{Path(self.name).name}: {told or 'its licence is not stated'}"

    def shown(self, starts: Starts, say: Callable[[str], object] = lambda sentence: None) -> Callable[[Size], Teacher]:
        """What loads it to be shown crops of a size; `say` is told which channels it will miss.

        Raises DataError where it was taught by other images than could be shown to it, RecipeError where nobody can render them for it.
        """
        card = self.card
        if self.file is not None and card is not None:
            if lacking := channels_lacking(self.file, starts, f"{self.key}: {self.name}", by_slices=False):
                say(f"{self.key}: {self.name} knows {', '.join(lacking)}, which these images lack: it is shown the mean that it knows.")
            return partial(self._teacher, starts.loaded(card), card.size)
        plain = self._photographic("random")
        prepare = starts.photographs(plain)
        if prepare is None:
            why = "its normalisation is not known" if not plain.mean else "these are volumes" if starts.dims != 2 else ""
            why = why or f"no channels are called red, green and blue (name them with {key_for('channels', starts.domain.name)})"
            raise RecipeError(f"{self.key}: {self.name} reads photographs, and {why}; name a weight file of such images with its card.")
        return partial(self._teacher, prepare, plain.side)

    def _teacher(self, to_input: ToInput, taught_at: Size, crop: Size) -> Teacher:
        key, backbone = f"{self.key}_size", self.load()
        if self.size:
            return Teacher(backbone, to_input, in_proportion(crop, self.size), key)
        if isinstance(taught_at, tuple):
            return Teacher(backbone, to_input, taught_at, key)
        longest = LARGER * max(sides(crop, backbone.dims))
        if not taught_at or taught_at > longest:
            with suppress(RecipeError):
                return Teacher(backbone, to_input, in_proportion(crop, longest), key)
        return Teacher(backbone, to_input, in_proportion(crop, taught_at), key)

    def _photographic(self, init: str | Path) -> Backbone:
        """The network for the three channels of photographs."""
        if self.name == "imagenet" or (self.file and not self.network):
            return build(self.own.name, 3, init=init, options=self.own.options)
        return build(self.network if self.file and self.network else self.name, 3, init=init)


def named_teacher(recipe: Recipe) -> NamedTeacher | None:
    """What the recipe's objective learns from; None where it learns from no trained network."""
    settings = recipe.pretrain
    option = objective_class(settings.objective).learns_from
    if not option:
        return None
    said = options_given(settings.objective, settings.options)
    name, network, size = (said[key] for key in (option, f"{option}_network", f"{option}_size"))
    return NamedTeacher(f"pretrain.options.{option}", name, network, size, recipe.backbone)
