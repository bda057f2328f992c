"""A detector trained on features of a network that stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from labelfree.transfer.boxes.base import BoxProtocol
from labelfree.transfer.boxes.detectors import FASTER_RCNN, FCOS_NAME, RETINANET
from labelfree.transfer.boxes.heads import WIDTH, BoxHead
from labelfree.transfer.boxes.learning import LearnBoxes
from labelfree.transfer.boxes.training import STEPS, BoxTraining, train
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.training import BATCH, RATE, step_seconds

TRAINED = (
    f"AdamW at {RATE:g} with warm-up and cosine, {BATCH} tiles or mirror images a step, half of them with objects, {STEPS} steps unless "
    "time is short, as many for every arm, the last step's weights"
)
STRIDED = "finest cells of 8 pixels, of 4 where a tenth of the budget's boxes is shorter than 16"
ANCHORED = "the sides and ratios of anchors are those of the budget's boxes"


class Frozen(BoxProtocol):
    """Kept features of every tile and its mirror image; a detector learns from them. `detector`: a key of DETECTORS."""

    name = "frozen"
    words, title = "frozen", "trained detector on the frozen network"
    reading = "frozen: a detector is trained on what the network gives, the network stays as it is"
    method = f"Frozen: a feature pyramid and FCOS, {WIDTH} wide, {STRIDED}; {TRAINED}."
    preparation = "standardise"
    steps = STEPS

    def __init__(self, detector: str = FCOS_NAME) -> None:
        self.detector = detector

    def step_seconds(self, learn: LearnBoxes) -> float:
        return step_seconds(partial(BoxTraining, learn, self.trains_trunk, self.detector))

    def fit(self, learn: LearnBoxes) -> Fitted[BoxHead]:
        return train(learn, self.trains_trunk, self.detector)

    def head(self, config: Mapping[str, Any]) -> BoxHead:
        return BoxHead(**config)


class FrozenRetinanet(Frozen):
    """The same with RetinaNet."""

    name = "retinanet"
    words, title = "retinanet", "trained RetinaNet on the frozen network"
    reading = "retinanet: RetinaNet is trained on what the network gives, the network stays as it is"
    method = f"RetinaNet: as frozen, {WIDTH} wide; {ANCHORED}."

    def __init__(self) -> None:
        super().__init__(RETINANET)


class FrozenFasterRcnn(Frozen):
    """The same with Faster R-CNN."""

    name = "faster_rcnn"
    words, title = "faster_rcnn", "trained Faster R-CNN on the frozen network"
    reading = "faster_rcnn: Faster R-CNN is trained on what the network gives, the network stays as it is"
    method = f"Faster R-CNN: as frozen, {WIDTH} wide; {ANCHORED}."

    def __init__(self) -> None:
        super().__init__(FASTER_RCNN)
