"""The lines of a proposed recipe: what each value is, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod
from types import MappingProxyType
from typing import Any

from labelfree.data.folders import cache_folder
from labelfree.data.space import gigabytes, limit_bytes
from labelfree.data.tiles import auto_tile, by
from labelfree.domain import Default, Size, as_size
from labelfree.installed_domains import confidential
from labelfree.planning.comparison_design import ComparisonDesign
from labelfree.planning.costs import (
    feature_seconds,
    input_sizes,
    pool_bytes,
    pool_entries,
    probe_seconds,
    run_gigabytes,
    spread_seconds,
    tile_seconds,
)
from labelfree.planning.label_kinds import Labels
from labelfree.planning.mirroring import proposed
from labelfree.planning.recipe_text import Line, flow, quoted, written
from labelfree.planning.recognition import Field
from labelfree.planning.sampled_images import Seen
from labelfree.planning.volumes import VolumePlan
from labelfree.recipe import BackboneSettings, Data, Evaluate
from labelfree.transfer.tasks import find_task, task_names
from labelfree.transfer.tasks.registry import task_for
from labelfree.transfer.unlabelled import MOST as MOST_UNLABELLED

BACKBONE = BackboneSettings()
OBJECTIVE = "byol"
A_MINUTE = 500  # images that are given one minute of pretraining
VIEW = 224 * 224  # pixels of an image that is meant by that; of volumes as many voxels count as one
LEAST, MOST = 10, 60  # minutes
BY_TILES = 30  # minutes, of a comparison whose heads answer for every pixel or object
MANY = 5  # times as many unlabelled images as labels, from which on learning from them is tried
WRITTEN = {"root", "labels", "label_field", "date_field"}  # keys of `data` that have lines of their own
WHAT = {
    "classification": "classes",
    "multilabel": "labels of several classes",
    "segmentation": "masks or outlines",
    "detection": "boxes",
    "anomaly": "normal images",
    "retrieval": "captions",
}  # the labels of tasks that may not be installed yet


def drafted(
    data: Data,
    reader: Mapping[str, Any],
    field: Field,
    seen: Seen,
    labels: Labels,
    asked: ComparisonDesign,
    because: Mapping[str, str] = MappingProxyType({}),
    volumes: VolumePlan | None = None,
    tile: Default | None = None,
    looked_in: Default | None = None,
    large: str | None = None,
) -> str:
    """The text of the recipe. `because`: why keys of `reader`, and those that begin with `data.`, are set that nobody said.
    `volumes`: how volumes are learnt from as such. `tile`: the tiles that small objects ask for; None: as a run cuts them by itself.
    `looked_in`: those that classes of whole pictures are compared in; None: these are shrunk. `large`: what to say of that.
    """
    return written(list(_Draft(data, reader, field, seen, labels, asked, because, volumes, tile, looked_in, large).lines()))


@dataclass(frozen=True)
class _Draft:
    data: Data
    reader: Mapping[str, Any]
    field: Field
    seen: Seen
    labels: Labels
    asked: ComparisonDesign
    because: Mapping[str, str]
    volumes: VolumePlan | None
    suited: Default | None
    looked_in: Default | None
    large: str | None

    def lines(self) -> Iterator[Line]:
        yield from self._head()
        yield Line(f"domain: {self.field.domain.name}", self.field.reason)
        yield from self._data()
        yield from self._reader()
        if self.suited is not None:
            yield Line("pool:")
            yield Line(f"  tile: {self.suited.value}", self.suited.reason)
        yield self._backbone
        yield Line("pretrain:")
        yield Line(f"  objective: {self.objective.value}", self.objective.reason)
        many = str(A_MINUTE) if self.volumes is None else f"{A_MINUTE * VIEW / 1e6:.0f} million voxels"
        yield Line(f"  minutes: {self.minutes}", f"one for every {many} of {self._pretrained_on}, {LEAST} to {MOST}")
        if self.volumes is not None:
            yield Line(f"  size: {flow(self.volumes.size.value)}", self.volumes.size.reason)
            yield Line(f"  batch_size: {self.volumes.batch}", self.volumes.batch_size.reason)
        if self.mirror is not None:
            yield Line(f"  mirror: {'auto' if self.mirror.value else 'false'}", self.mirror.reason)  # auto looks again when labels come
        if self.comparing:
            yield from self._evaluate()
        if confidential(self.field.domain.name):
            yield Line("report:")
            yield Line("  share: true", "images of people: names stay in private/ of a run's folder, and no picture of them is kept")

    @property
    def _backbone(self) -> Line:
        if self.volumes is not None:
            network = self.volumes.network
            return Line(f"backbone: {{name: {network.name}, init: random}}", f"{network.why}; nobody publishes ImageNet weights of one")
        return Line(
            f"backbone: {{name: {BACKBONE.name}, init: {BACKBONE.init}}}",
            "below about 100,000 images start from ImageNet; from random weights a network needs a GPU and more images",
        )

    @property
    def objective(self) -> Default:
        if self.comparing and self.asked.task.advised_objective is not None:
            return self.asked.task.advised_objective
        if self.volumes is not None:
            return Default(OBJECTIVE, "two views and no negatives: it takes batches of a few volumes")
        return Default(OBJECTIVE, "ahead of the others in minutes from ImageNet (docs/pretraining.md)")

    @property
    def comparing(self) -> bool:
        return bool(self.asked.roles.train)

    def _head(self) -> Iterator[Line]:
        yield Line("", f"Written by `labelfree plan`: {len(self.field.manifest.rows):,} images, {self._task}.")
        yield Line("", f"Expected: {self._time}; disk {self._disk}.")
        others = [WHAT[task] for task in self.labels.tasks if task in WHAT and task not in task_names()]
        for task in (find_task(name) for name in self.labels.tasks if name in task_names()):
            if task.name != self.asked.task.name and (self.comparing or not task.learns):
                asking = f"`labelfree plan … {self.labels.asking(task.name)}`"
                yield Line(
                    "", f"There are {WHAT[task.name]}{' too' if self.comparing else ''}; {asking} writes a recipe that compares by them."
                )
        if others and self.comparing:
            yield Line("", f"There are {' and '.join(others)} too; comparing starting points by them is not built yet.")
        elif others:
            yield Line(
                "", f"Comparing starting points by {' and '.join(others)} is not built yet: this recipe pretrains and compares nothing."
            )

    @property
    def _task(self) -> str:
        if not self.labels.tasks:
            return "no labels: this recipe pretrains and compares nothing"
        return (
            self.asked.task.summary([*self.asked.roles.train, *(self.asked.roles.score or ())]) if self.comparing else self.labels.tasks[0]
        )

    def _data(self) -> Iterator[Line]:
        assert self.data.root is not None
        yield Line("data:")
        yield Line(f"  root: {quoted(self.data.root)}")
        if self.data.labels is not None:
            yield Line(f"  labels: {quoted(self.data.labels)}")
        for key in ("label_field", "date_field"):
            if (name := getattr(self.data, key)) is not None:
                yield Line(f"  {key}: {quoted(name)}")
        if self.data.normal == "auto" and self.field.manifest.normal:
            yield Line(f"  normal: {quoted(self.field.manifest.normal)}", "a class or folder of this name shows nothing wrong")
        for key, value in self.data.model_dump(mode="json", exclude_defaults=True, exclude=WRITTEN).items():
            yield Line(f"  {key}: {json.dumps(value, ensure_ascii=False)}", self.because.get(f"data.{key}", "you said so"))
        if self.asked.take_in:
            yield Line("  pretrain_on_labelled: true", "every image has a label, and comparing by these is not built yet: none is scored")
        if self.asked.holdout is not None:
            yield Line(f"  holdout: {self.asked.holdout}", self.asked.why_holdout)
        if untrusted := list(self.field.manifest.faults.values()):
            count = f"{len(untrusted)} image{'s' * (len(untrusted) > 1)} cannot be trusted"
            yield Line(
                "  on_error: skip", f"{count} and {'are' if len(untrusted) > 1 else 'is'} left out; `labelfree data check` names all"
            )
        if self.seen.faults:
            share = len(self.seen.faults) / self.seen.count
            fault = f"{len(self.seen.faults)} of {self.seen.count} images looked at cannot be read or differ: {self.seen.faults[0]}"
            if not untrusted:
                yield Line("  on_error: skip", f"{fault} `labelfree data check` names all")
            yield Line(f"  max_skipped: {ceil(200 * share) / 100:g}", "twice the share seen; above it a run stops")

    def _reader(self) -> Iterator[Line]:
        settings = {key: value for key, value in self.reader.items() if value is not None}
        lacking = self.field.domain.missing(self.seen.channels)
        if settings:
            yield Line("reader:")
        for key, value in settings.items():
            yield Line(f"  {key}: {json.dumps(value, ensure_ascii=False)}", self.because.get(key, "you said so"))
        for sentence in lacking:
            yield Line("  ", sentence)

    def _evaluate(self) -> Iterator[Line]:
        asked = self.asked
        yield Line("evaluate:")
        if asked.on == "dev":
            yield Line("  on: dev", "no test row has a label")
        yield Line(f"  arms: {flow(self.arms)}", self._why_arms)
        if asked.task.name != task_for(Evaluate()).name or asked.task.name not in self.labels.tasks:
            yield Line(f"  task: {asked.task.name}")
        if self.protocols != Evaluate().protocols:
            yield Line(f"  protocols: {flow(self.protocols)}", self._why_protocols)
        yield Line(f"  labels_per_class: {flow(asked.budgets)}", asked.why_budgets)
        if asked.task.learns:
            yield Line(f"  draws: {Evaluate().draws}", "fewer than 5 give no interval for the labels saved")
        if self.looked_in is not None:
            yield Line(f"  tile: {self.looked_in.value}", self.looked_in.reason)
        elif self.large is not None:
            yield Line("  ", self.large)
        if asked.false_alarms is not None:
            yield Line(f"  max_false_alarms: {asked.false_alarms.value:g}", asked.false_alarms.reason)
        if self.by_tiles:
            yield Line(
                f"  minutes: {BY_TILES}",
                "if it would take longer, heads take fewer steps, then draws are cut to 3, then budgets in the middle",
            )
        yield Line("  primary:", "the one claim, named before it runs")
        yield Line(f"    arm: {self.arms[-1]}")
        yield Line(f"    against: {self.against}")
        yield Line(f"    protocol: {self.usual[-1]}")
        yield Line(f"    budget: {asked.budget}", f"{asked.task.budget.many}, which the labels fill" if asked.task.learns else "")
        yield Line(f"    metric: {asked.metric}", asked.why_metric)

    @property
    def by_tiles(self) -> bool:
        """Whether heads answer for every pixel or object, which takes longer than one answer an image."""
        return any(self.asked.task.protocol(name).on_tiles for name in self.protocols)

    @property
    def usual(self) -> list[str]:
        """The protocols that the task advises, the last of them for the claim; all where it advises none."""
        return list(self.asked.task.advised_protocols or self.asked.task.protocols)

    @cached_property
    def protocols(self) -> list[str]:
        """The usual ones, and those that learn from unlabelled images where there are many, but not too many, of them to read: all tiles of
        all of them would be.
        """
        rest, labels = len(self.asked.roles.pool), len(self.asked.roles.train)
        task, usual = self.asked.task, self.usual
        if self.looked_in is not None or not MANY * labels <= rest <= MOST_UNLABELLED:
            return usual
        return [*usual, *(name for name in task.protocols if name not in usual and task.protocol(name).reads_rest)]

    @property
    def _why_protocols(self) -> str:
        asked = [self.asked.task.protocol(name) for name in self.protocols]
        if not any(protocol.reads_rest for protocol in asked):
            return "; ".join(protocol.reading for protocol in asked)
        times = len(self.asked.roles.pool) / len(self.asked.roles.train)
        return f"{times:.0f} times as many images to pretrain on as labels: propagate shows what learning from these too gives"

    @cached_property
    def photographs(self) -> bool:
        """Whether the domain can show these channels as the photographs that ImageNet networks read."""
        import torch

        channels = self.seen.channels
        shape = (2,) * self.seen.kind.dims
        return self.field.domain.render(torch.zeros(1, len(channels), *shape), channels, self.seen.kind.unit) is not None

    @property
    def against(self) -> str:
        if not self.asked.task.learns:
            return "random"
        return "imagenet" if self.photographs else "imagenet-inflated" if self.volumes is None else "random"

    @property
    def arms(self) -> list[str]:
        if not self.asked.task.learns:
            return ["random", "imagenet+domain" if self.volumes is None else "domain"]
        if self.volumes is not None:
            return ["statistics", "random", *(["imagenet"] if self.photographs else []), "domain"]
        read = ["imagenet"] if self.photographs else []
        more = ["imagenet+statistics", "imagenet-inflated"] if self.photographs else ["imagenet-inflated"]
        return ["statistics", "random", *read, *(more if len(self.seen.channels) > 3 or not read else []), "imagenet+domain"]

    @property
    def _why_arms(self) -> str:
        if not self.asked.task.learns:
            return "what was never trained, and what is pretrained on your images: others know no words"
        if self.volumes is not None and self.photographs:
            return "ImageNet's network sees volumes slice by slice: another architecture, so a claim has to beat random as well"
        if self.volumes is not None:
            return "these channels cannot be shown to ImageNet's network, and nobody publishes ImageNet weights of networks of volumes"
        if not self.photographs:
            return "no channels are known as red, green and blue, so ImageNet's network reads all channels by a fitted stem"
        if len(self.seen.channels) > 3:
            return "with more channels than red, green and blue ImageNet's network is also tried with what it does not see"
        return "two that need no training, ImageNet's own network, and the one pretrained on your images"

    @cached_property
    def entries(self) -> int:
        """Images, or tiles cut from them, that are pretrained on."""
        return pool_entries(len(self.asked.roles.pool), self.seen.shapes, self.tile)

    @cached_property
    def tile(self) -> Size | None:
        """The tiles that a run cuts."""
        if self.suited is not None:
            return as_size(self.suited.value)
        return auto_tile(self.seen.shapes, [look.spacing for look in self.seen.looks])

    @property
    def _pretrained_on(self) -> str:
        kind, cells = ("images", "pixels") if self.volumes is None else ("volumes", "voxels")
        images, tile = f"{len(self.asked.roles.pool):,} {kind}", self.tile
        return images if tile is None else f"{self.entries:,} tiles of {by(tile)} {cells}, cut from {images}"

    @property
    def minutes(self) -> int:
        views = self.entries if self.volumes is None else self.entries * prod(self.volumes.patch) / VIEW
        return min(MOST, max(LEAST, round(views / A_MINUTE)))

    @cached_property
    def mirror(self) -> Default | None:
        """Whether views may be mirrored left to right; None where the domain knows no sides."""
        return proposed(self.field.domain, self.asked)

    @property
    def _labelled(self) -> int:
        return len(self.asked.roles.train) + len(self.asked.roles.score or ())

    @property
    def _time(self) -> str:
        """Minutes, by phase. The first step of a run times itself and says it better."""
        reading = self.seen.seconds * (len(self.asked.roles.pool) + self._labelled) / 60
        comparing = self._comparing_minutes() if self.comparing else 0.0
        parts = [f"reading {_about(reading)}", f"pretraining at most {self.minutes}"]
        parts += [f"comparison {_about(comparing)}"] if self.comparing else []
        return f"about {_about(reading + self.minutes + comparing)} minutes on this machine's processors ({', '.join(parts)})"

    def _comparing_minutes(self) -> float:
        if self.by_tiles:
            return float(BY_TILES)
        usual, crossed, budgets = Evaluate(), self.asked.roles.score is None, len(self.asked.budgets)
        networks = len(self.arms) - 1  # statistics has none
        side = sorted(min(shape) for shape in self.seen.shapes)[len(self.seen.shapes) // 2]
        reading = sum(self.asked.task.protocol(name).reads_rest for name in self.protocols)
        rest = len(self.asked.roles.pool) if reading else 0
        probes = probe_seconds(len(self.arms), len(self.protocols), budgets, usual.draws, crossed)
        probes += spread_seconds(len(self.arms), reading, budgets, usual.draws, crossed, rest)
        if self.looked_in is not None:
            return (probes + tile_seconds(networks, self._labelled, self.seen.shapes, int(self.looked_in.value))) / 60
        if self.volumes is None:
            return (probes + feature_seconds(networks, self._labelled + rest, side)) / 60
        return (probes + self._volume_seconds(self.volumes)) / 60

    def _volume_seconds(self, volumes: VolumePlan) -> float:
        """For the features of all arms: networks of volumes, and ImageNet's on each slice."""
        from labelfree.backbones.slicewise import axis_across

        side, dims = min(volumes.shape[-2:]), len(volumes.shape)
        own = sum(arm in ("random", "domain") for arm in self.arms) * volumes.read_seconds(self._labelled, input_sizes(side, dims))
        slices = volumes.shape[axis_across(volumes.spacing)]
        return own + feature_seconds(int(self.photographs), self._labelled, side, slices, dims)

    @property
    def _disk(self) -> str:
        channels, itemsize, shapes = len(self.seen.channels), self.seen.itemsize, self.seen.shapes
        every = pool_bytes(len(self.asked.roles.pool), shapes, channels, itemsize, self.tile)
        limit = limit_bytes("auto", cache_folder() / "pools")
        images = min(every, limit) + pool_bytes(self._labelled, shapes, channels, itemsize, None)
        capped = f", of {gigabytes(every)} that all would take" if every > limit else ""
        run = run_gigabytes(1, self.comparing) * 1e9
        return f"{gigabytes(images + run)} (images {gigabytes(images)}{capped}, the run's folder {gigabytes(run)})"


def _about(minutes: float) -> str:
    return f"{minutes:.0f}" if minutes >= 1 else "under 1"
