"""Verbs that look for images: `labelfree index` and `labelfree search`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import labelfree
from labelfree.commands.arguments import Overrides
from labelfree.commands.speaking import console
from labelfree.errors import RecipeError


def index(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of images.", show_default=False)],
    weights: Annotated[Path, typer.Option(metavar="RUN|FILE", help="Run folder or weight file.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="INDEX", help="New folder, or an index by these weights to add to.", show_default=False)],
    overrides: Overrides = None,
    tile: Annotated[
        str | None, typer.Option(metavar="N|NxM", help="Cut images into parts of so many pixels; scenes come in windows of 256 anyhow.")
    ] = None,
    domain: Annotated[str | None, typer.Option(help="Field of the images; default: that of the weights.")] = None,
) -> None:
    """Embed a folder into an index that `search` asks; more images are added to it, interrupted work goes on. KEY: `data` or `reader`."""
    side = None if tile is None else _numbers("--tile", tile, "x", "a number of pixels, or one an axis such as 32x96x96")
    parts = side if side is None or len(side) > 1 else side[0]
    labelfree.index(folder, weights, out, domain, tile=parts, overrides=overrides or (), say=console())


def search(
    folder: Annotated[Path, typer.Argument(metavar="INDEX", help="An index, as `labelfree index` makes it.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for search.csv and pictures.", show_default=False)],
    image: Annotated[str | None, typer.Option(metavar="FILE", help="Find images like this one.", show_default=False)] = None,
    text: Annotated[str | None, typer.Option(help="Find what these words describe; needs a text tower.", show_default=False)] = None,
    k: Annotated[int, typer.Option("-k", help="How many.")] = 20,
    box: Annotated[str | None, typer.Option(metavar="x0,y0,x1,y1", help="Of the image, this part alone, in pixels.")] = None,
    weights: Annotated[Path | None, typer.Option(metavar="RUN|FILE", help="Where the weights of the index are now, if moved.")] = None,
) -> None:
    """Find the images of an index that are most alike an image, or that words describe: a table, shapes on Earth, a contact sheet."""
    corners = None if box is None else _numbers("--box", box, ",", "x0,y0,x1,y1 in pixels")
    found = labelfree.search(folder, out, image=image, text=text, k=k, box=corners, weights=weights, say=console())
    for line in found.lines():
        typer.echo(line)


def _numbers(option: str, text: str, between: str, wanted: str) -> list[int]:
    """Whole numbers as an option gives them."""
    try:
        return [int(part) for part in text.split(between)]
    except ValueError:
        raise RecipeError(f"{option} {text}: give {wanted}.") from None
