"""Heads that learn: from kept features, and with their network."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelfree.backbones import Backbone, build
from labelfree.errors import TrainingError
from labelfree.recipe import MAP_PROTOCOLS
from labelfree.transfer import undertrained
from labelfree.transfer.maps import training
from labelfree.transfer.maps.finetune import Finetune
from labelfree.transfer.maps.frozen import Frozen
from labelfree.transfer.maps.learning import Learn
from labelfree.transfer.protocols import find_protocol
from labelfree.transfer.tiles import training as tile_training
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.features import Maps
from tests.transfer.maps.learning import learn_from

CLASSES = 3


def network(channels: int = 3) -> Backbone:
    """The same weights whenever it is made, with statistics of their own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        stages: list[nn.Module] = []
        for before, after in ((channels, 12), (12, 16), (16, 24)):
            stages += [nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
        net = nn.Sequential(*stages)
        net(torch.randn(8, channels, 32, 32))
    return Backbone(net, "stages", channels, dims=2, dim=24)


def blobs(count: int, seed: int, side: int = 40) -> tuple[Tensor, Tensor]:
    """Red and green discs on noise, (count, 3, side, side), and what they are."""
    rng = np.random.default_rng(seed)
    images = 0.3 * rng.standard_normal((count, 3, side, side))
    masks = np.zeros((count, side, side), np.int64)
    rows, columns = np.mgrid[:side, :side]
    for image, mask in zip(images, masks, strict=True):
        for kind in (1, 2, 1, 2):
            y, x = rng.uniform(4, side - 4, 2)
            disc = (rows - y) ** 2 + (columns - x) ** 2 < rng.uniform(7, 11) ** 2
            mask[disc] = kind
            image[kind - 1][disc] += 1.5
            image[2 - kind][disc] = 0.3 * rng.standard_normal(disc.sum())
    return torch.from_numpy(images).float(), torch.from_numpy(masks)


@pytest.fixture(scope="module")
def learn() -> Learn:
    return learn_from(*blobs(12, 0), CLASSES, network)


def mean_iou(fitted: Fitted, images: Tensor, masks: Tensor) -> float:
    trunk = fitted.trunk or network().eval()
    with torch.no_grad():
        found = fitted.head(trunk.pyramid(images), tuple(images.shape[2:])).argmax(1)
    return float(np.mean([((found == k) & (masks == k)).sum() / ((found == k) | (masks == k)).sum() for k in range(CLASSES)]))


@pytest.mark.parametrize(
    "protocol",
    [Frozen(), pytest.param(Finetune(), marks=pytest.mark.slow), pytest.param(Frozen("fpn"), marks=pytest.mark.slow)],
    ids=["frozen", "finetune", "fpn"],
)
def test_blobs_are_learned(learn, protocol):
    fitted = protocol.fit(replace(learn, steps=100))
    assert mean_iou(fitted, *blobs(16, 1)) > (0.8 if isinstance(protocol, Frozen) and protocol.decoder == "fpn" else 0.9)


@pytest.mark.parametrize("protocol", [Frozen(), Finetune()], ids=["frozen", "finetune"])
def test_a_fit_depends_on_its_seed_alone(learn, protocol):
    fits = []
    for before, seed in ((1, 5), (2, 5), (1, 6)):
        torch.manual_seed(before)
        fitted = protocol.fit(replace(learn, steps=4, seed=seed))
        fits.append(torch.cat([one.flatten() for one in fitted.head.parameters()]))
    assert torch.equal(fits[0], fits[1])
    assert not torch.equal(fits[0], fits[2])


def test_torch_draws_go_on_as_if_nothing_had_been_trained(learn):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    Frozen().fit(replace(learn, steps=2))
    assert torch.equal(torch.rand(2), expected)


def test_frozen_reads_kept_features_alone(learn):
    fitted = Frozen().fit(replace(learn, steps=2, network=None, all_tiles=replace(learn.all_tiles, pool=None)))
    assert fitted.trunk is None


def test_finetune_leaves_the_arms_own_network_as_it_was(learn):
    before = [one.clone() for one in learn.network.network.state_dict().values()]
    Finetune().fit(replace(learn, steps=3))
    assert all(map(torch.equal, before, learn.network.network.state_dict().values()))


def test_finetune_moves_every_layer_but_no_statistics(learn):
    before, fitted = network(), Finetune().fit(replace(learn, steps=5))
    moved = {
        name: float((now - then).detach().abs().max())
        for (name, now), then in zip(fitted.trunk.named_parameters(), before.parameters(), strict=True)
    }
    assert all(moved.values())
    assert moved["net.0.weight"] < moved["net.6.weight"]
    for (name, now), then in zip(fitted.trunk.named_buffers(), before.buffers(), strict=True):
        assert torch.equal(now, then), name


def test_what_is_fitted_is_ready_for_use(learn):
    for protocol in (Frozen(), Finetune()):
        fitted = protocol.fit(replace(learn, steps=2))
        assert not fitted.head.training
        assert fitted.trunk is None or not fitted.trunk.training


def test_an_arm_without_a_network_learns_from_its_pixels():
    images, masks = blobs(8, 0)
    fitted = Frozen().fit(learn_from(images, masks, CLASSES, pixels=images, steps=40))
    found = fitted.head([blobs(8, 1)[0]], (40, 40)).argmax(1)
    assert (found == blobs(8, 1)[1]).float().mean() > 0.9


def test_pixels_join_the_levels_of_a_network():
    images, masks = blobs(4, 0)
    for decoder in ("auto", "fpn", "deeplabv3plus"):
        fitted = Frozen(decoder).fit(learn_from(images, masks, CLASSES, network, images))
        assert fitted.head.config["pixels"] == [3]
        assert fitted.head([images, *network().eval().pyramid(images)], (40, 40)).shape == (4, CLASSES, 40, 40)


def test_a_head_is_made_again_from_its_config_and_tensors(learn):
    levels = learn.levels(learn.tiles, np.zeros(12, bool))
    for protocol in (Frozen(), Frozen("fpn"), Finetune("deeplabv3plus")):
        head = protocol.fit(learn).head
        again = find_protocol(protocol.name, MAP_PROTOCOLS).head(json.loads(json.dumps(head.config)))
        again.load_state_dict(head.state_dict())
        assert torch.equal(again.eval()(levels, (40, 40)), head(levels, (40, 40)))


def test_one_labelled_image_is_enough_to_learn_from(learn):
    for decoder in ("auto", "fpn", "deeplabv3plus"):
        fitted = Frozen(decoder).fit(replace(learn, steps=2, images=np.array([3])))
        assert all(one.isfinite().all() for one in fitted.head.state_dict().values())


def test_each_tile_of_the_budget_and_its_mirror_image_is_seen_once_a_pass(learn, monkeypatch):
    going = training.MapTraining(replace(learn, images=np.array([2, 5, 7, 11])), with_trunk=False)
    seen: list[tuple[int, bool]] = []
    plain = Maps.levels

    def noted(maps: Maps, tiles: np.ndarray, mirrored: np.ndarray) -> list[Tensor]:
        seen.extend(zip(tiles.tolist(), mirrored.tolist(), strict=True))
        return plain(maps, tiles, mirrored)

    monkeypatch.setattr(Maps, "levels", noted)
    going.step(0, 1, 0)
    assert sorted(seen) == [(tile, turned) for tile in (2, 5, 7, 11) for turned in (False, True)]


def test_pixels_that_nobody_knows_are_left_out():
    """Half of each mask is unknown: what the truth is there cannot be learned, and the other half is learned none the worse."""
    images, masks = blobs(8, 0)
    masks[:, :20] = -1
    fitted = Frozen().fit(learn_from(images, masks, CLASSES, pixels=images, steps=40))
    found = fitted.head([images], (40, 40)).argmax(1)
    assert (found == masks)[:, 20:].float().mean() > 0.9


def test_a_loss_that_is_no_number_stops_with_a_sentence(learn):
    images, masks = blobs(4, 0)
    images[2] = float("inf")
    with pytest.raises(
        TrainingError, match="the loss is nan at step 1 of 5; look for infinite values in the labelled images .those in places"
    ):
        Finetune().fit(learn_from(images, masks, CLASSES, network, steps=5))


def falling(rate: float, steps: int = 100) -> list[float]:
    return np.exp(-rate * np.arange(steps)).tolist()


@pytest.mark.parametrize(
    ("losses", "stopped"),
    [
        (falling(0.1), True),
        (falling(0.01), False),
        ([1.0] * 80 + [0.5] * 20, True),
        ([1.0] * 90 + [0.5] * 10, False),
        ([1.0] * 100, False),  # never fell
        ([2.0, *[1.0] * 89, *[0.981] * 10], True),  # by 1.9 % of its fall
        ([2.0, *[1.0] * 89, *[0.975] * 10], False),  # by 2.4 %
        (np.linspace(1, 2, 100).tolist(), False),  # rose
        ([1.0], False),
    ],
)
def test_a_loss_that_still_falls_is_told(losses, stopped):
    assert undertrained.stopped_falling(losses) is stopped


def test_as_many_steps_as_are_planned(learn, monkeypatch):
    taken: list[tuple[int, int, int]] = []
    monkeypatch.setattr(training.MapTraining, "step", lambda _, step, steps, batch: taken.append((step, steps, batch)) or 1.0)
    Frozen().fit(replace(learn, steps=20))
    assert taken == [(step, 20, step) for step in range(18)] + [(18, 20, 16), (19, 20, 17)]  # the loss at the end is of the same tiles
    taken.clear()
    Frozen().fit(replace(learn, steps=None))
    assert len(taken) == training.STEPS


def test_a_step_is_timed_without_leaving_a_trace(learn):
    expected = Frozen().fit(learn).head.classify.weight
    assert 0 < tile_training.step_seconds(lambda: training.MapTraining(learn, False)) < 5
    assert torch.equal(Frozen().fit(learn).head.classify.weight, expected)


def test_dropout_of_the_network_is_off(learn):
    def dropping() -> Backbone:
        made = network()
        made.net.append(nn.Dropout(0.5))
        return made

    dropped = learn_from(*blobs(4, 0), CLASSES, dropping)
    weights = []
    for before in (1, 2):
        torch.manual_seed(before)
        weights.append(Finetune().fit(dropped).head.classify.weight)
    assert torch.equal(*weights)


def test_a_real_network_is_trained_along():
    images, masks = blobs(4, 0)
    wide = torch.cat([images, images, images[:, :1]], 1)
    made = build("tf_efficientnet_lite0", 7)
    learn = learn_from(wide, masks, CLASSES, lambda: copy.deepcopy(made))
    fitted = Finetune().fit(learn)
    assert not torch.equal(fitted.trunk.net.conv_stem.weight, made.net.conv_stem.weight)
    assert fitted.head(fitted.trunk.pyramid(wide), (40, 40)).shape == (4, CLASSES, 40, 40)
