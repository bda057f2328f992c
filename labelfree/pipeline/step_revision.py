"""The steps of a pretraining, revised once by the pace of its first ones: a busy moment before the run decides nothing."""

from __future__ import annotations

from dataclasses import replace

from labelfree.pipeline.context import Context
from labelfree.pipeline.pretraining_plans import Pretrainings, plan_of, store_plans, stored_plans
from labelfree.pipeline.pretrainings import backbone_path
from labelfree.pretraining.fit import fit_to_the_look
from labelfree.pretraining.job import Job, Plan
from labelfree.pretraining.trial import Pace
from labelfree.recipe import Recipe
from labelfree.training.processes import broadcast

CLOSE_ENOUGH = 0.1  # a share by which steps may differ from what the pace seen would give


def settled(run: Context, job: Job, planned: Pretrainings) -> Job:
    """The job with the plan that holds to its end: where a second look is due its first steps are trained, and the plan is revised.

    What the look decides holds for every seed of the arm, and is in plan.json before another step is taken: a run that is stopped at any
    step goes on with it. Of several processes all take part, and the first one's clock decides.
    """
    stored = stored_plans(run.folder)
    plan = replace(Plan(**stored["plans"][f"{job.arm}-{job.plan.seed}"]), on_collapse=job.plan.on_collapse)
    job = replace(job, plan=plan)
    if not plan.look or broadcast(backbone_path(run.folder.path, job.arm, plan.seed).is_file()):
        return job
    pace = broadcast(fit_to_the_look(job, run.say))
    revised, sentence = broadcast(_revised(plan, pace, planned, job.arm, run.recipe))
    if sentence:
        run.say.say(sentence)
    plans = {
        key: {**revised.to_dict(), "seed": made["seed"]} if key.rpartition("-")[0] == job.arm else made
        for key, made in stored["plans"].items()
    }
    store_plans(run.folder, plans=plans, sentences=[*stored["sentences"], *([sentence] if sentence else [])])
    return replace(job, plan=replace(revised, seed=plan.seed))


def _revised(plan: Plan, pace: Pace, planned: Pretrainings, arm: str, recipe: Recipe) -> tuple[Plan, str]:
    """The plan that holds from its look on, and what there is to say of it."""
    resolved = planned.resolvers[arm](pace)
    wanted = max(resolved["steps"], plan.look + 1)
    if abs(wanted - plan.steps) <= CLOSE_ENOUGH * plan.steps:
        return replace(plan, look=0), ""
    resolved = replace(resolved, values={**resolved.values, "steps": wanted})
    made = plan_of(recipe, resolved, plan.seed, pace, plan.continues)
    busy = f" (the machine is busy: it waited {pace.busy:.1f} times as long, which is not counted)" if pace.busy > 1 else ""
    sentence = (
        f"{arm}: pretrain.steps = {wanted} instead of {plan.steps}, revised once at step {plan.look}: {pace.full:.3g} s a step{busy}, "
        f"timed before the run as {plan.seconds_per_step:.3g} s; pretrain.minutes={plan.minutes:g}."
    )
    return replace(made, look=0, threads=plan.threads, on_collapse=plan.on_collapse), sentence
