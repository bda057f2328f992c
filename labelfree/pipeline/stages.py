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
from labelfree.pipeline.confidential import with_sharing
from labelfree.pipeline.console import announce, score_lines
from labelfree.pipeline.context import Context
from labelfree.pipeline.folder import RunFolder, inside_images, open_folder, recipe_digest, stoppable
from labelfree.pipeline.hidden_work import move_out
from labelfree.pipeline.inputs import Inputs, gather
from labelfree.pipeline.named_classes import keep_naming
from labelfree.pipeline.other_processes import assist, share_out
from labelfree.pipeline.pictures import show_leaks, show_views
from labelfree.pipeline.pretraining_plans import Pretrainings, plan_pretrainings, pretrained_arms
from labelfree.pipeline.pretrainings import carry_out
from labelfree.pipeline.recipe_checks import check
from labelfree.pipeline.settled_reader import with_settled_reader
from labelfree.pipeline.step_revision import settled
from labelfree.pipeline.taken_over import take_over
from labelfree.planning.environment import environment
from labelfree.progress import Progress
from labelfree.recipe import Recipe
from labelfree.recipe_file import Overrides, load_recipe, to_yaml
from labelfree.reporting import conceal, write_report
from labelfree.training.files import read_json, write_json, write_text
from labelfree.training.processes import part, together
from labelfree.transfer.tasks import Task
from labelfree.transfer.tasks.registry import task_for


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
    return _conduct(recipe, out, command, progress, manifest)


def pretrain_only(recipe: Recipe, out: Path | None = None, *, command: str, progress: Progress, manifest: Manifest | None = None) -> Run:
    """The pretrainings and a report of their health, without a comparison."""
    return _conduct(recipe, out, command, progress, manifest, comparing=False)


def evaluate_only(
    recipe: Recipe,
    out: Path | None = None,
    *,
    command: str,
    progress: Progress,
    manifest: Manifest | None = None,
    weights: Path | None = None,
) -> Run:
    """The comparison alone: pretrained arms come from the run in `out`, from weight files named as arms, or from the run `weights`."""
    return _conduct(recipe, out, command, progress, manifest, pretraining=False, weights=weights)


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
    state = RunFolder(folder, with_sharing(recipe)).state()
    if state.get("manifest"):
        raise RecipeError(
            f"{folder}: started from Python with a data set of your own; go on with labelfree.run(..., manifest=..., out={str(folder)!r})."
        )
    return _conduct(recipe, folder, "", progress, None, **state.get("stages", {}))


def _conduct(
    recipe: Recipe,
    out: Path | None,
    command: str,
    say: Progress,
    manifest: Manifest | None,
    pretraining: bool = True,
    comparing: bool = True,
    weights: Path | str | None = None,
) -> Run:
    """Of several processes the first leads; the others take part in its pretrainings."""
    if manifest is not None and recipe.data.card is not None and find_card(recipe.data.card).generated:
        recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"card": None})})  # gives way, as to a folder of one's own
    recipe = with_sharing(recipe)
    with together() as process:
        if not process.first:
            return Run(assist(recipe), "The first process reports.", None, None)
        check(recipe, pretraining=pretraining, comparing=comparing)
        folder = open_folder(recipe, out, to_yaml(recipe), again=not (pretraining and comparing))
        source = None if weights is None else Path(weights).expanduser().absolute()
        if source is not None:
            take_over(folder, source)
        every_label_out = folder.keeps_every_label_out(not comparing if pretraining else False)
        return _lead(Context(recipe, folder, say, manifest, pretraining, comparing, every_label_out, source), command)


def _lead(run: Context, command: str) -> Run:
    """Everything from an open folder on. `command`: the words that started the run, "" where it goes on."""
    folder = run.folder
    folder.mark(
        status="unfinished",
        manifest=run.manifest is not None,
        stages={"pretraining": run.pretraining, "comparing": run.comparing, **({"weights": str(run.weights)} if run.weights else {})},
        every_label_out=run.every_label_out,
        commands=list(dict.fromkeys([*folder.state().get("commands", []), *([command] if command else [])])),
    )
    run.say.log_to(folder.log)
    run.say.say(f"Run folder: {folder.home}")
    if folder.hides_names:
        run.say.say(f"Names are hidden: they are in {folder.private} alone, where the run works until it is finished (report.share).")
    if warning := inside_images(folder):
        run.say.say(warning)
    try:
        with stoppable(folder.home):
            headline, report = _stages(run)
    except BaseException as error:
        if isinstance(error, RecipeError | DataError):
            folder.discard_if_empty()
        raise
    weights = folder.home / "backbone.safetensors"
    return Run(folder.home, headline, weights if weights.is_file() else None, report)


def _stages(run: Context) -> tuple[str, Path]:
    """All stages of a run: its headline and its report."""
    run = with_settled_reader(run)
    recipe, folder = run.recipe, run.folder
    command = "; ".join(folder.state()["commands"])
    write_json(folder.path / "environment.json", {**environment(), "command": command, "seed": recipe.seed})
    inputs = gather(run)
    share_out(run, inputs)
    keep_naming(run, inputs.learnt, inputs.wording)
    planned = plan_pretrainings(run, inputs) if run.pretraining else Pretrainings((), ())
    if run.pretraining or not (folder.path / "recipe.yaml").is_file():  # what `auto` became in an earlier pretraining stands
        write_text(folder.path / "recipe.yaml", to_yaml(planned.resolved(recipe)))
    announce(run, inputs, planned)
    notes = [*inputs.notes, *_pretrain(run, inputs, planned)]
    part()
    notes += _compare(run, inputs)
    write_json(folder.path / "notes.json", list(dict.fromkeys(notes)))
    headline = _headline(run, inputs)
    return headline, _report(run, inputs, notes, headline)


def _pretrain(run: Context, inputs: Inputs, planned: Pretrainings) -> list[str]:
    """Carry out the pretrainings; sentences for the report."""
    recipe, jobs = run.recipe, []
    for job in planned.jobs:
        jobs.append(settled(run, job, planned))
        carry_out(run, jobs[-1], inputs)
        show_views(jobs[-1], inputs, run.folder)
    if jobs != list(planned.jobs):
        write_text(run.folder.path / "recipe.yaml", to_yaml(replace(planned, jobs=tuple(jobs)).resolved(recipe)))
    if not pretrained_arms(recipe):
        return ["No arm of this recipe is pretrained."]
    named = recipe.backbone.init not in ("imagenet", "random")
    return [f"imagenet+domain starts from {Path(recipe.backbone.init).name} (backbone.init)."] if named else []


def _compare(run: Context, inputs: Inputs) -> list[str]:
    """Compare, and claim; sentences for the report."""
    if not run.comparing:
        return ["Only pretraining was asked for; `labelfree evaluate` compares."]
    show_leaks(inputs, run.folder)
    if inputs.question is None:
        if run.recipe.data.pretrain_on_labelled:  # said already
            return []
        task = task_for(run.recipe.evaluate, inputs.manifest.rows)
        if task.given != Task.given:
            return [f"Nothing could be compared: {task.name} scores images that have a {task.given}, and none has."]
        return ["Nothing could be compared: there are no labels. Add them with data.labels=labels.csv (path,label)."]
    return compare(run, inputs)


def _headline(run: Context, inputs: Inputs) -> str:
    file = run.folder.path / "claims.json"
    if run.comparing and file.is_file():
        return str(read_json(file)["headline"])
    return f"{run.recipe.backbone.name} was pretrained on {len(inputs.entries):,} images; nothing was compared."


def _report(run: Context, inputs: Inputs, notes: list[str], headline: str) -> Path:
    """Write the page, hide names where the recipe says so, and end the run with its scores."""
    folder = run.folder
    write_report(folder.path)
    shutil.rmtree(folder.path / "features", ignore_errors=True)
    if folder.hides_names:
        conceal(folder.path)
    folder.mark(status="finished", headline=headline)
    scores = (
        score_lines(read_json(folder.path / "claims.json"), inputs.question.task.words_of(inputs.question.targets))
        if run.comparing and inputs.question is not None
        else []
    )
    if folder.hides_names:
        move_out(folder.home)
    report = folder.home / "report.html"
    for sentence in (*notes, *scores, headline, f"Report: {report}"):
        run.say.say(sentence)
    return report
