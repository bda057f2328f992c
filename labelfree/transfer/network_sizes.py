"""How large the networks of a comparison are, where they are not all one: what is said beside *different architecture* (PROTOCOL 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from labelfree.training.files import read_json, write_json

if TYPE_CHECKING:
    from labelfree.transfer.encoders import Encoder

FILE = "networks.json"


def save_sizes(folder: Path, encoders: Sequence[Encoder]) -> None:
    """How many weights each network has, by its name; nothing where all arms share one."""
    from labelfree.transfer.encoders import Concatenated, network_of

    if len({encoder.backbone for encoder in encoders if encoder.backbone}) < 2:
        return
    sizes: dict[str, int] = {}
    for encoder in encoders:
        network = network_of(encoder.parts[0] if isinstance(encoder, Concatenated) else encoder)
        if network is not None and network.backbone not in sizes:
            sizes[network.backbone] = sum(parameter.numel() for parameter in network.network.parameters())
    write_json(folder / FILE, sizes)


def read_sizes(folder: Path) -> dict[str, int]:
    """What `save_sizes` kept; empty where there is nothing."""
    sizes: dict[str, int] = read_json(folder / FILE) if (folder / FILE).is_file() else {}
    return sizes


def sized(name: str, sizes: Mapping[str, int]) -> str:
    """A network with its size, where that is known."""
    return f"{name} ({sizes[name] / 1e6:.2g} million weights)" if name in sizes else name
