"""What every protocol of captions shares: it is asked of arms with a text tower, and learns from no label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelfree.language.arm_towers import ArmTowers
from labelfree.transfer.encoders import network_of, towers_of
from labelfree.transfer.protocols import Protocol

if TYPE_CHECKING:
    from labelfree.transfer.encoders import Encoder


class CaptionProtocol(Protocol):
    """A protocol of captions: where images and texts of a gallery lie for one another."""

    needs = "captions"
    wants = "a text tower"
    leaves_head = False
    settings, default = (0.0,), 0.0

    def suits(self, encoder: Encoder) -> bool:
        network = network_of(encoder)
        return network is not None and (network.towers is not None or network.untaught is not None)

    def place(self, towers: ArmTowers, features: np.ndarray, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Features (n, D) of images and texts as rows of length 1, (n, d) and (T, d), whose products order both galleries."""
        raise NotImplementedError


def asked_towers(encoder: Encoder) -> ArmTowers | None:
    """The towers that an arm is asked by: those that were taught, else of an untrained network untrained ones; None of any other."""
    network = network_of(encoder)
    return towers_of(encoder) or (network.untaught() if network is not None and network.untaught is not None else None)
