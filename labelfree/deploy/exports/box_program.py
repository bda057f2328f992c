"""A detector as one module: candidates of one tile, decoded. Which of them stay is decided by nodes that are added to its graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from labelfree.deploy.box_heads import BoxesHead
from labelfree.deploy.exports.programs import TileProgram
from labelfree.deploy.exports.suppression import suppress
from labelfree.errors import DataError
from labelfree.transfer.boxes.detectors import CANDIDATES, LEAST_SCORE, MOST, SAME, Fcos, Retinanet, images_of
from labelfree.transfer.boxes.strides import frame_of, reduced


class BoxProgram(TileProgram):
    """Of one tile `candidates` (1, N, 4), corners in its pixels, and `class_scores` (1, K, N). In the graph these become `corners` (n, 4),
    `label` (n,) and `score` (n,), the surest first, of the input `threshold` on.
    """

    kind, outputs, batched = "boxes", ("candidates", "class_scores"), False
    anchors: Tensor
    larger: Tensor
    classes: Tensor

    def __init__(self, head: BoxesHead) -> None:
        super().__init__(head)
        detector = self.head.detector
        if type(detector) not in SCORES:
            known = " and ".join(sorted(each.__name__.lower() for each in SCORES))
            raise DataError(f"{head.path}: detectors that look twice are not exported; take one of {known}, which look once.")
        self.scores_of, self.model, self.frame = SCORES[type(detector)], detector.model, frame_of(self.shape)
        self.least = head.card.threshold or LEAST_SCORE
        with torch.no_grad():
            seen = self.head.seen(self._levels(self.example()[0]), self.shape)
            anchors = self.model.anchor_generator(images_of(seen, self.frame), seen)[0]
        cells = [level.shape[-2] * level.shape[-1] for level in seen]
        self.counts = [count * (len(anchors) // sum(cells)) for count in cells]
        self.register_buffer("anchors", anchors, persistent=False)
        down, across = (whole / side for whole, side in zip(self.frame, self.shape, strict=True))
        self.register_buffer("larger", torch.tensor([across, down] * 2), persistent=False)
        self.register_buffer("classes", torch.arange(len(head.classes))[:, None], persistent=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        told = self.model.head(self.head.seen(self._levels(pixels), self.shape))
        split = {name: each[0].split(self.counts) for name, each in told.items()}
        boxes, scores, labels = list[Tensor](), list[Tensor](), list[Tensor]()
        for level, anchors in enumerate(self.anchors.split(self.counts)):
            of_level = {name: each[level] for name, each in split.items()}
            by_class = self.scores_of(of_level)
            best, at = by_class.flatten().topk(min(CANDIDATES, by_class.numel()))
            places = at // by_class.shape[1]
            boxes.append(self._decoded(of_level["bbox_regression"][places], anchors[places]))
            scores.append(best)
            labels.append(at % by_class.shape[1])
        corners = clip_boxes_to_image(torch.cat(boxes), self.frame) / self.larger
        return corners[None], torch.where(torch.cat(labels)[None] == self.classes, torch.cat(scores)[None], 0.0)[None]

    @property
    def default(self) -> float:
        return self.least

    def finish(self, graph: Any) -> None:
        suppress(graph, self.least, SAME, MOST)

    def _levels(self, pixels: Tensor) -> list[Tensor]:
        return reduced(self.levels(pixels), self.shape)

    def _decoded(self, told: Tensor, anchors: Tensor) -> Tensor:
        coder = self.model.box_coder
        corners: Tensor = getattr(coder, "decode_single", coder.decode)(told, anchors)
        return corners


def _with_centreness(told: dict[str, Tensor]) -> Tensor:
    return (told["cls_logits"].sigmoid() * told["bbox_ctrness"].sigmoid()).sqrt()


def _plain(told: dict[str, Tensor]) -> Tensor:
    return told["cls_logits"].sigmoid()


SCORES: dict[type, Callable[[dict[str, Tensor]], Tensor]] = {Fcos: _with_centreness, Retinanet: _plain}
