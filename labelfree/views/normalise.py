"""How physical numbers become a network's input: by channel, by image, by a window of values or by a bit depth.

A domain chooses (`labelfree.domain.Normalises`), views and evaluation use it, and the weight card keeps what `told` says of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from labelfree.errors import DataError
from labelfree.views.base import moments, per_channel


class Normalise(nn.Module):
    """Physical (B, C, *spatial) to numbers around 0, of which most lie within ±1 or ±2. `kind`: its name in a weight card."""

    kind: ClassVar[str]
    by_image: ClassVar[bool] = False  # whether `of` depends on the images

    def of(self, physical: Tensor, measured: Tensor | None = None) -> Normalise:
        """This for views and sizes of these images (B, C, *spatial): what depends on an image is taken from all of its `measured` pixels
        (B, *spatial) bool, None: everywhere.
        """
        return self

    def forward(self, physical: Tensor, measured: Tensor | None = None) -> Tensor:
        raise NotImplementedError

    def in_one_pass(self, physical: Tensor) -> Tensor:
        """As `forward`, give or take a rounding, and faster where it can be: what training's views take."""
        normal: Tensor = self(physical)
        return normal

    def inverse(self, normal: Tensor) -> Tensor:
        """Back in physical units, for what `of` returns."""
        raise NotImplementedError

    def centre(self, channels: int) -> tuple[float, ...]:
        """The physical number of each channel that becomes 0: what a channel is filled with of which nothing is known."""
        raise NotImplementedError

    def parameters_told(self) -> dict[str, Any]:
        """Its constructor's arguments, as JSON keeps them."""
        return {}

    def told(self) -> dict[str, Any]:
        """All that makes it anew by `normalise_of`, as JSON keeps it."""
        return {"kind": self.kind, **self.parameters_told()}

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.parameters_told().items())


class PerChannel(Normalise):
    """(x - mean) / std, one of each a channel: (C,), or (B, C) for the images of a batch. A constant channel becomes 0, not NaN."""

    kind = "channel"
    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float] | Tensor, std: Sequence[float] | Tensor) -> None:
        super().__init__()
        if len(mean) != len(std):
            raise DataError(f"normalise: {len(mean)} means and {len(std)} standard deviations; give one of each a channel.")
        deviations = torch.as_tensor(std, dtype=torch.float32)
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.where(deviations > 0, deviations, 1.0))

    def forward(self, physical: Tensor, measured: Tensor | None = None) -> Tensor:
        self._require_channels(physical)
        return (physical - per_channel(self.mean, physical)) / per_channel(self.std, physical)

    def in_one_pass(self, physical: Tensor) -> Tensor:
        self._require_channels(physical)
        return torch.addcmul(per_channel(-self.mean / self.std, physical), physical, per_channel(1 / self.std, physical))

    def inverse(self, normal: Tensor) -> Tensor:
        return normal * per_channel(self.std, normal) + per_channel(self.mean, normal)

    def centre(self, channels: int) -> tuple[float, ...]:
        return tuple(self.mean.tolist())

    def parameters_told(self) -> dict[str, Any]:
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    def _require_channels(self, physical: Tensor) -> None:
        if physical.shape[1] != self.mean.shape[-1]:
            held = f"the batch has {physical.shape[1]} channels and the statistics have {self.mean.shape[-1]}"
            raise DataError(f"normalise: {held}; give the channels that the statistics were measured on.")


class PerImage(Normalise):
    """Each channel of each image by its own mean and standard deviation over the measured pixels: numbers without a unit, as of MR."""

    kind = "image"
    by_image = True

    def of(self, physical: Tensor, measured: Tensor | None = None) -> PerChannel:
        mean, std = moments(physical.flatten(2), measured)
        return PerChannel(mean[..., 0], std[..., 0])

    def forward(self, physical: Tensor, measured: Tensor | None = None) -> Tensor:
        normal: Tensor = self.of(physical, measured)(physical)
        return normal

    def centre(self, channels: int) -> tuple[float, ...]:
        return (0.0,) * channels  # any constant would do


class ValueWindow(Normalise):
    """From `low` to `high` of all channels to -1 to 1, and what lies beyond to the ends, as a viewer shows Hounsfield units."""

    kind = "window"

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        if not low < high:
            raise DataError(f"normalise: the window begins at {low:g} and ends at {high:g}; give a low end and a higher one.")
        self.low, self.high = float(low), float(high)
        self.middle, self.reach = (self.low + self.high) / 2, (self.high - self.low) / 2

    def forward(self, physical: Tensor, measured: Tensor | None = None) -> Tensor:
        return (physical.clamp(self.low, self.high) - self.middle) / self.reach

    def inverse(self, normal: Tensor) -> Tensor:
        """Within the window: what lay beyond comes back as its ends."""
        return normal * self.reach + self.middle

    def centre(self, channels: int) -> tuple[float, ...]:
        return (self.middle,) * channels

    def parameters_told(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}


class BitDepth(Normalise):
    """From 0 to the largest whole number of so many `bits`, 2^bits - 1, to -1 to 1: 12 bits of a camera in 16 bits of a file."""

    kind = "depth"

    def __init__(self, bits: int) -> None:
        super().__init__()
        if bits < 1:
            raise DataError(f"normalise: a depth of {bits} bits; give 1 or more.")
        self.bits = int(bits)
        self.reach = (2**self.bits - 1) / 2

    def forward(self, physical: Tensor, measured: Tensor | None = None) -> Tensor:
        return (physical - self.reach) / self.reach

    def inverse(self, normal: Tensor) -> Tensor:
        return normal * self.reach + self.reach

    def centre(self, channels: int) -> tuple[float, ...]:
        return (self.reach,) * channels

    def parameters_told(self) -> dict[str, Any]:
        return {"bits": self.bits}


KINDS: dict[str, type[Normalise]] = {each.kind: each for each in (PerChannel, PerImage, ValueWindow, BitDepth)}


def normalise_of(told: Mapping[str, Any]) -> Normalise:
    """What `told` gave, made anew. Raises DataError for a kind that is not known, and for numbers that it does not take."""
    kind = str(told.get("kind"))
    if kind not in KINDS:
        near = get_close_matches(kind, KINDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KINDS)}."
        raise DataError(f"normalisation: no kind {kind!r}; {hint}")
    numbers = {name: value for name, value in told.items() if name != "kind"}
    try:
        return KINDS[kind](**numbers)
    except (TypeError, ValueError) as error:
        raise DataError(f"normalisation: the kind {kind} is not made of {numbers} ({error}).") from error
