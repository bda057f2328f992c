"""The files of a run folder, read once and as they are: a file that is not there is an empty value, a broken one an error."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from labelfree.data.our_folders import STATE, WAITING, private_of
from labelfree.errors import DataError
from labelfree.transfer.words import TaskWords


@dataclass(frozen=True)
class Curve:
    """One monitored number of one pretraining: `steps` and `values` of equal length."""

    arm: str
    seed: str
    name: str
    steps: list[float]
    values: list[float]


class RunFiles:
    """What the report knows of a run. Nothing here computes a score: claims come from claims.json alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        if (self.folder / WAITING).is_dir():
            raise DataError(
                f"{self.folder}: is not finished, and until then its files are in {WAITING}; where it was stopped, go on with: "
                f"labelfree resume {self.folder}"
            )
        if not (self.folder / "recipe.yaml").is_file():
            raise DataError(f"{self.folder}: not a run folder (recipe.yaml is missing). Name a folder that `labelfree run` wrote.")

    @cached_property
    def recipe_text(self) -> str:
        return (self.folder / "recipe.yaml").read_text(encoding="utf-8")

    @cached_property
    def recipe(self) -> dict[str, Any]:
        try:
            loaded = yaml.safe_load(self.recipe_text)
        except yaml.YAMLError as error:
            raise DataError(
                f"{self.folder / 'recipe.yaml'}: not YAML ({str(error).splitlines()[0]}). Run again, or restore the file."
            ) from error
        return loaded if isinstance(loaded, dict) else {}

    @cached_property
    def claims(self) -> dict[str, Any]:
        return self._json("claims.json", {})

    @cached_property
    def environment(self) -> dict[str, Any]:
        return self._json("environment.json", {})

    @cached_property
    def leaks(self) -> dict[str, Any]:
        return self._json("leaks.json", {})

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        return self._json("fingerprint.json", {})

    @cached_property
    def plan(self) -> Any:
        return self._json("plan.json", {})

    @cached_property
    def card(self) -> dict[str, Any]:
        return self._json("card.json", {})

    @cached_property
    def neighbours(self) -> dict[str, Any]:
        return self._json("neighbours.json", {})

    @cached_property
    def confusion(self) -> dict[str, Any]:
        return self._json("confusion.json", {})

    @cached_property
    def precision_recall(self) -> dict[str, Any]:
        return self._json("precision_recall.json", {})

    @cached_property
    def reliability(self) -> dict[str, Any]:
        return self._json("reliability.json", {})

    @cached_property
    def prompted(self) -> dict[str, Any]:
        """What was asked in words."""
        return self._json("prompted.json", {})

    @cached_property
    def roc(self) -> dict[str, Any]:
        return self._json("roc.json", {})

    @cached_property
    def chance(self) -> list[dict[str, Any]]:
        """Metrics of every point beside what chance would score."""
        return list(self._json("chance.json", []))

    @cached_property
    def heats(self) -> dict[str, Any]:
        return self._json("pictures/heats.json", {})

    @cached_property
    def segments(self) -> dict[str, Any]:
        return self._json("pictures/segments.json", {})

    @cached_property
    def boxes(self) -> dict[str, Any]:
        return self._json("pictures/boxes.json", {})

    @cached_property
    def tokens(self) -> dict[str, Any]:
        return self._json("pictures/tokens.json", {})

    @cached_property
    def recommended(self) -> dict[str, Any]:
        """The head to use, and what to expect of it."""
        return self._json("recommended.json", {})

    @cached_property
    def classes(self) -> list[str]:
        legend = self._json("classes.json", [])
        return [str(name) for name in (legend.get("classes", []) if isinstance(legend, dict) else legend)]

    @cached_property
    def words(self) -> TaskWords:
        """How the run's task speaks."""
        return TaskWords.of(self.folder)

    @cached_property
    def notes(self) -> list[str]:
        """What could not be compared or was cut, each sentence once: from the run, the decisions of its comparison, its heads."""
        sentences = [*self._json("notes.json", []), *self._decided, *self.claims.get("undertrained", []), *self.claim_notes]
        beside = self.claim_notes if self.claims.get("primary") else []  # the result shows them
        return [sentence for sentence in dict.fromkeys(map(str, sentences)) if sentence not in beside]

    @cached_property
    def claim_notes(self) -> list[str]:
        """What the claims say of themselves."""
        return [str(note) for note in self.claims.get("notes", []) if note not in self._decided]

    @cached_property
    def _decided(self) -> list[str]:
        return list(self._json("evaluation.json", {}).get("notes", []))

    @cached_property
    def curves(self) -> list[Curve]:
        """metrics.csv (arm, seed, step, name, value), one curve for each arm, seed and name, in the order first met."""
        curves: dict[tuple[str, str, str], tuple[list[float], list[float]]] = {}
        for row in self.table("metrics.csv"):
            try:
                step, value = float(row["step"]), float(row["value"])
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(
                    f"{self.folder / 'metrics.csv'}: {dict(row)} has no step and value. Columns are arm,seed,step,name,value."
                ) from error
            steps, values = curves.setdefault((row.get("arm", ""), row.get("seed", ""), row.get("name", "")), ([], []))
            steps.append(step)
            values.append(value)
        return [Curve(*key, *both) for key, both in curves.items()]

    @cached_property
    def splits(self) -> list[dict[str, str]]:
        return list(self.table("splits.csv"))

    @cached_property
    def scored_by(self) -> str:
        """test, dev or cv: where scores come from."""
        return str(next(iter(self.table("results.csv")), {}).get("split") or self.setting("evaluate.on", "test"))

    def pictures(self, pattern: str) -> list[Path]:
        return sorted((self.folder / "pictures").glob(pattern))

    def table(self, name: str) -> Iterator[dict[str, str]]:
        """Rows of a CSV file of the run, none where the file is missing."""
        path = self.folder / name
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as stream:
                yield from csv.DictReader(stream)

    def _json(self, name: str, otherwise: Any) -> Any:
        path = self.folder / name
        if not path.is_file():
            return otherwise
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path}: not JSON ({error}). Run `labelfree report` after the run has ended, or restore the file.") from error

    # what several sections ask

    @property
    def generated(self) -> bool:
        return bool(self.card.get("generated"))

    @property
    def transductive(self) -> bool:
        """Scored images were in the pool and the user said to go on."""
        noted = any(note.startswith("Transductive") for note in self.notes)  # groups that straddle the split
        return noted or bool(self.leaks.get("transductive", self.setting("data.transductive", False)))

    def setting(self, key: str, otherwise: Any = None) -> Any:
        """A dotted key of the resolved recipe."""
        return _at(self.recipe, key, otherwise)

    def asked(self, key: str) -> Any:
        """A dotted key of the recipe as its owner wrote it, with names that a hidden run tells no more; else of what the run tells."""
        return _at(self._asked, key, self.setting(key))

    @property
    def taken_from(self) -> str | None:
        """The folder of the run whose networks this one took over."""
        source = (self._json(STATE, {}).get("stages") or {}).get("weights")
        return str(source) if source else None

    @cached_property
    def _asked(self) -> dict[str, Any]:
        path = private_of(self.folder) / "asked.yaml"
        try:
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            return {}
        return loaded if isinstance(loaded, dict) else {}


def _at(values: Any, key: str, otherwise: Any) -> Any:
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return otherwise
        values = values[part]
    return values
