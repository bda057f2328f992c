"""The file that answers are kept in: every one is on disk before it counts, whoever else writes to the file, by hand or by program."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from labelfree.errors import DataError, LabelfreeError
from labelfree.labelling.answers import NOTHING, Answer, Words, read_answers
from labelfree.training.files import whole_file

PATIENCE = 10.0  # seconds that another window may keep the table


class Entry(NamedTuple):
    """One answer that waits for its table: None takes back what was said of the image."""

    identity: str
    answer: Answer | None


class Meanwhile(Exception):
    """Somebody else has answered for the image since it was shown: `answer` is what stands in the table."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


class AnswerTable:
    """The table of answers at `path`. Its file is read anew whenever it has changed: what was changed by hand counts.

    Where it can't be read or replaced, answers wait in a file beside it (`.waiting.jsonl`) and go in as soon as that is mended.
    `notice`: what a person should know of the file, "" if nothing. Raises `DataError` where it can't be read from the start.
    """

    def __init__(self, path: Path, words: Words) -> None:
        self.path, self.words = path.resolve(), words  # a link stays one
        self.waiting_file = self.path.with_name(f"{self.path.name}.waiting.jsonl")
        self.given: dict[str, Answer] = {}
        self.fault = ""
        self._mutex = threading.RLock()
        if not self.path.parent.is_dir():
            raise DataError(f"{self.path.parent}: does not exist; make it, or name another table with --labels.")
        self._sheet = read_answers(self.path, words)
        self._raw: bytes | None = None  # what the sheet was read from; None: to be read again
        self._believed = self._sheet.answers
        self._stamp: tuple[int, ...] | None = None
        self._transact([])

    def answers(self) -> dict[str, Answer]:
        """What has been said, by image: the file's content with what waits for it."""
        with self._mutex:
            if self._stamp != self._stamp_now() or self.waiting_file.exists() or self.fault:
                self._transact([])
            return self._believed

    def change(self, identity: str, answer: Answer | None, shown: Answer) -> Answer | None:
        """Say `answer` of an image (None: take back what was said): on disk when this returns. Returns what stood there before.

        `shown`: what whoever answers believes to stand there; raises `Meanwhile` where something else does.
        """
        with self._mutex:
            before = self._transact([Entry(identity, answer)], {identity: shown}).get(identity)
            if answer is None:
                self.given.pop(identity, None)
            else:
                self.given[identity] = answer
            return before

    def lost(self) -> dict[str, Answer]:
        """Answers given here whose lines are no longer in the file: an editor that had it open has saved an older state."""
        answers = self.answers()
        return {identity: answer for identity, answer in self.given.items() if identity not in answers}

    def put_back(self) -> None:
        """Write the lost answers again."""
        with self._mutex:
            self._transact([Entry(identity, answer) for identity, answer in self.lost().items()])

    @property
    def notice(self) -> str:
        """One sentence on what is wrong with the file."""
        if self.fault:
            return f"{self.fault.rstrip('.')}. Until that is mended your answers are kept in {self.waiting_file.name} beside it."
        if lost := self.lost():
            lines = f"the lines of {len(lost)} answers" if len(lost) > 1 else "the line of an answer"
            return f"{self.path.name} was changed elsewhere and lacks {lines} given here, such as {next(iter(lost))}."
        return ""

    def _transact(self, entries: list[Entry], shown: dict[str, Answer] | None = None) -> dict[str, Answer]:
        """Apply what waits and `entries` to the file as it stands now. Returns what was said before `entries`."""
        with self._locked():
            waiting = self._waiting()
            readable = self._read()
            before = _after(self._sheet.answers, waiting)
            for identity, answer in (shown or {}).items():
                if before.get(identity, NOTHING) != answer:
                    self._believed = before
                    raise Meanwhile(before.get(identity, NOTHING))
            if not (readable and self._write([*waiting, *entries])):
                self._wait(entries)
            self._believed = _after(before, entries)
            return before

    def _read(self) -> bool:
        """Take in what the file holds, unless that is known; whether it can be read. Where it can't, the last state that could counts."""
        stamp = self._stamp_now()
        try:
            raw = self.path.read_bytes() if self.path.exists() else b""
            if raw != self._raw:
                sheet = read_answers(self.path, self.words)
                if not sheet.has_labels and any(answer.label for answer in self._believed.values()):
                    raise DataError(f"{self.path}: its column of labels is gone or called otherwise; call it `label` again.")
                self._sheet = sheet
        except (DataError, OSError) as error:
            self.fault = _sentence(self.path, error)
            return False
        self._raw, self._stamp, self.fault = raw, stamp, ""
        return True

    def _write(self, entries: list[Entry]) -> bool:
        """Put entries into the file; whether they are in it."""
        if not entries:
            return True
        self._raw = None  # what is in memory is not what is on disk, until it is
        for entry in entries:
            self._sheet.put(*entry)
        self._sheet.carry()
        raw = self._sheet.sheet.written()
        try:
            with whole_file(self.path) as part:
                part.write_bytes(raw)
                if self.path.exists():
                    shutil.copymode(self.path, part)
            self.waiting_file.unlink(missing_ok=True)
        except (OSError, LabelfreeError) as error:
            self.fault = _sentence(self.path, error)
            return False
        self._raw, self._stamp = raw, self._stamp_now()
        return True

    def _waiting(self) -> list[Entry]:
        """Answers that wait. A line may have been cut off when the machine stopped: that answer was never told to be saved."""
        try:
            lines = self.waiting_file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        entries = []
        for line in lines:
            with suppress(ValueError):
                identity, answer = json.loads(line)
                entries.append(Entry(identity, answer and Answer(*answer)))
        return entries

    def _wait(self, entries: list[Entry]) -> None:
        if not entries:
            return
        try:
            with self.waiting_file.open("a", encoding="utf-8", newline="\n") as file:
                file.writelines(f"\n{json.dumps(entry)}\n" for entry in entries)  # whatever the line before was cut off at
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DataError(f"{self.fault} Nor can the answer be kept beside it ({error.strerror}).") from error

    def _stamp_now(self) -> tuple[int, ...] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time: another `labelfree label` may keep the same table."""
        from filelock import FileLock, Timeout

        if not self.path.parent.is_dir():  # a drive taken out: a lock would make a new folder in its place
            raise DataError(f"{self.path.parent}: is no longer there; put it back, then answer again. What was saved is saved.")
        try:
            with FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=PATIENCE):
                yield
        except Timeout:
            raise DataError(f"{self.path}: another program has kept it locked for {PATIENCE:.0f} s; end it, then answer again.") from None
        except PermissionError as error:
            raise DataError(f"{self.path.parent}: nothing may be written there; name another table with --labels.") from error


def _after(answers: dict[str, Answer], entries: list[Entry]) -> dict[str, Answer]:
    after = dict(answers)
    for identity, answer in entries:
        if answer is None:
            after.pop(identity, None)
        else:
            after[identity] = answer
    return after


def _sentence(path: Path, error: Exception) -> str:
    """What is wrong with the table, and what to do."""
    if isinstance(error, LabelfreeError):
        return str(error)
    if path.is_dir():
        return f"{path}: is a folder, where the table belongs; move it away."
    if isinstance(error, PermissionError):
        return f"{path}: may not be read or replaced; close it in other programs, or correct its permissions."
    return f"{path}: {getattr(error, 'strerror', None) or error}."
