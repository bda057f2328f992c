"""A detector as one module: candidates of one tile, decoded. Which of them stay is decided by nodes that are added to its graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from labelfree.deploy.box_heads import BoxesHead
from labelfree.deploy.exports.programs import TileProgram
from labelfree.deploy.exports.suppression import suppress
from labelfree.errors import DataError
from labelfree.transfer.boxes.detectors import CANDIDATES, LEAST_SCORE, MOST, SAME, Fcos, Retinanet, images_of
from labelfree.transfer.boxes.strides import frame_of, reduced


class Candidates(NamedTuple):
    """Of one tile: `corners` (N, 4) in pixels of its frame, `score` (N,) and `label` (N,)."""

    corners: Tensor
    score: Tensor
    label: Tensor


class BoxProgram(TileProgram):
    """Of one tile `candidates` (1, N, 4), corners in its pixels, and `class_scores` (1, K, N). In the graph these become `corners` (n, 4),
    `label` (n,) and `score` (n,), the surest first, of the input `threshold` on.
    """

    kind, outputs, batched, decisions = "boxes", ("candidates", "class_scores"), False, "objects"
    anchors: Tensor
    larger: Tensor
    classes: Tensor

    def __init__(self, head: BoxesHead) -> None:
        super().__init__(head)
        if self.by_image:
            raise DataError(
                f"{head.path}: normalises each image by its own mean and deviation, which tiles do not tell; use `labelfree predict`, or "
                "train with one normalisation for all images."
            )
        self.frame, self.least = frame_of(self.shape), head.card.threshold or LEAST_SCORE
        with torch.no_grad():
            seen = self._seen(self.example()[0])
            anchors = self.anchors_of(seen)
        cells = [level.shape[-2] * level.shape[-1] for level in seen]
        self.counts = [count * (len(anchors) // sum(cells)) for count in cells]
        self.register_buffer("anchors", anchors, persistent=False)
        down, across = (whole / side for whole, side in zip(self.frame, self.shape, strict=True))
        self.register_buffer("larger", torch.tensor([across, down] * 2), persistent=False)
        self.register_buffer("classes", torch.arange(len(head.classes))[:, None], persistent=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        found = self.candidates(self._seen(pixels))
        corners = clip_boxes_to_image(found.corners, self.frame) / self.larger
        return corners[None], torch.where(found.label[None] == self.classes, found.score[None], 0.0)[None]

    def anchors_of(self, seen: list[Tensor]) -> Tensor:
        """(A, 4) of all levels, finest first; called once, while the program is made."""
        raise NotImplementedError

    def candidates(self, seen: list[Tensor]) -> Candidates:
        """In what the detector looks at, (1, width, *grid) each."""
        raise NotImplementedError

    @property
    def default(self) -> float:
        return self.least

    def finish(self, graph: Any) -> None:
        suppress(graph, self.least, SAME, MOST)

    def _seen(self, pixels: Tensor) -> list[Tensor]:
        found: list[Tensor] = self.head.seen(reduced(self.levels(pixels), self.shape), self.shape)
        return found


class OneStageProgram(BoxProgram):
    """Every cell of every level is a candidate, the surest of each level."""

    def anchors_of(self, seen: list[Tensor]) -> Tensor:
        self.model = self.head.detector.model
        self.scores_of = SCORES[type(self.head.detector)]
        anchors: Tensor = self.model.anchor_generator(images_of(seen, self.frame), seen)[0]
        return anchors

    def candidates(self, seen: list[Tensor]) -> Candidates:
        told = self.model.head(seen)
        split = {name: each[0].split(self.counts) for name, each in told.items()}
        parts = list[Candidates]()
        for level, anchors in enumerate(self.anchors.split(self.counts)):
            of_level = {name: each[level] for name, each in split.items()}
            by_class = self.scores_of(of_level)
            best, at = by_class.flatten().topk(min(CANDIDATES, by_class.numel()))
            places = at // by_class.shape[1]
            parts.append(Candidates(self._decoded(of_level["bbox_regression"][places], anchors[places]), best, at % by_class.shape[1]))
        return together(parts)

    def _decoded(self, told: Tensor, anchors: Tensor) -> Tensor:
        coder = self.model.box_coder
        corners: Tensor = getattr(coder, "decode_single", coder.decode)(told, anchors)
        return corners


def together(parts: Sequence[Candidates]) -> Candidates:
    """All of several, one after the other."""
    return Candidates(*(torch.cat(each) for each in zip(*parts, strict=True)))


def _with_centreness(told: dict[str, Tensor]) -> Tensor:
    return (told["cls_logits"].sigmoid() * told["bbox_ctrness"].sigmoid()).sqrt()


def _plain(told: dict[str, Tensor]) -> Tensor:
    return told["cls_logits"].sigmoid()


SCORES: dict[type, Callable[[dict[str, Tensor]], Tensor]] = {Fcos: _with_centreness, Retinanet: _plain}
