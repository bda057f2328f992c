"""Classes in words, and those that are kept out of the pretraining so that they were never seen nor named (docs/protocol.md, 21)."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from labelfree.data.cards import Card
from labelfree.domain import Domain, Row, WordsClasses
from labelfree.errors import RecipeError
from labelfree.language.naming import Namer
from labelfree.language.prompts import TEMPLATES, Prompts, read_templates, words_of_class
from labelfree.recipe import Recipe
from labelfree.transfer.tasks import Task

FEWEST = 2  # classes that are left to be learnt from
KEY = "evaluate.held_out_classes"
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Wording:
    """`words`: of every class that labels name, the ways to say it. `held_out`: those kept out of the pretraining."""

    words: Mapping[str, tuple[str, ...]]
    held_out: tuple[str, ...] = ()

    def kept(self, rows: Sequence[Row], task: Task, blanked: Mapping[str, str] = NOTHING) -> tuple[list[Row], list[str]]:
        """Those rows that neither show nor name a class held out, and a sentence on the others. `blanked`: labels that nothing else reads.

        A row whose label is not known goes too where any of its captions names one: it most likely shows it.
        """
        if not self.held_out:
            return list(rows), []
        shown, said = leaving(rows, task, self.held_out, self.words, blanked)
        gone = shown | said
        told = (
            f"Held out: {', '.join(self.held_out)}: {len(shown):,} images that show them, and {len(said - shown):,} more of which a "
            "caption names one, were not pretrained on."
        )
        return [row for row in rows if row.id not in gone], [told]


def leaving(
    rows: Iterable[Row], task: Task, held_out: Collection[str], words: Mapping[str, Sequence[str]], blanked: Mapping[str, str]
) -> tuple[set[str], set[str]]:
    """Ids of the rows that show a class held out, and of those that have a caption which names one."""
    namer = Namer({name: words.get(name) or (words_of_class(name),) for name in held_out})
    shown, said = set[str](), set[str]()
    looked_at = dict[str, bool]()
    for row in rows:
        known = row if row.label is not None else replace(row, label=blanked.get(row.id, blanked.get(row.id.rpartition("#")[0])))
        if task.labelled(known) and not task.taught(known).isdisjoint(held_out):
            shown.add(row.id)
        for caption in row.captions:
            if caption not in looked_at:
                looked_at[caption] = bool(namer.named(caption))
            if looked_at[caption]:
                said.add(row.id)
    return shown, said


def wording(recipe: Recipe, card: Card | None, task: Task, rows: Sequence[Row], asked: Sequence[Row]) -> Wording:
    """Of the classes that labels of `rows` name. `asked`: those that are learnt from or scored, whose classes are drawn from where a number
    is held out. Raises RecipeError for words of a class, or a class held out, that is not there.
    """
    if not task.categorical:
        if recipe.evaluate.held_out_classes is not None:
            raise RecipeError(f"{KEY}: labels of {task.name} name no classes that could be held out; leave it out.")
        return Wording({})
    classes, scored = _classes(task, rows), _classes(task, asked)
    given = {name: said for name, said in (card.class_words if card else {}).items() if name in classes}
    for spelled, said in recipe.evaluate.class_words.items():
        given[_among(str(spelled), classes, "evaluate.class_words")] = said
    words = {name: _said(name, given.get(name)) for name in classes}
    return Wording(words, _drawn(recipe, classes, scored))


def check_names(recipe: Recipe, task: Task, rows: Sequence[Row]) -> None:
    """What `wording` raises on names of classes that are not there, told before images are read."""
    classes = _classes(task, rows) if task.categorical else []
    held_out = recipe.evaluate.held_out_classes
    named = [(str(name), KEY) for name in (held_out if isinstance(held_out, list) else ())]
    for name, key in [*named, *((str(name), "evaluate.class_words") for name in recipe.evaluate.class_words)]:
        if classes:
            _among(name, classes, key)


def _classes(task: Task, rows: Sequence[Row]) -> list[str]:
    """Those that labels of the rows name."""
    return sorted({name for row in rows if task.labelled(row) for name in task.taught(row)})


def asks_in_words(recipe: Recipe, task: Task) -> bool:
    """Whether a protocol of the recipe asks for classes in words."""
    return any(name in task.protocols and task.protocol(name).needs == "words" for name in recipe.evaluate.protocols)


def prompts(recipe: Recipe, domain: Domain, words: Mapping[str, tuple[str, ...]]) -> Prompts:
    """The classes beside the templates that the recipe names, else the domain's. Raises RecipeError where these cannot be read."""
    file = recipe.evaluate.prompts
    if file is None and not isinstance(domain, WordsClasses):
        return Prompts(TEMPLATES, words)
    templates = read_templates(file) if file is not None else read_templates(domain.prompts, f"prompts of {domain.name}")  # type: ignore[attr-defined]
    return Prompts(templates, words)


def _drawn(recipe: Recipe, classes: Sequence[str], scored: Sequence[str]) -> tuple[str, ...]:
    """The classes held out: those named, or as many as asked for, in the order of hash(seed, class)."""
    asked = recipe.evaluate.held_out_classes
    if asked is None:
        return ()
    if isinstance(asked, int):
        if not scored:
            raise RecipeError(f"{KEY}: {asked} of the classes cannot be drawn, for no label names any; name them: [a, b].")
        drawn = sorted(scored, key=lambda name: (hashlib.sha256(f"{recipe.seed}\x1f{name}".encode()).hexdigest(), name))[:asked]
    else:
        drawn = [_among(name, classes, KEY) if classes else name for name in map(str, asked)]
    if scored and len(set(scored) - set(drawn)) < FEWEST:
        raise RecipeError(f"{KEY}: of {len(scored)} classes {len(set(drawn))} are held out; leave at least {FEWEST} to be taught with.")
    return tuple(sorted(set(drawn)))


def _among(name: str, classes: Sequence[str], key: str) -> str:
    """The class, where it is one. Raises RecipeError with the nearest."""
    if name in classes:
        return name
    near = difflib.get_close_matches(name, classes, 1) or [each for each in classes if each.casefold() == name.casefold()]
    hint = f"did you mean {near[0]}?" if near else f"the labels name {', '.join(classes) or 'none'}."
    raise RecipeError(f"{key}: {name!r} is not a class of these labels; {hint}")


def _said(name: str, given: str | list[str] | None) -> tuple[str, ...]:
    """The ways to say a class. Raises RecipeError where one is empty."""
    said = [given] if isinstance(given, str) else given or [words_of_class(name)]
    if not all(each.strip() for each in said):
        raise RecipeError(f"evaluate.class_words.{name}: holds an empty word; say the class in words, or leave it out.")
    return tuple(dict.fromkeys(each.strip() for each in said))
