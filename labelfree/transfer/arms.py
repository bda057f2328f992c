"""The starting points that a comparison knows by name (docs/protocol.md, 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from labelfree.errors import RecipeError


@dataclass(frozen=True)
class ArmKind:
    """What an arm is made of.

    `reads`: which channels its network sees, "none", "rgb" (by name; rendered as the domain shows them) or "all".
    `init`: where its weights start. `pretrained`: whether they are then trained on the pool. `statistics`: whether each channel's mean
    and standard deviation are appended. `baseline`: whether it is an ImageNet arm that the strongest one is chosen among.
    """

    name: str
    reads: Literal["none", "rgb", "all"]
    init: Literal["none", "random", "imagenet"]
    pretrained: bool = False
    statistics: bool = False

    @property
    def baseline(self) -> bool:
        return self.init == "imagenet" and not self.pretrained


ARMS: dict[str, ArmKind] = {
    kind.name: kind
    for kind in (
        ArmKind("statistics", "none", "none", statistics=True),
        ArmKind("random", "all", "random"),
        ArmKind("imagenet", "rgb", "imagenet"),
        ArmKind("imagenet+statistics", "rgb", "imagenet", statistics=True),
        ArmKind("imagenet-inflated", "all", "imagenet"),
        ArmKind("domain", "all", "random", pretrained=True),
        ArmKind("imagenet+domain", "all", "imagenet", pretrained=True),
    )
}


def arm_kind(name: str) -> ArmKind:
    """The arm called `name`. Raises RecipeError."""
    try:
        return ARMS[name]
    except KeyError:
        known = f"known are {', '.join(ARMS)}, or a weight file {{name, weights, backbone}}"
        raise RecipeError(f"evaluate.arms: {name!r} is not an arm; {known}.") from None


def is_baseline(name: str) -> bool:
    """Whether the arm is ImageNet's own: a weight file is never."""
    return name in ARMS and ARMS[name].baseline
