"""The pretrainings of a run: every `auto` resolved, timed, announced, carried out and exported."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.backbones import Backbone
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import LoadedBackbone, load, save
from labelfree.data.cards import reader_settings
from labelfree.domain import Channel
from labelfree.errors import DataError, RecipeError
from labelfree.objectives.distributed import everyone
from labelfree.objectives.registry import objective_class, repeated
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.plans import plan_of, reasons, recipe_values
from labelfree.pipeline.starts import Reading, Starts
from labelfree.planning.auto_values import Network, Resolved, resolve_pretrain
from labelfree.pretraining.checkpoints import seconds_spent
from labelfree.pretraining.fit import checkpoint_path, fit
from labelfree.pretraining.job import Job, Plan
from labelfree.pretraining.label_monitor import LabelledImages
from labelfree.pretraining.trial import Pace, pace_of
from labelfree.progress import Progress
from labelfree.recipe import Recipe
from labelfree.reporting.words import time_taken
from labelfree.training.files import read_json, write_json
from labelfree.training.processes import broadcast, this_process
from labelfree.transfer.arms import ARMS
from labelfree.views import Normalise, ViewPipeline
from labelfree.views.generic import generic

PLANS = "plan.json"
Resolver = Callable[[Pace | None], Resolved]


@dataclass(frozen=True)
class Pretrainings:
    """What a run pretrains: `jobs` in order, the sentences that say what every `auto` became, and for each arm what resolves it again."""

    jobs: tuple[Job, ...]
    sentences: tuple[str, ...]
    resolvers: Mapping[str, Resolver] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return sum(pace_of_plan(job.plan).seconds(0, job.plan.steps, job.plan.head_only) for job in self.jobs)

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


def plan_pretrainings(recipe: Recipe, inputs: Inputs, starts: Starts, folder: RunFolder, say: Progress) -> Pretrainings:
    """Resolve every `auto`; plans that an earlier start of this run had made hold (plan.json).

    Of several processes all take part in the timing, and what the first resolves holds for all.
    """
    stored = stored_plans(folder)
    plans, sentences = dict(stored.get("plans", {})), list(stored.get("sentences", []))
    resolvers: dict[str, Resolver] = {}
    data = {"data": inputs.fingerprint.digest, "pairs": inputs.positives.digest if inputs.positives else None}
    if stored and {key: stored.get(key) for key in data} != data:
        raise DataError(
            f"{folder.path}: begun on other images or pairs than data.root and data.labels give now; start a new folder with --out."
        )
    _require_different_images(recipe.pretrain.objective, len(inputs.entries))
    jobs = []
    for arm in pretrained_arms(recipe):
        continues = ARMS[arm].init == "imagenet" and recipe.backbone.init != "random"
        init = recipe.backbone.init if continues else "random"
        reading = starts.reading(init)
        views = view_pipeline(recipe, inputs, reading)
        labelled = watched_labels(inputs, reading, recipe.seed) if recipe.pretrain.watch_labels else None
        resolve = resolvers[arm] = _resolver(recipe, inputs, starts, continues)
        for seed in recipe.pretrain.seeds:
            start = _Start(starts, init, seed)
            plan = broadcast(plan_of(recipe, resolve(None), seed, continues=continues))
            draft = Job(arm, plan, inputs.pool, inputs.entries, views, start, folder.path, labelled, inputs.positives)
            key = f"{arm}-{seed}"
            _require_equal_shares(plans[key]["batch_size"] if key in plans else plan.batch_size)
            if key not in plans:
                same = next((made for name, made in plans.items() if name.startswith(f"{arm}-")), None)
                if same is None:
                    pace = broadcast(_timed(draft, say))
                    resolved = broadcast(resolve(pace))
                    plans[key] = broadcast(plan_of(recipe, resolved, seed, pace, continues).to_dict())
                    sentences += reasons(arm, resolved)
                    sentences += [f"{arm}: {told}" for told in [_repeated(plans[key], len(inputs.entries))] if told]
                else:
                    plans[key] = {**same, "seed": seed}
                store_plans(folder, **data, plans=plans, sentences=sentences)
            jobs.append(replace(draft, plan=replace(Plan(**plans[key]), on_collapse=recipe.pretrain.on_collapse)))
    return Pretrainings(tuple(jobs), tuple(sentences), resolvers)


def stored_plans(folder: RunFolder) -> dict[str, Any]:
    """plan.json as the first process reads it, on all; empty where there is none yet."""
    file = folder.path / PLANS
    stored: dict[str, Any] = broadcast(read_json(file) if file.is_file() else {})
    return stored


def store_plans(folder: RunFolder, **facts: Any) -> None:
    """Put facts into plan.json; the first process writes."""
    stored = stored_plans(folder)
    if this_process().first:
        write_json(folder.path / PLANS, {**stored, **facts})


def pace_of_plan(plan: Plan) -> Pace:
    """The pace that a plan was made with."""
    return Pace(plan.seconds_per_step, plan.head_seconds)


def _resolver(recipe: Recipe, inputs: Inputs, starts: Starts, continues: bool) -> Resolver:
    """Resolves the pretraining's keys for the pace of its steps; None before that is known."""
    backbone = starts.network("random", 0)
    network = Network(backbone.dim, backbone.transformer, continues)
    suggested = inputs.domain.plan(inputs.fingerprint)
    known = partial(resolve_pretrain, recipe.pretrain, len(inputs.entries), inputs.fingerprint, suggested, network)
    return lambda pace: known() if pace is None else known(pace.full, pace.head)


@dataclass(frozen=True)
class _Start:
    """Builds the network that a pretraining begins with."""

    starts: Starts
    init: str
    seed: int

    def __call__(self) -> Backbone:
        return self.starts.network(self.init, self.seed)


def view_pipeline(recipe: Recipe, inputs: Inputs, reading: Reading) -> ViewPipeline:
    """The domain's views of the pool, or generic ones, normalised as the network reads them."""
    data = inputs.fingerprint
    augmentation = inputs.domain.augment(data) if recipe.pretrain.views == "domain" else generic()
    return ViewPipeline(augmentation, Normalise(reading.mean, reading.std), data.scale, data.offset)


def watched_labels(inputs: Inputs, reading: Reading, seed: int) -> LabelledImages | None:
    """Labelled training images for `pretrain.watch_labels`, read as the comparison reads them; None where there are none."""
    if inputs.images is None or inputs.question is None:
        return None
    asked = inputs.question
    groups = np.unique(asked.group_names, return_inverse=True)[1]
    chosen = LabelledImages(inputs.images, asked.train, asked.targets[asked.train], groups[asked.train], reading)
    return chosen.sample(seed)


def _require_equal_shares(batch_size: int) -> None:
    world = everyone().world
    if batch_size % world:
        near = " or ".join(str(n * world) for n in {max(1, batch_size // world), batch_size // world + 1})
        raise RecipeError(f"pretrain.batch_size: {batch_size} images cannot be shared equally by {world} processes; take {near}.")


def _require_different_images(objective: str, images: int) -> None:
    """Raises DataError where an objective that compares images has fewer than it needs."""
    needed = objective_class(objective)
    if images < needed.fewest:
        raise DataError(
            f"data.root: the pool holds {images} image, and {needed.__name__} compares images with each other; add images, "
            "or cut large ones into tiles with pool.tile."
        )


def _repeated(plan: Mapping[str, Any], images: int) -> str:
    return repeated(plan["objective"], images, plan["batch_size"])


def _timed(draft: Job, say: Progress) -> Pace:
    say.say(f"Timing the first steps of {draft.plan.objective} for {draft.arm}, {draft.plan.batch_size} images a batch.")
    pace = pace_of(draft)
    if pace.busy > 1:
        say.say(f"The machine is busy: a step takes {pace.busy:.1f} times the {pace.full:.2f} s that it takes alone, which are counted.")
    return pace


def carry_out(job: Job, recipe: Recipe, inputs: Inputs, folder: RunFolder, say: Progress) -> None:
    """Pretrain and export one backbone, or take what an earlier start exported.

    Of several processes all pretrain, and the first exports. `backbone.safetensors` of the run is the primary arm's, first seed (the
    first pretraining where the primary has none).
    """
    path = backbone_path(folder.path, job.arm, job.plan.seed)
    there = broadcast(path.is_file() and path.with_suffix(".json").is_file())
    backbone = None if there else fit(job, say)
    if backbone is not None:
        keep_time(job, folder, say)
    if not this_process().first:
        return
    if backbone is None:
        require_same_data(load(path), inputs, path)
    else:
        save(backbone, _card(job, backbone, recipe, inputs, folder), path)
    if (job.arm, job.plan.seed) == (pretrained_arms(recipe)[0], recipe.pretrain.seeds[0]):
        for suffix in (".safetensors", ".json"):
            shutil.copyfile(path.with_suffix(suffix), folder.path / f"backbone{suffix}")


def keep_time(job: Job, folder: RunFolder, say: Progress) -> None:
    """Say, and keep in plan.json, how long the training took, of how many minutes asked for."""
    facts = {"seconds": seconds_spent(checkpoint_path(job)), "minutes": job.plan.minutes, "steps": job.plan.steps}
    taken = {**stored_plans(folder).get("taken", {}), f"{job.arm}-{job.plan.seed}": facts}
    store_plans(folder, taken=taken)
    say.say(f"{job.arm}, seed {job.plan.seed}: {time_taken(facts)}.")


def require_same_data(loaded: LoadedBackbone, inputs: Inputs, path: Path) -> None:
    """Raises DataError when a backbone of this run was pretrained on other images than are in the pool now: they could be scored."""
    if loaded.card.data != inputs.fingerprint.digest:
        raise DataError(f"{path}: pretrained on other images than data.root and data.labels give now; start a new folder with --out.")


def backbone_path(folder: Path, arm: str, seed: int) -> Path:
    """Where an arm's exported backbone lies."""
    return folder / "backbones" / f"{arm}-{seed}.safetensors"


def _card(job: Job, backbone: Backbone, recipe: Recipe, inputs: Inputs, folder: RunFolder) -> WeightCard:
    data, reading = inputs.fingerprint, job.views.normalise
    assert isinstance(reading, Normalise)
    licence = inputs.card.licence if inputs.card else "not stated: the images are the owner's"
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
