"""A detector and the network under it, trained together."""

from __future__ import annotations

from labelfree.transfer.boxes.frozen import Frozen
from labelfree.transfer.tiles.training import TRUNK_RATE


class Finetune(Frozen):
    """Everything trains, the network's first layers slowest; BatchNorm keeps the statistics that the network came with."""

    name = "finetune"
    words, title = "finetune", "fine-tuned network"
    reading = "finetune: the network is trained together with a detector"
    method = (
        f"Finetune: as frozen, and the network trained along, at {TRUNK_RATE:g} in its last layer, a tenth of it in the first, on tiles in "
        "the poses and the light of the domain's views."
    )
    trains_trunk = True
