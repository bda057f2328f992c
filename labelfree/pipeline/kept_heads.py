"""The heads that a run leaves: each learned from all labels it may learn from, and kept with the network below it in one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from labelfree.backbones.weight_card import WeightCard, card_beside
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.head_file import FOLDER, write_head
from labelfree.domain import Channel
from labelfree.pipeline.context import Context
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.pretrainings import backbone_path
from labelfree.reader_settings import carried_settings
from labelfree.recipe import ArmSpec
from labelfree.transfer.arms import ARMS
from labelfree.transfer.asking import bound_to, search_among
from labelfree.transfer.boxes.asking import BoxAsker
from labelfree.transfer.encoders import Encoder, Kept
from labelfree.transfer.features import extract
from labelfree.transfer.heads import train_head
from labelfree.transfer.maps.asking import MapAsker
from labelfree.transfer.patches.asking import PatchAsker
from labelfree.transfer.protocols import Protocol
from labelfree.transfer.protocols.zeroshot import AS_IT_IS
from labelfree.transfer.selection import inner_folds
from labelfree.transfer.setup import Setup
from labelfree.transfer.tasks.registry import find_metric
from labelfree.transfer.tiles.asking import TileAsker
from labelfree.transfer.tuning.asking import ImageAsker
from labelfree.transfer.words_asking import WordsAsker

OWN = "not stated: the images are the owner's"


@dataclass(frozen=True)
class Trained:
    """A head's tensors, and what its card says of how it came about. `config`: of a head of maps or boxes; `shape`: of the tiles it looks
    at, None: that of the images. `trunk`: tensors of the network where it was trained along. `held`: answers for the labelled rows that
    they were not learned from, None where none were held out.
    """

    tensors: Mapping[str, Tensor]
    size: int
    preparation: str
    setting: float
    inner: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    trunk: Mapping[str, Tensor] | None = None
    held: pa.Table | None = None


@dataclass(frozen=True)
class KeptHeads:
    """Trains and writes the heads of one run."""

    run: Context
    inputs: Inputs
    setup: Setup

    @property
    def folder(self) -> Path:
        return self.run.folder.path / FOLDER

    def keep(self, encoder: Encoder, protocol: Protocol, rows: np.ndarray, name: str) -> HeadCard:
        """`heads/<name>.safetensors`: the arm's head of one protocol, learned from the labelled `rows` of the question.

        Settings are chosen inside those rows, among the search points and input sizes that the setup left to the comparison.
        """
        trained, parts = TRAINERS[protocol.needs](self, encoder, protocol, rows), encoder.kept()
        networks = [part.tensors if trained.trunk is None or not part.tensors else trained.trunk for part in parts]
        card = self._card(encoder, protocol, rows, trained, parts)
        write_head(self.folder / f"{name}.safetensors", card, trained.tensors, networks)
        return card

    def held_out(self, encoder: Encoder, protocol: Protocol, rows: np.ndarray) -> float | None:
        """The score of the arm's heads of a protocol of tiles inside the labels `rows`: each part answered by a head of the others.

        None for other protocols, and where the labels are too few for parts.
        """
        question = self.inputs.question
        assert question is not None
        if protocol.needs not in TILE_ASKERS:
            return None
        asker = _tile_asker(self, encoder, protocol)
        apart = asker.apart(rows, question.seed)
        if apart is None:
            return None
        answers = asker.held_out(protocol, self.setup.sizes_of(encoder)[0], rows, apart, question.seed)
        found = find_metric(question.task, self.setup.metric, question.targets).value(answers)
        return found if isfinite(found) else None

    def _card(self, encoder: Encoder, protocol: Protocol, rows: np.ndarray, trained: Trained, parts: Sequence[Kept]) -> HeadCard:
        question, images = self.inputs.question, self.inputs.images
        assert question is not None and images is not None
        shapes, classes = images.index.shape[rows], tuple(question.task.legend(question.targets))
        threshold = self._threshold(rows, trained.held)
        return HeadCard(
            task=question.task.name,
            protocol=protocol.name,
            classes=classes,
            images=self._images(encoder, trained.size),
            shape=trained.shape or tuple(map(int, np.median(shapes, axis=0))),
            parts=tuple(part.told for part in parts),
            preparation=trained.preparation,
            setting=trained.setting,
            inner=trained.inner,
            labels=dict(sorted(Counter(question.strata_of(rows)).items())) if protocol.learns else {},
            threshold=threshold,
            alarm="" if threshold is None or self.setup.alarm is None else self.setup.alarm.name(classes),
            config=dict(trained.config),
            licence=self._licence(encoder, parts),
            version=version("labelfree"),
        )

    def _threshold(self, rows: np.ndarray, held: pa.Table | None) -> float | None:
        """As the recipe asks for it, on what was held out of the labels that teach the head."""
        question, rule = self.inputs.question, self.setup.alarm
        assert question is not None
        return None if rule is None else rule.threshold(question, rows, held)

    def _images(self, encoder: Encoder, size: int) -> WeightCard:
        """What the head's images are, in the words of a weight card."""
        recipe, data = self.run.recipe, self.inputs.fingerprint
        channels = tuple(map(Channel.of, data.channels))
        return WeightCard(
            architecture=encoder.backbone,
            channels=data.channels,
            unit=data.unit,
            scale=data.scale,
            offset=data.offset,
            mean=data.mean,
            std=data.std,
            size=size,
            domain=recipe.domain,
            reader=carried_settings(recipe.domain, recipe.reader, self.inputs.card.reader if self.inputs.card else {}),
            arm=encoder.arm,
            init=self._published(encoder.arm),
            seed=encoder.seed,
            recipe=self.run.folder.digest,
            data=data.digest,
            roles=tuple(channel.role for channel in channels),
            nm=tuple(channel.nm for channel in channels),
            dtype=data.dtype,
            low=data.low,
            high=data.high,
            dims=len(data.smallest),
        )

    def _published(self, arm: str) -> str:
        """The name under which an arm's weights are published; "" where the arm does not say one."""
        named = [each for each in self.run.recipe.evaluate.arms if isinstance(each, ArmSpec) and each.name == arm]
        return named[0].backbone or "" if named and named[0].file is None else ""

    def _licence(self, encoder: Encoder, parts: Sequence[Kept]) -> str:
        """What is known of the terms of the weights below the head and of its images, a sentence each."""
        card = card_beside(backbone_path(self.run.folder.path, encoder.arm, encoder.seed))
        published = [part.told["licence"] or "not stated" for part in parts if part.tensors]
        kind, named = ARMS.get(encoder.arm), self._published(encoder.arm)
        source = "for ImageNet" if kind is not None and kind.init == "imagenet" else f"as {named}"
        started = [] if source == "as " else [f"weights published {source}: {each}" for each in published]
        pretrained = [f"weights: {card.licence}"] if card is not None and card.licence else []
        data = self.inputs.card.licence if self.inputs.card else OWN
        return "; ".join([*started, *pretrained, f"labelled images: {data}"])


def _of_vectors(kept: KeptHeads, encoder: Encoder, protocol: Any, rows: np.ndarray) -> Trained:
    inputs, setup, folder, say = kept.inputs, kept.setup, kept.run.folder.path, kept.run.say
    question, images = inputs.question, inputs.images
    assert question is not None and images is not None
    targets = question.targets[rows]
    folds = inner_folds(question.stratum_codes[rows], question.group_names[rows], question.seed)
    features = {size: extract(encoder, images, size, folder / "features", say, question.images)[rows] for size in setup.sizes_of(encoder)}
    search = search_among(rows, question, setup, protocol, bound_to(inputs.unlabelled, protocol, encoder, folder, say))
    choice = search.best(search.choose(features, encoder.blocks, targets, folds), tuple(features))
    head = train_head(features[choice.size], targets, search.at(choice.size), choice, encoder.blocks, setup.grid)
    held = None if choice.held is None else question.task.answers(choice.held.astype(np.float32), targets)
    return Trained(dict(head.named_buffers()), choice.size, choice.preparation, choice.setting, choice.inner, held=held)


def _of_words(kept: KeptHeads, encoder: Encoder, protocol: Any, rows: np.ndarray) -> Trained:
    """Of class vectors alone: no label, and no word, is in it."""
    inputs, run = kept.inputs, kept.run
    assert inputs.question is not None and inputs.images is not None
    asker = WordsAsker(inputs.question, encoder, kept.setup, inputs.images, run.folder.path, run.say, None)
    return Trained(protocol.tensors(asker.towers, asker.classes, sum(encoder.blocks)), asker.size, AS_IT_IS, protocol.default)


def _of_images(kept: KeptHeads, encoder: Encoder, protocol: Any, rows: np.ndarray) -> Trained:
    inputs, run = kept.inputs, kept.run
    question, images = inputs.question, inputs.images
    assert question is not None and images is not None
    asker = ImageAsker(question, encoder, kept.setup, images, run.folder.path, run.say, None)
    folds = inner_folds(question.stratum_codes[rows], question.group_names[rows], question.seed)
    chosen = asker.learn(protocol, rows, folds, question.seed)
    head, trunk, probe = chosen.tuned.head, chosen.tuned.trunk, chosen.probe
    held = None if chosen.held is None else question.task.answers(chosen.held.astype(np.float32), question.targets[rows])
    return Trained(
        dict(head.named_buffers()), probe.size, probe.preparation, chosen.steps, chosen.inner,
        trunk=None if trunk is None else trunk.net.state_dict(), held=held,  # type: ignore[union-attr]
    )  # fmt: skip


def _of_tiles(kept: KeptHeads, encoder: Encoder, protocol: Any, rows: np.ndarray) -> Trained:
    question = kept.inputs.question
    assert question is not None
    asker = _tile_asker(kept, encoder, protocol)
    folds = inner_folds(question.stratum_codes[rows], question.group_names[rows], question.seed)
    size, inner = asker.choose(protocol, rows, folds, question.seed)
    fitted = asker.fit(protocol, size, rows, question.seed)
    trunk = None if fitted.trunk is None else fitted.trunk.net.state_dict()  # type: ignore[union-attr]
    apart = None if kept.setup.alarm is None else asker.apart(rows, question.seed)
    held = None if apart is None else asker.held_out(protocol, size, rows, apart, question.seed)
    return Trained(
        fitted.head.state_dict(), size, protocol.preparation, protocol.default, inner,
        config=fitted.head.config, shape=asker.tiles.tiling.side, trunk=trunk, held=held,
    )  # fmt: skip


def _tile_asker(kept: KeptHeads, encoder: Encoder, protocol: Protocol) -> TileAsker[Any]:
    inputs, run = kept.inputs, kept.run
    assert inputs.question is not None and inputs.images is not None
    return TILE_ASKERS[protocol.needs](inputs.question, encoder, kept.setup, inputs.images, run.folder.path, run.say, None)


TILE_ASKERS: dict[str, type[TileAsker[Any]]] = {"pyramid": MapAsker, "boxes": BoxAsker, "patches": PatchAsker}
TRAINERS: dict[str, Callable[[KeptHeads, Encoder, Any, np.ndarray], Trained]] = {
    "pooled": _of_vectors,
    "words": _of_words,
    "images": _of_images,
    **dict.fromkeys(TILE_ASKERS, _of_tiles),
}
