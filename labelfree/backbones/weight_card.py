"""The card beside a weight file: architecture, channels, unit, normalisation, and by what images the weights were taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.data.scales import Stored, same_scale
from labelfree.domain import ARBITRARY, Channel, Size
from labelfree.errors import DataError
from labelfree.training.files import read_json
from labelfree.views.normalise import Normalise, PerChannel, normalise_of

FORMAT = 1


@dataclass(frozen=True)
class WeightCard:
    """All that is needed to use a weight file right.

    `reader`: the settings of `domain` that its images were read with. `roles`, `nm`: what each channel shows, empty where not
    told. `dtype`, `low`, `high`: how the images were stored, and the smallest and the largest value of each channel, in `unit`.
    Input: channels in this order, in `unit` (stored * scale + offset), resized to `size` pixels a side, or one number an axis, and
    normalised as `normalisation` says (`views.normalise`); where it is empty (x - mean) / std, which other kinds leave empty in turn.
    `dims`: spatial axes.
    """

    architecture: str
    channels: tuple[str, ...]
    unit: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: Size
    pooling: str = "the architecture's own"
    options: dict[str, Any] = field(default_factory=dict)
    domain: str = ""
    reader: dict[str, Any] = field(default_factory=dict)
    arm: str = ""
    init: str = ""
    objective: str = ""
    steps: int = 0
    seed: int = 0
    recipe: str = ""
    data: str = ""
    licence: str = ""
    roles: tuple[str, ...] = ()
    nm: tuple[float | None, ...] = ()
    dtype: str = ""
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    dims: int = 2
    normalisation: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def known(self) -> tuple[Channel, ...]:
        """The channels, with what they show where the card tells."""
        told = zip(self.channels, self.roles, self.nm, strict=True) if self.roles else ((name, "", None) for name in self.channels)
        return tuple(Channel(*channel) for channel in told)

    @cached_property
    def normalise(self) -> Normalise:
        """What makes the network's input of physical numbers. Raises DataError where the card tells of two, or of none that is known."""
        channels = {"kind": PerChannel.kind, "mean": list(self.mean), "std": list(self.std)}
        told = self.normalisation or channels
        if told.get("kind") == PerChannel.kind and told != channels:
            raise DataError("normalisation: its mean and std are not those beside it; leave one of the two out")
        return normalise_of(told)

    @property
    def largest(self) -> tuple[float, ...]:
        """The largest value, without sign, of each channel that these weights were taught by, in `unit`; by mean and spread where the card
        is silent, 0 where it has neither.
        """
        if self.low and self.high:
            return tuple(max(abs(low), abs(high)) for low, high in zip(self.low, self.high, strict=True))
        if not self.mean:
            return (0.0,) * len(self.channels)
        return tuple(abs(mean) + 6 * std for mean, std in zip(self.mean, self.std, strict=True))


def card_beside(path: Path) -> WeightCard | None:
    """The card of a weight file; None where it has none. Raises DataError for one that cannot be read."""
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        return None
    try:
        return card_told(read_json(sidecar))
    except (TypeError, ValueError, DataError) as error:
        raise DataError(f"{sidecar}: not a weight card that this version reads ({error}).") from error


def card_told(fields: Mapping[str, Any]) -> WeightCard:
    """The card that these fields tell of, as JSON keeps them. Raises TypeError, ValueError or DataError where they tell of none."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    card = WeightCard(**values)
    card.normalise  # noqa: B018  # what is wrong with it is said now
    return card


def scale_fault(card: WeightCard, stored: Stored, most: Sequence[float]) -> str | None:
    """Why numbers stored so are on another scale than the card's images; None if they are not.

    `most`: the largest of each of the card's channels without sign, NaN for one that the images lack. The middle channel is judged: one in
    another unit says nothing of it.
    """
    if card.unit == ARBITRARY:
        return None
    seen, taught = np.array(most, dtype=np.float64), np.array(card.largest)
    judged = np.flatnonzero((seen > 0) & (taught > 0))
    if not judged.size:
        return None
    middle = judged[np.argsort((seen / np.where(taught > 0, taught, 1))[judged], kind="stable")[judged.size // 2]]
    ours, theirs = float(seen[middle]), float(taught[middle])
    below = abs(card.mean[middle]) + 3 * card.std[middle] if card.mean else theirs
    usual = min(theirs, below)  # a few saturated pixels make no image dark
    if same_scale(ours, stored, theirs, Stored(card.dtype, card.scale, card.offset), usual):
        return None
    how = f" stored as {card.dtype}" if card.dtype else ""
    shown = f"{f'{stored.dtype} ' if stored.dtype else ''}values up to {ours:,.4g} {card.unit}"
    return f"{shown} in {card.channels[middle]}, these weights were taught by values up to {theirs:,.4g}{how}"
