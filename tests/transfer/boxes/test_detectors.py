"""The detectors of torchvision without its networks: they say and lose what torchvision's whole models do, but where nobody knows."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.ops import box_iou

from labelfree.transfer.boxes.detectors import DETECTORS, Anchors, CellAnchors, Detector, anchor_boxes, images_of, inside

FRAME, STRIDES, WIDTH, CLASSES = (64, 96), (8, 16, 32), 64, 3
ANCHORS = Anchors(20.0, (0.5, 1.0, 2.0))


def levels(tiles: int = 2) -> list[Tensor]:
    draw = torch.Generator().manual_seed(3)
    return [torch.randn(tiles, WIDTH, FRAME[0] // stride, FRAME[1] // stride, generator=draw) for stride in STRIDES]


def made(name: str) -> Detector:
    torch.manual_seed(0)
    return DETECTORS[name](CLASSES, STRIDES, WIDTH, ANCHORS)


def targets(*ignored: list[float]) -> list[dict[str, Tensor]]:
    boxes = [[[4.0, 6, 40, 50], [50, 20, 70, 40]], [[10.0, 10, 30, 30]]]
    aside = torch.tensor(ignored).reshape(-1, 4)
    return [{"boxes": torch.tensor(each), "labels": torch.arange(len(each)), "ignored": aside} for each in boxes]


class Given(nn.Module):
    """A network that gives the levels it was made with."""

    out_channels = WIDTH

    def __init__(self, found: list[Tensor]) -> None:
        super().__init__()
        self.found = found

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        return OrderedDict((str(at), level) for at, level in enumerate(self.found))


def whole_model(detector: Detector, found: list[Tensor]) -> nn.Module:
    """Torchvision's own model around the same heads, called as anybody calls it; images have the frame's size, so none is resized."""
    own = {"min_size": min(FRAME), "max_size": max(FRAME)}
    if hasattr(detector, "model"):
        part = detector.model
        kept = {name: getattr(part, name) for name in ("score_thresh", "nms_thresh", "detections_per_img", "topk_candidates")}
        return type(part)(Given(found), CLASSES, head=part.head, anchor_generator=part.anchor_generator, **kept, **own)
    model = FasterRCNN(Given(found), CLASSES + 1, **own)
    model.rpn, model.roi_heads = detector.proposals, detector.regions
    return model


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_losses_are_those_of_the_whole_model(name: str) -> None:
    detector, found = made(name), levels()
    model = whole_model(detector, found).train()
    assert isinstance(model, (FCOS, RetinaNet, FasterRCNN))
    shift = 1 if name == "faster_rcnn" else 0
    asked = [{**each, "labels": each["labels"] + shift} for each in targets()]
    torch.manual_seed(1)
    expected = sum(model([torch.zeros(3, *FRAME)] * 2, asked).values())
    torch.manual_seed(1)
    torch.empty(2).uniform_()  # its transform draws a size for each image first
    torch.testing.assert_close(detector.train().loss(found, FRAME, targets()), expected)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_boxes_are_those_of_the_whole_model(name: str) -> None:
    detector, found = made(name).eval(), levels()
    with torch.no_grad():
        for name_of_it, parameter in detector.named_parameters():  # so that it is sure of something
            parameter.mul_(0 if name_of_it.endswith("cls_logits.bias") else 3)
        expected = whole_model(detector, found).eval()([torch.zeros(3, *FRAME)] * 2)
        told = detector.find(found, FRAME)
    shift = 1 if name == "faster_rcnn" else 0
    assert sum(len(each["boxes"]) for each in told) > 0
    for mine, theirs in zip(told, expected, strict=True):
        torch.testing.assert_close(mine["boxes"], theirs["boxes"])
        torch.testing.assert_close(mine["scores"], theirs["scores"])
        assert torch.equal(mine["labels"] + shift, theirs["labels"])


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_no_background_is_learned_where_nobody_knows(name: str) -> None:
    """Over an ignored region what heads say of the class is pushed nowhere; elsewhere it is."""
    detector = made(name)
    whole = [0.0, 0.0, float(FRAME[1]), float(FRAME[0])]
    found = [level.requires_grad_(True) for level in levels(1)]
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    if name == "faster_rcnn":
        with torch.no_grad():  # proposals that lie in the frame
            anchors = detector.proposals.anchor_generator(images_of(found, FRAME), found)
        labels, _ = detector.proposals.assign_targets_to_anchors(anchors, [{**nothing, "ignored": torch.tensor([whole])}])
        within = inside(anchors[0], torch.tensor([whole]))
        assert (labels[0][within] == -1).all() and (labels[0][~within] == 0).all() and within.any()
        return
    losses = [detector.loss(found, FRAME, [{**nothing, "ignored": torch.tensor(region).reshape(-1, 4)}]) for region in ([], [whole])]
    nowhere = torch.autograd.grad(losses[0], found[0], retain_graph=True)[0]
    aside = torch.autograd.grad(losses[1], found[0], allow_unused=True)[0]
    assert float(nowhere.abs().sum()) > 0
    assert aside is None or float(aside.abs().sum()) < 1e-6 + 0.2 * float(nowhere.abs().sum())  # anchors that stick out of the frame remain
    if name == "fcos":
        assert losses[1].item() < 1e-6


@pytest.mark.parametrize("name", ["fcos", "retinanet"])
def test_objects_in_an_ignored_region_are_learned(name: str) -> None:
    detector, found = made(name), levels()
    whole = [0.0, 0.0, float(FRAME[1]), float(FRAME[0])]
    alone, inside_it = (detector.loss(found, FRAME, targets(*regions)) for regions in ((), (whole,)))
    assert 0 < inside_it.item() < alone.item()


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([4, 8, 16]))
def test_anchors_stand_around_the_middles_of_cells(rows: int, columns: int, stride: int) -> None:
    level = torch.zeros(1, 1, rows, columns)
    (anchors,) = CellAnchors(((stride,),), ((1.0,),))(images_of([level], (rows * stride, columns * stride)), [level])
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    cells = torch.stack([column, row, column + 1, row + 1], -1).reshape(-1, 4) * stride
    assert torch.equal(anchors, cells.float())


def test_every_box_of_a_budget_has_an_anchor_like_it() -> None:
    made_of = anchor_boxes(ANCHORS, STRIDES)
    found = levels(1)
    (anchors,) = made_of(images_of(found, FRAME), found)
    boxes = torch.tensor([[20.0, 20, 40, 40], [10, 8, 50, 28], [30, 4, 50, 44], [8, 2, 72, 62]])
    assert (box_iou(boxes, anchors).max(1).values > 0.5).all()


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(1, 20)] * 2), max_size=4), st.integers(0, 30), st.integers(1, 20))
def test_half_of_a_box_inside_a_region_is_inside(regions: list[tuple[int, int, int, int]], first: int, side: int) -> None:
    corners = torch.tensor([[left, top, left + width, top + height] for left, top, width, height in regions]).reshape(-1, 4).float()
    box = torch.tensor([[first, first, first + side, first + side]]).float()
    expected = False
    for left, top, right, bottom in corners.tolist():
        shared = max(0, min(right, first + side) - max(left, first)) * max(0, min(bottom, first + side) - max(top, first))
        expected |= shared >= 0.5 * side * side
    assert inside(box, corners).tolist() == [expected]
