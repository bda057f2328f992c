"""YAML as recipes use it: safe, by the rules of YAML 1.2, with the line of every key, and environment variables put in."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from labelfree.errors import RecipeError

Keys = tuple[str, ...]  # a dotted key, taken apart
VARIABLE = re.compile(r"\$\$|\$([A-Za-z_]\w*)|\$\{(?:oc\.env:)?([A-Za-z_]\w*)\}")
DOLLAR = "\x00"  # stands for a literal dollar until every variable is put in


class Loader(yaml.SafeLoader):
    """Safe YAML with the booleans and numbers of YAML 1.2: `on` is a key of ours, and `1e-3` is a number."""


TAG = "tag:yaml.org,2002:"
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in (f"{TAG}null", f"{TAG}merge")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(f"{TAG}bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
Loader.add_implicit_resolver(f"{TAG}int", re.compile(r"^[-+]?\d+$"), list("-+0123456789"))
Loader.add_implicit_resolver(
    f"{TAG}float",
    re.compile(r"^(?:[-+]?(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"),
    list("-+0123456789."),
)
# PyYAML reads 010 as octal; a person means ten.
Loader.add_constructor(f"{TAG}int", lambda _, node: int(str(node.value)))


class Dumper(yaml.SafeDumper):
    """Quotes text that `Loader`, or another reader of YAML, would take for a number, a boolean or a date."""


Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *Loader.yaml_implicit_resolvers.get(first, [])]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *Loader.yaml_implicit_resolvers}
}


def read_yaml(path: Path, shown: str) -> tuple[dict[str, Any], dict[Keys, int]]:
    """The values of a YAML file and the line of each key. `shown`: how errors name the file."""
    try:
        return parse_yaml(path.read_text(encoding="utf-8-sig"), shown)
    except UnicodeDecodeError as error:
        raise _unreadable(shown, error) from None
    except OSError as error:
        raise RecipeError(f"{shown}: cannot be read ({error.strerror}); check the path and your rights.") from None


def parse_yaml(text: str, shown: str) -> tuple[dict[str, Any], dict[Keys, int]]:
    """The values of a YAML text and the line of each key. `shown`: how errors name the text."""
    lines: dict[Keys, int] = {}
    try:
        loader = Loader(text)
        try:
            node = loader.get_single_node()
            _note_lines(node, (), lines, shown)
            values = loader.construct_document(node) if node is not None else {}
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RecipeError(f"{shown}:{line}: not valid YAML ({error.problem}); check indentation, colons and quotes there.") from None
    except yaml.YAMLError as error:
        raise _unreadable(shown, error) from None
    except RecursionError:
        raise RecipeError(f"{shown}: nested too deeply for a recipe; check brackets and anchors.") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{shown}:1: a recipe is a list of `key: value` lines, starting with `domain: NAME`.")
    return values, lines


def _unreadable(shown: str, error: Exception) -> RecipeError:
    return RecipeError(f"{shown}: not readable as YAML in UTF-8 ({str(error).splitlines()[0]}); save it as plain UTF-8 text.")


def _note_lines(node: yaml.Node | None, at: Keys, lines: dict[Keys, int], shown: str) -> None:
    """Note the line of every key, and refuse a key that stands twice (YAML would silently take the last)."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            dotted, line = (*at, str(key.value)), key.start_mark.line + 1
            if dotted in lines:
                raise RecipeError(f"{shown}:{line}: {'.'.join(dotted)} stands twice, first on line {lines[dotted]}; remove one.")
            lines[dotted] = line
            _note_lines(value, dotted, lines, shown)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*at, str(index))] = value.start_mark.line + 1
            _note_lines(value, (*at, str(index)), lines, shown)


def scalar(text: str) -> Any:
    """One value as YAML reads it; text that is no YAML stays text."""
    try:
        return yaml.load(text, Loader)  # Loader is a SafeLoader
    except yaml.YAMLError:
        return text


def expand_variables(values: Any, where: Callable[[Keys], str], at: Keys = ()) -> Any:
    """`$X`, `${X}`, `${oc.env:X,default}` and `${other.key}` replaced by what they stand for; `$$` is a dollar."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    values = _with_variables(values, where, at)
    if not any("${" in text for text in _texts(values)):
        return with_text(values, lambda text: text.replace(DOLLAR, "$"))
    try:
        resolved = OmegaConf.to_container(OmegaConf.create({"root": values} if at else values), resolve=True)
    except OmegaConfBaseException as error:
        key = re.sub(r"\[(\d+)\]", r".\1", str(error.full_key or ""))
        raise RecipeError(f"{where(at or tuple(key.split('.')))}: {str(error.msg or error).splitlines()[0].rstrip('.')}.") from None
    assert isinstance(resolved, dict)
    return with_text(resolved["root"] if at else resolved, lambda text: text.replace(DOLLAR, "$"))


def _with_variables(values: Any, where: Callable[[Keys], str], at: Keys) -> Any:
    if isinstance(values, dict):
        return {key: _with_variables(value, where, (*at, str(key))) for key, value in values.items()}
    if isinstance(values, list):
        return [_with_variables(value, where, (*at, str(index))) for index, value in enumerate(values)]
    if not isinstance(values, str):
        return values

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name is None:
            return DOLLAR
        if name not in os.environ:
            raise RecipeError(f"{where(at)}: the environment variable {name} is not set; set it, or write the value itself.")
        return os.environ[name].replace("$", DOLLAR)

    text = VARIABLE.sub(value, values)
    alone = VARIABLE.fullmatch(values) is not None and values != "$$"
    return scalar(text) if alone else text  # `minutes: $MINUTES` is a number


def _texts(values: Any) -> list[str]:
    if isinstance(values, str):
        return [values]
    inside = values.values() if isinstance(values, dict) else values if isinstance(values, list) else ()
    return [text for value in inside for text in _texts(value)]


def with_text(values: Any, change: Callable[[str], str]) -> Any:
    """A tree of dicts and lists with every text changed."""
    if isinstance(values, str):
        return change(values)
    if isinstance(values, dict):
        return {key: with_text(value, change) for key, value in values.items()}
    return [with_text(value, change) for value in values] if isinstance(values, list) else values
