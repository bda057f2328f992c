"""The order of a run: folder, data, plan, pretrainings, comparison, report. Every stage continues from what the folder holds."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labelfree.data.cards import find_card
from labelfree.data.manifest import Manifest
from labelfree.errors import DataError, RecipeError
from labelfree.pipeline.comparison import compare
from labelfree.pipeline.console_table import score_lines
from labelfree.pipeline.folder import RunFolder, inside_images, open_folder, recipe_digest, stoppable
from labelfree.pipeline.forecast import announce
from labelfree.pipeline.inputs import Inputs, gather, starts_for
from labelfree.pipeline.other_processes import assist, share_out
from labelfree.pipeline.pictures import show_leaks, show_views
from labelfree.pipeline.pretrainings import Pretrainings, carry_out, plan_pretrainings, pretrained_arms
from labelfree.pipeline.recipe_checks import check
from labelfree.pipeline.starts import Starts
from labelfree.pipeline.step_revision import settled
from labelfree.planning.environment import environment
from labelfree.progress import Progress
from labelfree.recipe import Recipe
from labelfree.recipe_file import Overrides, load_recipe, to_yaml
from labelfree.reporting import conceal, write_report
from labelfree.training.files import read_json, write_json, write_text
from labelfree.training.processes import part, together
from labelfree.transfer.claims import save_claims


@dataclass(frozen=True)
class Run:
    """What a run left. `headline`: the one sentence of its report; `weights`: the primary arm's backbone; `report`: the page."""

    folder: Path
    headline: str
    weights: Path | None
    report: Path | None

    @property
    def results(self) -> Path:
        """results.csv: every score."""
        return self.folder / "results.csv"

    @property
    def claims(self) -> dict[str, Any]:
        """What may be claimed (claims.json); empty where nothing was compared."""
        file = self.folder / "claims.json"
        return read_json(file) if file.is_file() else {}


def run_recipe(recipe: Recipe, out: Path | None = None, *, command: str, progress: Progress, manifest: Manifest | None = None) -> Run:
    """Everything. `manifest`: a user's own data instead of what `data` names."""
    return _conduct(recipe, out, command, progress, manifest=manifest)


def pretrain_only(recipe: Recipe, out: Path | None = None, *, command: str, progress: Progress, manifest: Manifest | None = None) -> Run:
    """The pretrainings and a report of their health, without a comparison."""
    return _conduct(recipe, out, command, progress, manifest=manifest, comparing=False)


def evaluate_only(recipe: Recipe, out: Path | None = None, *, command: str, progress: Progress, manifest: Manifest | None = None) -> Run:
    """The comparison alone: pretrained arms come from the run that `out` holds, or from weight files named as arms."""
    return _conduct(recipe, out, command, progress, manifest=manifest, pretraining=False)


def resume_run(folder: Path, overrides: Overrides = (), *, progress: Progress) -> Run:
    """Go on with the unfinished run in `folder`, as it was asked for; what started it is what reproduces it.

    `overrides` may change what changes no result: pretrain.on_collapse.
    """
    asked = folder / "private" / "asked.yaml"
    if not asked.is_file():
        raise RecipeError(f"{folder}: not a run that labelfree started; `labelfree run RECIPE --out {folder}` starts one.")
    recipe = load_recipe(asked, overrides)
    if overrides:
        if recipe_digest(recipe) != recipe_digest(load_recipe(asked)):
            raise RecipeError(f"{folder}: goes on as it was asked for, only pretrain.on_collapse may change; start a new run with --out.")
        write_text(asked, to_yaml(recipe))
    state = RunFolder(folder, recipe).state()
    if state.get("manifest"):
        raise RecipeError(
            f"{folder}: started from Python with a data set of your own; go on with labelfree.run(..., manifest=..., out={str(folder)!r})."
        )
    stages = state.get("stages", {})
    return _conduct(recipe, folder, "", progress, **stages)


def _conduct(
    recipe: Recipe,
    out: Path | None,
    command: str,
    say: Progress,
    *,
    manifest: Manifest | None = None,
    pretraining: bool = True,
    comparing: bool = True,
) -> Run:
    """Of several processes the first leads; the others take part in its pretrainings."""
    if manifest is not None and recipe.data.card is not None and find_card(recipe.data.card).generated:
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"card": None})})  # gives way, as to a folder of one's own
    with together() as here:
        if not here.first:
            return Run(assist(recipe), "The first process reports.", None, None)
        return _lead(recipe, out, command, say, manifest, pretraining, comparing)


def _lead(
    recipe: Recipe, out: Path | None, command: str, say: Progress, manifest: Manifest | None, pretraining: bool, comparing: bool
) -> Run:
    check(recipe, pretraining=pretraining, comparing=comparing)
    folder = open_folder(recipe, out, to_yaml(recipe), again=not (pretraining and comparing))
    folder.mark(status="unfinished", manifest=manifest is not None, stages={"pretraining": pretraining, "comparing": comparing})
    say.log_to(folder.log)
    say.say(f"Run folder: {folder.path}")
    if warning := inside_images(folder):
        say.say(warning)
    commands = list(dict.fromkeys([*folder.state().get("commands", []), *([command] if command else [])]))
    folder.mark(commands=commands)
    try:
        with stoppable(folder.path):
            headline, report = _stages(recipe, folder, "; ".join(commands), say, manifest, pretraining, comparing)
    except (RecipeError, DataError):
        folder.discard_if_empty()
        raise
    weights = folder.path / "backbone.safetensors"
    return Run(folder.path, headline, weights if weights.is_file() else None, report)


def _stages(
    recipe: Recipe, folder: RunFolder, command: str, say: Progress, manifest: Manifest | None, pretraining: bool, comparing: bool
) -> tuple[str, Path]:
    """All stages of a run in `folder`: its headline and its report."""
    write_json(folder.path / "environment.json", {**environment(), "command": command, "seed": recipe.seed})
    inputs = gather(recipe, folder, say, manifest)
    share_out(inputs if pretraining else None, folder)
    starts = starts_for(recipe, inputs)
    planned = plan_pretrainings(recipe, inputs, starts, folder, say) if pretraining else Pretrainings((), ())
    if pretraining or not (folder.path / "recipe.yaml").is_file():  # what `auto` became in an earlier pretraining stands
        write_text(folder.path / "recipe.yaml", to_yaml(planned.resolved(recipe)))
    announce(recipe, inputs, planned, folder, say, comparing)
    notes = [*inputs.notes, *_pretrain(planned, recipe, inputs, folder, say)]
    part()
    if comparing:
        notes += _compare(recipe, inputs, starts, folder, say)
    else:
        notes.append("Only pretraining was asked for; `labelfree evaluate` compares.")
    write_json(folder.path / "notes.json", list(dict.fromkeys(notes)))
    headline = _headline(recipe, inputs, folder, comparing)
    report = write_report(folder.path)
    shutil.rmtree(folder.path / "features", ignore_errors=True)
    if recipe.report.share:
        conceal(folder.path)
    folder.mark(status="finished", headline=headline)
    scores = score_lines(read_json(folder.path / "claims.json")) if comparing and inputs.question is not None else []
    for sentence in (*notes, *scores, headline, f"Report: {report}"):
        say.say(sentence)
    return headline, report


def _pretrain(planned: Pretrainings, recipe: Recipe, inputs: Inputs, folder: RunFolder, say: Progress) -> list[str]:
    jobs = []
    for job in planned.jobs:
        jobs.append(settled(job, planned, recipe, folder, say))
        carry_out(jobs[-1], recipe, inputs, folder, say)
        show_views(jobs[-1], inputs, folder)
    if jobs != list(planned.jobs):
        write_text(folder.path / "recipe.yaml", to_yaml(replace(planned, jobs=tuple(jobs)).resolved(recipe)))
    if not pretrained_arms(recipe):
        return ["No arm of this recipe is pretrained."]
    file = recipe.backbone.init not in ("imagenet", "random")
    return [f"imagenet+domain starts from {Path(recipe.backbone.init).name} (backbone.init)."] if file else []


def _compare(recipe: Recipe, inputs: Inputs, starts: Starts, folder: RunFolder, say: Progress) -> list[str]:
    show_leaks(inputs, folder)
    if inputs.question is None:
        return ["Nothing could be compared: there are no labels. Add them with data.labels=labels.csv (path,label)."]
    notes = compare(recipe, inputs, starts, folder, say)
    save_claims(folder.path)
    return notes


def _headline(recipe: Recipe, inputs: Inputs, folder: RunFolder, comparing: bool) -> str:
    file = folder.path / "claims.json"
    if comparing and file.is_file():
        return str(read_json(file)["headline"])
    return f"{recipe.backbone.name} was pretrained on {len(inputs.entries):,} images; nothing was compared."
