"""Resizing that other runtimes repeat: the same numbers as `labelfree.backbones.weights.resize`, as products of matrices.

Runtimes differ in how they antialias, and a graph cannot ask whether an image shrinks. A resized axis is a weighted sum of its pixels, so
each axis is multiplied by a matrix that is computed from the image's size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Kernel = Callable[[Tensor], Tensor]


class Resize(nn.Module):
    """(B, C, H, W) to (B, C, *shape), whatever H and W. `interpolation`: "bilinear" or "bicubic", antialiased where both sides shrink."""

    def __init__(self, shape: tuple[int, int], interpolation: str) -> None:
        super().__init__()
        self.shape, self.weights = shape, WEIGHTS[interpolation]
        for axis, length in zip("hw", shape, strict=True):
            self.register_buffer(f"cells_{axis}", torch.arange(length, dtype=torch.float32)[:, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = _positions(x[0, 0, :, 0]), _positions(x[0, 0, 0, :])
        height, width = rows[0, -1] + 1, columns[0, -1] + 1
        shrinks = (height > self.shape[0]) & (width > self.shape[1])
        down = self.weights(self.get_buffer("cells_h"), rows, height / self.shape[0], shrinks)
        along = self.weights(self.get_buffer("cells_w"), columns, width / self.shape[1], shrinks)
        return down @ x @ along.T


def _positions(line: Tensor) -> Tensor:
    """(n,) pixels -> (1, n): 0, 1, 2 … n - 1. Counted, for a length itself is fixed in a graph."""
    return (torch.ones_like(line).cumsum(0) - 1)[None]


def _bilinear(cells: Tensor, pixels: Tensor, scale: Tensor, shrinks: Tensor) -> Tensor:
    """(m, 1) cells of the result and (1, n) pixels -> (m, n) weights. `scale`: pixels to a cell."""
    return _averaged(cells, pixels, scale, torch.where(shrinks, scale, 1.0), _triangle)


def _bicubic(cells: Tensor, pixels: Tensor, scale: Tensor, shrinks: Tensor) -> Tensor:
    """As `_bilinear`. torch takes a sharper kernel where it does not antialias, and repeats the pixels at the border."""
    centre = (cells + 0.5) * scale - 0.5
    first, last = centre.floor(), pixels[0, -1]
    plain = torch.zeros_like(cells + pixels)
    for step in (-1.0, 0.0, 1.0, 2.0):
        neighbour = (first + step).clamp(min=0).minimum(last)
        plain = plain + torch.where(pixels == neighbour, _cubic(first + step - centre, -0.75), 0.0)
    smooth = _averaged(cells, pixels, scale, torch.where(shrinks, scale, 1.0), lambda distance: _cubic(distance, -0.5))
    return torch.where(shrinks, smooth, plain)


def _averaged(cells: Tensor, pixels: Tensor, scale: Tensor, stretch: Tensor, kernel: Kernel) -> Tensor:
    """Weights of a kernel `stretch` times as wide, that sum to 1 over the pixels there are."""
    weights = kernel((pixels + 0.5 - (cells + 0.5) * scale) / stretch)
    return weights / weights.sum(1, keepdim=True)


def _triangle(distance: Tensor) -> Tensor:
    return (1 - distance.abs()).clamp(min=0)


def _cubic(distance: Tensor, a: float) -> Tensor:
    """Keys' kernel (1981): 1 at 0, 0 from 2 on."""
    x = distance.abs()
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, ((x - 5) * x + 8) * x * a - 4 * a
    return torch.where(x <= 1, near, torch.where(x < 2, far, 0.0))


WEIGHTS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {"bilinear": _bilinear, "bicubic": _bicubic}
