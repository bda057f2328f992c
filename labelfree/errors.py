"""Errors meant for a person: one sentence that names the file, row or key and says what to do.

The command line prints the sentence and leaves with `exit_code`; a traceback shows only under `--debug`.
"""

from __future__ import annotations


class LabelfreeError(Exception):
    """Anything a user can put right. Base of every error that labelfree raises on purpose."""

    exit_code = 1


class RecipeError(LabelfreeError):
    """A recipe, an override or a command-line value is wrong."""

    exit_code = 2


class DataError(LabelfreeError):
    """A file, row, label or card is wrong."""

    exit_code = 3


class LeakError(DataError):
    """Images that are scored are also trained on."""

    exit_code = 4


class TrainingError(LabelfreeError):
    """A pretraining cannot go on: collapse, NaN, out of memory, full disk."""

    exit_code = 5


class Interrupted(LabelfreeError):
    """The work was asked to stop (Ctrl-C, SIGTERM); it is saved and can be resumed (EX_TEMPFAIL)."""

    exit_code = 75
