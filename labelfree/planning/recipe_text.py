"""A recipe as a person would write it: YAML with the reason beside each line that was decided."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMN, WIDTH = 44, 138


@dataclass(frozen=True)
class Line:
    """One line of YAML, or a comment alone where `code` is only its indent."""

    code: str
    reason: str = ""

    def __str__(self) -> str:
        reason = " ".join(self.reason.split())
        if not reason:
            return self.code
        if not self.code.strip():
            start = f"{self.code}# "  # a path stays in one piece
            return textwrap.fill(
                reason, WIDTH, initial_indent=start, subsequent_indent=start, break_long_words=False, break_on_hyphens=False
            )
        beside = f"{self.code:<{COLUMN}} # {reason}"
        if len(beside) <= WIDTH:
            return beside
        indent = self.code[: len(self.code) - len(self.code.lstrip())]
        return f"{Line(indent, reason)}\n{self.code}"


def written(lines: Sequence[Line]) -> str:
    """The text of a recipe."""
    return "".join(f"{line}\n" for line in lines)


def quoted(path: Path | str) -> str:
    """A path or name as a YAML scalar that reads back to itself: backslashes, spaces, `#`, `: ` and `$` included."""
    return json.dumps(str(path).replace("$", "$$"), ensure_ascii=False)


def flow(values: Sequence[object]) -> str:
    """A list on one line. Names of ours and numbers need no quotes."""
    return f"[{', '.join(map(str, values))}]"
