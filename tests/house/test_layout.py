"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import labelfree

TOP = Path(__file__).parents[2]
SOURCES = sorted([*(TOP / "labelfree").rglob("*.py"), *(TOP / "domains").rglob("*.py")])
DOMAIN_SOURCES = sorted((TOP / "domains").rglob("*.py"))
VERBS = {
    "run",
    "pretrain",
    "evaluate",
    "report",
    "embed",
    "read",
    "convert",
    "load",
    "plan",
    "predict",
    "search",
    "select",
    "doctor",
    "resume",
    "show",
    "check",
    "sample",
    "demo",
    "label",
}


METHODS = r"simclr|moco|byol|simsiam|dino|dinov2|distill|cutpaste|clip|siglip"


def short(path: Path) -> str:
    return path.relative_to(TOP).as_posix()


def offenders(paths: Iterable[Path], fault: Callable[[Path], Any]) -> dict[str, Any]:
    """What `fault` finds in each file where it finds something."""
    return {short(path): found for path in paths if (found := fault(path))}


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def lines_over(path: Path) -> int:
    return max(0, len(text(path).splitlines()) - 400)


def test_a_file_holds_one_idea():
    assert not offenders([*SOURCES, *(TOP / "tests").rglob("*.py")], lines_over)


def test_no_module_or_folder_is_called_like_a_verb():
    verbs = VERBS | {name for name in labelfree.__all__ if "_" not in name}
    assert not offenders(SOURCES, lambda path: {part.removesuffix(".py") for part in path.relative_to(TOP).parts} & verbs)


def test_a_room_says_in_three_lines_what_lives_there():
    def fault(path: Path) -> bool:
        return not 1 <= len((ast.get_docstring(ast.parse(text(path))) or "").strip().splitlines()) <= 3

    assert not offenders((path for path in SOURCES if path.name == "__init__.py"), fault)


def test_no_method_switch_outside_a_registry():
    named = rf"""(?:==|!=|\bin\b)\s*[\[({{]?\s*["'](?:{METHODS})["']"""
    asked = r"\b(?:if|match)\s+(?:\w+\.)*(?:method|objective)\s*(?:==|!=|:)"
    assert re.search(named, 'if name == "dino":') and re.search(asked, "if recipe.pretrain.objective == chosen:")
    assert not offenders(SOURCES, lambda path: path.name != "registry.py" and re.findall(f"{named}|{asked}", text(path)))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    tree = ast.parse(text(path))
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return found | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module and not node.level}


def test_a_domain_imports_only_what_a_third_party_may():
    allowed = re.compile(r"labelfree\.(domain|errors|views|data)(\.|$)")
    ours = re.compile(r"labelfree(\.|$)")
    assert not offenders(DOMAIN_SOURCES, lambda path: [name for name in imports(path) if ours.match(name) and not allowed.match(name)])


def test_the_core_names_no_domain():
    core = [path for path in SOURCES if path not in DOMAIN_SOURCES]
    assert core and not offenders(core, lambda path: [name for name in imports(path) if name.startswith("labelfree_")])


def test_the_core_knows_no_field():
    """Words of one field stand in its domain; names of people's folders, and keys as they were once, stay what they are."""
    words = re.compile(r"\b(?:bands?|sensors?|clouds?|cloudy|chips?|gdal|rasterio|reflectance|sentinel|satellite|geotiff)\b", re.IGNORECASE)
    named = {"labelfree/data/structure.py", "labelfree/recipe_renames.py"}
    core = [path for path in SOURCES if path not in DOMAIN_SOURCES and short(path) not in named and path.parent.name != "reporting"]
    core = [path for path in core if "sections" not in path.parts]  # what labels cannot resolve is drawn as a gray band there
    assert core and not offenders(core, lambda path: words.findall(text(path)))


def test_nothing_is_left_for_later():
    assert not offenders(SOURCES, lambda path: re.findall(r"\b(?:TODO|FIXME|XXX)\b", text(path)))


def test_weights_and_recipes_are_loaded_without_running_code():
    def fault(path: Path) -> list[str]:
        risky = re.findall(r"pickle\.loads?\(|weights_only=False|yaml\.(?:unsafe_|full_)load", text(path))
        loads = re.findall(r"torch\.load\([^)]*\)", text(path))
        return risky + [call for call in loads if "weights_only=True" not in call]

    assert not offenders(SOURCES, fault)
