"""Tasks are found by name through the entry points `labelfree.tasks`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points

from labelfree.domain import Row
from labelfree.errors import RecipeError
from labelfree.transfer.tasks.base import Metric, Task

GROUP = "labelfree.tasks"


def task_names() -> list[str]:
    """Names of the installed tasks."""
    return sorted({point.name for point in entry_points(group=GROUP)})


@cache
def find_task(name: str) -> Task:
    """The task called `name`. Raises RecipeError that lists what is installed."""
    for point in entry_points(group=GROUP, name=name):
        task: Task = point.load()()
        return task
    raise RecipeError(f"evaluate.task: {name!r} is not installed; installed tasks: {', '.join(task_names()) or 'none'}.")


def task_for(name: str, rows: Sequence[Row]) -> Task:
    """The task called `name`; of "auto" the first whose columns some row fills, else the first of all."""
    if name != "auto":
        return find_task(name)
    tasks = [find_task(known) for known in task_names()]
    return next((task for task in tasks if any(map(task.labelled, rows))), tasks[0])


def find_metric(task: Task, name: str) -> Metric:
    """The task's metric called `name`. Raises RecipeError."""
    try:
        return task.metrics[name]
    except KeyError:
        known = ", ".join(task.metrics)
        raise RecipeError(f"evaluate.primary.metric: {name!r} is not a metric of {task.name}; it has {known}.") from None
