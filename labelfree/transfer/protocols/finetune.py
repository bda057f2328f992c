"""A decoder and the network under it trained together."""

from __future__ import annotations

from labelfree.transfer.maps.training import RATE, TRUNK_RATE
from labelfree.transfer.protocols.frozen import LEARNS, Frozen


class Finetune(Frozen):
    """Everything trains, the network's first layers slowest; BatchNorm keeps the statistics that the network came with."""

    name = "finetune"
    words, title = "finetune", "fine-tuned network"
    reading = "finetune: the network is trained together with a decoder"
    method = f"Finetune: the decoder of frozen; rate {RATE:g}, {TRUNK_RATE:g} in the network's last layer falling to a tenth in its first; {LEARNS}"
    trains_trunk = True
