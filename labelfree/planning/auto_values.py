"""What every `auto` of the pretraining becomes: rules in steps and fractions, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from labelfree.data.tiles import by
from labelfree.domain import Default, Defaults, Fingerprint, Size, as_size, in_proportion, sides
from labelfree.errors import RecipeError
from labelfree.objectives.base import Objective, Situation
from labelfree.objectives.registry import check_options, check_situation, objective_class, objective_options
from labelfree.planning.costs import FEWEST_IMAGES, LARGEST_VIEW
from labelfree.recipe import Pretrain
from labelfree.training.free_memory import free_gpu_bytes, given_bytes
from labelfree.training.processes import this_process

PASSES = 100  # over the pool
FEWEST_STEPS, MOST_STEPS = 1_000, 100_000
CHECKS = 50  # health checks a run
LONGEST_WARMUP, LONGEST_HEAD_ONLY = 2_500, 1_000  # steps
HEAD_ONLY = 0.1  # share of the steps
SHORTEST = 10  # steps, however few minutes there are
STEPS_WANTED = 150  # in `minutes`, before a batch is as large as it can be: measured in docs/pretraining.md
BATCH = 128  # at which AdamW's rate below holds
RATES = {"adamw": (1e-3, ""), "sgd": (0.05, ""), "lars": (0.3, ", as SimCLR; LARS scales each layer's own steps (You et al. 2017)")}
DECAYS = {"adamw": 0.04, "sgd": 1e-4, "lars": 1e-6}
PIXELS_OF_A_VIEW = LARGEST_VIEW[2] ** 2  # at most, for which the batch below has room
LEAST_LOCAL = {2: 32, 3: 16}
USUAL = "usual for the method"


@dataclass(frozen=True)
class Resolved:
    """Values for the keys of `pretrain` that may be `auto`, and why. Those of the objective's own are `options.<name>`."""

    values: Mapping[str, Any]
    reasons: Mapping[str, str]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    @property
    def options(self) -> dict[str, Any]:
        """The objective's keywords."""
        return {key.removeprefix("options."): value for key, value in self.values.items() if key.startswith("options.")}


@dataclass(frozen=True)
class Network:
    """What the rules need to know of the network: its width, whether it is a ViT, whether it starts from weights."""

    dim: int
    transformer: bool
    continues: bool


def resolve_pretrain(
    settings: Pretrain,
    images: int,
    fingerprint: Fingerprint,
    domain: Defaults,
    network: Network,
    seconds_per_step: float | None = None,
    head_seconds: float | None = None,
    held: Default | None = None,
) -> Resolved:
    """Every key of `settings` that may be `auto`, for a pool of `images` entries.

    What the recipe says comes first, then the domain's suggestions, the objective's, and the rules here. Without `seconds_per_step`
    the number of steps is provisional: `minutes` do not cap it yet. `head_seconds`: of a step in the head-only start, where those differ.
    `held`: the images a batch where that is `auto` and settled, since more did not fit in memory or a run had begun with so many.
    Raises RecipeError for options that the objective does not have or cannot take here.
    """
    check_options(settings.objective, settings.options)
    suggested = {key.removeprefix("pretrain."): value for key, value in domain.items() if key.startswith("pretrain.")}
    pixels = math.prod(sides(view_size(settings, fingerprint, domain), len(fingerprint.smallest)))
    batch = _chosen("batch_size", settings, {"batch_size": _batch(images, pixels)} | suggested)
    if settings.batch_size == "auto" and held is not None:
        batch = held
    steps = _steps(settings, images, batch.value)
    if settings.minutes is not None and seconds_per_step is not None:
        steps = _capped(steps, settings, network.continues, seconds_per_step, head_seconds or seconds_per_step)
    named = _chosen("optimiser", settings, {"optimiser": Default("auto", "")} | suggested).value
    at = Situation(images, batch.value, steps.value, network.dim, network.continues, network.transformer, named, settings.options)
    advice = objective_class(settings.objective).rules(at)
    usually = {"optimiser": Default("adamw", "steady on small data and on every network")}
    optimiser = _chosen("optimiser", settings, usually | advice | suggested)
    usual = {f"options.{name}": Default(value, USUAL) for name, value in objective_options(settings.objective).items()}
    asked = Objective if network.transformer else objective_class(settings.objective)  # larger shares are measured on CNNs alone
    rules = {**_rules(at, optimiser.value, asked.rate_from_weights), **_sizes(settings, fingerprint), **usual, **advice, **suggested}
    chosen = {key: _chosen(key, settings, rules) for key in rules}
    chosen = {"steps": steps} | chosen | {"batch_size": batch, "optimiser": optimiser}
    chosen |= {key: _for_axes(key, chosen[key], len(fingerprint.smallest)) for key in ("size", "local_size")}
    resolved = Resolved({key: default.value for key, default in chosen.items()}, {key: default.reason for key, default in chosen.items()})
    check_situation(settings.objective, resolved.options, at)
    return resolved


def _chosen(key: str, settings: Pretrain, rules: Mapping[str, Default]) -> Default:
    """What the recipe says, or the rule."""
    option = key.removeprefix("options.")
    given = getattr(settings, key) if option == key else settings.options.get(option, "auto")
    return rules[key] if given == "auto" else Default(given, "the recipe says so")


def view_size(settings: Pretrain, fingerprint: Fingerprint, domain: Defaults) -> Size:
    """The size of a global view, as `resolve_pretrain` finds it: in its proportions a comparison shows images to networks."""
    suggested = {"size": domain["pretrain.size"]} if "pretrain.size" in domain else {}
    chosen = _chosen("size", settings, {**_sizes(settings, fingerprint), **suggested})
    size: Size = _for_axes("size", chosen, len(fingerprint.smallest)).value
    return size


def _sizes(settings: Pretrain, fingerprint: Fingerprint) -> dict[str, Default]:
    """Sizes of views: whole strides of 32 that the images' short side allows; of a volume its longest, others in proportion, whichever of
    its axes is the depth.
    """
    shape, dims = fingerprint.smallest, len(fingerprint.smallest)
    side = min(shape) if dims == 2 else max(shape)
    longest = max(32, min(LARGEST_VIEW[dims], side // 32 * 32))
    size = _simplest([min(longest, max(8, round(longest * length / side / 8) * 8)) for length in shape])
    given = size if settings.size == "auto" else as_size(settings.size)
    whole = max(sides(given, dims))
    half = in_proportion(given, min(whole, max(LEAST_LOCAL[dims], whole // 2 // 16 * 16)))
    depth = "" if isinstance(size, int) else f", and {by(shape)} voxels in all"
    return {
        "size": Default(size, f"images are {side} px on their {'short' if dims == 2 else 'longest'} side{depth}"),
        "local_size": Default(half, "half a global view"),
    }


def _simplest(lengths: Sequence[int]) -> Size:
    return lengths[0] if len(set(lengths)) == 1 else tuple(lengths)


def _for_axes(key: str, chosen: Default, dims: int) -> Default:
    """Raises RecipeError where a size has another number of axes than the images."""
    size = as_size(chosen.value)
    if isinstance(size, tuple) and len(size) != dims:
        raise RecipeError(f"pretrain.{key}: {by(size)} is for {len(size)} axes, these images have {dims}; give one number, or {dims}.")
    return Default(size, chosen.reason)


def _rules(at: Situation, optimiser: str, share: Default) -> dict[str, Default]:
    """Rules that hold for every image. `share`: of the rate, that the objective takes from weights."""
    cuda = torch.cuda.is_available()
    bf16 = cuda and torch.cuda.is_bf16_supported()
    warmup = min(0.1, LONGEST_WARMUP / at.steps)
    head_only = min(HEAD_ONLY, LONGEST_HEAD_ONLY / at.steps)
    return {
        "lr": _rate(optimiser, at, share),
        "weight_decay": _decay(optimiser),
        "warmup": Default(warmup, f"a tenth of the steps, at most {LONGEST_WARMUP:,}"),
        "head_only": Default(head_only, f"a random head would first destroy good weights: a tenth, at most {LONGEST_HEAD_ONLY:,} steps")
        if at.continues
        else Default(0.0, "nothing to protect"),
        "trained": Default(1.0, "all layers learn"),
        "norm": Default("frozen", "BatchNorm statistics of the weights are worth keeping on a small pool")
        if at.continues
        else Default("train", "there are none to keep"),
        "precision": Default("bf16", "the GPU has bf16") if bf16 else Default("fp32", "fp32 with channels-last measured fastest on CPUs"),
        "clip_grad": Default(3.0, "as DINO; a guard against rare spikes"),
        "check_every": Default(max(1, at.steps // CHECKS), f"{CHECKS} health checks a run"),
    }


def _rate(optimiser: str, at: Situation, share: Default) -> Default:
    """AdamW's rate goes with the square root of the batch (Malladi et al. 2022, arXiv:2205.10287), that of the others with the batch."""
    base, why = RATES[optimiser]
    by = f"sqrt(batch / {BATCH})" if optimiser == "adamw" else "batch / 256"
    size = (at.batch_size / BATCH) ** 0.5 if optimiser == "adamw" else at.batch_size / 256
    if at.continues:
        return Default(base * share.value * size, f"{base * share.value:g} x {by}: {share.reason}")
    return Default(base * size, f"{base:g} x {by}{why}")


def _decay(optimiser: str) -> Default:
    """AdamW's decay is decoupled from the gradient: multiplied by its rate it is of the size of the others', which is not."""
    return Default(DECAYS[optimiser], f"usual for {optimiser}; matrices only, norms and biases are not decayed")


def _batch(images: int, pixels: int) -> Default:
    """For a pool of `images`, and views of so many `pixels`: of larger ones than pictures have, as volumes, as many fewer."""
    world = this_process().world
    times = pixels / PIXELS_OF_A_VIEW
    room = batch_for_memory(torch.cuda.is_available())
    room = room if times <= 1 else max(FEWEST_IMAGES, 2 ** int(math.log2(room / times)))
    fits = min(room, max(FEWEST_IMAGES, images // 4))
    passes = "at least four batches a pass" if 4 * fits <= images else f"{FEWEST_IMAGES} images at least, whatever the pool"
    large = f", views of {pixels:,} pixels" if times > 1 else ""
    shared = f"; {world} processes share it equally" if world > 1 else ""
    return Default(max(1, fits // world) * world, f"fits the memory with room{large}; {passes}{shared}")


def batch_for_memory(cuda: bool) -> int:
    """Views of a picture a batch: on a CPU 128, or what an estimate of a step leaves of them; on a GPU from what is free there (powers of
    two, at most 512).
    """
    if not cuda:
        return 128 if given_bytes() >= 8 * 2**30 else 64
    return int(min(512, max(64, 2 ** int(free_gpu_bytes() / 2**26).bit_length() // 4)))


def batch_in_time(settings: Pretrain, wanted: int, least: int, continues: bool, full: float, head: float) -> Default | None:
    """`wanted` images a batch halved, at most down to `least`, until `minutes` do for STEPS_WANTED; None where they do for the whole batch.

    `full` and `head`: seconds of a step of `least` images, in the head-only start too; those of more images take as many times longer.
    """
    assert settings.minutes is not None
    steps = STEPS_WANTED if settings.steps == "auto" else min(STEPS_WANTED, settings.steps)
    batch = wanted
    while batch > least and _steps_in(60 * settings.minutes, settings, continues, full * batch / least, head * batch / least) < steps:
        batch = max(least, batch // 2)
    if batch == wanted:
        return None
    return Default(batch, f"more steps rather than larger ones: {settings.minutes:g} minutes do not allow {steps} of {wanted} images")


def _steps(settings: Pretrain, images: int, batch_size: int) -> Default:
    """The number of optimiser steps that is wanted: the recipe's, else PASSES over the pool."""
    if settings.steps != "auto":
        return Default(settings.steps, "the recipe says so")
    passes = min(MOST_STEPS, max(FEWEST_STEPS, PASSES * images // batch_size))
    bounds = f"at least {FEWEST_STEPS:,} and at most {MOST_STEPS:,} steps"
    return Default(passes, f"{PASSES} passes over {images:,} images, {bounds}")


def _capped(wanted: Default, settings: Pretrain, continues: bool, full: float, head: float) -> Default:
    """The `wanted` steps, or as many as `minutes` do for: `full` seconds a step, in the head-only start `head`."""
    assert settings.minutes is not None
    in_time = max(SHORTEST, _steps_in(60 * settings.minutes, settings, continues, full, head))
    if in_time >= wanted.value:
        return Default(wanted.value, f"{wanted.reason}; {settings.minutes:g} minutes would do for {in_time:,}")
    timed = f"{settings.minutes:g} minutes at {full:.2f} s a step, as timed on this machine"
    if settings.steps == "auto":
        return Default(in_time, timed)
    return Default(in_time, f"pretrain.minutes={settings.minutes:g} caps pretrain.steps={settings.steps} at {in_time}: {timed}")


def _steps_in(seconds: float, settings: Pretrain, continues: bool, full: float, head: float) -> int:
    """Steps that a time does for, where a share of them, or at most LONGEST_HEAD_ONLY, moves the head alone."""
    given = settings.head_only if isinstance(settings.head_only, float) else None
    share = given if given is not None else HEAD_ONLY if continues else 0.0
    full, head = max(full, 1e-6), max(head, 1e-6)
    steps = seconds / (full - share * (full - head))
    if given is None and share * steps > LONGEST_HEAD_ONLY:
        steps = (seconds + LONGEST_HEAD_ONLY * (full - head)) / full
    return int(steps)
