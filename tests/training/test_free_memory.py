"""What is free is the least of what the machine has left and of what every group of processes around this one has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelfree.training import free_memory
from labelfree.training.free_memory import bytes_for_a_step, free_bytes, given_bytes, physical_bytes

GIB = 2**30


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the system's: a machine of 24 GiB, 20 of them free, and no groups of processes."""
    monkeypatch.setattr(free_memory, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(free_memory, "GROUPS_OF_THIS", tmp_path / "cgroup")
    monkeypatch.setattr(free_memory, "CONTROLLERS", tmp_path / "controllers")
    monkeypatch.setattr(free_memory, "physical_bytes", lambda: 24.0 * GIB)
    (tmp_path / "meminfo").write_text(f"MemTotal:  {24 * 2**20} kB\nMemFree:  {2**20} kB\nMemAvailable:  {20 * 2**20} kB\n")
    return tmp_path


def group(system: Path, names: tuple[str, str, str], folder: str, most: int | str, taken: int, copies: int) -> None:
    """A group that may take `most` bytes and takes so many, of which so many are copies of files."""
    at = system / "controllers" / folder
    at.mkdir(parents=True, exist_ok=True)
    (at / names[0]).write_text(f"{most}\n")
    (at / names[1]).write_text(f"{taken}\n")
    (at / "memory.stat").write_text(f"anon 1\n{names[2]} {copies}\n")


def test_of_this_machine_there_is_more_than_is_free() -> None:
    physical = physical_bytes()
    assert physical is None or 0 < free_bytes() <= given_bytes() <= physical


def test_without_groups_it_is_what_the_machine_has_left(system: Path) -> None:
    assert (free_bytes(), given_bytes(), bytes_for_a_step()) == (20 * GIB, 24 * GIB, 10 * GIB)


@pytest.mark.parametrize(
    "version, line", [(free_memory.SECOND, "0::/jobs/mine\n"), (free_memory.FIRST, "9:pids:/x\n4:cpu,memory:/jobs/mine\n")]
)
def test_a_limit_of_any_group_around_counts_and_copies_of_files_are_free(system: Path, version: tuple[str, str, str], line: str) -> None:
    (system / "cgroup").write_text(line)
    top = "" if version is free_memory.SECOND else "memory/"
    group(system, version, f"{top}jobs/mine", "max" if version is free_memory.SECOND else 2**63 - 4096, 3 * GIB, 0)
    group(system, version, f"{top}jobs", 8 * GIB, 7 * GIB, 2 * GIB)
    assert (free_bytes(), given_bytes()) == (3 * GIB, 8 * GIB)
    group(system, version, f"{top}jobs", 8 * GIB, 9 * GIB, 0)
    assert free_bytes() == 0


def test_in_a_container_whose_path_is_the_hosts_its_own_group_counts(system: Path) -> None:
    (system / "cgroup").write_text("0::/kubepods/pod1/abc\n")
    group(system, free_memory.SECOND, "", 4 * GIB, GIB, 0)
    assert free_bytes() == 3 * GIB


def test_a_system_that_does_not_say_has_all_that_there_is(system: Path) -> None:
    (system / "meminfo").unlink()
    assert free_bytes() == 24 * GIB
