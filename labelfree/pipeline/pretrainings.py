"""The pretrainings of a run: carried out, exported with the card that says how to use them, and timed."""

from __future__ import annotations

import shutil
from pathlib import Path

from labelfree.backbones import Backbone
from labelfree.backbones.download import licence_of
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import RUN_FILE, save
from labelfree.domain import Channel
from labelfree.language.files import save_text_side
from labelfree.language.reading import text_file
from labelfree.pipeline.context import Context
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.pretraining_plans import pretrained_arms, store_plans, stored_plans
from labelfree.pipeline.teachers import named_teacher
from labelfree.pretraining.checkpoints import seconds_spent
from labelfree.pretraining.fit import checkpoint_path, fit_both
from labelfree.pretraining.job import Job
from labelfree.reader_settings import carried_settings
from labelfree.reporting.words import time_taken
from labelfree.training.processes import broadcast, this_process
from labelfree.transfer.arms import ARMS
from labelfree.weight_names import weight_file


def carry_out(run: Context, job: Job, inputs: Inputs) -> None:
    """Pretrain and export one backbone, or take what an earlier start exported.

    Of several processes all pretrain, and the first exports. `backbone.safetensors` of the run is the primary arm's, first seed (the
    first pretraining where the primary has none).
    """
    folder, path = run.folder.path, backbone_path(run.folder.path, job.arm, job.plan.seed)
    there = broadcast(path.is_file() and path.with_suffix(".json").is_file())
    backbone, text = (None, None) if there else fit_both(job, run.say)
    if backbone is not None:
        keep_time(run, job)
    if not this_process().first:
        return
    if backbone is not None:
        if text is not None:
            save_text_side(text, path, job.plan.objective)
        save(backbone, _card(run, job, backbone, inputs), path)
    if (job.arm, job.plan.seed) == (pretrained_arms(run.recipe)[0], run.recipe.pretrain.seeds[0]):
        main = folder / RUN_FILE
        pairs = [(path.with_suffix(suffix), main.with_suffix(suffix)) for suffix in (".safetensors", ".json")]
        for source, target in [*pairs, (text_file(path), text_file(main))]:
            if source.is_file():
                shutil.copyfile(source, target)


def keep_time(run: Context, job: Job) -> None:
    """Say, and keep in plan.json, how long the training took, of how many minutes asked for."""
    facts = {"seconds": seconds_spent(checkpoint_path(job)), "minutes": job.plan.minutes, "steps": job.plan.steps}
    taken = {**stored_plans(run.folder).get("taken", {}), f"{job.arm}-{job.plan.seed}": facts}
    store_plans(run.folder, taken=taken)
    run.say.say(f"{job.arm}, seed {job.plan.seed}: {time_taken(facts)}.")


def backbone_path(folder: Path, arm: str, seed: int) -> Path:
    """Where an arm's exported backbone lies."""
    return folder / "backbones" / f"{arm}-{seed}.safetensors"


def _card(run: Context, job: Job, backbone: Backbone, inputs: Inputs) -> WeightCard:
    recipe, data, normalisation = run.recipe, inputs.fingerprint, job.views.normalise.told()
    licence = inputs.card.licence if inputs.card else "not stated: the images are the owner's"
    teacher = named_teacher(recipe)
    taught = f"; taught by {teacher.licence()}" if teacher else ""
    continues, init = ARMS[job.arm].init == "imagenet", recipe.backbone.init
    if continues and init not in ("imagenet", "random") and weight_file(init) is None:
        taught += f"; continued from {init}: {licence_of(init)}"
    return WeightCard(
        architecture=recipe.backbone.name,
        options=backbone.options,
        channels=data.channels,
        unit=data.unit,
        scale=data.scale,
        offset=data.offset,
        mean=tuple(normalisation.get("mean", ())),
        std=tuple(normalisation.get("std", ())),
        normalisation=normalisation,
        size=job.plan.size,
        dims=len(data.smallest),
        reader=carried_settings(recipe.domain, recipe.reader, inputs.card.reader if inputs.card else {}),
        domain=recipe.domain,
        arm=job.arm,
        init=init if continues else "random",
        objective=job.plan.objective,
        steps=job.plan.steps,
        seed=job.plan.seed,
        recipe=run.folder.digest,
        data=data.digest,
        roles=tuple(Channel.of(channel).role for channel in data.channels),
        nm=tuple(Channel.of(channel).nm for channel in data.channels),
        dtype=data.dtype,
        low=data.low,
        high=data.high,
        licence=f"pretrained on images under: {licence}{taught}",
    )
