"""What fine-tuning shows a network: views where the field knows any, of images of one size and of many."""

from __future__ import annotations

import torch

from labelfree.training.randomness import generator
from labelfree.views import Augmentation, SharedOffset
from tests.transfer.tuning.made import FLIPS, SIDE, Pictures, encoder, views


def test_without_views_images_are_shown_as_they_are() -> None:
    shown = views(network=encoder(augmentation=None))
    seen = shown.inputs([3, 1], generator(0))
    torch.testing.assert_close(seen, (shown.pool.batch([3, 1]).float() - 120) / 60)


def test_a_view_is_the_image_at_another_place_or_turned() -> None:
    """A crop that shows all of it is it, or its mirror image; and draws repeat."""
    whole = Augmentation(geometry=FLIPS.geometry, global_scale=(1.0, 1.0), ratio=(1.0, 1.0))
    shown = views(network=encoder(augmentation=whole))
    plain = (shown.pool.batch(list(range(16))).float() - 120) / 60
    seen = shown.inputs(range(16), generator(4))
    torch.testing.assert_close(seen, shown.inputs(range(16), generator(4)))
    mirrored = [torch.allclose(one, other.flip(-1), atol=1e-4) for one, other in zip(seen, plain, strict=True)]
    as_it_is = [torch.allclose(one, other, atol=1e-4) for one, other in zip(seen, plain, strict=True)]
    assert all(a != b for a, b in zip(mirrored, as_it_is, strict=True)) and any(mirrored) and any(as_it_is)


def test_light_changes_in_physical_units_and_late_ops_are_left_out() -> None:
    lit = Augmentation(physics=[SharedOffset(6.0, p=1.0)], late=[SharedOffset(1000.0, p=1.0)], global_scale=(1.0, 1.0), ratio=(1.0, 1.0))
    shown = views(network=encoder(augmentation=lit))
    by = shown.inputs(range(16), generator(0)) - (shown.pool.batch(list(range(16))).float() - 120) / 60
    offsets = by.flatten(1)
    assert (offsets.std(1) < 1e-4).all() and (offsets.mean(1).abs() <= 6 / 60 + 1e-4).all() and offsets.mean(1).std() > 0.01


def test_ragged_images_and_holes() -> None:
    for pool in (Pictures(9, ragged=True), Pictures(9, holes=True), Pictures(9, ragged=True, holes=True)):
        seen = views(9, pool=pool).inputs([0, 1, 2, 3], generator(0))
        assert seen.shape == (4, 3, SIDE, SIDE) and torch.isfinite(seen).all()
