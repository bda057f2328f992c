"""From what every `auto` became to the plan of one pretraining, and back to sentences."""

from __future__ import annotations

from typing import Any

import torch

from labelfree.planning.auto_values import USUAL, Resolved
from labelfree.pretraining.job import Plan
from labelfree.pretraining.second_look import second_look
from labelfree.pretraining.trial import Pace
from labelfree.recipe import Recipe

SAME_NAME = ("steps", "batch_size", "size", "local_size", "optimiser", "lr", "weight_decay", "precision", "clip_grad", "check_every")


UNTIMED = Pace(0.0, 0.0)


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
    return {**{key: getattr(plan, key) for key in SAME_NAME}, **shares, "norm": norm, "options": plan.options}


def reasons(arm: str, resolved: Resolved) -> list[str]:
    """What every key became and why, one sentence each; keywords that are the method's usual ones in one."""
    told = [key for key in resolved.values if resolved.reasons[key] != USUAL]
    usual = [f"{key.removeprefix('options.')} {_shown(value)}" for key, value in resolved.values.items() if key not in told]
    lines = [f"{arm}: pretrain.{key} = {_shown(resolved[key])} ({resolved.reasons[key]})." for key in told]
    return lines + ([f"{arm}: pretrain.options as {USUAL}: {', '.join(usual)}."] if usual else [])


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
