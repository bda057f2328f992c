"""Rotation, scale, shear and shift about an image's centre. Any dtype; a draw can be replayed on masks and boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from labelfree.device_copies import beside
from labelfree.views.base import Range, bernoulli, on_chosen, uniform
from labelfree.views.geometry import Geometry, corners, from_corners

PLANES = ((-2, -1),)


@dataclass(frozen=True)
class AffineDraw:
    """All 0 where not applied.

    `angle`: (n, planes) in radians, counterclockwise. `zoom`: (n,) log-scale. `shear`: (n, planes) tangents. `shift`: (n, 3) share of
    each side.
    """

    angle: Tensor
    zoom: Tensor
    shear: Tensor
    shift: Tensor


class Affine(Geometry):
    """Each image turned by up to `degrees` either way, scaled log-uniformly within `scale`, sheared and shifted.

    `shear`: up to so many degrees. `shift`: up to this share of each side.
    Input and output: (B, C, *spatial), 2D or 3D; floating point is interpolated linearly, integers take the nearest pixel; edge pixels
    go on outside. `planes`: pairs of axes to turn and shear in, counted from the end; leave planes out that mix fine and coarse axes.
    `spacing`: extent of a pixel along each axis, so that turned volumes keep their shape; equal where not given.
    """

    def __init__(
        self,
        degrees: float = 10.0,
        scale: Range = (0.9, 1.1),
        shear: float = 0.0,
        shift: float = 0.0,
        *,
        planes: Sequence[tuple[int, int]] = PLANES,
        spacing: Sequence[float] | None = None,
        p: float = 0.5,
    ) -> None:
        super().__init__()
        self.degrees = degrees
        self.scale = scale
        self.shear = shear
        self.shift = shift
        self.planes = tuple(planes)
        self.spacing = None if spacing is None else tuple(spacing)
        self.p = p

    def draw(self, n: int, generator: Generator) -> AffineDraw:
        planes, turn, lean = len(self.planes), math.radians(self.degrees), math.tan(math.radians(self.shear))
        chosen = bernoulli(n, self.p, generator)
        angle = uniform(planes * n, (-turn, turn), generator).view(n, planes)
        zoom = uniform(n, (math.log(self.scale[0]), math.log(self.scale[1])), generator)
        shear = uniform(planes * n, (-lean, lean), generator).view(n, planes)
        shift = uniform(3 * n, (-self.shift, self.shift), generator).view(n, 3)
        each = chosen[:, None]
        return AffineDraw(angle * each, zoom * chosen, shear * each, shift * each)

    def apply(self, x: Tensor, params: AffineDraw) -> Tensor:  # type: ignore[override]
        matrix, shift = self.forwards(tuple(x.shape[2:]), params)
        moved = (matrix - torch.eye(x.ndim - 2)).abs().sum((1, 2)) + shift.abs().sum(1) > 0

        def turned(part: Tensor, rows: Tensor) -> Tensor:
            back = matrix[rows].inverse()
            return (_linear if part.is_floating_point() else _nearest)(part, back, -(back @ shift[rows, :, None])[..., 0])

        return on_chosen(x, moved, turned)

    def apply_boxes(self, boxes: Sequence[Tensor], shape: Sequence[int], params: AffineDraw) -> list[Tensor]:
        matrix, shift = self.forwards(tuple(shape), params)
        transformed = []
        for row, given in enumerate(boxes):
            low, high = corners(given, len(shape))
            size = given.new_tensor(shape)
            ends = torch.stack([low, high])  # (2, n, axes)
            every = torch.stack([ends[list(pick), :, range(len(shape))].T for pick in product((0, 1), repeat=len(shape))])
            moved = (every - size / 2) @ matrix[row].T.to(given) + shift[row].to(given) + size / 2  # (2^axes, n, axes)
            transformed.append(from_corners(moved.amin(0), moved.amax(0), size))
        return transformed

    def forwards(self, shape: tuple[int, ...], params: AffineDraw) -> tuple[Tensor, Tensor]:
        """Where pixels go, seen from the centre: matrices (n, axes, axes) and shifts (n, axes), in pixels, on the host as the draw."""
        axes = len(shape)
        matrix = torch.eye(axes).expand(len(params.zoom), axes, axes)
        for plane, (first, second) in enumerate(self.planes):
            step = torch.eye(axes).repeat(len(params.zoom), 1, 1)
            cos, sin, lean = params.angle[:, plane].cos(), params.angle[:, plane].sin(), params.shear[:, plane]
            step[:, first, first], step[:, first, second] = cos, lean * cos - sin
            step[:, second, first], step[:, second, second] = sin, lean * sin + cos
            matrix = step @ matrix
        spacing = params.zoom.new_tensor(self.spacing or (1.0,) * axes)
        matrix = matrix * params.zoom.exp()[:, None, None] * spacing / spacing[:, None]
        return matrix, params.shift[:, :axes] * params.zoom.new_tensor(shape)


def _linear(x: Tensor, back: Tensor, shift: Tensor) -> Tensor:
    """(B, C, *spatial) taken at `back` (B, axes, axes) times each pixel's position, plus `shift` (B, axes), from the centre."""
    half = back.new_tensor(x.shape[2:]) / 2
    theta = torch.cat([back * half / half[:, None], (shift / half)[..., None]], dim=2)  # axes from -1 to 1
    theta = torch.cat([theta[:, :, :-1].flip(1, 2), theta[:, :, -1:].flip(1)], dim=2)  # x first
    theta = beside(theta, x).to(x.dtype)
    return F.grid_sample(x, F.affine_grid(theta, list(x.shape), align_corners=False), padding_mode="border", align_corners=False)


def _nearest(x: Tensor, back: Tensor, shift: Tensor) -> Tensor:
    """The same for any dtype, each pixel taken from the nearest one."""
    shape = x.shape[2:]
    back, shift, half = (beside(values, x) for values in (back, shift, back.new_tensor(shape) / 2))
    centres = [torch.arange(size, device=x.device) + 0.5 - size / 2 for size in shape]
    at = torch.stack(torch.meshgrid(*centres, indexing="ij"), dim=-1).flatten(0, -2)  # (pixels, axes)
    source = (at @ back.mT + shift[:, None] + half).floor().long()  # (B, pixels, axes)
    flat = torch.zeros_like(source[..., 0])
    for axis, size in enumerate(shape):
        flat = flat * size + source[..., axis].clamp(0, size - 1)
    return x.flatten(2).gather(2, flat[:, None].expand(-1, x.shape[1], -1)).view_as(x)
