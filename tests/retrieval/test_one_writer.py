"""Two processes on one index: the second is told who is at work, and a process that was killed blocks nobody."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

import labelfree
from labelfree.errors import DataError
from labelfree.progress import Silent
from labelfree.retrieval.one_writer import one_writer
from labelfree.retrieval.opened_index import Index

HOLDS = "import sys; from pathlib import Path; from labelfree.retrieval.one_writer import one_writer\n"
HOLDS += "with one_writer(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"


def holding(folder: Path) -> subprocess.Popen[str]:
    """Another process that adds to the index, until it is told to end."""
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_the_second_of_two_is_told_who_is_at_work(folder: Path, weights: Path, made: Index) -> None:
    other = holding(made.path)
    try:
        with pytest.raises(DataError, match=f"made.index: process {other.pid} on {socket.gethostname()} is adding to this index; wait"):
            labelfree.index(folder, weights, made.path, say=Silent())
    finally:
        other.communicate("")
    assert len(labelfree.index(folder, weights, made.path, say=Silent())) == len(made)
    assert sorted(path.name for path in made.path.iterdir()) == ["search-index.json", "vectors"]


def test_who_was_killed_blocks_nobody(folder: Path, weights: Path, tmp_path: Path) -> None:
    there = tmp_path / "new.index"
    other = holding(there)
    other.kill()
    other.wait()
    assert len(labelfree.index(folder, weights, there, say=Silent())) == 48


def test_a_folder_that_was_made_for_nothing_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), one_writer(tmp_path / "a" / "b"):
        raise ZeroDivisionError
    assert not (tmp_path / "a" / "b").exists()
