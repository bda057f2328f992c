"""Verbs in groups that look and train nothing: `labelfree data …` and `labelfree recipe …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import labelfree
from labelfree.commands.arguments import DomainName, Overrides, RecipeName, Source
from labelfree.commands.speaking import console, on_standard_error

if TYPE_CHECKING:
    from labelfree.planning.survey import Survey

data_app = typer.Typer(no_args_is_help=True, help="Look at a data set, check its files, or write a generated one.")
recipe_app = typer.Typer(no_args_is_help=True, help="Show a recipe in full, check it, or list everything a recipe may say.")


@data_app.command("show", epilog="Example: labelfree data show /my/images data.labels=labels.csv")
def data_show(source: Source, overrides: Overrides = None, domain: DomainName = None) -> None:
    """Count images, classes, splits and groups, and describe the first image."""
    _print(labelfree.show_data(source, overrides or (), domain, say=console()))


@data_app.command("check", epilog="Example: labelfree data check /my/images data.labels=labels.csv")
def data_check(source: Source, overrides: Overrides = None, domain: DomainName = None) -> None:
    """Read every image; name each that is broken or has other channels. Exit code 3 if there is one."""
    found = labelfree.check_data(source, overrides or (), domain, say=console())
    _print(found)
    if found.faults:
        raise typer.Exit(3)


@data_app.command("sample", epilog="Example: labelfree data sample generated --seed 1")
def data_sample(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.", show_default=False)],
    domain: Annotated[str | None, typer.Option(help="Field of the images; default: the only one installed.")] = None,
    seed: Annotated[int, typer.Option(help="Other images for another seed.")] = 0,
    variant: Annotated[str, typer.Option(help="What the domain's generator offers, e.g. rgb.")] = "",
) -> None:
    """Write a generated data set: images, labels and splits.csv."""
    typer.echo(f"generated: {labelfree.sample_data(folder, domain, seed=seed, variant=variant)}")


@recipe_app.command("show", epilog="Example: labelfree recipe show satellite_dino pretrain.minutes=60")
def recipe_show(recipe: RecipeName, overrides: Overrides = None) -> None:
    """Print the whole recipe, every default written out."""
    typer.echo(labelfree.show_recipe(recipe, overrides or (), say=on_standard_error()), nl=False)


@recipe_app.command("check", epilog="Example: labelfree recipe check recipes/mine.yaml")
def recipe_check(recipe: RecipeName, overrides: Overrides = None) -> None:
    """Check a recipe without running it. Exit code 2, file, line and the nearest key if something is wrong."""
    checked = labelfree.check_recipe(recipe, overrides or (), say=console())
    from labelfree.transfer.tasks.registry import task_for

    claim = checked.evaluate.primary
    words = task_for(checked.evaluate).words
    asked = f"{words.protocol(claim.protocol).words} at {words.budget.of(claim.budget)} ({words.metric(claim.metric).words})"
    typer.echo(f"{recipe}: fine; it will claim {claim.arm} against {claim.against}, {asked}.")


@recipe_app.command("schema", epilog="Example: labelfree recipe schema --json > recipe.schema.json")
def recipe_schema(as_json: Annotated[bool, typer.Option("--json", help="As JSON Schema, for editors.")] = False) -> None:
    """List every key with what it may hold, its default and its meaning."""
    import json

    from labelfree.objectives.registry import options_schemas
    from labelfree.recipe_words import outline

    typer.echo(json.dumps(labelfree.recipe_schema(), indent=2) if as_json else outline(options_schemas()), nl=as_json)


def _print(found: Survey) -> None:
    for line in found.lines():
        typer.echo(line)
