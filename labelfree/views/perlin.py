"""Gradient noise: smooth random fields whose structures are about as large as the cells of a lattice (Perlin 1985)."""

from __future__ import annotations

from itertools import product

import torch
from torch import Generator, Tensor

from labelfree.device_copies import beside

SLOPES = 256  # gradients of an image: a corner of the lattice takes the one that its hash names
PRIMES = (73856093, 19349663, 83492791)  # of a hash that keeps neighbours apart (Teschner et al. 2003)


def slopes(n: int, generator: Generator) -> Tensor:
    """(n, SLOPES, 3) gradients, on the host."""
    return torch.randn(n, SLOPES, 3, generator=generator)


def perlin(shape: tuple[int, ...], cells: Tensor, gradients: Tensor, x: Tensor) -> Tensor:
    """(B, *shape) noise around 0, on the device of `x`. `cells`: (B, 3) of the lattice along each axis; `gradients`: see `slopes`."""
    axes, n = len(shape), len(cells)
    gradients = beside(gradients[..., :axes], x)
    places = []
    for axis, size in enumerate(shape):
        at = (torch.arange(size, device=x.device) + 0.5) / size * beside(cells[:, axis, None], x)
        places.append(at.view(n, *(size if other == axis else 1 for other in range(axes))))
    corners = [place.floor() for place in places]
    within = [place - corner for place, corner in zip(places, corners, strict=True)]
    eased = [t**3 * (t * (t * 6 - 15) + 10) for t in within]  # its first two derivatives are 0 at corners
    noise = torch.zeros(n, *shape, device=x.device)
    for steps in product((0, 1), repeat=axes):
        name = torch.zeros((), dtype=torch.long, device=x.device)
        weight = torch.ones((), device=x.device)
        for axis, step in enumerate(steps):
            name = name ^ ((corners[axis].long() + step) * PRIMES[axis])
            weight = weight * (eased[axis] if step else 1 - eased[axis])
        chosen = gradients.gather(1, (name % SLOPES).view(n, -1, 1).expand(-1, -1, axes)).view(n, *shape, axes)
        rise = sum(chosen[..., axis] * (within[axis] - step) for axis, step in enumerate(steps))
        noise = noise + weight * rise
    return noise
