"""The gradient of antialiased bicubic resampling against autograd's."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from labelfree.pretraining.resampling import gradient


@pytest.mark.parametrize("before, after", [((14, 14), (6, 6)), ((14, 14), (16, 16)), ((8, 6), (5, 13)), ((7, 7), (7, 7))])
@pytest.mark.parametrize("align_corners", [False, True])
def test_it_is_the_gradient(before: tuple[int, int], after: tuple[int, int], align_corners: bool) -> None:
    x = torch.randn(2, 3, *before, dtype=torch.float64, requires_grad=True)
    y = F.interpolate(x, after, mode="bicubic", antialias=True, align_corners=align_corners)
    upstream = torch.randn_like(y)
    (true,) = torch.autograd.grad(y, x, upstream)
    torch.testing.assert_close(gradient(upstream, after, x.shape, align_corners), true, rtol=1e-6, atol=1e-6)


def test_autograd_takes_it_once_it_is_registered() -> None:
    """In a process of its own: what is registered stays. The result is that of the kernel before."""
    code = """
import torch, torch.nn.functional as F
from labelfree.pretraining import resampling
def slope():
    x = torch.arange(196.0).sin().reshape(1, 1, 14, 14).requires_grad_()
    y = F.interpolate(x, (6, 6), mode="bicubic", antialias=True)
    return torch.autograd.grad((y ** 2).sum(), x)[0]
before, calls = slope(), []
ours = resampling.gradient
resampling.gradient = lambda *asked: calls.append(asked) or ours(*asked)
resampling.deterministic_bicubic("CPU")
torch.testing.assert_close(slope(), before)
assert len(calls) == 1
"""
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
