"""`labelfree label` from end to end: the images, the table and the classes are looked up, and the page is served until Ctrl-C."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.data.pool import read_sample
from labelfree.errors import DataError
from labelfree.installed_domains import key_for
from labelfree.labelling.answers import NOTHING
from labelfree.labelling.classes import class_names
from labelfree.labelling.images import Asked, Folder, apart_from_audit
from labelfree.labelling.neighbours import BySimilarity, InTheList, Neighbours
from labelfree.labelling.next_command import next_command
from labelfree.labelling.pictures import Pictures
from labelfree.labelling.serving import bound, how_to_open, needed, new_token, open_browser, served, wait
from labelfree.labelling.sitting import Sitting
from labelfree.labelling.table_file import AnswerTable
from labelfree.planning.recognition import field_of
from labelfree.planning.survey import changed
from labelfree.progress import Progress
from labelfree.recipe import Data
from labelfree.recipe_file import Overrides

if TYPE_CHECKING:
    from labelfree.backbones.weights import LoadedBackbone

TABLE = "labels.csv"


def ask(
    root: Path,
    classes: str | Sequence[str],
    rows: Path | None,
    labels: Path | None,
    domain: str | None,
    encoder: LoadedBackbone | None,
    port: int | None,
    browser: bool,
    overrides: Overrides,
    say: Progress,
) -> Path:
    """Ask a person for the class of each image in a browser page. Returns the table of answers once they leave with Ctrl-C.

    `encoder`: finds the labelled images most like the one that is asked about. Raises `RecipeError` and `DataError` before the page opens.
    """
    needed()
    from labelfree.labelling.routes import application

    for option, path in {"--rows": rows, "the folder": root}.items():
        if path is not None and not path.exists():
            raise DataError(f"{path}: does not exist ({option}).")
    if rows is not None and rows.is_dir():
        raise DataError(f"{rows}: is a folder (--rows); name the table in it.")
    file = labels or root / TABLE
    with bound(port) as listener:
        sitting, pictures = prepared(root, classes, rows, file, domain, encoder, overrides, say)
        page = application(sitting, pictures, token := new_token())
        with served(page, listener, token) as address, suppress(KeyboardInterrupt):  # who leaves at once has left, too
            for sentence in how_to_open(address):
                say.say(sentence)
            if browser:
                open_browser(address)
            wait()
    answers = sitting.table.answers()
    done = sum(answers.get(each.identity, NOTHING) != NOTHING for each in sitting.asked)
    say.say(f"{file}: {done} of {len(sitting.asked)} images have an answer.")
    say.say(f"Next: {sitting.closing}" if done == len(sitting.asked) else "Go on with the same command.")
    return file


def prepared(
    root: Path,
    classes: str | Sequence[str],
    rows: Path | None,
    file: Path,
    domain: str | None,
    encoder: LoadedBackbone | None,
    overrides: Overrides,
    say: Progress,
) -> tuple[Sitting, Pictures]:
    """What is asked about, and its pictures: nothing is served yet. Arguments and errors as of `ask`; `file`: the table of answers."""
    recipe = changed(Data(root=root.absolute()), overrides, domain, say.say)
    field = field_of(recipe.data, recipe.reader, domain, sure=False)
    folder = Folder(field.manifest.root, field.domain, field.manifest.rows)
    asked, carried = (folder.without_label(), list[Asked]()) if rows is None else apart_from_audit(folder.chosen(rows))
    if len(channels := _channels(folder, asked)) > 1 and field.domain.rgb(channels) is None:
        key = key_for("channels", field.domain.name)
        say.say(f"Which channels are red, green and blue is not known, so images have no colours; say it with {key}.")
    table = AnswerTable(file, folder.words(file, asked, carried))
    answers = table.answers()
    names = class_names(classes, {answer.label for answer in answers.values() if answer.label})
    mine = {each.identity for each in asked}
    others = folder.others(identity for identity, answer in answers.items() if answer.label and identity not in mine)
    images = [*asked, *others]
    neighbours: Neighbours = InTheList([image.extra.get("group", "") for image in images])
    if encoder is not None:
        neighbours = BySimilarity(encoder, field.domain, [image.row for image in images], neighbours)
    closing = next_command(root, file, field.domain.name, overrides)
    return Sitting(asked, others, names, table, neighbours, closing), Pictures(field.domain)


def _channels(folder: Folder, asked: Sequence[Asked]) -> tuple[str, ...]:
    """The channels of the first image that can be read; none where it can't, which the page says."""
    sample = read_sample(folder.domain.read, asked[0].row)
    return () if isinstance(sample, DataError) else sample.channels
