"""Faster R-CNN as one module: proposals of one tile, and what each shows looked at once more. Every shape in it is fixed."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import clip_boxes_to_image, nms

from labelfree.deploy.exports.box_program import BoxProgram, Candidates, together
from labelfree.transfer.boxes.detectors import images_of


class TwoStageProgram(BoxProgram):
    """Every proposal is a candidate of each class. Where fewer stay than there may be, the rest have the score 0."""

    def anchors_of(self, seen: list[Tensor]) -> Tensor:
        detector = self.head.detector.eval()
        self.proposals, self.regions = detector.proposals, detector.regions
        detector.find(seen, self.frame)  # once: its pooling learns what levels there are
        anchors: Tensor = self.proposals.anchor_generator(images_of(seen, self.frame), seen)[0]
        return anchors

    def candidates(self, seen: list[Tensor]) -> Candidates:
        proposed = self._proposed(seen)
        logits, moves = self.regions.box_predictor(self.regions.box_head(self._shown(seen, proposed.corners)))
        corners = self.regions.box_coder.decode_single(moves, proposed.corners).unflatten(1, (-1, 4))[:, 1:]  # 0 is the background
        score = logits.softmax(1)[:, 1:] * (proposed.score > 0)[:, None]
        label = torch.arange(score.shape[1], device=score.device).expand_as(score)
        return Candidates(corners.flatten(0, 1), score.flatten(), label.flatten())

    def _proposed(self, seen: list[Tensor]) -> Candidates:
        """The surest anchors, moved, those that show one thing told once; of the label 0."""
        sure, moves = concat_box_prediction_layers(*self.proposals.head(seen))
        sure, parts = sure.flatten().sigmoid(), list[Candidates]()
        for score, told, anchors in zip(*(each.split(self.counts) for each in (sure, moves, self.anchors)), strict=True):
            best, at = score.topk(min(self.proposals.pre_nms_top_n(), len(score)))
            corners = clip_boxes_to_image(self.proposals.box_coder.decode_single(told[at], anchors[at]), self.frame)
            large = ((corners[:, 2:] - corners[:, :2]) >= self.proposals.min_size).all(1)
            alone = torch.zeros_like(best).scatter(0, nms(corners, best, self.proposals.nms_thresh), 1.0)
            parts.append(Candidates(corners, best * alone * large, torch.zeros_like(at)))
        every = together(parts)
        score, at = every.score.topk(min(self.proposals.post_nms_top_n(), len(every.score)))
        return Candidates(every.corners[at], score, every.label[at])

    def _shown(self, seen: list[Tensor], corners: Tensor) -> Tensor:
        """(P, width, 7, 7) what boxes show of the level that suits their size."""
        pool = self.regions.box_roi_pool
        boxes = torch.cat([torch.zeros_like(corners[:, :1]), corners], 1)  # behind the number of their tile
        own, found = pool.map_levels([corners])[:, None, None, None], list[Tensor]()
        for number, (level, scale) in enumerate(zip(seen, pool.scales, strict=True)):
            shown = torch.ops.torchvision.roi_align(level, boxes, scale, *pool.output_size, pool.sampling_ratio, False)
            found.append(torch.where(own == number, shown, 0.0))
        return torch.stack(found).sum(0)
