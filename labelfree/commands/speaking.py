"""What verbs speak through: standard output, or standard error where that is a recipe's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelfree.progress import Console


class State:
    """What an error message may need: where the run under way is kept."""

    console: Console | None = None


def console() -> Console:
    from labelfree.progress import Console

    State.console = State.console or Console()
    return State.console


def on_standard_error() -> Console:
    """For verbs whose standard output is a recipe."""
    from labelfree.progress import Console

    return Console(stream=sys.stderr)
