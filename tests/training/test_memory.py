"""Memory that a step frees stays with the process while it trains, and goes back afterwards."""

from __future__ import annotations

import platform
import resource

import pytest
import torch

from labelfree.training.memory import freed_memory_kept

MIB = 2**20
FAULTS = 64 * MIB // resource.getpagesize()  # of a tensor of 64 MiB whose every page is fresh


def faults_of_a_second_tensor() -> int:
    torch.ones(64 * MIB, dtype=torch.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(64 * MIB, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such settings")
def test_freed_memory_is_kept_within_and_only_there() -> None:
    outside = faults_of_a_second_tensor()
    with freed_memory_kept():
        within = min(faults_of_a_second_tensor() for _ in range(5))  # small things may lie in the way of the first ones
    assert within < FAULTS / 20
    if outside > FAULTS / 2:  # pages that are larger than the system says are cleared in fewer faults
        assert faults_of_a_second_tensor() > FAULTS / 2, "as it was before"
