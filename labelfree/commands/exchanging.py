"""Verbs that take over what other projects have: `labelfree convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import labelfree


def convert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Weights as their publisher ships them.", show_default=False)],
    name: Annotated[str, typer.Option("--as", help="What their publisher calls them.", show_default=False)],
    domain: Annotated[str | None, typer.Option(help="Field of the weights; default: the one that knows NAME.")] = None,
    out: Annotated[Path | None, typer.Option(help="The new file; default beside FILE.", show_default=False)] = None,
) -> None:
    """Turn weights that others published into a file that says which channels and normalisation it wants."""
    made = labelfree.convert(file, name, out, domain=domain)
    typer.echo(f"converted: {made}")
    from labelfree.language.open_clip_checkpoint import how_to_use

    for line in how_to_use(made):
        typer.echo(line)
