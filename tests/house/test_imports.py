"""`import labelfree` and its help stay quick, lazily: nothing heavy is imported before it is used."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

HEAVY = ("torch", "torchvision", "lightning", "timm", "sklearn", "scipy", "rasterio", "pyarrow", "plotly", "numpy", "omegaconf", "pandas")


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "module", ["labelfree", "labelfree.cli", "labelfree.recipe", "labelfree.domain", "labelfree.errors", "labelfree.progress"]
)
def test_importing_brings_nothing_heavy(module):
    loaded = python(f"import {module}, sys; print(*sys.modules)").split()
    assert not set(loaded) & set(HEAVY)


@pytest.mark.parametrize(
    "code", ["import labelfree", "import sys; sys.argv = ['labelfree', '--help']; from labelfree.cli import main; main()"]
)
def test_import_and_help_take_under_half_a_second(code):
    def seconds() -> float:
        """Processor time where the system counts it for children: other tests run beside this one."""
        before, start = os.times(), time.perf_counter()
        python(code)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        return used or time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.5


@pytest.fixture(scope="module")
def imported() -> list[str]:
    """What one process prints that imports more and more: what is loaded then, and at last whether every verb is a function still."""
    return python(
        "import sys, labelfree.planning.proposal, labelfree.planning.survey, labelfree.labelling.asking; print(*sys.modules)\n"
        "import labelfree.selecting.selection; print(*sys.modules)\n"
        "import labelfree, labelfree.cli, pkgutil, importlib\n"
        "for m in pkgutil.iter_modules(labelfree.__path__): importlib.import_module('labelfree.' + m.name)\n"
        "print(all(callable(getattr(labelfree, name)) for name in labelfree.__all__))"
    ).splitlines()


def test_who_looks_or_labels_or_chooses_waits_only_for_what_that_needs(imported):
    """`plan`, `data check` and `label` do without networks, `select` without what trains them: seconds at every start."""
    looking, choosing = (set(line.split()) for line in imported[:2])
    assert not looking & {"timm", "torchvision", "lightning", "scipy"} and not choosing & {"lightning", "scipy", "sklearn"}


def test_every_verb_is_listed_and_no_submodule_hides_one(imported):
    import labelfree

    assert sorted(labelfree.__all__) == list(labelfree.__all__) and imported[2:] == ["True"]
