"""Detectors that learn: from kept features, and with their network."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from labelfree.backbones import Backbone, build
from labelfree.data.boxes import Boxes, Detections, overlaps
from labelfree.errors import DataError, RecipeError
from labelfree.recipe import BOX_PROTOCOLS
from labelfree.transfer.boxes.finetune import Finetune
from labelfree.transfer.boxes.frozen import Frozen, FrozenFasterRcnn, FrozenRetinanet
from labelfree.transfer.boxes.heads import BoxHead
from labelfree.transfer.boxes.learning import LearnBoxes
from labelfree.transfer.boxes.prediction import detections, of_image
from labelfree.transfer.boxes.strides import reduced
from labelfree.transfer.boxes.training import BoxTraining
from labelfree.transfer.protocols import find_protocol
from labelfree.transfer.tiles.base import Fitted
from tests.transfer.boxes.learning import discs, learn_boxes
from tests.transfer.maps.test_training import network

EVERY = [Frozen(), FrozenRetinanet(), FrozenFasterRcnn(), Finetune()]
NAMES = [protocol.name for protocol in EVERY]
QUICK = ("frozen",)


@pytest.fixture(scope="module")
def learn() -> LearnBoxes:
    return learn_boxes(*discs(12, 0), network)


def found_on(fitted: Fitted[BoxHead], images: Tensor, trunk: Backbone | None = None) -> list[Detections]:
    shape = tuple(images.shape[2:])
    with torch.no_grad():
        seen = (fitted.trunk or trunk or network().eval()).pyramid(images)
        return [detections(each) for each in fitted.head(reduced(seen, shape), shape)]


def recall(found: list[Detections], drawn: list[Boxes]) -> float:
    """Share of the objects that one of the two surest boxes overlaps by half, with their class."""
    hits = []
    for told, truth in zip(found, drawn, strict=True):
        sure = told.strongest(len(truth))
        same = (overlaps(sure.corners, truth.corners) >= 0.5) & (sure.label[:, None] == truth.label[None])
        hits += same.any(0).tolist()
    return float(np.mean(hits))


@pytest.mark.parametrize(
    ("protocol", "steps"),
    [
        pytest.param(protocol, steps, id=name, marks=[] if name in QUICK else pytest.mark.slow)
        for protocol, steps, name in zip(EVERY, (80, 60, 40, 60), NAMES, strict=True)
    ],
)
def test_discs_are_found(learn: LearnBoxes, protocol: Frozen, steps: int) -> None:
    """10 to 20 s each, for two convolutions on cells of 4 pixels are trained."""
    images, drawn = discs(16, 1)
    found = recall(found_on(protocol.fit(replace(learn, steps=steps)), images), drawn)
    print(found)
    assert found > 0.5


@pytest.mark.parametrize("channels", [pytest.param(1, marks=pytest.mark.slow), pytest.param(13, marks=pytest.mark.slow)])
def test_images_of_any_channels(channels: int) -> None:
    made = network(channels)
    fitted = Frozen().fit(learn_boxes(*discs(12, 0, channels), lambda: copy.deepcopy(made), steps=80))
    images, drawn = discs(16, 1, channels)
    assert recall(found_on(fitted, images, made.eval()), drawn) > 0.5


@pytest.mark.slow
def test_a_vit_is_read_too() -> None:
    made = build("vit_tiny_patch16_224", 3, options={"img_size": 64, "patch_size": 8, "embed_dim": 32, "depth": 4, "num_heads": 2})
    fitted = Frozen().fit(learn_boxes(*discs(8, 0), lambda: copy.deepcopy(made), steps=60))
    images, drawn = discs(8, 1)
    assert recall(found_on(fitted, images, made.eval()), drawn) > 0.2
    assert len(fitted.head.config["levels"]) == 4


@pytest.mark.slow
def test_an_arm_without_a_network_learns_from_its_pixels() -> None:
    images, drawn = discs(12, 0)
    fitted = Frozen().fit(learn_boxes(images, drawn, pixels=images, steps=100))
    new, truth = discs(16, 1)
    with torch.no_grad():
        found = [detections(each) for each in fitted.head(reduced([new], (64, 64)), (64, 64))]
    assert recall(found, truth) > 0.5


@pytest.mark.parametrize(
    "protocol", [pytest.param(each, id=each.name, marks=[] if each.name in QUICK else pytest.mark.slow) for each in EVERY]
)
def test_a_fit_depends_on_its_seed_alone(learn: LearnBoxes, protocol: Frozen) -> None:
    fits = []
    for before, seed in ((1, 5), (2, 5), (1, 6)):
        torch.manual_seed(before)
        fitted = protocol.fit(replace(learn, steps=4, seed=seed))
        fits.append(torch.cat([one.flatten() for one in fitted.head.parameters()]))
    assert torch.equal(fits[0], fits[1])
    assert not torch.equal(fits[0], fits[2])


@pytest.mark.parametrize("protocol", EVERY, ids=NAMES)
def test_a_head_is_made_again_from_its_config_and_tensors(learn: LearnBoxes, protocol: Frozen) -> None:
    levels = learn.levels(learn.tiles, np.zeros(12, bool))
    head = protocol.fit(learn).head
    again = find_protocol(protocol.name, BOX_PROTOCOLS).head(json.loads(json.dumps(head.config)))
    again.load_state_dict(head.state_dict())
    with torch.no_grad():
        for mine, theirs in zip(again.eval()(levels, (64, 64)), head(levels, (64, 64)), strict=True):
            assert all(map(torch.equal, mine, theirs))


def test_finetune_moves_every_layer_but_no_statistics(learn: LearnBoxes) -> None:
    before, fitted = network(), Finetune().fit(replace(learn, steps=5))
    assert all(not torch.equal(now, then) for now, then in zip(fitted.trunk.parameters(), before.parameters(), strict=True))
    assert all(map(torch.equal, fitted.trunk.buffers(), before.buffers()))
    assert not fitted.head.training and not fitted.trunk.training


def test_a_draw_without_an_object_is_one_sentence(learn: LearnBoxes) -> None:
    nothing = replace(learn, boxes_of=lambda image: Boxes.none())
    with pytest.raises(DataError, match="none of the 12 labelled images of a draw shows an object"):
        Frozen().fit(nothing)
    with pytest.raises(DataError, match="the labelled image shows no object"):
        Frozen().fit(replace(nothing, images=np.array([2])))


def test_ignored_regions_alone_are_no_object(learn: LearnBoxes) -> None:
    aside = Boxes.of([[0, 0, 40, 40]], [0], [True])
    with pytest.raises(DataError, match="none of the 12 labelled images of a draw shows an object"):
        Frozen().fit(replace(learn, boxes_of=lambda image: aside))


def test_half_of_what_is_learned_from_shows_objects(learn: LearnBoxes) -> None:
    few = {3: discs(4, 0)[1][3], 7: discs(8, 0)[1][7]}
    going = BoxTraining(replace(learn, boxes_of=lambda image: few.get(image, Boxes.none())), with_trunk=False)
    assert np.isin(going.tiles, list(few)).mean() == pytest.approx(0.5)
    assert set(going.tiles.tolist()) == set(range(12))


@pytest.mark.slow
def test_images_that_nothing_is_on_are_learned_from(learn: LearnBoxes) -> None:
    """A detector that saw images without objects finds less on others."""
    images, drawn = discs(12, 0)
    images = torch.cat([images, 0.3 * torch.randn(12, 3, 64, 64, generator=torch.Generator().manual_seed(0))])
    fitted = Frozen().fit(learn_boxes(images, [*drawn, *[Boxes.none()] * 12], network, steps=80))
    blank = 0.3 * torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    sure = [int((each.score > 0.5).sum()) for each in found_on(fitted, blank)]
    assert sum(sure) <= 1


def test_volumes_and_unknown_detectors_are_refused(learn: LearnBoxes) -> None:
    with pytest.raises(RecipeError, match="yolo is no detector; there are faster_rcnn, fcos, retinanet"):
        Frozen("yolo").fit(learn)


def test_a_large_image_holds_any_number_of_objects() -> None:
    """100 on each of two tiles; how many of them are scored is the metric's."""
    places = np.stack(np.meshgrid(np.arange(10), np.arange(10)), -1).reshape(-1, 2) * 6 + 2.0
    found = Detections.of(np.concatenate([places, places + 4], 1), [0] * 100, np.linspace(0.9, 0.1, 100))
    assert len(of_image([found] * 2, np.array([[0, 0], [0, 64]]), (64, 64), (64, 128))) == 200


def test_padding_is_not_searched() -> None:
    """An image of 40 x 30 pixels on a tile of 64: what is found beside it is left out, what sticks out is cut."""
    found = Detections.of([[20, 14, 50, 40], [0, 0, 10, 10], [16, 10, 30, 60]], [0, 0, 1], [0.9, 0.8, 0.7])
    told = of_image([found], np.array([[-12, -17]]), (64, 64), (40, 30))
    np.testing.assert_allclose(told.corners, [[3, 2, 30, 28], [0, 0, 13, 40]])
    assert told.label.tolist() == [0, 1]
