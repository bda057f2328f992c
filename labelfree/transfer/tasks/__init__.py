"""Tasks: what labels are, what an answer is and how it is measured. One file a task, found by entry points (`labelfree.tasks`)."""

from labelfree.transfer.tasks.base import LabelledImages, Metric, Targets, Task
from labelfree.transfer.tasks.registry import find_task, task_names
from labelfree.transfer.tasks.weights import RESAMPLINGS, Weights
from labelfree.transfer.words import BudgetWords, TaskWords

__all__ = ["RESAMPLINGS", "BudgetWords", "LabelledImages", "Metric", "Targets", "Task", "TaskWords", "Weights", "find_task", "task_names"]
