"""One of the runs that are compared: its primary with all computed again from its files, or why it has none to test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from labelfree.comparing.fingerprints import fingerprint
from labelfree.data.chosen import INDICATIVE
from labelfree.data.our_folders import STATE
from labelfree.errors import DataError
from labelfree.recipe import Evaluate, Primary
from labelfree.recipe_mistakes import domain_of, keys_of, sentence
from labelfree.reporting import Anonymiser
from labelfree.reporting.files import RunFiles
from labelfree.training.files import read_json
from labelfree.transfer.claims import Claims, Comparison, claims_and_scores
from labelfree.transfer.claims.scores import Scores
from labelfree.transfer.tasks.registry import task_for
from labelfree.transfer.words import MetricWords, TaskWords

DRIFT = 1e-9  # sums in another order


@dataclass(frozen=True)
class ComparedRun:
    """A run folder. `number`: its place among those named; `name`: what it is called, without anything its recipe hides.

    `primary`: as its recipe names it. `reason`: why nothing may be claimed of it, "" where the test decides. `claims`, `scores`: None where
    nothing was scored; of `scores` only those of the primary's arm are kept. `fingerprint`: of all answers. `notes`: for the reader.
    """

    number: int
    name: str
    folder: Path
    primary: Primary
    words: TaskWords
    dataset: str
    split: str
    generated: bool
    transductive: bool
    reason: str = ""
    claims: Claims | None = None
    scores: Scores | None = None
    fingerprint: str = ""
    notes: tuple[str, ...] = ()

    @property
    def doubt(self) -> str:
        """Why a difference that the test finds is no claim all the same; "" where it is one."""
        if self.generated:
            return "generated images say nothing about methods"
        return next((note for note in self.notes if note.startswith(INDICATIVE)), "")

    @property
    def comparison(self) -> Comparison | None:
        """The primary as it came out."""
        return None if self.claims is None else self.claims.primary

    @property
    def p(self) -> float:
        """Of "no difference"; 1 where nothing may be claimed."""
        known = self.comparison is not None and not self.reason and math.isfinite(self.comparison.p)
        return self.comparison.p if known and self.comparison is not None else 1.0

    @property
    def metric(self) -> MetricWords:
        return self.words.metric(self.primary.metric)

    @property
    def question(self) -> tuple[str, str, str, str]:
        """Data set, split, task and metric: runs that share them stand in one table and on one curve."""
        return self.dataset, self.split, self.words.name, self.primary.metric

    def named(self, arm: str) -> str:
        """An arm of this run among those of others."""
        return f"{arm} #{self.number}"


def read_run(folder: Path, number: int, name: str) -> ComparedRun:
    """What a run folder says. Raises DataError where it is no run, or a file of it is torn."""
    state = _state(folder)
    begun = folder / "private" / "asked.yaml"
    if not (folder / "recipe.yaml").is_file() and not (state and begun.is_file()):
        raise DataError(f"{folder}: {_no_run(folder)}")
    run = RunFiles(folder) if (folder / "recipe.yaml").is_file() else None
    values = _recipe(begun if run is None else folder / "recipe.yaml")
    settings, shared = _evaluate(begun if run is None else folder / "recipe.yaml"), bool((values.get("report") or {}).get("share"))
    told: dict[str, Any] = {
        "number": number,
        "name": (f"run {number}" if run is None else Anonymiser.of(folder).text(name)) if shared else name,
        "folder": folder,
        "primary": settings.primary,
        "generated": run is not None and run.generated,
        "transductive": run is not None and run.transductive,
    }
    unfinished = bool(state) and state.get("status") != "finished"
    if run is None or unfinished or not (folder / "predictions.parquet").is_file():
        why = "unfinished" if unfinished or run is None else "nothing was compared"
        words = task_for(settings).words
        return ComparedRun(**told, words=words, dataset="", split="", reason=f"{why}: {_way_on(folder, unfinished, shared)}")
    try:
        (claims, scores), words = claims_and_scores(folder), run.words
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(
            f"{folder}: a file of this run is torn ({_first_line(error)}). Copy it again, or run `labelfree evaluate`."
        ) from error
    row = scores.results[0]
    said = [note for note in claims.notes if note not in run.notes]  # the comparison's own decisions are told by the run's report
    return ComparedRun(
        **told,
        words=words,
        dataset=row["dataset"],
        split=row["split"],
        reason=_reason(claims) or _renamed(settings.primary, begun, shared),
        claims=claims,
        scores=scores.of_arm(settings.primary.arm),
        fingerprint=fingerprint(scores),
        notes=tuple(filter(None, [*said, _stale(claims, run.claims)])),
    )


def _state(folder: Path) -> Mapping[str, Any]:
    file = folder / STATE
    try:
        state: dict[str, Any] = read_json(file) if file.is_file() else {}
    except ValueError as error:
        raise DataError(f"{file}: not JSON ({error}). Copy the run again.") from error
    return state


def _no_run(folder: Path) -> str:
    if not folder.exists():
        return "no such folder. Name folders that `labelfree run` wrote."
    if (folder / "compare.json").is_file():
        return "holds a comparison of runs, not a run. Leave it out."
    return "not a run folder (recipe.yaml is missing). Name folders that `labelfree run` wrote."


def _recipe(file: Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: not YAML ({_first_line(error)}). Copy the run again.") from error
    return read if isinstance(read, dict) else {}


def _evaluate(file: Path) -> Evaluate:
    values = _recipe(file)
    if "evaluate" not in values:
        raise DataError(f"{file}: names no comparison (evaluate is missing). Copy the run again.")
    try:
        return Evaluate.model_validate(values["evaluate"])
    except ValidationError as error:
        problems = error.errors()
        problem = next((each for each in problems if each["type"] == "value_error"), problems[0])
        keys = keys_of(("evaluate", *problem["loc"]), domain_of(values))
        raise DataError(f"{file}: {sentence(keys, problem, values)}") from error


def _way_on(folder: Path, unfinished: bool, shared: bool) -> str:
    place = "DIR" if shared else folder
    return f"`labelfree resume {place}` goes on" if unfinished else "it holds no scores"


def _reason(claims: Claims) -> str:
    main = claims.primary
    if main is None:
        return claims.headline.removeprefix("No claim: ").rstrip(".")
    if main.undertrained:
        return "a solver did not converge"
    if main.withheld:
        return main.withheld
    return "" if math.isfinite(main.p) else f"{main.metric} is not defined on what was scored"


def _renamed(primary: Primary, asked: Path, shared: bool) -> str:
    """A primary that was named after the run began claims nothing; names in a shared recipe are not those it was asked with."""
    if shared or not asked.is_file() or _evaluate(asked).primary == primary:
        return ""
    return "recipe.yaml names another primary than the run was asked for (private/asked.yaml)"


def _stale(claims: Claims, stored: Mapping[str, Any]) -> str:
    """What claims.json says otherwise than the predictions."""
    main, kept = claims.primary, stored.get("primary")
    if not stored or (main is None and kept is None):
        return ""
    keys = ("mean", "low", "high", "p")
    if main is not None and kept and all(_near(getattr(main, key), kept.get(key)) for key in keys):
        return ""
    return "claims.json says otherwise than the predictions, which count here; `labelfree evaluate` writes it again."


def _near(first: float | None, second: float | None) -> bool:
    return first is second if first is None or second is None else math.isclose(first, second, rel_tol=1e-6, abs_tol=DRIFT)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
