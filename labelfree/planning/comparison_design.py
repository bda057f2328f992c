"""Which comparison the labels of a data set allow (docs/protocol.md, 1, 2 and 6): the split, the budgets, the one claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from labelfree.data.budgets import Budget, usable_budgets
from labelfree.data.ground import GROUP_OF_COPIES, overlapping
from labelfree.data.manifest import Manifest
from labelfree.data.splits import CLASS_FOLDER_HOLDOUT, Roles, assign_roles, folds, labels_count
from labelfree.domain import Default, Place, Row
from labelfree.errors import LeakError
from labelfree.recipe import Data, Evaluate, Primary
from labelfree.transfer.tasks import Task

FEWEST_HELD_OUT = 2  # labels that a threshold is set by: one is held out of what the other teaches
HOLDOUT = 0.2  # share of labelled images set aside where all are labelled


@dataclass(frozen=True)
class ComparisonDesign:
    """What a run would train and score on. `roles.train` is empty where there is nothing to compare.

    `take_in`: every image carries a label of another task, so these are pretrained on. `holdout` (None: none is needed), `budgets`,
    `metric`: values of the recipe with their reasons. `budget`: the primary's. `false_alarms`: what is asked of a threshold, where one is.
    """

    task: Task
    roles: Roles
    take_in: bool
    holdout: float | None
    why_holdout: str
    on: Literal["test", "dev"]
    budgets: tuple[Budget, ...]
    why_budgets: str
    budget: Budget
    metric: str
    why_metric: str
    false_alarms: Default | None = None


def design_comparison(
    manifest: Manifest, task: Task, data: Data, copies: Sequence[Sequence[Row]], places: Mapping[str, Place], seed: int = 0
) -> ComparisonDesign:
    """The comparison that these rows allow, by the rules that a run goes by. `places`: where all images lie, or nothing.

    Raises `DataError` or `LeakError` as the run would: where nothing is left to pretrain on, a class cannot be learnt and scored,
    or scored images are in the pool.
    """
    if not manifest.given_split:
        manifest = manifest.with_groups(_joined(copies, task))
    labelled = [row for row in manifest.rows if labels_count(row, task)]
    holdout, why_holdout = _holdout(manifest, labelled, places)
    on: Literal["test", "dev"] = "dev" if {row.split for row in labelled} & {"dev", "test"} == {"dev"} else "test"
    data = data.model_copy(update={"holdout": "auto" if holdout is None else holdout})
    roles = assign_roles(manifest, task, data, on, seed, places)
    take_in = not (roles.pool or roles.train)  # every image has a label, and none is one that a comparison is built for
    if take_in:
        roles = assign_roles(manifest, task, data.model_copy(update={"pretrain_on_labelled": True}), on, seed, places)
    if roles.train and roles.score is None:
        task.check_split(roles.train, None)
    if roles.score is not None:
        _no_copies(roles, copies)
    budgets, why_budgets = _budgets(roles, task, seed) if roles.train else ((), "")
    metric, why_metric = task.advised_metric(roles.train)
    if task.learnt and {task.stratum(row) for row in roles.score or roles.train} <= set(task.learnt):
        why_metric = f"not defined while every image to score is {' or '.join(task.learnt)}: false alarms alone are told"
    alarms = task.advised_false_alarms(roles.train)
    primary = _primary(budgets, 1 if alarms is None else FEWEST_HELD_OUT)
    return ComparisonDesign(task, roles, take_in, holdout, why_holdout, on, budgets, why_budgets, primary, metric, why_metric, alarms)


def _holdout(manifest: Manifest, labelled: Sequence[Row], places: Mapping[str, Place]) -> tuple[float | None, str]:
    """Part of the labelled images becomes the test where nobody gave one and cross-validation would leave nothing to pretrain on."""
    if not labelled or manifest.subset("dev", "test"):
        return None, ""
    if manifest.class_folders:
        return CLASS_FOLDER_HOLDOUT, "no split is given and folders name classes: a fifth is set aside as test"
    groups, known = {row.group for row in labelled} - {None}, {row.id for row in labelled}
    rest = [row for row in manifest.rows if row.id not in known and row.group not in groups]
    if len(overlapping(rest, labelled, places)) < len(rest):
        return None, ""
    all_of_them = len(labelled) == len(manifest.rows)
    why = "every image is labelled" if all_of_them else "every image without a label shares its group or its ground with a labelled one"
    return HOLDOUT, f"{why} and no split is given: a fifth is set aside as test, the others are pretrained on"


def _joined(copies: Sequence[Sequence[Row]], task: Task) -> dict[str, str]:
    """One group for labelled images that are copies of each other, by row id, as a run makes it."""
    groups: dict[str, str] = {}
    for rows in copies:
        labelled = [row for row in rows if labels_count(row, task)]
        if len(labelled) > 1:
            groups |= {row.id: labelled[0].group or f"{GROUP_OF_COPIES}row {labelled[0].id}" for row in labelled}
    return groups


def _no_copies(roles: Roles, copies: Sequence[Sequence[Row]]) -> None:
    scored, pool = {row.id for row in roles.score or ()}, {row.id for row in roles.pool}
    for rows in copies:
        judged, trained = [row for row in rows if row.id in scored], [row for row in rows if row.id in pool]
        if judged and trained:
            raise LeakError(
                f"{trained[0].path} is also in {roles.split} (same file as {judged[0].id}): a run would stop. "
                "Remove one of each such pair (`labelfree data check` names them all)."
            )


def _budgets(roles: Roles, task: Task, seed: int) -> tuple[tuple[Budget, ...], str]:
    """Of the usual budgets those that every training part can fill."""
    if not task.learns:
        return ("all",), "nothing is learnt from labels"
    strata = np.array([task.stratum(row) for row in roles.train])
    taught = np.isin(strata, task.learnt) if task.learnt else np.ones(len(strata), bool)
    usual, in_all = Evaluate().labels_per_class, task.counts_in_all
    kept, dropped = usable_budgets(usual, strata[taught], in_all=in_all)
    fewest = _fewest(task, strata[taught])
    whose = "there are" if in_all or task.learnt else f"the rarest {task.budget.stratum} has"
    what = f"{task.budget.many} to learn from" if task.learnt else "training labels"
    why = f"{whose} {fewest} {what}" + (", of which a budget may use half" if dropped else "")
    if roles.score is None:
        ids = [row.id for row in roles.train]
        aside = [at for at, row in enumerate(roles.train) if row.id in roles.learn_only]
        parts = folds(strata, [row.group for row in roles.train], Evaluate().draws, seed, ids, aside, list(map(task.taught, roles.train)))
        least = min(_fewest(task, strata[learn[taught[learn]]]) for repeat in parts for learn, _ in repeat)
        kept = [size for size in kept if size == "all" or size <= least]
        why += f", at least {least} in each of the {len(parts[0])} folds"
    return tuple(kept), why


def _fewest(task: Task, strata: np.ndarray) -> int:
    """Labels that no budget may exceed: of the rarest stratum, or all of them where a budget counts these."""
    return len(strata) if task.counts_in_all else min(Counter(strata.tolist()).values())


def _primary(budgets: Sequence[Budget], least: int) -> Budget:
    """The usual budget where the labels fill it, else the largest of at least so many that they do."""
    numbers = [size for size in budgets if size != "all" and size >= least]
    usual = Primary().budget
    return usual if usual in numbers else max(numbers, default="all")
