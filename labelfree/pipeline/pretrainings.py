"""The pretrainings of a run: every `auto` resolved, timed, announced, carried out and exported."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from labelfree.backbones import Backbone
from labelfree.backbones.weights import LoadedBackbone, WeightCard, load, save
from labelfree.errors import DataError
from labelfree.objectives.registry import objective_options
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.preparing import Prepared, reader_settings
from labelfree.pipeline.starts import Starts
from labelfree.planning.resolving import Resolved, resolve_pretrain, steps_for
from labelfree.pretraining.fit import fit, seconds_per_step
from labelfree.pretraining.job import Job, Plan
from labelfree.progress import Progress
from labelfree.recipe import Recipe
from labelfree.training.files import read_json, write_json
from labelfree.transfer.arms import ARMS
from labelfree.views import Normalise, ViewPipeline

CHECKS = 50  # health checks a run, unless the recipe says otherwise


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
        found = [_values(job.plan) for job in self.jobs]
        values = {key: value for key, value in found[0].items() if all(other[key] == value for other in found)}
        if "steps" in values:
            values["minutes"] = None  # done with: the steps are what counts
        return recipe.model_copy(update={"pretrain": recipe.pretrain.model_copy(update=values)})


def _values(plan: Plan) -> dict[str, Any]:
    """A plan in the recipe's words."""
    same = ("steps", "batch_size", "size", "local_size", "lr", "weight_decay", "precision", "clip_grad", "check_every", "options")
    norm = "frozen" if plan.frozen_norm else "train"
    shares = {key: getattr(plan, key) / plan.steps for key in ("warmup", "head_only")}
    return {**{key: getattr(plan, key) for key in same}, **shares, "norm": norm}


def pretrained_arms(recipe: Recipe) -> list[str]:
    """The arms of the recipe that are pretrained on the pool; the primary's first."""
    named = [arm for arm in recipe.evaluate.arms if isinstance(arm, str) and arm in ARMS and ARMS[arm].pretrained]
    return sorted(named, key=lambda arm: arm != recipe.evaluate.primary.arm)


def plan_pretrainings(recipe: Recipe, prepared: Prepared, starts: Starts, folder: RunFolder, say: Progress) -> Pretrainings:
    """Resolve every `auto`; plans that an earlier start of this run had made hold (plan.json)."""
    file = folder.path / "plan.json"
    stored: Mapping[str, Any] = read_json(file) if file.is_file() else {}
    plans, sentences = dict(stored.get("plans", {})), list(stored.get("sentences", []))
    if stored.get("data", prepared.fingerprint.digest) != prepared.fingerprint.digest:
        raise DataError(f"{folder.path}: begun on other images than data.root and data.labels give now; start a new folder with --out.")
    views = view_pipeline(prepared, starts)
    jobs = []
    for arm in pretrained_arms(recipe):
        continues = ARMS[arm].init == "imagenet" and recipe.backbone.init != "random"
        resolved = resolve_pretrain(
            recipe.pretrain, len(prepared.entries), prepared.fingerprint, prepared.domain.plan(prepared.fingerprint), continues
        )
        for seed in recipe.pretrain.seeds:
            start = _Start(starts, recipe.backbone.init if continues else "random", seed)
            draft = Job(arm, _draft(recipe, resolved, seed), prepared.pool, prepared.entries, views, start, folder.path)
            key = f"{arm}-{seed}"
            if key not in plans:
                same = next((made for name, made in plans.items() if name.startswith(f"{arm}-")), None)
                seconds = same["seconds_per_step"] if same else _timed(draft, say)
                plan, why = _with_steps(draft.plan, recipe, resolved, len(prepared.entries), seconds)
                plans[key] = plan.to_dict()
                sentences += [] if same else _reasons(arm, plan, why, resolved)
                write_json(file, {"data": prepared.fingerprint.digest, "plans": plans, "sentences": sentences})
            jobs.append(replace(draft, plan=Plan(**plans[key])))
    return Pretrainings(tuple(jobs), tuple(sentences))


@dataclass(frozen=True)
class _Start:
    """Builds the network that a pretraining begins with."""

    starts: Starts
    init: str
    seed: int

    def __call__(self) -> Backbone:
        return self.starts.network(self.init, self.seed)


def view_pipeline(prepared: Prepared, starts: Starts) -> ViewPipeline:
    """The domain's views of the pool, normalised as the network reads them."""
    reading = starts.reading()
    data = prepared.fingerprint
    return ViewPipeline(prepared.domain.augment(data), Normalise(reading.mean, reading.std), data.scale, data.offset)


def _draft(recipe: Recipe, resolved: Resolved, seed: int) -> Plan:
    """All but what depends on the time a step takes."""
    settings = recipe.pretrain
    return Plan(
        objective=settings.objective,
        options={**objective_options(settings.objective), **settings.options},
        steps=1,
        batch_size=resolved["batch_size"],
        size=resolved["size"],
        local_size=resolved["local_size"],
        optimiser=settings.optimiser,
        lr=resolved["lr"],
        weight_decay=resolved["weight_decay"],
        warmup=0,
        head_only=0,
        frozen_norm=resolved["norm"] == "frozen",
        precision=resolved["precision"],
        clip_grad=resolved["clip_grad"],
        check_every=1,
        checkpoint_minutes=settings.checkpoint_minutes,
        on_collapse=settings.on_collapse,
        base=recipe.seed,
        seed=seed,
        threads=torch.get_num_threads(),
    )


def _timed(draft: Job, say: Progress) -> float:
    say.say(f"Timing the first steps of {draft.plan.objective} for {draft.arm}, {draft.plan.batch_size} images a batch.")
    return seconds_per_step(draft)


def _with_steps(draft: Plan, recipe: Recipe, resolved: Resolved, count: int, seconds: float) -> tuple[Plan, str]:
    settings = recipe.pretrain
    steps, why = steps_for(settings, count, draft.batch_size, seconds)
    plan = replace(
        draft,
        steps=steps,
        warmup=max(1, round(resolved["warmup"] * steps)),
        head_only=round(resolved["head_only"] * steps),
        check_every=max(1, steps // CHECKS) if settings.check_every == "auto" else settings.check_every,
        seconds_per_step=seconds,
    )
    return plan, why


def _reasons(arm: str, plan: Plan, why: str, resolved: Resolved) -> list[str]:
    shown = [("steps", plan.steps, why), *((key, value, resolved.reasons[key]) for key, value in resolved.values.items())]
    return [f"{arm}: pretrain.{key} = {f'{value:g}' if isinstance(value, float) else value} ({reason})." for key, value, reason in shown]


def carry_out(job: Job, recipe: Recipe, prepared: Prepared, folder: RunFolder, say: Progress) -> Path:
    """Pretrain and export one backbone, or take what an earlier start exported. Returns its weight file.

    `backbone.safetensors` of the run is the primary arm's, first seed (the first pretraining where the primary has none).
    """
    path = backbone_path(folder.path, job.arm, job.plan.seed)
    if path.is_file() and path.with_suffix(".json").is_file():
        require_same_data(load(path), prepared, path)
    else:
        backbone = fit(job, say)
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
        reader=reader_settings(recipe),
        domain=recipe.domain,
        arm=job.arm,
        init=recipe.backbone.init if ARMS[job.arm].init == "imagenet" else "random",
        objective=job.plan.objective,
        steps=job.plan.steps,
        seed=job.plan.seed,
        recipe=folder.digest,
        data=data.digest,
        licence=f"pretrained on images under: {licence}",
    )
