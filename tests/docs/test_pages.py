"""What the pages say can be typed exists, and what they link to is there."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

import labelfree
from labelfree.cli import app
from labelfree.objectives.registry import objective_names, options_schemas
from labelfree.recipe import Pretrain
from labelfree.recipe_file import change, load_recipe
from labelfree.recipe_words import outline
from tests.docs.pages import PAGES, TOP, blocks, commands, headings, links

PLANNED = ("mine.yaml", "with-labels.yaml")  # recipes that pages let `labelfree plan` write


def epilogs(group: Any) -> list[str]:
    """The example that the help of each verb ends with."""
    below = [line for command in group.commands.values() if hasattr(command, "commands") for line in epilogs(command)]
    own = [command.epilog for command in group.commands.values() if not hasattr(command, "commands")]
    return below + [(line or "").removeprefix("Example: ").partition(" > ")[0] for line in own]


TYPED = [(page.relative_to(TOP).as_posix(), line) for page in PAGES for line in commands(page)]
TYPED += [("--help", line) for line in epilogs(typer.main.get_command(app))]


def parsed(words: list[str]) -> tuple[Any, dict[str, Any]]:
    """The command that words name, and its parameters. Raises what typer raises at a wrong verb or option."""
    command, rest = typer.main.get_command(app), words
    while hasattr(command, "resolve_command"):
        context = command.make_context("labelfree", list(rest))
        _, command, rest = command.resolve_command(context, list(rest))
    return command, command.make_context(command.name, list(rest)).params


def test_there_are_commands_to_test() -> None:
    assert len(TYPED) > 8


@pytest.mark.parametrize(("page", "line"), TYPED)
def test_every_command_and_key_exists(page: str, line: str) -> None:
    _, given = parsed(shlex.split(line)[1:])
    overrides = given.get("overrides") or []
    if "recipe" in given:
        load_recipe("satellite_dino" if given["recipe"].endswith(PLANNED) else given["recipe"], overrides)
    elif overrides:
        change(load_recipe("satellite_dino"), overrides)


@pytest.mark.parametrize("words", ["pretrian satellite_dino", "run satellite_dino --outt x", "data peek my-images"])
def test_a_wrong_verb_or_option_is_noticed(words: str) -> None:
    with pytest.raises(Exception, match="No such (command|option)"):
        parsed(words.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page: Path) -> None:
    broken = []
    for target in links(page):
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in headings(file)):
            broken.append(target)
    assert not broken


def test_the_page_of_recipes_is_the_schema() -> None:
    """Write it again with `labelfree recipe schema` when this fails."""
    assert blocks(TOP / "docs" / "recipes.md", "yaml")[0] == outline(options_schemas())


def test_functions_named_in_the_readme_exist() -> None:
    text = "\n".join(blocks(TOP / "README.md", "python"))
    named = {word.partition("(")[0] for word in text.split("labelfree.")[1:]}
    assert named
    assert named <= set(labelfree.__all__)


@pytest.mark.parametrize("name", objective_names())
def test_every_objective_is_listed(name: str) -> None:
    assert f"| `{name}` |" in (TOP / "docs" / "methods.md").read_text(encoding="utf-8")
    assert name in Pretrain.model_fields["objective"].description.replace(",", " ").split()
