"""One group of two processes, and one of four, for all cases of a test run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.distributed.group import Group


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    group = Group(2, tmp_path_factory.mktemp("two"))
    yield group
    group.stop()


@pytest.fixture(scope="session")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    group = Group(4, tmp_path_factory.mktemp("four"))
    yield group
    group.stop()
