"""The plans of a run's pretrainings: every `auto` resolved, timed, stored in plan.json and told in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch

from labelfree.backbones import Backbone
from labelfree.data.tiles import by
from labelfree.domain import Default
from labelfree.errors import DataError, RecipeError
from labelfree.objectives.distributed import everyone
from labelfree.objectives.registry import objective_class, repeated
from labelfree.pipeline.captions import captions_for
from labelfree.pipeline.context import Context
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.starts import Starts
from labelfree.pipeline.teachers import named_teacher
from labelfree.planning.auto_values import USUAL, Network, Resolved, batch_in_time, resolve_pretrain
from labelfree.pretraining.job import Job, Plan
from labelfree.pretraining.label_monitor import LabelledImages
from labelfree.pretraining.second_look import second_look
from labelfree.pretraining.trial import Pace, pace_of
from labelfree.progress import Progress
from labelfree.recipe import Pretrain, Recipe
from labelfree.training.files import read_json, write_json
from labelfree.training.free_memory import bytes_for_a_step
from labelfree.training.memory import OutOfMemory, give_memory_back
from labelfree.training.processes import broadcast, this_process
from labelfree.transfer.arms import ARMS
from labelfree.transfer.network_inputs import OfStored
from labelfree.views import ViewPipeline
from labelfree.views.generic import generic

PLANS = "plan.json"
SAME_NAME = (
    "steps", "batch_size", "size", "local_size", "optimiser", "lr", "weight_decay", "trained", "precision", "clip_grad", "check_every",
)  # fmt: skip
UNTIMED = Pace(0.0, 0.0)


class Resolver(Protocol):
    """Resolves the pretraining's keys for the `pace` of its steps, None before that is known. `held`: as `resolve_pretrain` has it."""

    def __call__(self, pace: Pace | None, held: Default | None = None) -> Resolved: ...


@dataclass(frozen=True)
class Pretrainings:
    """What a run pretrains: `jobs` in order, the sentences that say what every `auto` became, and for each arm what resolves it again."""

    jobs: tuple[Job, ...]
    sentences: tuple[str, ...]
    resolvers: Mapping[str, Resolver] = field(default_factory=dict)
    mirror: bool = True

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
        if not self.mirror:  # where views are mirrored, `auto` looks again when other labels come
            values["mirror"] = False
        return recipe.model_copy(update={"pretrain": recipe.pretrain.model_copy(update=values)})


def pretrained_arms(recipe: Recipe) -> list[str]:
    """The arms of the recipe that are pretrained on the pool; the primary's first."""
    named = [arm for arm in recipe.evaluate.arms if isinstance(arm, str) and arm in ARMS and ARMS[arm].pretrained]
    return sorted(named, key=lambda arm: arm != recipe.evaluate.primary.arm)


def plan_pretrainings(run: Context, inputs: Inputs) -> Pretrainings:
    """Resolve every `auto`; plans that an earlier start of this run had made hold (plan.json).

    Of several processes all take part in the timing, and what the first resolves holds for all.
    """
    recipe, folder, starts = run.recipe, run.folder, inputs.starts
    stored = stored_plans(folder)
    plans, sentences = dict(stored.get("plans", {})), list(stored.get("sentences", []))
    resolvers: dict[str, Resolver] = {}
    learnt = set(inputs.entries.tolist())
    captions, told = captions_for(recipe, inputs.pool.rows, learnt)
    sentences = sentences or told
    data = {"data": inputs.fingerprint.digest, "pairs": inputs.positives.digest if inputs.positives else None}
    data |= {"captions": captions.digest} if captions else {}
    if stored and {key: stored.get(key) for key in data} != data:
        raise DataError(
            f"{folder.home}: begun on other images, pairs or captions than data.root, data.labels and data.captions give now; "
            "start a new folder with --out."
        )
    _require_different_images(recipe.pretrain.objective, len(inputs.entries))
    jobs = []
    room = bytes_for_a_step()  # asked once, so that all arms have as much
    named = named_teacher(recipe)
    teacher = named.shown(starts, run.say.say) if named else None
    for arm in pretrained_arms(recipe):
        continues = ARMS[arm].init == "imagenet" and recipe.backbone.init != "random"
        init = recipe.backbone.init if continues else "random"
        reading = starts.reading(init)
        views = view_pipeline(recipe, inputs, reading)
        labelled = watched_labels(inputs, reading, recipe.seed) if recipe.pretrain.watch_labels else None
        resolve = _resolver(recipe, inputs, continues)
        for seed in recipe.pretrain.seeds:
            start = _Start(starts, init, seed)
            plan = broadcast(plan_of(recipe, resolve(None), seed, continues=continues))
            draft = Job(arm, plan, inputs.pool, inputs.entries, views, start, folder.path, labelled, inputs.positives, teacher, captions)
            key = f"{arm}-{seed}"
            smaller = partial(_with_fewer_images, draft, recipe, resolve)
            _require_equal_shares(plans[key]["batch_size"] if key in plans else plan.batch_size)
            if key not in plans:
                same = next((made for name, made in plans.items() if name.startswith(f"{arm}-")), None)
                if same is None:
                    held, pace = _batch_in_time(draft, smaller, recipe.pretrain, room, run.say)
                    draft = smaller(held) if held else draft
                    if pace is None:
                        pace, held = _pace_that_fits(draft, smaller, recipe.pretrain.batch_size == "auto", room, run.say, held)
                    resolved = broadcast(resolve(pace, held))
                    plans[key] = broadcast(plan_of(recipe, resolved, seed, pace, continues).to_dict())
                    sentences += reasons(arm, resolved)
                    sentences += [f"{arm}: {told}" for told in [_repeated(plans[key], len(inputs.entries))] if told]
                else:
                    plans[key] = {**same, "seed": seed}
                store_plans(folder, **data, plans=plans, sentences=sentences)
            resolvers[arm] = partial(resolve, held=Default(plans[key]["batch_size"], "as the run began"))
            jobs.append(replace(draft, plan=replace(Plan(**plans[key]), on_collapse=recipe.pretrain.on_collapse)))
    return Pretrainings(tuple(jobs), tuple(sentences), resolvers, inputs.mirrored)


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


def _resolver(recipe: Recipe, inputs: Inputs, continues: bool) -> Resolver:
    """Resolves the pretraining's keys for the pace of its steps; None before that is known."""
    backbone = inputs.starts.network("random", 0)
    network = Network(backbone.dim, backbone.transformer, continues)
    suggested = dict(inputs.domain.plan(inputs.fingerprint))
    if inputs.mirror is not None:
        suggested["pretrain.mirror"] = inputs.mirror
    known = partial(resolve_pretrain, recipe.pretrain, len(inputs.entries), inputs.fingerprint, suggested, network)

    def resolve(pace: Pace | None, held: Default | None = None) -> Resolved:
        full, head = (None, None) if pace is None else (pace.full, pace.head)
        return known(seconds_per_step=full, head_seconds=head, held=held)

    return resolve


@dataclass(frozen=True)
class _Start:
    """Builds the network that a pretraining begins with."""

    starts: Starts
    init: str
    seed: int

    def __call__(self) -> Backbone:
        return self.starts.network(self.init, self.seed)


def view_pipeline(recipe: Recipe, inputs: Inputs, reading: OfStored) -> ViewPipeline:
    """The domain's views of the pool, or generic ones, normalised as the network reads them."""
    data = inputs.fingerprint
    augmentation = inputs.domain.augment(data) if recipe.pretrain.views == "domain" else generic()
    if not inputs.mirrored:
        augmentation = augmentation.unmirrored()
    least, (low, high) = objective_class(recipe.pretrain.objective).least_crop, augmentation.global_scale
    if least > low:
        augmentation = replace(augmentation, global_scale=(min(least, high), high))
    # a copy, since the views move to the device
    return ViewPipeline(augmentation, deepcopy(reading.normalise), data.scale, data.offset)


def watched_labels(inputs: Inputs, reading: OfStored, seed: int) -> LabelledImages | None:
    """Labelled training images for `pretrain.watch_labels`, read as the comparison reads them; None where there are none."""
    if inputs.images is None or inputs.question is None:
        return None
    asked = inputs.question
    if not asked.task.categorical:
        raise RecipeError(f"pretrain.watch_labels: labels of {asked.task.name} name no classes that neighbours could share; leave it out.")
    groups = np.unique(asked.group_names, return_inverse=True)[1]
    chosen = LabelledImages(inputs.images, asked.train, asked.stratum_codes[asked.train], groups[asked.train], reading)
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


def _with_fewer_images(draft: Job, recipe: Recipe, resolve: Resolver, held: Default) -> Job:
    """The draft of a pretraining with so many images a batch, and all that follows from their number."""
    return replace(draft, plan=plan_of(recipe, resolve(None, held), draft.plan.seed, continues=draft.plan.continues))


def _batch_in_time(
    draft: Job, smaller: Callable[[Default], Job], settings: Pretrain, room: float, say: Progress
) -> tuple[Default | None, Pace | None]:
    """A smaller batch than fits, where `minutes` allow few steps and the objective learns as well in small ones; None elsewhere. Also its
    pace, where that is known.

    Planned from a step of the smallest batch, which is quickly timed however large the views are. On processors alone, where a step takes
    as long as its images do, and where BatchNorm keeps its statistics.
    """
    plan, least = draft.plan, objective_class(draft.plan.objective).small_batch
    if settings.batch_size != "auto" or settings.minutes is None or torch.cuda.is_available() or everyone().world > 1:
        return None, None
    if least is None or plan.batch_size <= least or not plan.frozen_norm:
        return None, None
    try:
        pace = _timed(smaller(Default(least, "")), room, say, asked=False)
    except OutOfMemory:
        return None, None  # which is met, and told, when the whole batch is timed
    held = batch_in_time(settings, plan.batch_size, least, plan.continues, pace.full, pace.head)
    return held, pace if held and held.value == least else None


def _pace_that_fits(
    draft: Job, smaller: Callable[[Default], Job], auto: bool, room: float, say: Progress, held: Default | None
) -> tuple[Pace, Default | None]:
    """The pace of a batch that fits in memory; with `auto`, and one process, half as many images are tried where one does not.

    Also how many images a batch holds, and why: `held`, or fewer, where those did not fit.
    """
    alone = everyone().world == 1  # of several processes one may run out of memory while the others wait for it
    while True:
        try:
            return broadcast(_timed(draft, room if alone else math.inf, say, asked=not auto)), held
        except OutOfMemory as error:
            wanted = draft.plan.batch_size
            if not (alone and auto) or wanted // 2 < max(2, objective_class(draft.plan.objective).fewest):
                raise
            held = Default(wanted // 2, "more did not fit in memory" + (f": {wanted} take {error.estimate}" if error.estimate else ""))
            estimate = f" (a step takes {error.estimate})" if error.estimate else ""
        say.say(f"{wanted} images a batch do not fit in memory{estimate}; {held.value} are tried.")
        give_memory_back()
        draft = smaller(held)


def _timed(draft: Job, room: float, say: Progress, asked: bool) -> Pace:
    """`asked`: the recipe gives the batch, which is tried whatever it takes."""
    say.say(f"Timing the first steps of {draft.plan.objective} for {draft.arm}, {draft.plan.batch_size} images a batch.")
    pace = pace_of(draft, room, say.say if asked else None)
    if pace.busy > 1:
        say.say(f"The machine is busy: a step takes {pace.busy:.1f} times the {pace.full:.2f} s that it takes alone, which are counted.")
    return pace


def plan_of(recipe: Recipe, resolved: Resolved, seed: int, pace: Pace = UNTIMED, continues: bool = True) -> Plan:
    """The plan of one pretraining; shares of the run become steps. `continues`: it starts from weights.

    Steps that follow from `pretrain.minutes` are looked at again early in the run; those that the recipe gives are not.
    """
    settings, steps = recipe.pretrain, resolved["steps"]
    timed = settings.minutes is not None and steps != settings.steps
    return Plan(
        **{key: resolved[key] for key in SAME_NAME},
        objective=settings.objective,
        options=resolved.options,
        warmup=max(1, round(resolved["warmup"] * steps)),
        head_only=round(resolved["head_only"] * steps),
        frozen_norm=resolved["norm"] == "frozen",
        checkpoint_minutes=settings.checkpoint_minutes,
        on_collapse=settings.on_collapse,
        base=recipe.seed,
        seed=seed,
        threads=torch.get_num_threads(),
        seconds_per_step=pace.full,
        head_seconds=pace.head,
        minutes=settings.minutes or 0.0,
        look=second_look(steps) if timed else 0,
        continues=continues,
    )


def recipe_values(plan: Plan) -> dict[str, Any]:
    """A plan in the words of the recipe's `pretrain`."""
    shares = {key: getattr(plan, key) / plan.steps for key in ("warmup", "head_only")}
    norm = "frozen" if plan.frozen_norm else "train"
    same = {key: getattr(plan, key) for key in SAME_NAME}
    lists = {key: list(value) for key, value in same.items() if isinstance(value, tuple)}
    return {**same, **lists, **shares, "norm": norm, "options": plan.options}


def reasons(arm: str, resolved: Resolved) -> list[str]:
    """What every key became and why, one sentence each; keywords that are the method's usual ones in one."""
    told = [key for key in resolved.values if resolved.reasons[key] != USUAL]
    usual = [f"{key.removeprefix('options.')} {_shown(value)}" for key, value in resolved.values.items() if key not in told]
    lines = [f"{arm}: pretrain.{key} = {_shown(resolved[key])} ({resolved.reasons[key]})." for key in told]
    return lines + ([f"{arm}: pretrain.options as {USUAL}: {', '.join(usual)}."] if usual else [])


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else by(value) if isinstance(value, tuple) else str(value)
