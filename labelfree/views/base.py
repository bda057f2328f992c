"""What every view op shares: a draw apart from its application, and the helpers that draw and broadcast.

Draws are tensors of the host, whatever device the images lie on: a GPU's views are drawn as a processor's are, what a draw decides (which
samples, which poses) is known without waiting for the device, and only numbers that pixels are computed with are copied to it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from labelfree.device_copies import beside
from labelfree.errors import DataError

Range = tuple[float, float]


class ViewOp(nn.Module):
    """A random change of a batch (B, C, *spatial), another one for each sample.

    `draw` makes the random parameters, `apply` uses them: apart, so that a test, a preview page or a mask can replay a draw. `covers`:
    whether it hides parts of an image, so that a label of what lies there is no longer true.
    """

    covers: ClassVar[bool] = False

    def draw(self, n: int, generator: Generator) -> Any:
        """Random parameters for `n` samples, on the host; the same state of the `generator`, a CPU one, gives the same draw."""
        raise NotImplementedError

    def apply(self, x: Tensor, params: Any) -> Tensor:  # type: ignore[override]  # nn.Module.apply(fn) has no use on an op without children
        """The batch (B, C, *spatial) changed as drawn; the input is left as it was."""
        raise NotImplementedError

    def apply_measured(self, x: Tensor, params: Any, measured: Tensor) -> Tensor:
        """As `apply`, with statistics of an image taken from its `measured` pixels (B, *spatial) bool; most ops take none."""
        return self.apply(x, params)

    def forward(self, x: Tensor, generator: Generator) -> Tensor:
        return self.apply(x, self.draw(len(x), generator))


def uniform(n: int, limits: Range, generator: Generator) -> Tensor:
    """(n,) float32, uniform between the limits."""
    low, high = limits
    return low + (high - low) * torch.rand(n, generator=generator)


def bernoulli(n: int, p: float, generator: Generator) -> Tensor:
    """(n,) float32: 1 with probability `p`, else 0."""
    return (torch.rand(n, generator=generator) < p).float()


def sometimes(n: int, limits: Range, p: float, generator: Generator) -> Tensor:
    """(n,) float32: with probability `p` uniform between the limits, else 0."""
    return uniform(n, limits, generator) * bernoulli(n, p, generator)


def factors(n: int, limits: Range, p: float, generator: Generator) -> Tensor:
    """(n,) float32: with probability `p` log-uniform between the limits, else 1."""
    low, high = torch.tensor(limits).log().tolist()
    return sometimes(n, (low, high), p, generator).exp()


def draw_seed(generator: Generator) -> int:
    """A seed for what depends on the image's shape, such as one number a pixel or a channel: known only when a draw is applied."""
    return int(torch.randint(2**62, (), generator=generator))


def seeded(seed: int, device: torch.device | str = "cpu") -> Generator:
    """A generator on `device` that starts at `seed`."""
    return Generator(device=device).manual_seed(seed)


def per_sample(values: Tensor, x: Tensor) -> Tensor:
    """(B,) shaped to broadcast over (B, C, *spatial), in the batch's dtype and on its device."""
    return beside(values, x).to(x.dtype).view(-1, *(1,) * (x.ndim - 1))


def per_channel(values: Tensor, x: Tensor) -> Tensor:
    """(C,) or (B, C) shaped to broadcast over (B, C, *spatial), in the batch's dtype and on its device."""
    values = values if values.ndim == 2 else values[None]
    return beside(values, x).to(x.dtype).view(*values.shape, *(1,) * (x.ndim - 2))


def floating(x: Tensor, op: ViewOp) -> Tensor:
    """The batch itself; an integer batch is refused, for a gain or a noise on it would be rounded away."""
    if not x.is_floating_point():
        raise DataError(f"{type(op).__name__}: the batch is {x.dtype}; turn stored numbers into floating-point physical units first.")
    return x


def moments(flat: Tensor, measured: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of (B, C, n), each (B, C, 1), over the `measured` pixels (B, *spatial)."""
    if measured is None:
        mean = flat.mean(2, keepdim=True)
        spread = torch.linalg.vector_norm(flat - mean, dim=2, keepdim=True)  # a fifth of the time that torch.std_mean takes on a processor
        return mean, spread / max(1, flat.shape[2] - 1) ** 0.5
    known = measured.flatten(1)[:, None].to(flat)
    count = known.sum(2, keepdim=True)
    mean = (flat * known).sum(2, keepdim=True) / count.clamp(min=1)
    return mean, (((flat - mean).square() * known).sum(2, keepdim=True) / (count - 1).clamp(min=1)).sqrt()


def on_chosen(x: Tensor, chosen: Tensor, change: Any) -> Tensor:
    """A copy of the batch whose `chosen` (B,) samples are `change(samples, positions)`: costly ops run only where they are wanted.

    `chosen` and `positions` are on the host.
    """
    positions = chosen.nonzero().flatten()
    if len(positions) == 0:
        return x
    if len(positions) == len(x):
        return change(x, positions)  # type: ignore[no-any-return]
    there = beside(positions, x)
    return x.index_copy(0, there, change(x[there], positions))
