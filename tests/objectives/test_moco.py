"""What others got wrong with MoCo: the queue's order, its place in checkpoints, BatchNorm's hint, v3's frozen patches and symmetry."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from labelfree.objectives import Views
from labelfree.objectives.base import Situation
from labelfree.objectives.moco import MoCo, moco_loss
from labelfree.objectives.moco_v3 import MoCoV3, ctr
from tests.objectives.small import cnn, small, take_step, views, vit


def test_keys_enter_the_queue_after_the_logits() -> None:
    """A key that is also a negative keeps the loss above ln 2 however well query and key agree."""
    key = F.normalize(torch.randn(4, 16), dim=-1)
    others = F.normalize(torch.randn(8, 16), dim=-1)
    others = F.normalize(others - others @ key.T @ torch.linalg.pinv(key @ key.T) @ key, dim=-1)  # orthogonal to every key
    assert float(moco_loss(key, key, others, 0.05)) < 1e-4
    assert float(moco_loss(key, key, torch.cat([key, others]), 0.05)) > 0.99 * math.log(2)
    moco = small("moco", cnn())
    assert isinstance(moco, MoCo)
    moco(views(moco))
    assert moco.latest is not None and not torch.isclose(moco.queue @ moco.latest.T, torch.ones(1), atol=1e-4).any()


def test_the_queue_follows_the_hand_computed_sequence() -> None:
    moco = MoCo(cnn(), queue=5, out=1, hidden=4)
    moco.queue.zero_()
    for keys in ([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]):
        moco.enqueue(torch.tensor(keys)[:, None])
    assert moco.queue.flatten().tolist() == [6.0, 2.0, 3.0, 4.0, 5.0]
    moco.enqueue(torch.arange(10.0, 17.0)[:, None])  # more than fit: the newest stay
    assert sorted(moco.queue.flatten().tolist()) == [12.0, 13.0, 14.0, 15.0, 16.0]


def test_the_queue_moves_once_a_step_and_is_part_of_checkpoints() -> None:
    moco = small("moco", cnn())
    assert {"queue", "enqueued"} <= set(moco.state_dict())
    take_step(moco, views(moco))
    assert int(moco.enqueued) == 6
    assert_close(moco.queue[:6], moco.latest)


@pytest.mark.parametrize("images", [10, 500, 8_000, 1_000_000])
def test_the_queue_is_never_larger_than_the_data_set(images: int) -> None:
    batch = min(128, max(8, images // 4))
    queue = MoCo.rules(Situation(images=images, batch_size=batch, steps=100))["options.queue"].value
    assert batch <= queue <= min(images, 4096) and queue % batch == 0


def test_no_key_knows_its_batch() -> None:
    """BatchNorm in training mode would let the key of one image depend on the others beside it."""
    moco = small("moco", cnn())
    first, second = views(moco, seed=1).globals, views(moco, seed=2).globals
    moco(Views(first))
    alone = moco.latest
    moco(Views(torch.cat([first[:7], second[7:]])))
    assert alone is not None and moco.latest is not None
    assert_close(moco.latest[:1], alone[:1])


def test_the_momentum_encoder_averages_statistics_too() -> None:
    moco = small("moco", cnn(), momentum=0.5, final_momentum=0.5)
    take_step(moco, views(moco))
    stem = "net.conv1.1.running_mean"
    assert_close(dict(moco.keys["backbone"].named_buffers())[stem], 0.5 * dict(moco.backbone.named_buffers())[stem])


def test_v3_swaps_its_views_without_a_change_and_has_no_queue() -> None:
    moco = small("moco_v3", vit())
    assert not [key for key in moco.state_dict() if "queue" in key]
    batch = views(moco).globals
    assert_close(moco(Views(batch)).loss, moco(Views(torch.cat([batch[6:], batch[:6]]))).loss)


def test_v3_multiplies_by_two_temperatures() -> None:
    """Keys that all agree with the query: every logit is the same, the loss is 2T ln N."""
    same = torch.ones(8, 4)
    assert float(ctr(same, same, 0.2)) == pytest.approx(2 * 0.2 * math.log(8), rel=1e-5)


def test_v3_keeps_a_random_patch_projection_and_trains_one_with_weights() -> None:
    assert MoCoV3.rules(Situation(1_000, 64, 100, transformer=True))["options.freeze_patches"].value is True
    assert MoCoV3.rules(Situation(1_000, 64, 100, transformer=True, continues=True))["options.freeze_patches"].value is False
    moco = small("moco_v3", vit(), freeze_patches=True)
    before = {key: p.clone() for key, p in moco.backbone.named_parameters()}
    take_step(moco, views(moco))
    moved = {key for key, p in moco.backbone.named_parameters() if not torch.equal(p, before[key])}
    assert not [key for key in moved if "patch_embed" in key] and "net.blocks.0.attn.qkv.weight" in moved
