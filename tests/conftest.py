"""Fixtures every test may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

# Tests share a machine with other work: a slow example is no fault. CI tries the same examples every time.
settings.register_profile("labelfree", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("labelfree")


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Folder of a real data set under $LABELFREE_DATA; the test is skipped where that is not set."""

    def folder(name: str) -> Path:
        base = os.environ.get("LABELFREE_DATA")
        if not base:
            pytest.skip("LABELFREE_DATA is not set")
        found = Path(base) / name
        assert found.is_dir(), f"LABELFREE_DATA is set, but {found} is missing"
        return found

    return folder


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Pools and generated samples go to a folder of this session's own, which its worker processes share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "labelfree-cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELFREE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def no_disk_is_waited_for() -> Iterator[None]:
    """Files of tests need not outlast a power cut: waiting for the disk and freeing what lies on it took 42 of 505 s of tests/pipeline."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., SimpleNamespace]]:
    """Run a command line in this process, which saves a start of Python and torch: its exit code, stdout and stderr."""
    from labelfree import cli

    monkeypatch.setattr(cli.State, "console", None)

    def run(*words: str) -> SimpleNamespace:
        with pytest.raises(SystemExit) as stopped:
            cli.main(list(words))
        printed = capsys.readouterr()
        return SimpleNamespace(code=stopped.value.code, out=printed.out, err=printed.err)

    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 small pictures of noise without labels, which no test changes."""
    root = tmp_path_factory.mktemp("pictures")
    draw = np.random.default_rng(0)
    for i in range(40):
        Image.fromarray(draw.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(root / f"{i:02d}.png")
    return root
