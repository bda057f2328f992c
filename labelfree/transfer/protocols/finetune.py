"""A linear probe, then it and the network under it trained on together (Kumar et al. 2022, arXiv:2202.10054)."""

from __future__ import annotations

from labelfree.transfer.encoders import Encoder, NetworkEncoder
from labelfree.transfer.protocols.linear import Linear
from labelfree.transfer.protocols.linear_each import LinearEach
from labelfree.transfer.tuning.training import BATCH, LAYER_DECAY, RATE, STEPS, TRUNK_RATE


class Finetune(Linear):
    """The head is a linear probe's, and what the probe chooses inside a budget holds; `tuning.asking` trains the network along."""

    name = "finetune"
    words, title = "finetune", "fine-tuned network"
    reading = "finetune: the network is trained together with a linear layer, which was fitted on it first"
    method = (
        f"Finetune: the linear probe first, then all layers: AdamW with warm-up and cosine, {BATCH} views a step, at {RATE:g} for the "
        f"probe and {TRUNK_RATE:g} for the network's last layer, times {LAYER_DECAY:g} for each layer below it in a transformer, a tenth "
        "of it in the first layer of a CNN; BatchNorm keeps its statistics; the running average of the weights after 0, a quarter, half or "
        f"all of at most {STEPS} steps, whichever does best on the halves of the budget that were held out; a half where labels are too "
        "few for that."
    )
    needs = "images"
    trains_trunk = True
    steps = STEPS

    def suits(self, encoder: Encoder) -> bool:
        """An arm that is a network alone."""
        return isinstance(encoder, NetworkEncoder)


class FinetuneEach(Finetune, LinearEach):
    """The same for images of several classes: the probe tells each class apart, and so does the loss."""
