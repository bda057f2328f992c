"""The numbers that the acceptance cases expect are those of their files: counted again without labelfree."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cases.case import cases_on_disk, load_case
from tests.cases.checks import CHECKS
from tests.cases.recount import recount


@pytest.mark.parametrize("folder", cases_on_disk("satellite"))
def test_a_case_expects_what_its_files_hold(folder):
    pools = load_case(folder, "satellite", CHECKS).expectations["expect.json"].get("pool", {})
    for step, pool in ((step, pool) for step, pool in pools.items() if "from" in pool):
        counted = recount(folder / "data", pool["from"])
        few, many = pool["count"] if isinstance(pool["count"], list) else (pool["count"],) * 2
        assert few <= counted.count <= many, step
        for found, expected in ((counted.mean, pool["mean"]), (counted.std, pool["std"])):
            assert (np.abs(np.subtract(found, expected)) <= pool["tolerance"]).all(), step
