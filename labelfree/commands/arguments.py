"""Arguments and options that several verbs take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipeName = Annotated[
    str, typer.Argument(metavar="RECIPE", help="YAML file, a run folder, or the name of a shipped recipe.", show_default=False)
]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Overrides, e.g. pretrain.minutes=60.", show_default=False)
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of the run: new, empty, or this recipe's unfinished run. Default: runs/RECIPE-TIME."),
]
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Folder of images, name of a data card, or a recipe.", show_default=False)]
DomainName = Annotated[
    str | None, typer.Option(help="Field whose reader is used; default: the recipe's, the card's, or what the files tell.")
]
