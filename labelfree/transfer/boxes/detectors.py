"""The detectors of torchvision on features that are there already, at native size: their heads, matching, losses and decoding.

What stands before the heads in torchvision's own models, a network and a transform that resizes and normalises, is never called.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.fcos import FCOSHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import MultiScaleRoIAlign

from labelfree.transfer.boxes.strides import Frame

FCOS_NAME, RETINANET, FASTER_RCNN = "fcos", "retinanet", "faster_rcnn"
MOST = 100  # boxes of one tile, the most that COCO counts of an image
LEAST_SCORE = 0.05  # of a box that is told at all
CANDIDATES = 300  # of one level, before boxes of one object are made one
SAME = 0.5  # from which intersection over union on two boxes of a class are one object's
CONVOLUTIONS = 2  # of FCOS's two branches; four as published learn no more from few labels, and cost twice as much
GROUPS = 32  # of their normalisation
SAMPLED = {"anchors": 128, "regions": 64}  # of a tile, that Faster R-CNN learns from
PROPOSALS = {"training": 300, "testing": 200}
HIDDEN = 128  # of the layers that look at a proposal
OCTAVES = tuple(2 ** (step / 3) for step in range(3))  # sides of anchors on one level, as RetinaNet has them
INSIDE = 0.5  # of an anchor: from here on what it shows is what a region shows
NEVER = -100.0  # a logit whose loss and gradient as background are 0

Target = Mapping[str, Tensor]  # of one tile: `boxes` (n, 4), `labels` (n,), and regions `ignored` (m, 4)
Found = list[dict[str, Tensor]]  # of each tile `boxes` (n, 4), `labels` (n,) and `scores` (n,)


class Anchors(NamedTuple):
    """The boxes that guesses start from. `side`: of the smallest square on the finest level; the next level's is twice as long.

    `ratios`: height by width.
    """

    side: float
    ratios: tuple[float, ...]


class Detector(nn.Module):
    """Finds boxes in levels (B, width, *grid) at `strides` of a frame (height, width), finest first."""

    def __init__(self, classes: int, strides: Sequence[int], width: int, anchors: Anchors) -> None:
        super().__init__()

    def loss(self, levels: list[Tensor], frame: Frame, targets: Sequence[Target]) -> Tensor:
        """Of boxes in the frame's pixels, of each tile."""
        raise NotImplementedError

    def find(self, levels: list[Tensor], frame: Frame) -> Found:
        """At most MOST boxes in each tile, in the frame's pixels."""
        raise NotImplementedError


class OneStage(Detector):
    """Every cell of every level says which class begins there and where it ends. `model`: torchvision's, of which the head is trained."""

    model: Any

    def loss(self, levels: list[Tensor], frame: Frame, targets: Sequence[Target]) -> Tensor:
        told = {name: each.float() for name, each in self.model.head(levels).items()}
        anchors = self.model.anchor_generator(images_of(levels, frame), levels)
        losses: dict[str, Tensor] = self._losses(targets, told, anchors, levels)
        return torch.stack(list(losses.values())).sum()

    def find(self, levels: list[Tensor], frame: Frame) -> Found:
        told = {name: each.float() for name, each in self.model.head(levels).items()}
        images = images_of(levels, frame)
        anchors = self.model.anchor_generator(images, levels)
        cells = [level.shape[-2] * level.shape[-1] for level in levels]
        counts = [count * (len(anchors[0]) // sum(cells)) for count in cells]
        split = {name: list(each.split(counts, 1)) for name, each in told.items()}
        found: Found = self.model.postprocess_detections(split, [list(each.split(counts)) for each in anchors], images.image_sizes)
        return found

    def _losses(self, targets: Sequence[Target], told: dict[str, Tensor], anchors: list[Tensor], levels: list[Tensor]) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = self.model.compute_loss(targets, told, anchors)
        return losses


class Fcos(OneStage):
    """FCOS (Tian et al. 2019, arXiv:1904.01355): a cell near an object's middle tells how far its four sides are. It has no anchors."""

    def __init__(self, classes: int, strides: Sequence[int], width: int, anchors: Anchors) -> None:
        super().__init__(classes, strides, width, anchors)
        cells = CellAnchors(tuple((stride,) for stride in strides), ((1.0,),) * len(strides))
        self.model = FCOS(_nothing(width), classes, anchor_generator=cells, head=FcosHead(width, 1, classes, CONVOLUTIONS), **KEPT)

    def _losses(self, targets: Sequence[Target], told: dict[str, Tensor], anchors: list[Tensor], levels: list[Tensor]) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = self.model.compute_loss(targets, told, anchors, [level.shape[-2] * level.shape[-1] for level in levels])
        return losses


class Retinanet(OneStage):
    """RetinaNet (Lin et al. 2017, arXiv:1708.02002): every anchor of every cell tells its class, and how its object differs from it."""

    def __init__(self, classes: int, strides: Sequence[int], width: int, anchors: Anchors) -> None:
        super().__init__(classes, strides, width, anchors)
        boxes = anchor_boxes(anchors, strides)
        head = RetinaHead(width, boxes.num_anchors_per_location()[0], classes, norm_layer=partial(nn.GroupNorm, GROUPS))
        self.model = RetinaNet(_nothing(width), classes, anchor_generator=boxes, head=head, **KEPT)


class FasterRcnn(Detector):
    """Faster R-CNN (Ren et al. 2015, arXiv:1506.01497): anchors become proposals, and what each shows is looked at once more."""

    def __init__(self, classes: int, strides: Sequence[int], width: int, anchors: Anchors) -> None:
        super().__init__(classes, strides, width, anchors)
        boxes = anchor_boxes(anchors, strides)
        self.names = [str(level) for level in range(len(strides))]
        self.proposals = Proposals(
            boxes, RPNHead(width, boxes.num_anchors_per_location()[0]), 0.7, 0.3, SAMPLED["anchors"], 0.5, PROPOSALS, PROPOSALS, 0.7
        )
        look = TwoMLPHead(width * 7 * 7, HIDDEN)
        self.regions = Regions(
            MultiScaleRoIAlign(self.names, 7, 2), look, FastRCNNPredictor(HIDDEN, classes + 1),
            0.5, 0.5, SAMPLED["regions"], 0.25, None, LEAST_SCORE, SAME, MOST,
        )  # fmt: skip

    def loss(self, levels: list[Tensor], frame: Frame, targets: Sequence[Target]) -> Tensor:
        beside = [{**each, "labels": each["labels"] + 1} for each in targets]  # its class 0 is the background
        images, named = images_of(levels, frame), self._named(levels)
        proposals, first = self.proposals(images, named, beside)
        _, second = self.regions(named, proposals, images.image_sizes, beside)
        return torch.stack([*first.values(), *second.values()]).sum()

    def find(self, levels: list[Tensor], frame: Frame) -> Found:
        images, named = images_of(levels, frame), self._named(levels)
        found, _ = self.regions(named, self.proposals(images, named)[0], images.image_sizes)
        return [{**each, "labels": each["labels"] - 1} for each in found]

    def _named(self, levels: list[Tensor]) -> dict[str, Tensor]:
        return OrderedDict((name, level.float()) for name, level in zip(self.names, levels, strict=True))


DETECTORS: Mapping[str, type[Detector]] = {FCOS_NAME: Fcos, RETINANET: Retinanet, FASTER_RCNN: FasterRcnn}
KEPT: dict[str, Any] = {"score_thresh": LEAST_SCORE, "nms_thresh": SAME, "detections_per_img": MOST, "topk_candidates": CANDIDATES}


class CellAnchors(AnchorGenerator):
    """Anchors around the middles of cells; torchvision's stand around their first corners."""

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        height, width = image_list.tensors.shape[-2:]
        strides = [(height // level.shape[-2], width // level.shape[-1]) for level in feature_maps]
        self.set_cell_anchors(torch.float32, feature_maps[0].device)
        corners = self.grid_anchors([level.shape[-2:] for level in feature_maps], strides)
        middles = [anchors + anchors.new_tensor([across, down] * 2) / 2 for anchors, (down, across) in zip(corners, strides, strict=True)]
        return [torch.cat(middles)] * len(image_list.image_sizes)


class FcosHead(FCOSHead):
    """With regions that say nothing: a cell inside of one learns no background."""

    def compute_loss(
        self, targets: list[dict[str, Tensor]], head_outputs: dict[str, Tensor], anchors: list[Tensor], matched_idxs: list[Tensor]
    ) -> dict[str, Tensor]:
        aside = [
            inside(boxes, each["ignored"]) & (matched < 0) for boxes, each, matched in zip(anchors, targets, matched_idxs, strict=True)
        ]
        logits = head_outputs["cls_logits"].masked_fill(torch.stack(aside)[..., None], NEVER)
        return super().compute_loss(targets, {**head_outputs, "cls_logits": logits}, anchors, matched_idxs)


class RetinaHead(RetinaNetHead):
    """With regions that say nothing: an anchor inside of one is neither object nor background."""

    def compute_loss(
        self, targets: list[dict[str, Tensor]], head_outputs: dict[str, Tensor], anchors: list[Tensor], matched_idxs: list[Tensor]
    ) -> dict[str, Tensor]:
        between = self.classification_head.BETWEEN_THRESHOLDS
        matched = [
            each.masked_fill(inside(boxes, target["ignored"]) & (each < 0), between)
            for boxes, target, each in zip(anchors, targets, matched_idxs, strict=True)
        ]
        return super().compute_loss(targets, head_outputs, anchors, matched)


class Proposals(RegionProposalNetwork):
    """With regions that say nothing: no background is drawn from them."""

    def assign_targets_to_anchors(self, anchors: list[Tensor], targets: list[dict[str, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
        labels, boxes = super().assign_targets_to_anchors(anchors, targets)
        return without_background(labels, anchors, [each["ignored"] for each in targets]), boxes


class Regions(RoIHeads):
    """With regions that say nothing: no background is drawn from them."""

    def select_training_samples(self, proposals: list[Tensor], targets: list[dict[str, Tensor]]) -> Any:
        self.ignored = [each["ignored"] for each in targets]
        return super().select_training_samples(proposals, targets)

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        matched, labels = super().assign_targets_to_proposals(proposals, gt_boxes, gt_labels)
        return matched, without_background(labels, proposals, self.ignored)


def without_background(labels: list[Tensor], boxes: list[Tensor], ignored: list[Tensor]) -> list[Tensor]:
    """The labels (n,) of each tile's boxes (n, 4) with -1, which is never drawn, for 0 inside of regions (m, 4)."""
    aside = [inside(each, regions) & (label == 0) for each, regions, label in zip(boxes, ignored, labels, strict=True)]
    return [label.masked_fill(left, -1) for label, left in zip(labels, aside, strict=True)]


def inside(boxes: Tensor, regions: Tensor) -> Tensor:
    """(n,) bool: whether half of a box (n, 4) lies in one of the regions (m, 4)."""
    low = torch.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    area = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-6).prod(1)
    return ((high - low).clamp(min=0).prod(2) >= INSIDE * area[:, None]).any(1)


def anchor_boxes(anchors: Anchors, strides: Sequence[int]) -> CellAnchors:
    """Three sides an octave and every ratio in each cell."""
    sides = tuple(tuple(anchors.side * 2**level * octave for octave in OCTAVES) for level in range(len(strides)))
    return CellAnchors(sides, (anchors.ratios,) * len(strides))


def images_of(levels: list[Tensor], frame: Frame) -> ImageList:
    """What torchvision reads the size of images from."""
    count = len(levels[0])
    return ImageList(levels[0].new_empty(count, 0, *frame), [frame] * count)


def _nothing(width: int) -> nn.Module:
    """In place of the network."""
    network = nn.Identity()
    network.out_channels = width  # type: ignore[assignment]
    return network
