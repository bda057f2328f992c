"""The `labelfree` command: every verb is one call into the Python API of the same name."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import labelfree
from labelfree.commands.arguments import DomainName, Out, Overrides, RecipeName
from labelfree.commands.exchanging import convert
from labelfree.commands.looking import data_app, recipe_app
from labelfree.commands.searching import index, search
from labelfree.commands.speaking import State
from labelfree.commands.speaking import console as _console
from labelfree.commands.speaking import on_standard_error as _on_standard_error
from labelfree.errors import Interrupted, LabelfreeError
from labelfree.foreign_logs import keep_from_terminal
from labelfree.training.processes import may_speak

EXIT_CODES = """Exit codes: 0 done; 1 anything else wrong; 2 recipe, override or usage; 3 data; 4 leak: scored images are in the pool;
5 training cannot go on (collapse, NaN, memory, disk); 75 stopped but saved: go on with: labelfree resume DIR"""


class Verbs(TyperGroup):
    """Turns Ctrl-C and SIGTERM into a sentence, before typer makes an exit code of its own of them."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            folder = _folder()
            raise Interrupted(f"Stopped. Go on with: labelfree resume {folder}" if folder else "Stopped; nothing had begun.") from None


app = typer.Typer(
    name="labelfree",
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)
app.add_typer(data_app, name="data")
app.add_typer(recipe_app, name="recipe")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"labelfree {labelfree.__version__}")
        raise typer.Exit


@app.callback()
def everything(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Pretrain on your own unlabelled images, then learn whether, and how many labels, it saves against ImageNet."""


@app.command(epilog="Example: labelfree run recipes/satellite_dino.yaml data.root=/my/images data.labels=labels.csv pretrain.minutes=60")
def run(recipe: RecipeName, overrides: Overrides = None, out: Out = None) -> None:
    """Carry out a recipe: pool, pretraining, comparison with ImageNet, report."""
    labelfree.run(recipe, overrides or (), out, say=_console())


@app.command(epilog="Example: labelfree plan /my/images --labels labels.csv --out mine.yaml")
def plan(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of images.", show_default=False)],
    overrides: Overrides = None,
    domain: Annotated[str | None, typer.Option(help="Field of the images; default: the one that recognises the files.")] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV, Parquet or vector file; default: splits.csv, or class folders.")
    ] = None,
    label_field: Annotated[str | None, typer.Option(metavar="NAME", help="Field of a vector file that holds the class.")] = None,
    date_field: Annotated[str | None, typer.Option(metavar="NAME", help="Field of a vector file that holds a date.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="New file for the recipe; default: standard output.")] = None,
) -> None:
    """Look at a folder: say what it holds (on standard error) and write a recipe, with reasons. KEY: `data`, `reader`, evaluate.task."""
    told: dict[str, Any] = {"label_field": label_field, "date_field": date_field, "overrides": overrides or ()}
    proposal = labelfree.plan(folder, domain, labels, out, **told, say=_on_standard_error())
    for line in proposal.lines():
        typer.echo(line, err=True)
    typer.echo(f"recipe: {out}" if out is not None else proposal.text.encode("utf-8"), nl=out is not None)


@app.command(epilog="Example: labelfree select /my/images --weights runs/mine --budget 40 --audit 100 --out round-1")
def select(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of images.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for select.csv and pictures.", show_default=False)],
    overrides: Overrides = None,
    weights: Annotated[
        str | None, typer.Option(metavar="RUN|FILE", help="Run folder or weight file whose features are used, or imagenet.")
    ] = None,
    budget: Annotated[int, typer.Option(help="Images to choose.", show_default=False)] = 0,
    strategy: Annotated[str, typer.Option(help="typical, cover, margin, random, or auto.")] = "auto",
    audit: Annotated[int, typer.Option(help="More images, drawn at random, to be scored on.", show_default=False)] = 0,
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help="What is labelled already; default: splits.csv.")] = None,
    domain: Annotated[str | None, typer.Option(help="Field of the images; default: that of the weights.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other images.")] = 0,
) -> None:
    """Choose the images to label next, and draw at random those to be scored on. KEY: one of `data` or `reader`."""
    told: dict[str, Any] = {"strategy": strategy, "audit": audit, "labels": labels, "domain": domain, "seed": seed}
    for line in labelfree.select(folder, weights, budget, out=out, **told, overrides=overrides or (), say=_console()).lines():
        typer.echo(line)


@app.command(epilog="Example: labelfree resume runs/satellite_dino-20250101-120000")
def resume(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an unfinished run.", show_default=False)],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="pretrain.on_collapse alone may change.", show_default=False)
    ] = None,
) -> None:
    """Go on with an unfinished run, exactly where it stopped."""
    labelfree.resume(folder, overrides or (), say=_console())


@app.command(epilog="Example: labelfree pretrain recipes/satellite_dino.yaml data.root=/my/images data.labels=labels.csv --out backbone")
def pretrain(recipe: RecipeName, overrides: Overrides = None, out: Out = None) -> None:
    """Only pretrain: leaves backbone.safetensors and the JSON that says how to use it. Labels, if named, only keep their images out."""
    labelfree.pretrain(recipe, overrides or (), out, say=_console())


@app.command(epilog="Example: labelfree evaluate --weights runs/mine data.labels=more_labels.csv")
def evaluate(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RECIPE] KEY=VALUE", help="A recipe, unless --weights names a run, and overrides.", show_default=False),
    ] = None,
    out: Out = None,
    weights: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Take over what this run pretrained, and by default its recipe.", show_default=False)
    ] = None,
) -> None:
    """Only compare: arms that the same recipe pretrained in DIR, that RUN pretrained, or weight files, against ImageNet."""
    given = words or []
    named = bool(given) and "=" not in given[0]
    labelfree.evaluate(given[0] if named else None, given[named:], out, weights=weights, say=_console())


@app.command(epilog="Example: labelfree predict runs/mine new-images --out predictions")
def predict(
    head: Annotated[
        Path, typer.Argument(metavar="HEAD", help="A file in RUN/heads/, or RUN for its recommended head.", show_default=False)
    ],
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT… KEY=VALUE", help="Images, folders or tables of them; keys of `data` or `reader`.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder, or one to go on with.", show_default=False)],
    region: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Maps: only inside the shapes of this vector file.", show_default=False)
    ] = None,
    vector: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Maps: also as polygons with class and score (.gpkg).", show_default=False)
    ] = None,
) -> None:
    """Say what images show, with a head that a run left: a table of classes, or a map of each image. Interrupted work goes on."""
    images = [word for word in inputs if not _is_override(word)]
    overrides = [word for word in inputs if _is_override(word)]
    labelfree.predict(head, images, out, region=region, vector=vector, overrides=overrides, say=_console())


@app.command(epilog="Example: labelfree export runs/mine --out exported")
def export(
    head: Annotated[
        Path, typer.Argument(metavar="HEAD", help="A file in RUN/heads/, or RUN for its recommended head.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder.", show_default=False)],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT… KEY=VALUE]",
            help="Images, folders or tables that the export is tried on, default RUN's labelled ones; keys of `data` or `reader`.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        str, typer.Option(help="onnx: a head. open_clip: both towers of RUN, or of a weight file, as a folder that open_clip loads.")
    ] = "onnx",
) -> None:
    """Write a head for other programs: ONNX that takes stored pixels, a script that runs it, the plain network. It is tried on images."""
    words = inputs or []
    images, asked = [[word for word in words if _is_override(word) is given] for given in (False, True)]
    labelfree.export(head, out, images, format=format, overrides=asked, say=_console())  # type: ignore[call-overload]  # it looks itself


@app.command(epilog="Example: labelfree distil runs/mine /my/images --backbone mobilenetv4_conv_small --minutes 20 --out small")
def distil(
    head: Annotated[
        Path, typer.Argument(metavar="HEAD", help="A file in RUN/heads/, or RUN for its recommended head.", show_default=False)
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Images, most without a label.", show_default=False)],
    backbone: Annotated[str, typer.Option(metavar="NAME", help="The smaller network.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder.", show_default=False)],
    overrides: Overrides = None,
    minutes: Annotated[float | None, typer.Option(metavar="M", help="How long to teach.", show_default=False)] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="How long, in steps.", show_default=False)] = None,
    init: Annotated[str, typer.Option(help="What it starts from: imagenet, random, a weight file or a published name.")] = "imagenet",
    temperature: Annotated[float, typer.Option(help="At which answers are compared.")] = 1.0,
    size: Annotated[int | None, typer.Option(help="Its input size; default: the teacher's.", show_default=False)] = None,
    on: Annotated[str, typer.Option(help="dev or test: the labels both are judged by.")] = "test",
    seed: Annotated[int, typer.Option(help="Another start and other held-out images for another seed.")] = 0,
) -> None:
    """Teach a smaller network a head's answers; it leaves a head for `predict` and `export`. KEY: one of `data` or `reader`."""
    labelfree.distil(
        head, folder, backbone, out=out, minutes=minutes, steps=steps, init=init, temperature=temperature, size=size, on=on, seed=seed,
        overrides=overrides or (), say=_console(),
    )  # fmt: skip


def _is_override(word: str) -> bool:
    """Whether a word sets a key: a file may have a `=` in its name, too."""
    return word.partition("=")[0].partition(".")[0] in ("data", "reader") and "=" in word and not Path(word).exists()


@app.command(epilog="Example: labelfree report runs/satellite_dino-20250101-120000 --share to-send")
def report(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Run folder; default: the newest below runs/.", show_default=False)
    ] = None,
    share: Annotated[Path | None, typer.Option(metavar="DIR", help="Copy there only what may leave the house.")] = None,
) -> None:
    """Write a run's report.html again from its files, or a copy that may be shared."""
    typer.echo(f"report: {labelfree.report(folder or _newest_run(), share)}")


@app.command(epilog="Example: labelfree compare runs/dino runs/byol --out both")
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.", show_default=False)],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="New folder; default: comparisons/TIME.")] = None,
) -> None:
    """Merge runs into one report: all their primaries tested together, so that many looks claim no more than one would."""
    compared = labelfree.compare(runs, out, say=_on_standard_error())
    for line in (*compared.lines(), f"report: {compared.report}"):
        typer.echo(line)


@app.command(epilog="Example: labelfree label /my/images --classes forest,pasture,water --rows chosen/select.csv")
def label(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of images.", show_default=False)],
    overrides: Overrides = None,
    classes: Annotated[str, typer.Option(metavar="A,B,C", help="Classes to choose from, besides those in the table already.")] = "",
    rows: Annotated[Path | None, typer.Option(metavar="FILE", help="Table of images to ask about; default: all without a label.")] = None,
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help="Table of answers; default: DIR/labels.csv.")] = None,
    weights: Annotated[Path | None, typer.Option(metavar="RUN|FILE", help="Show the labelled images most like each.")] = None,
    domain: DomainName = None,
    port: Annotated[int | None, typer.Option(help="Default: a free one.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
) -> None:
    """Give images their class in a page on this machine, by single keys; every answer is saved at once. KEY: one of `reader`."""
    told: dict[str, Any] = {"weights": weights, "port": port, "browser": browser, "overrides": overrides or ()}
    labelfree.label(folder, classes, rows, labels, domain, **told, say=_console())


@app.command(epilog="Example: labelfree embed /my/images --weights runs/mine --out vectors.parquet")
def embed(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of images.", show_default=False)],
    weights: Annotated[Path, typer.Option(metavar="RUN|FILE", help="Run folder or weight file.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="FILE", help="New Parquet file.", show_default=False)],
    overrides: Overrides = None,
    domain: Annotated[str | None, typer.Option(help="Field of the images; default: that of the weights.")] = None,
) -> None:
    """Write a vector for every image of a folder into one table. KEY: one of `data` or `reader`."""
    labelfree.embed_folder(folder, weights, out, domain, overrides=overrides or (), say=_console())


app.command(epilog="Example: labelfree convert resnet50.pth --as ResNet50_Weights.SENTINEL2_ALL_MOCO")(convert)
app.command(epilog="Example: labelfree index /my/images --weights runs/mine --out images.index")(index)
app.command(epilog="Example: labelfree search images.index --image new.tif --box 40,60,168,188 --out like-this")(search)


@app.command(epilog="Example: labelfree demo --out demo")
def demo(
    overrides: Overrides = None,
    out: Out = None,
    domain: Annotated[str | None, typer.Option(help="Field whose demo is run; default: the first installed one that has a demo.")] = None,
) -> None:
    """Run a field's own recipe on generated images: no download, under five minutes on two cores."""
    labelfree.demo(overrides or (), out, domain, say=_console())


@app.command(epilog="Example: labelfree doctor")
def doctor() -> None:
    """Look at this machine and installation, and say how to put right what is wrong. Exit code 1 if something is."""
    findings = labelfree.doctor()
    for finding in findings:
        typer.echo(f"{finding.state:<8} {finding}")
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)


def _newest_run() -> Path:
    from labelfree.errors import DataError

    runs = sorted(Path("runs").glob("*/recipe.yaml"), key=lambda file: file.stat().st_mtime)
    if not runs:
        raise DataError("runs/: no run folder here; name one: labelfree report DIR.")
    return runs[-1].parent


def main(arguments: list[str] | None = None) -> NoReturn:
    """Entry point: one sentence on stderr and an exit code for every error; tracebacks only under --debug."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    signal.signal(signal.SIGTERM, _terminated)
    if not debug:
        keep_from_terminal(_keep)
    try:
        code = app([word for word in given if word != "--debug"], prog_name="labelfree", standalone_mode=False)
    except Exception as error:
        if debug:
            raise
        signal.signal(signal.SIGTERM, lambda number, frame: None)  # torchrun ends all once one has failed: first say why
        code = _explain(error)
    sys.exit(code if isinstance(code, int) else 0)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _explain(error: Exception) -> int:
    """Print an error as one sentence; its exit code."""
    if isinstance(error, LabelfreeError):
        return _fail(str(error), error.exit_code)
    usage: Any = getattr(error, "format_message", None)  # typer's own complaints, whichever version of click it carries
    if usage is not None:
        sentence = " ".join(usage().split())
        return _fail(f"{sentence}{'' if sentence.endswith(('.', '?')) else '.'} See `labelfree --help`.", 2)
    if isinstance(error, BrokenPipeError):  # `labelfree recipe schema | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, OSError) and error.filename:
        return _fail(f"{error.filename}: {error.strerror or error}.", 1)
    place = f"; the run so far is in {folder}" if (folder := _folder()) else ""
    return _fail(
        f"{type(error).__name__}: {error}{place}; this is a fault of labelfree: run again with --debug and report what it prints.", 1
    )


def _folder() -> Path | None:
    """The folder of the run under way: where its log is."""
    log = State.console.log if State.console is not None else None
    if log is None:
        return None
    return log.parent.parent if log.parent.name == "private" else log.parent


def _keep(line: str) -> None:
    """Into the log of the run under way; nowhere without one."""
    if State.console is not None:
        State.console.keep(line)


def _fail(sentence: str, code: int) -> int:
    if may_speak(code):
        print(sentence, file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    main()
