"""Self-supervised objectives, one file a method: tensors in, a loss and its logs out.

The losses stand alone: a notebook can borrow any of them.
"""

from labelfree.objectives.base import Crops, Objective, Step, Views
from labelfree.objectives.byol import regression_loss
from labelfree.objectives.clip import clip_loss
from labelfree.objectives.ibot import ibot_loss
from labelfree.objectives.info_nce import info_nce
from labelfree.objectives.koleo import koleo_loss
from labelfree.objectives.moco import moco_loss
from labelfree.objectives.prototypes import cross_view_loss, sinkhorn_knopp
from labelfree.objectives.siglip import siglip_loss
from labelfree.objectives.simclr import nt_xent
from labelfree.objectives.simsiam import negative_cosine

__all__ = [
    "Crops", "Objective", "Step", "Views",
    "clip_loss", "cross_view_loss", "ibot_loss", "info_nce", "koleo_loss", "moco_loss", "negative_cosine", "nt_xent",
    "regression_loss", "siglip_loss", "sinkhorn_knopp",
]  # fmt: skip
