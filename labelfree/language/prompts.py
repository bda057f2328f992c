"""Classes in words: templates that a person can edit, names made into words, and the ensemble of both as one vector a class."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from labelfree.errors import RecipeError

PLACE = "{}"  # of the class's words in a template
TEMPLATES = ("{}", "an image of {}", "a picture of {}", "this is {}", "it shows {}")  # of a domain that brings none
CASES = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # between the words of BareLand and CTScan
BETWEEN = re.compile(r"[\s_\-./\\]+")

Embeds = Callable[[Sequence[str]], np.ndarray]  # m sentences to (m, D) vectors of length 1


def read_templates(file: Path, key: str = "evaluate.prompts") -> tuple[str, ...]:
    """The templates of a text file, one a line with `{}` where the class stands; blank lines and those after `#` are none.

    Raises RecipeError, naming file and line, where a line is no template, or none is there. `key`: of the recipe, that names it.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        way = "name a text file with one template a line, such as `a photo of {}`"
        raise RecipeError(f"{key}: {file} cannot be read ({why}); {way}.") from error
    said = {f"{file}:{number}": line.strip() for number, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#")}
    if not said:
        raise RecipeError(f"{key}: {file} holds no template; write one a line, such as `a photo of {{}}`.")
    return tuple(dict.fromkeys(_template(line, where) for where, line in said.items()))


def templates_of(given: Sequence[str]) -> tuple[str, ...]:
    """The same of templates that are given as they are. Raises RecipeError."""
    if not given:
        raise RecipeError("prompts: there is no template; give one or more, such as 'a photo of {}'.")
    return tuple(dict.fromkeys(_template(each, "prompts") for each in given))


def _template(text: str, where: str) -> str:
    if text.count(PLACE) != 1 or set(text.replace(PLACE, "")) & {"{", "}"}:
        raise RecipeError(f"{where}: a template has {{}} once, where the class stands, and no other braces: {text!r}.")
    return text


def words_of_class(name: str) -> str:
    """A class's name as words: `AnnualCrop`, `annual_crop` and `annual-crop` are "annual crop"; what is written in capitals stays."""
    parts = [part for piece in BETWEEN.split(name) for part in CASES.split(piece) if part]
    return " ".join(part if part.isupper() and len(part) > 1 else part.lower() for part in parts) or name


@dataclass(frozen=True)
class Prompts:
    """How classes are asked for. `templates`: with `{}`; `words`: of every class one or more ways to say it."""

    templates: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, classes: Iterable[str], templates: Sequence[str] = TEMPLATES, words: Mapping[str, Sequence[str]] | None = None) -> Prompts:
        """Of `classes` by name; `words` says some of them otherwise."""
        given = words or {}
        return cls(tuple(templates), {name: tuple(given.get(name) or (words_of_class(name),)) for name in classes})

    def sentences(self, name: str) -> list[str]:
        """Every template with every way to say the class."""
        return [template.replace(PLACE, said) for said in self.words[name] for template in self.templates]

    def vectors(self, classes: Sequence[str], embed: Embeds) -> np.ndarray:
        """(K, D) of length 1, a row a class: the mean of the unit vectors of its sentences (CLIP, arXiv:2103.00020, section 3.1.4)."""
        means = [embed(self.sentences(name)).astype(np.float64).mean(0) for name in classes]
        rows = np.stack([mean / max(float(np.linalg.norm(mean)), 1e-12) for mean in means])
        return rows.astype(np.float32)

    @cached_property
    def digest(self) -> str:
        """Changes whenever a sentence does."""
        return hashlib.sha256(repr((self.templates, sorted(self.words.items()))).encode()).hexdigest()[:16]
