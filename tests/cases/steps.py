"""Carries out what a case types: in this process through the real command line, or each command in a process of its own."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import labelfree
from labelfree import cli
from labelfree.errors import LabelfreeError
from tests.cases.case import Case

TOP = Path(__file__).parents[2]
NEVER_ENDS = 600  # seconds, where a case gives no limit
NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Workplace:
    """The folders that DATA, RECIPE and RUN stand for, and a neutral one to stand in."""

    data: Path
    recipe: Path
    run: Path
    elsewhere: Path

    @classmethod
    def of(cls, case: Case, folder: Path) -> Workplace:
        """A fresh copy of the case's data below `folder`, which is empty."""
        folder = folder.resolve()
        shutil.copytree(case.folder / "data", folder / "data", symlinks=True)
        (folder / "run").mkdir()
        (folder / "elsewhere").mkdir()
        return cls(folder / "data", case.recipe, folder / "run", folder / "elsewhere")

    @property
    def words(self) -> dict[str, Path]:
        """What stands for each of these folders in a case."""
        return {"DATA": self.data, "RECIPE": self.recipe, "RUN": self.run}

    def filled(self, text: str) -> str:
        """`text` with the folders in place of their words."""
        return re.sub(r"\b(DATA|RECIPE|RUN)\b", lambda word: str(self.words[word[0]]), text)

    def blanked(self, text: str) -> str:
        """`text` with the words in place of the folders, so that no digit of a temporary name is taken for something that was said."""
        for word, folder in self.words.items():
            text = text.replace(str(folder), word)
        return text.replace(str(self.elsewhere.parent), "TEMPORARY")

    def file(self, name: str) -> Path:
        """A file that a case names: below DATA, unless it begins with one of the words."""
        return Path(self.filled(name)) if name.split("/")[0] in self.words else self.data / name


@dataclass(frozen=True)
class Outcome:
    """What became of one step. `run`: the folder of its run. `found`: what a step of Python gave, None if it ended in an error."""

    code: int
    text: str
    seconds: float
    run: Path | None = None
    found: Any = None


Shell = Callable[[list[str], float | None, Callable[[], bool]], tuple[int, str]]  # words, limit, whether to kill -> exit code, output


def carry_out(case: Case, place: Workplace, shell: Shell) -> dict[str, Outcome]:
    """Name of each step -> its outcome. A step that goes wrong stops none that follows, as with a user who goes on typing."""
    return {step["as"]: _step(step, case, place, shell) for step in case.steps}


def needs_a_process(case: Case) -> bool:
    """Whether a step of it is killed."""
    return any(step.get("do", {}).get("verb") == "kill" for step in case.steps)


def _step(step: Mapping[str, Any], case: Case, place: Workplace, shell: Shell) -> Outcome:
    unknown = set(step) - {"as", "type", "python", "do"}
    if unknown or ("type" in step) == ("python" in step):
        raise ValueError(f"{case.folder.name}: step {step['as']!r} is not understood: {sorted(step)}")
    start = time.monotonic()
    if "python" in step:
        code, text, found = _python(dict(step["do"]), case.domain, place)
        return Outcome(code, place.blanked(text), time.monotonic() - start, found=found)
    command, *words = [place.filled(word) for word in shlex.split(step["type"])]
    if command != "labelfree":
        raise ValueError(f"{case.folder.name}: step {step['as']!r} types {command!r}, which is no command of labelfree")
    run = Path(words[words.index("--out") + 1]) if "--out" in words else None
    limit = case.expectations["expect.json"].get("limit", {}).get(step["as"])
    code, text = shell(words, limit, _killer(step.get("do"), run))
    return Outcome(code, place.blanked(text), time.monotonic() - start, run)


def _killer(do: Mapping[str, Any] | None, run: Path | None) -> Callable[[], bool]:
    """Whether a command is to be killed by now: once `when`, a pattern, is there below its run's folder."""
    if do is None:
        return lambda: False
    if set(do) != {"verb", "when"} or do["verb"] != "kill" or run is None:
        raise ValueError(f"{do} is not understood beside a command")
    return lambda: any(run.glob(do["when"]))


def in_this_process(words: list[str], limit: float | None, killed: Callable[[], bool]) -> tuple[int, str]:
    """Exit code and output of `labelfree WORDS`, as a process of its own would give them; it is never stopped."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    before, cli.State.console = signal.getsignal(signal.SIGTERM), None
    try:
        with redirect_stdout(stream), redirect_stderr(stream):
            cli.main(list(words))
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else 1
    except Exception:  # a real process would print it and leave with 1
        traceback.print_exc(file=stream)
        code = 1
    finally:
        signal.signal(signal.SIGTERM, before)
    return code, stream.buffer.getvalue().decode("utf-8", "replace")


def as_typed(words: list[str], limit: float | None, killed: Callable[[], bool]) -> tuple[int, str]:
    """Exit code and output of `labelfree WORDS` in a process of its own, which ends at its limit, or once it is to be killed."""
    path = os.pathsep.join([str(TOP), str(TOP / "domains"), *filter(None, [os.environ.get("PYTHONPATH")])])
    command, environment = [sys.executable, "-m", "labelfree", *words], {**os.environ, "PYTHONPATH": path}
    last = time.monotonic() + (NEVER_ENDS if limit is None else limit)
    with tempfile.TemporaryFile() as said:
        with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT) as process:
            while process.poll() is None and time.monotonic() < last and not killed():
                time.sleep(0.02)
            process.kill()
        said.seek(0)
        return process.returncode, said.read().decode("utf-8", "replace")


def _python(do: dict[str, Any], domain: str, place: Workplace) -> tuple[int, str, Any]:
    """What a step of Python gives; its sentence and exit code where it is refused."""
    try:
        return 0, "", VERBS[do.pop("verb")](place, domain, **do)
    except LabelfreeError as error:
        return error.exit_code, str(error), None
    except Exception:
        return 1, traceback.format_exc(), None


def _survey(place: Workplace, domain: str, settings: Sequence[str] = ()) -> Any:
    return labelfree.show_data(place.data, [place.filled(setting) for setting in settings], domain)


def _read(place: Workplace, domain: str, files: Sequence[str], settings: Mapping[str, Any] = NOTHING) -> Any:
    return {name: labelfree.read(place.file(name), domain=domain, **settings).physical().numpy() for name in files}


def _embed(place: Workplace, domain: str, run: str, files: Sequence[str]) -> Any:
    """File -> its vector, or the sentence that refuses it."""
    encoder = labelfree.load(place.file(run))
    vectors: dict[str, Any] = {}
    for name in files:
        try:
            vectors[name] = labelfree.embed(encoder, place.file(name), domain)[0]
        except LabelfreeError as error:
            vectors[name] = str(error)
    return vectors


def _copy(place: Workplace, domain: str, **ends: str) -> Any:
    """A file or folder `from`, copied `to`."""
    source, target = place.file(ends["from"]), place.file(ends["to"])
    target.parent.mkdir(parents=True, exist_ok=True)
    return shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)


VERBS = {"survey": _survey, "read": _read, "embed": _embed, "copy": _copy}
