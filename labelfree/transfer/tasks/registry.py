"""Tasks are found by name through the entry points `labelfree.tasks`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from labelfree.domain import Row
from labelfree.entry_points import installed_points
from labelfree.errors import RecipeError
from labelfree.recipe import TASKS, Evaluate
from labelfree.transfer.plugins import made
from labelfree.transfer.protocols import HeadProtocol, Protocol
from labelfree.transfer.tasks.base import Metric, Targets, Task


def task_names() -> list[str]:
    """Names of the installed tasks, labelfree's own first."""
    ours = {point.name: point.dist is None or point.dist.name != "labelfree" for point in installed_points(TASKS)}
    return sorted(ours, key=lambda name: (ours[name], name))


def find_task(name: str) -> Task:
    """The task called `name`. Raises RecipeError that lists what is installed."""
    task: Task = made(TASKS, name, "evaluate.task")
    return task


def task_for(settings: Evaluate, rows: Sequence[Row] = ()) -> Task:
    """The task asked of these rows: of "auto" the first that their labels ask for, of several the first that has the metric and the
    protocols, which may also be one that some row is labelled for by another column; before a table is read (no rows) the first that has
    them. One that learns from no labels is asked where it fits alone.
    """
    if settings.task != "auto":
        return find_task(settings.task)
    tasks = [find_task(name) for name in task_names()]
    asked = [task for task in tasks if task.asked_by(rows)]
    taken = {column for task in asked for column in task.columns}
    shown = [row for row in rows if row.listed is None or not row.listed.negative]  # nothing on an image is a label of every task
    labelled = [
        task
        for task in tasks
        if taken.isdisjoint(task.columns) and any(map(task.labelled, shown)) and (task.learns or _fits(settings, task))
    ]
    among = [*asked, *labelled] or tasks
    return next((task for task in among if _fits(settings, task)), among[0])


def find_metric(task: Task, name: str, targets: Targets | None = None) -> Metric:
    """The task's metric called `name`, as `targets` let it be told. Raises RecipeError."""
    if name not in task.metrics:
        raise RecipeError(f"evaluate.primary.metric: {name!r} is not a metric of {task.name}; {_nearest(name, task.metrics)}")
    told = task.metrics if targets is None else task.metrics_of(targets)
    if name not in told:
        needs = task.metrics[name].needs
        raise RecipeError(f"evaluate.primary.metric: {name} needs {needs}, which these labels do not tell; there are {', '.join(told)}.")
    return told[name]


def check_question(settings: Evaluate, task: Task | None = None) -> None:
    """Raises RecipeError for a protocol or a metric that is not the task's, and for a protocol that cannot work here; before the task is
    known, for those of no task that may be.
    """
    task = task or task_for(settings)
    for protocol in settings.protocols:
        if protocol not in task.protocols:
            near = _nearest(protocol, task.protocols)
            raise RecipeError(f"evaluate.protocols: {protocol!r} is not a protocol of {task.name}; {near}")
        task.protocol(protocol).check()
        if settings.tile is not None:
            _check_tiles(task.protocol(protocol), task)
    if not task.protocol(settings.primary.protocol).learns:
        raise RecipeError(
            f"evaluate.primary.protocol: {settings.primary.protocol} learns from no label, and what is claimed is what few labels give; "
            "name one that learns."
        )
    find_metric(task, settings.primary.metric)


def _check_tiles(protocol: Protocol, task: Task) -> None:
    """Raises RecipeError for a protocol that cannot learn from images whose tiles are pooled."""
    if protocol.on_tiles:
        raise RecipeError(f"evaluate.tile: {task.name} is asked by tiles already, of a size of their own; leave evaluate.tile out.")
    if protocol.needs != HeadProtocol.needs:
        does = "trains its network on whole images, which are shrunk for it" if protocol.trains_trunk else "looks at images as a whole"
        raise RecipeError(f"evaluate.tile: {protocol.name} {does}; leave it out of evaluate.protocols, or leave evaluate.tile out.")


def _fits(settings: Evaluate, task: Task) -> bool:
    return settings.primary.metric in task.metrics and set(settings.protocols) <= set(task.protocols)


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}."
