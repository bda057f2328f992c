"""The folder of predictions: new, or gone on with where it was begun by the same head for the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelfree.errors import DataError
from labelfree.training.files import digest_of, read_json, write_json

STATE = "prediction.json"


@dataclass(frozen=True)
class OutputFolder:
    """Where predictions go. `finished`: they are all there, from an earlier call."""

    path: Path
    asked: dict[str, Any]
    finished: bool

    def finish(self, files: Sequence[Path], facts: dict[str, Any]) -> None:
        """Remember that all is done, and what was written."""
        names = [file.relative_to(self.path).as_posix() if file.is_relative_to(self.path) else str(file) for file in files]
        write_json(self.path / STATE, {"asked": self.asked, "status": "finished", "files": names, **facts})

    @property
    def files(self) -> list[Path]:
        """What an earlier call wrote."""
        return [self.path / name for name in read_json(self.path / STATE).get("files", ())]


def require_empty(out: Path) -> None:
    """Raises DataError where `out` is neither a new nor an empty folder."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: holds something else already; name a new or empty folder with --out.")


def open_output(out: Path, head: Path, inputs: Sequence[str | Path], settings: dict[str, Any]) -> OutputFolder:
    """`out`, new or empty, or begun by the same head for the same `inputs` and `settings`. Raises DataError where it holds other things."""
    given = [path.absolute().as_posix() if (path := Path(each).expanduser()).exists() else str(each) for each in inputs]
    asked = {"head": digest_of(head), "inputs": given, **settings}
    state = out / STATE
    if state.is_file():
        known = read_json(state)
        if known.get("asked") != asked:
            raise DataError(
                f"{out}: holds predictions by another head, of other images or with other settings; name a new folder with --out."
            )
        return OutputFolder(out, asked, known["status"] == "finished")
    require_empty(out)
    out.mkdir(parents=True, exist_ok=True)
    write_json(state, {"asked": asked, "status": "unfinished"})
    return OutputFolder(out, asked, False)
