"""Views of labelled tiles: pixels, masks and boxes go through one geometry, and labels are true of what a network is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelfree.data.boxes import Boxes
from labelfree.training.randomness import generator
from labelfree.transfer.boxes.training import BoxTraining
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.maps import training
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.network_inputs import NetworkInput, OfStored
from labelfree.transfer.tiles.views import TileViews
from labelfree.views import Affine, Augmentation, Dihedral, Erase, Noise, PerChannel, SharedOffset, ViewOp
from tests.transfer.boxes.learning import KINDS, discs, learn_boxes
from tests.transfer.maps.learning import learn_from
from tests.transfer.maps.test_training import network

POSES = Augmentation(geometry=[Dihedral()])


def encoder(augmentation: Augmentation | None, channels: int = 3) -> NetworkEncoder:
    """A network that reads numbers as they are stored."""
    ones, zeros = (1.0,) * channels, (0.0,) * channels
    reads = OfStored(ones, zeros, NetworkInput(PerChannel(zeros, ones)))
    return NetworkEncoder("domain", lambda: network(channels), reads, [32], name="made up", dim=24, augmentation=augmentation)


def views(side: Sequence[int], geometry: Sequence[ViewOp] = (), physics: Sequence[ViewOp] = (), late: Sequence[ViewOp] = ()) -> TileViews:
    return TileViews(encoder(Augmentation(geometry=geometry, physics=physics, late=late)), side)


def extent(mask: Tensor) -> list[int]:
    """x0, y0, x1, y1 of the pixels that are not 0."""
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


@settings(max_examples=40)
@given(st.integers(2, 24), st.integers(2, 24), st.integers(0, 2**20), st.data())
def test_pixels_masks_and_boxes_are_posed_alike(height: int, width: int, seed: int, data: st.DataObject) -> None:
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    masks = torch.arange(height * width).view(1, height, width).repeat(5, 1, 1)
    objects = torch.zeros(5, height, width, dtype=torch.int64)
    objects[:, top:bottom, left:right] = 1
    drawn = views((height, width), [Dihedral()]).draw(5, generator(seed))
    images, measured = drawn.images(masks[:, None].float(), objects > 0)
    assert torch.equal(images[:, 0].long(), drawn.masks(masks)) and measured is not None
    assert torch.equal(measured, drawn.masks(objects) > 0)
    boxes = drawn.boxes([Boxes.of([[left, top, right, bottom]], [3])] * 5, (height, width))
    assert [each.corners[0].tolist() for each in boxes] == [extent(mask) for mask in drawn.masks(objects)]
    assert all(each.label.tolist() == [3] and not each.ignored.any() for each in boxes)


def test_every_pose_of_a_square_comes_and_an_oblong_tile_keeps_its_shape() -> None:
    for side, poses in (((4, 4), 8), ((4, 6), 4)):
        masks = torch.arange(side[0] * side[1]).view(1, *side).repeat(200, 1, 1)
        posed = views(side, [Dihedral()]).draw(200, generator(0)).masks(masks)
        assert posed.shape == masks.shape and len({tuple(each.flatten().tolist()) for each in posed}) == poses


def test_a_turned_box_bounds_its_turned_object_and_what_left_the_tile_is_gone() -> None:
    side = (40, 40)
    masks = torch.zeros(30, *side, dtype=torch.int64)
    masks[:, 15:25, 12:30] = 1
    drawn = views(side, [Affine(20.0, shift=0.05)]).draw(30, generator(1))
    inside, corner = Boxes.of([[12, 15, 30, 25]], [0]), Boxes.of([[0, 0, 1, 1]], [0])
    for mask, box in zip(drawn.masks(masks), drawn.boxes([inside] * 30, side), strict=True):
        assert np.abs(box.corners[0] - extent(mask)).max() < 2
    left = [len(each) for each in drawn.boxes([corner] * 30, side)]
    assert 0 in left and 1 in left


def test_light_leaves_labels_and_what_covers_or_comes_late_is_left_out() -> None:
    masks = torch.arange(16).view(1, 4, 4).repeat(6, 1, 1)
    physical = torch.zeros(6, 3, 4, 4)
    lit = views((4, 4), physics=[SharedOffset(5.0, p=1.0), Erase(p=1.0)], late=[SharedOffset(1000.0, p=1.0)]).draw(6, generator(2))
    images, measured = lit.images(physical, None)
    assert measured is None and torch.equal(lit.masks(masks), masks)
    assert torch.equal(images, images[:, :1, :1, :1].expand_as(images)) and 1 < images.abs().max() <= 5
    hidden = views((4, 4), physics=[Erase(p=1.0)]).draw(6, generator(2))
    assert torch.equal(hidden.images(physical + 1, None)[0], physical + 1)


@pytest.fixture
def tiles() -> Learn:
    """Masks that repeat what the first channel holds."""
    masks = torch.arange(32 * 32).view(1, 32, 32).repeat(4, 1, 1) % 5
    return learn_from(masks[:, None].repeat(1, 3, 1, 1).float(), masks, 5, network)


def test_a_network_is_trained_on_posed_tiles_with_their_posed_labels(tiles: Learn, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, labels = list[Tensor](), list[Tensor]()
    inputs, loss = Learn.inputs, training.segmentation_loss

    def seen(self: Learn, *asked: object) -> Tensor:
        found = inputs(self, *asked)  # type: ignore[arg-type]
        shown.append(found)
        return found

    def judged(logits: Tensor, masks: Tensor, weights: Tensor) -> Tensor:
        labels.append(masks)
        return loss(logits, masks, weights)

    monkeypatch.setattr(Learn, "inputs", seen)
    monkeypatch.setattr(training, "segmentation_loss", judged)
    learn = replace(tiles, network=encoder(POSES))
    training.MapTraining(learn, with_trunk=True, decoder="fpn").run(3)
    posed = shown[-3:]
    assert len(labels) == 3 and all(torch.equal(x[:, 0].long(), mask) for x, mask in zip(posed, labels, strict=True))
    different = {tuple(mask.flatten().tolist()) for mask in torch.cat(labels)}
    assert len(different) > 2  # more than a tile and its mirror image


def test_fits_with_views_repeat(tiles: Learn) -> None:
    heads = []
    for before, seed in ((1, 4), (2, 4), (1, 5)):
        torch.manual_seed(before)
        noisy = encoder(replace(POSES, physics=[Noise((0.1, 0.2), p=1.0)]))
        fitted = training.train(replace(tiles, network=noisy, steps=3, seed=seed), True, "fpn")
        heads.append(torch.cat([one.flatten() for one in fitted.head.parameters()]))
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])


def test_a_detector_is_taught_the_posed_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each box that a loss is given, the pixels shown inside are a disc's: its middle stands out."""
    images, drawn = discs(4, 0, side=32 * 2)
    learn = replace(learn_boxes(images, drawn, network), network=encoder(POSES))
    going = BoxTraining(learn, with_trunk=True)
    tiles, mirrored = np.arange(4), np.array([False, True, False, True])
    assert going.views is not None
    posed = going.views.draw(4, generator(3))
    seen, boxes = learn.inputs(tiles, mirrored, posed), posed.boxes(learn.boxes(tiles, mirrored), learn.shape)
    for image, each in zip(seen, boxes, strict=True):
        x0, y0, x1, y1 = each.corners[each.label == KINDS - 1][0].astype(int).tolist()  # drawn last: nothing lies over it
        across, down = (x0 + x1) // 2, (y0 + y1) // 2
        assert image[-1, down - 3 : down + 3, across - 3 : across + 3].mean() > 1.0
    given = list[list[Boxes]]()
    true = type(going.head).loss
    monkeypatch.setattr(
        type(going.head), "loss", lambda self, levels, shape, truth: given.append(truth) or true(self, levels, shape, truth)
    )
    going.step(0, 2, 0)
    rows, turned = going.batch(0)
    expected = going.views.draw(len(rows), generator("tile views", learn.seed, 0)).boxes(learn.boxes(rows, turned), learn.shape)
    assert all(np.array_equal(one.corners, other.corners) for one, other in zip(given[0], expected, strict=True))
