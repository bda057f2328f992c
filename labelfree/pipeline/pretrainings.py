"""The pretrainings of a run: every `auto` resolved, timed, announced, carried out and exported."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.backbones import Backbone
from labelfree.backbones.weights import LoadedBackbone, WeightCard, load, save
from labelfree.data.cards import reader_settings
from labelfree.domain import Channel
from labelfree.errors import DataError, RecipeError
from labelfree.objectives.distributed import everyone
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.plans import plan_of, reasons, recipe_values
from labelfree.pipeline.preparing import Prepared
from labelfree.pipeline.starts import Reading, Starts
from labelfree.planning.resolving import Network, Resolved, resolve_pretrain
from labelfree.pretraining.fit import fit, seconds_per_step
from labelfree.pretraining.job import Job, Plan
from labelfree.pretraining.labelled import LabelledImages
from labelfree.progress import Progress
from labelfree.recipe import Recipe
from labelfree.training.files import read_json, write_json
from labelfree.training.processes import broadcast, place
from labelfree.transfer.arms import ARMS
from labelfree.views import Normalise, ViewPipeline
from labelfree.views.generic import generic


@dataclass(frozen=True)
class Pretrainings:
    """What a run pretrains: `jobs` in order, and the sentences that say what every `auto` became."""

    jobs: tuple[Job, ...]
    sentences: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return sum(job.plan.steps * job.plan.seconds_per_step for job in self.jobs)

    def resolved(self, recipe: Recipe) -> Recipe:
        """The recipe with what `auto` keys of the pretraining became; keys that differ between arms stay `auto` (plan.json has all)."""
        if not self.jobs:
            return recipe
        found = [recipe_values(job.plan) for job in self.jobs]
        values = {key: value for key, value in found[0].items() if all(other[key] == value for other in found)}
        if "steps" in values:
            values["minutes"] = None  # done with: the steps are what counts
        return recipe.model_copy(update={"pretrain": recipe.pretrain.model_copy(update=values)})


def pretrained_arms(recipe: Recipe) -> list[str]:
    """The arms of the recipe that are pretrained on the pool; the primary's first."""
    named = [arm for arm in recipe.evaluate.arms if isinstance(arm, str) and arm in ARMS and ARMS[arm].pretrained]
    return sorted(named, key=lambda arm: arm != recipe.evaluate.primary.arm)


def plan_pretrainings(recipe: Recipe, prepared: Prepared, starts: Starts, folder: RunFolder, say: Progress) -> Pretrainings:
    """Resolve every `auto`; plans that an earlier start of this run had made hold (plan.json).

    Of several processes all take part in the timing, and what the first resolves holds for all.
    """
    file = folder.path / "plan.json"
    stored: Mapping[str, Any] = broadcast(read_json(file) if file.is_file() else {})
    plans, sentences = dict(stored.get("plans", {})), list(stored.get("sentences", []))
    data = {"data": prepared.fingerprint.digest, "pairs": prepared.positives.digest if prepared.positives else None}
    if stored and {key: stored.get(key) for key in data} != data:
        raise DataError(
            f"{folder.path}: begun on other images or pairs than data.root and data.labels give now; start a new folder with --out."
        )
    jobs = []
    for arm in pretrained_arms(recipe):
        continues = ARMS[arm].init == "imagenet" and recipe.backbone.init != "random"
        init = recipe.backbone.init if continues else "random"
        reading = starts.reading(init)
        views = view_pipeline(recipe, prepared, reading)
        labelled = watched_labels(prepared, reading, recipe.seed) if recipe.pretrain.watch_labels else None
        resolve = _resolver(recipe, prepared, starts, continues)
        for seed in recipe.pretrain.seeds:
            start = _Start(starts, init, seed)
            plan = broadcast(plan_of(recipe, resolve(None), seed, continues=continues))
            draft = Job(arm, plan, prepared.pool, prepared.entries, views, start, folder.path, labelled, prepared.positives)
            key = f"{arm}-{seed}"
            _require_equal_shares(plans[key]["batch_size"] if key in plans else plan.batch_size)
            if key not in plans:
                same = next((made for name, made in plans.items() if name.startswith(f"{arm}-")), None)
                seconds = same["seconds_per_step"] if same else broadcast(_timed(draft, say))
                resolved = broadcast(resolve(seconds))
                plans[key] = broadcast(plan_of(recipe, resolved, seed, seconds, continues).to_dict())
                sentences += [] if same else reasons(arm, resolved)
                if place().first:
                    write_json(file, {**data, "plans": plans, "sentences": sentences})
            jobs.append(replace(draft, plan=replace(Plan(**plans[key]), on_collapse=recipe.pretrain.on_collapse)))
    return Pretrainings(tuple(jobs), tuple(sentences))


def _resolver(recipe: Recipe, prepared: Prepared, starts: Starts, continues: bool) -> Callable[[float | None], Resolved]:
    """Resolves the pretraining's keys for the seconds that a step takes; None before that is known."""
    backbone = starts.network("random", 0)
    network = Network(backbone.dim, backbone.transformer, continues)
    suggested = prepared.domain.plan(prepared.fingerprint)
    return partial(resolve_pretrain, recipe.pretrain, len(prepared.entries), prepared.fingerprint, suggested, network)


@dataclass(frozen=True)
class _Start:
    """Builds the network that a pretraining begins with."""

    starts: Starts
    init: str
    seed: int

    def __call__(self) -> Backbone:
        return self.starts.network(self.init, self.seed)


def view_pipeline(recipe: Recipe, prepared: Prepared, reading: Reading) -> ViewPipeline:
    """The domain's views of the pool, or generic ones, normalised as the network reads them."""
    data = prepared.fingerprint
    augmentation = prepared.domain.augment(data) if recipe.pretrain.views == "domain" else generic()
    return ViewPipeline(augmentation, Normalise(reading.mean, reading.std), data.scale, data.offset)


def watched_labels(prepared: Prepared, reading: Reading, seed: int) -> LabelledImages | None:
    """Labelled training images for `pretrain.watch_labels`, read as the comparison reads them; None where there are none."""
    if prepared.images is None or prepared.question is None:
        return None
    asked = prepared.question
    groups = np.unique(asked.group_names, return_inverse=True)[1]
    chosen = LabelledImages(prepared.images, asked.train, asked.targets[asked.train], groups[asked.train], reading)
    return chosen.sample(seed)


def _require_equal_shares(batch_size: int) -> None:
    world = everyone().world
    if batch_size % world:
        near = " or ".join(str(n * world) for n in {max(1, batch_size // world), batch_size // world + 1})
        raise RecipeError(f"pretrain.batch_size: {batch_size} images cannot be shared equally by {world} processes; take {near}.")


def _timed(draft: Job, say: Progress) -> float:
    say.say(f"Timing the first steps of {draft.plan.objective} for {draft.arm}, {draft.plan.batch_size} images a batch.")
    return seconds_per_step(draft)


def carry_out(job: Job, recipe: Recipe, prepared: Prepared, folder: RunFolder, say: Progress) -> Path:
    """Pretrain and export one backbone, or take what an earlier start exported. Returns its weight file.

    Of several processes all pretrain, and the first exports. `backbone.safetensors` of the run is the primary arm's, first seed (the
    first pretraining where the primary has none).
    """
    path = backbone_path(folder.path, job.arm, job.plan.seed)
    there = broadcast(path.is_file() and path.with_suffix(".json").is_file())
    backbone = None if there else fit(job, say)
    if not place().first:
        return path
    if backbone is None:
        require_same_data(load(path), prepared, path)
    else:
        save(backbone, _card(job, backbone, recipe, prepared, folder), path)
    if (job.arm, job.plan.seed) == (pretrained_arms(recipe)[0], recipe.pretrain.seeds[0]):
        for suffix in (".safetensors", ".json"):
            shutil.copyfile(path.with_suffix(suffix), folder.path / f"backbone{suffix}")
    return path


def require_same_data(loaded: LoadedBackbone, prepared: Prepared, path: Path) -> None:
    """Raises DataError when a backbone of this run was pretrained on other images than are in the pool now: they could be scored."""
    if loaded.card.data != prepared.fingerprint.digest:
        raise DataError(f"{path}: pretrained on other images than data.root and data.labels give now; start a new folder with --out.")


def backbone_path(folder: Path, arm: str, seed: int) -> Path:
    """Where an arm's exported backbone lies."""
    return folder / "backbones" / f"{arm}-{seed}.safetensors"


def _card(job: Job, backbone: Backbone, recipe: Recipe, prepared: Prepared, folder: RunFolder) -> WeightCard:
    data, reading = prepared.fingerprint, job.views.normalise
    assert isinstance(reading, Normalise)
    licence = prepared.card.licence if prepared.card else "not stated: the images are the owner's"
    return WeightCard(
        architecture=recipe.backbone.name,
        options=backbone.options,
        channels=data.channels,
        unit=data.unit,
        scale=data.scale,
        offset=data.offset,
        mean=tuple(reading.mean.tolist()),
        std=tuple(reading.std.tolist()),
        size=job.plan.size,
        reader=reader_settings(recipe.data),
        domain=recipe.domain,
        arm=job.arm,
        init=recipe.backbone.init if ARMS[job.arm].init == "imagenet" else "random",
        objective=job.plan.objective,
        steps=job.plan.steps,
        seed=job.plan.seed,
        recipe=folder.digest,
        data=data.digest,
        roles=tuple(Channel.of(channel).role for channel in data.channels),
        nm=tuple(Channel.of(channel).nm for channel in data.channels),
        dtype=data.dtype,
        low=data.low,
        high=data.high,
        licence=f"pretrained on images under: {licence}",
    )
