"""labelfree: pretrain on your own unlabelled images, then learn whether, and how many labels, it saves against ImageNet.

Every verb of the command line is one function here; heavy packages are imported when a function needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelfree.using import (
    Overrides,
    Source,
    convert,
    distil,
    embed,
    embed_folder,
    export,
    index,
    load,
    load_head,
    load_index,
    path_of,
    predict,
    progress_of,
    read,
    search,
)

if TYPE_CHECKING:
    from labelfree.backbones.weights import LoadedBackbone
    from labelfree.comparing.compared import Compared
    from labelfree.data.label_formats.annotated import Annotations
    from labelfree.data.manifest import Manifest
    from labelfree.pipeline.stages import Run
    from labelfree.planning.diagnosis import Finding
    from labelfree.planning.proposal import Proposal
    from labelfree.planning.survey import Survey
    from labelfree.progress import Progress
    from labelfree.recipe import Recipe
    from labelfree.selecting.selection import Selection

__all__ = [
    "annotations", "check_data", "check_recipe", "compare", "convert", "demo", "distil", "doctor", "embed", "embed_folder",
    "evaluate", "export", "index", "label", "load", "load_head", "load_index", "plan", "predict", "pretrain", "read", "recipe_schema",
    "report", "resume", "run", "sample_data", "search", "select", "show_data", "show_recipe",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("labelfree")
    raise AttributeError(f"module 'labelfree' has no attribute {name!r}")


def run(
    recipe: Recipe | Source,
    overrides: Overrides = (),
    out: Source | None = None,
    *,
    manifest: Manifest | None = None,
    say: Progress | None = None,
) -> Run:
    """Carry a recipe out from end to end: pool, pretraining, comparison, report. Returns the `Run` (folder, headline, weights, results).

    `recipe`: a YAML file, the name of a shipped recipe, or a `Recipe`. `overrides`: `["pretrain.minutes=3"]` or `{"pretrain.minutes": 3}`.
    `out`: the run's folder, new or empty, or an unfinished run of the same recipe; default `runs/<recipe>-<time>`.
    `manifest`: your own torch `Dataset` instead of files, as `labelfree.data.manifest.manifest_from_dataset` gives it.
    """
    checked = _recipe(_no_run(recipe), overrides, say)  # a mistake in it is told before anything heavy is imported
    from labelfree.pipeline.stages import run_recipe

    return run_recipe(checked, path_of(out), command=_command(), progress=progress_of(say), manifest=manifest)


def pretrain(
    recipe: Recipe | Source,
    overrides: Overrides = (),
    out: Source | None = None,
    *,
    manifest: Manifest | None = None,
    say: Progress | None = None,
) -> Run:
    """Only the pretraining of a recipe: leaves `backbone.safetensors` and its sidecar in the run's folder."""
    checked = _recipe(_no_run(recipe), overrides, say)  # a mistake in it is told before anything heavy is imported
    from labelfree.pipeline.stages import pretrain_only

    return pretrain_only(checked, path_of(out), command=_command(), progress=progress_of(say), manifest=manifest)


def evaluate(
    recipe: Recipe | Source | None = None,
    overrides: Overrides = (),
    out: Source | None = None,
    *,
    weights: Source | None = None,
    manifest: Manifest | None = None,
    say: Progress | None = None,
) -> Run:
    """Only the comparison of a recipe: pretrained arms come from the run in `out`, from weight files named as arms, or from `weights`.

    `weights`: a run whose pretrained networks are taken over into a new one, such as to compare again with more labels
    (`{"data.labels": "more.csv"}`); its recipe is the default. Scored images that it was pretrained on are told.
    """
    from labelfree.errors import RecipeError

    asked = recipe if recipe is not None else weights
    if asked is None:
        raise RecipeError("evaluate: name a recipe, or with weights (--weights RUN) the run whose networks are compared again.")
    checked = _recipe(asked, overrides, say)  # a mistake in it is told before anything heavy is imported
    from labelfree.pipeline.stages import evaluate_only

    return evaluate_only(checked, path_of(out), command=_command(), progress=progress_of(say), manifest=manifest, weights=path_of(weights))


def resume(folder: Source, overrides: Overrides = (), *, say: Progress | None = None) -> Run:
    """Go on with an unfinished run, at the first step, arm and draw that is missing.

    `overrides`: pretrain.on_collapse alone; all else stays as it was asked for.
    """
    from labelfree.pipeline.stages import resume_run

    return resume_run(Path(folder), overrides, progress=progress_of(say))


def demo(overrides: Overrides = (), out: Source | None = None, domain: str | None = None, *, say: Progress | None = None) -> Run:
    """A domain's own recipe on generated images: shows on any machine, offline, that everything works.

    `domain`: default the only installed one that has a demo; of several the first by name, which a line tells.
    """
    from labelfree.installed_domains import demo_recipe

    return run(demo_recipe(domain, progress_of(say).say), overrides, out, say=say)


def report(folder: Source, share: Source | None = None) -> Path:
    """Write `report.html` of a run folder again, from its files alone. `share`: copy there only what may leave the house.

    Returns the report's path.
    """
    from labelfree.reporting import share_copy, write_report

    return share_copy(Path(folder), Path(share)) if share is not None else write_report(Path(folder))


def compare(runs: Iterable[Source], out: Source | None = None, *, say: Progress | None = None) -> Compared:
    """Merge runs into one report: all their primaries as one family (Holm), every interval computed again from their predictions.

    `out`: a new folder for compare.html, compare.csv and compare.json (docs/comparing-runs.md); default `comparisons/<time>`. An unfinished
    run counts, with p = 1. Raises DataError for a folder that is no run or a torn file, RecipeError for a run named twice.
    """
    from labelfree.comparing.compared import compare_runs

    return compare_runs([Path(run) for run in runs], path_of(out), progress_of(say))


def show_recipe(recipe: Recipe | Source, overrides: Overrides = (), *, say: Progress | None = None) -> str:
    """The whole recipe as YAML, every default written out; a comment at each `auto` says what decides it."""
    from labelfree.recipe_file import to_yaml
    from labelfree.recipe_words import explained

    return explained(to_yaml(_recipe(recipe, overrides, say)))


def check_recipe(recipe: Source, overrides: Overrides = (), *, say: Progress | None = None) -> Recipe:
    """The recipe, with all checked that can be without reading an image. Raises RecipeError naming file, line and nearest key."""
    from labelfree.pipeline.recipe_checks import check

    checked = _recipe(recipe, overrides, say)
    check(checked, tell=progress_of(say).say)
    return checked


def recipe_schema() -> dict[str, Any]:
    """The recipe as JSON Schema, for editors that check YAML while it is typed, with every installed objective's options."""
    from labelfree.objectives.registry import options_schemas
    from labelfree.recipe_words import schema_with_options

    return schema_with_options(options_schemas())


def show_data(source: Source, overrides: Overrides = (), domain: str | None = None, *, say: Progress | None = None) -> Survey:
    """What a data set holds: rows, classes, splits, groups, and what its first image looks like.

    `source`: a folder of images, the name of a data card, or a recipe. `domain`: default the recipe's, the card's, the only one
    installed, or the one that recognises the files.
    """
    from labelfree.planning.survey import survey

    return survey(source, overrides, domain, progress_of(say).say)


def check_data(source: Source, overrides: Overrides = (), domain: str | None = None, *, say: Progress | None = None) -> Survey:
    """Read every image of a data set; `Survey.faults` has one sentence for each that is broken or unlike the others."""
    from labelfree.planning.survey import inspect_files

    return inspect_files(show_data(source, overrides, domain, say=say), progress_of(say))


def annotations(  # type: ignore[no-redef]  # takes the place of the name that `from __future__` leaves
    source: Source,
    labels: Source | None = None,
    domain: str | None = None,
    *,
    overrides: Overrides = (),
    say: Progress | None = None,
) -> Annotations:
    """What people drew on the images of a data set: of each its state (objects, negative, unlabelled), its objects, and what to ignore.

    `source`: a file of labels whose images lie in its folder (COCO, VOC, YOLO, CVAT, LabelMe, Label Studio, a table with one object a
    row: docs/labels.md), a recipe, or a folder of images with `labels`, a file or folder of them, of masks or of a vector file's shapes.
    Boxes are x0, y0, x1, y1 in pixels of what `read` returns, from the outer edge of the first. Faulty objects are left out;
    `Annotations.faults` names each.
    Raises DataError where a file is broken as a whole, or leaves open what is meant.
    """
    from labelfree.planning.annotated_set import annotations_of

    return annotations_of(Path(source), path_of(labels), domain, overrides, progress_of(say))


def plan(
    folder: Source,
    domain: str | None = None,
    labels: Source | None = None,
    out: Source | None = None,
    *,
    label_field: str | None = None,
    date_field: str | None = None,
    overrides: Overrides = (),
    say: Progress | None = None,
) -> Proposal:
    """Look at a folder of images and propose a recipe: `Proposal.lines()` is what was found, `text` and `recipe` what to run.

    `domain`: default the only installed one that recognises the files. `labels`: CSV or Parquet, or a vector file whose
    `label_field` holds the class and `date_field` a date; default `splits.csv` or class folders. `overrides`: keys of `data` and
    `reader`, which say how the files are read, such as `["data.label_field=class"]`, and `evaluate.task`. `out`: a new file for the recipe.
    Raises RecipeError or DataError where no recipe could be told, or none that runs.
    """
    from labelfree.domain import LabelFields
    from labelfree.planning.proposal import propose, unused

    file = path_of(out)
    if file is not None:
        unused(file)  # told before the folder is looked at
    proposal = propose(Path(folder), domain, path_of(labels), LabelFields(label_field, date_field), overrides, progress_of(say))
    if file is not None:
        proposal.write(file)
    return proposal


def select(
    folder: Source,
    weights: Source | None = None,
    budget: int = 0,
    *,
    out: Source,
    strategy: str = "auto",
    audit: int = 0,
    labels: Source | None = None,
    domain: str | None = None,
    seed: int = 0,
    overrides: Overrides = (),
    say: Progress | None = None,
) -> Selection:
    """Choose `budget` images of a folder to label next, and draw `audit` more at random to be scored on; writes them in order.

    `weights`: by whose features they are chosen: a run folder, a weight file with its card, or "imagenet"; an audit needs none. `out`: a
    new or empty folder for select.csv (path, group, split, chosen, reason) and pictures of what was chosen. `strategy`: typical, cover,
    margin, random, or auto (docs/choosing.md). `labels`: what is labelled already, as for `plan`: not chosen again, nor what is nearly the
    same. `overrides`: keys of `data` and `reader`, as for `plan`. The same `seed` chooses the same images.
    Raises RecipeError or DataError where that cannot be done; `out` is untouched then.
    """
    from labelfree.selecting.selection import select_images

    network = None if weights is None else str(weights)
    return select_images(
        Path(folder), network, budget, strategy, audit, path_of(labels), domain, overrides, seed, Path(out), progress_of(say)
    )


def label(
    folder: Source,
    classes: str | Sequence[str] = (),
    rows: Source | None = None,
    labels: Source | None = None,
    domain: str | None = None,
    *,
    weights: LoadedBackbone | Source | None = None,
    port: int | None = None,
    browser: bool = True,
    overrides: Overrides = (),
    say: Progress | None = None,
) -> Path:
    """Give images their class in a browser page on this machine; ends with Ctrl-C (in a notebook: interrupt the cell).

    `classes`: those to choose from, besides those in the table already. `rows`: a table of the images to ask about, in its order, as
    `select` writes it; default all without a label. `labels`: the table of answers, default `labels.csv` in the folder, gone on with
    where it is there. `weights`: find labelled neighbours by their features. `port`: default a free one. `overrides`: keys of `reader`.
    Returns the table, which `run` takes as `data.labels`. Raises RecipeError or DataError before the page opens.
    """
    from labelfree.labelling.asking import ask

    encoder = load(weights) if isinstance(weights, str | Path) else weights
    return ask(Path(folder), classes, path_of(rows), path_of(labels), domain, encoder, port, browser, overrides, progress_of(say))


def sample_data(folder: Source, domain: str | None = None, *, seed: int = 0, variant: str = "") -> Path:
    """Write a domain's generated images, labels and `splits.csv` into a new or empty folder. `domain`: default the only one installed."""
    from labelfree.planning.survey import write_sample

    return write_sample(Path(folder), domain, seed, variant)


def doctor() -> list[Finding]:
    """Look at this machine and installation: what works, what does not, and how to put it right."""
    from labelfree.planning.diagnosis import diagnose

    return diagnose()


def _recipe(recipe: Recipe | Source, overrides: Overrides, say: Progress | None) -> Recipe:
    from labelfree.recipe_file import change, load_recipe
    from labelfree.training.processes import this_process

    tell = progress_of(say).say if this_process().first else None
    return load_recipe(recipe, overrides, tell) if isinstance(recipe, str | Path) else change(recipe, overrides, tell)


def _no_run(recipe: Recipe | Source) -> Recipe | Source:
    """Raises RecipeError for the folder of a run: it may be meant to go on, or to start anew."""
    from labelfree.data.our_folders import is_run, private_of
    from labelfree.errors import RecipeError

    if not isinstance(recipe, str | Path) or not is_run(folder := Path(recipe)):
        return recipe
    asked = next((file for file in (folder / "recipe.yaml", private_of(folder) / "asked.yaml") if file.is_file()), folder / "recipe.yaml")
    raise RecipeError(
        f"{folder}: is a run's folder; `labelfree resume {folder}` goes on with it, `labelfree run {asked} --out NEW` starts anew."
    )


def _command() -> str:
    from labelfree.planning.environment import command

    return command()
