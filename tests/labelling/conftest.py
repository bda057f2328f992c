"""A folder of images to label, and the page of it, as a server in this process or as a program of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from labelfree.backbones.weights import LoadedBackbone
from labelfree.labelling.asking import prepared
from labelfree.labelling.routes import application
from labelfree.labelling.serving import bound, new_token, served
from labelfree.progress import Silent

CLASSES = "forest,pasture,water"


class Reply(NamedTuple):
    code: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Program:
    """`labelfree label` in a process of its own. `address`: what it printed."""

    def __init__(self, *arguments: str | Path) -> None:
        command = [sys.executable, "-m", "labelfree", "label", *map(str, arguments), "--no-browser"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", preexec_fn=_heeding_ctrl_c)
        assert self.process.stdout is not None
        self.out = self.process.stdout
        self.first = self.out.readline()
        assert self.first.startswith("Open ")
        self.address = self.first.split()[1]

    def end(self, by: signal.Signals) -> tuple[int, str]:
        """Ended by a signal: the exit code, and what it printed from the start."""
        self.process.send_signal(by)
        told = self.first + self.out.read()
        return self.process.wait(timeout=60), told


def _heeding_ctrl_c() -> None:
    """A shell lets what it starts in the background ignore it, and so would every program of tests that run there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Site:
    """A page's server, asked as its page asks it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.token = address.rstrip("/").rsplit("/", 1)[1]

    def get(self, path: str = "", address: str | None = None, **headers: str) -> Reply:
        return self._asked(urllib.request.Request((address or self.address) + path, headers=headers))

    def post(self, path: str, given: Any = None, token: str | None = None, **headers: str) -> Reply:
        told = {"X-Labelfree-Token": self.token if token is None else token, "Content-Type": "application/json", **headers}
        body = given if isinstance(given, bytes) else json.dumps(given or {}).encode()
        return self._asked(urllib.request.Request(self.address + path, body, told))

    def answer(self, at: int, label: str = "", state: str = "", shown: tuple[str, str] = ("", ""), window: str = "one") -> Reply:
        given = {"label": label, "state": state}
        return self.post("answer", {"window": window, "at": at, "answer": given, "shown": {"label": shown[0], "state": shown[1]}})

    def _asked(self, request: urllib.request.Request) -> Reply:
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return Reply(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as error:
            return Reply(error.code, error.headers, error.read())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six small pictures."""
    folder = tmp_path / "mine"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for name in "abcdef":
        Image.fromarray(draw.integers(0, 255, (16, 24, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    return folder


@contextmanager
def site_of(
    folder: Path,
    classes: str,
    overrides: Sequence[str] = (),
    *,
    rows: Path | None = None,
    labels: Path | None = None,
    domain: str | None = "satellite",
    encoder: LoadedBackbone | None = None,
) -> Iterator[Site]:
    """The page of a folder, served by this process."""
    sitting, pictures = prepared(folder, classes, rows, labels or folder / "labels.csv", domain, encoder, overrides, Silent())
    with bound(None) as listener, served(application(sitting, pictures, token := new_token()), listener, token) as address:
        yield Site(address)


@pytest.fixture
def program() -> Iterator[Callable[..., Program]]:
    """Starts programs that end with the test."""
    started: list[Program] = []

    def start(*arguments: str | Path) -> Program:
        started.append(Program(*arguments))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.out.close()
        each.process.wait(timeout=60)
