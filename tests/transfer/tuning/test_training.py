"""Fine-tuning from a probe: it starts as the probe, learns what the frozen network cannot tell, and repeats to the bit."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from labelfree.errors import TrainingError
from labelfree.recipe import SET_PROTOCOLS
from labelfree.transfer.heads import train_head
from labelfree.transfer.protocols import find_protocol
from labelfree.transfer.selection import Choice
from labelfree.transfer.tasks.multilabel import ClassSets
from labelfree.transfer.tuning.training import (
    FIRST_LAYER,
    LAYER_DECAY,
    MEMORY,
    RATE,
    TRUNK_RATE,
    FineTuning,
    Tuned,
    step_seconds,
    tuned_at,
)
from labelfree.transfer.undertrained import batch_of, stopped_falling
from tests.transfer.tuning.made import SIDE, Pictures, encoder, probe, views

VIT = {"depth": 3, "embed_dim": 32, "num_heads": 2, "patch_size": 8}


def scores(tuned: Tuned, pool: Pictures, entries: list[int]) -> np.ndarray:
    """What a fine-tuned network says of images as they are."""
    stored = pool.batch(entries)
    shown = encoder().prepare(stored, SIDE, None)
    with torch.inference_mode():
        return tuned.head(tuned.trunk.embed(shown)).numpy()


def test_no_step_is_the_probe_itself() -> None:
    shown = views()
    head = probe(shown)
    (tuned,) = tuned_at(shown, head, [0], 20, 0)
    assert tuned.head is head and tuned.trunk is None and tuned.converged()


def test_the_first_loss_is_the_probes() -> None:
    """Before its first step the network says what the frozen network and the probe say: LP-FT starts there."""
    shown = views(network=encoder(augmentation=None))
    head = probe(shown)
    training = FineTuning(shown, head, 20, 0)
    loss = training.step(0, 0)
    features = shown.network.features(shown.pool, list(range(16)), SIDE)
    expected = -np.log(head(features).numpy()[np.arange(16), shown.targets]).mean()
    assert loss == pytest.approx(expected, abs=1e-4)


def test_of_several_classes_each_is_learned_apart() -> None:
    """Sets of three: the stripe's kind, its opposite, and one that every image is of, whose bias is infinite in the probe."""
    kinds = np.arange(16) % 2
    sets = ClassSets(np.stack([kinds, 1 - kinds, np.ones(16, int)], 1), 3)
    shown = replace(views(network=encoder(augmentation=None)), targets=sets.values)
    features = shown.network.features(shown.pool, list(range(16)), SIDE)
    head = train_head(features, sets, find_protocol("finetune", SET_PROTOCOLS), Choice(SIDE, "centre_l2", 10.0))
    assert torch.isinf(head.get_buffer("bias")[2])
    (tuned,) = tuned_at(shown, head, [20], 20, 0)
    told = head(features).numpy().clip(1e-12, 1 - 1e-12)[:, :2]
    expected = -np.where(sets.values[:, :2] > 0, np.log(told), np.log(1 - told)).sum() / sets.values.size
    assert tuned.losses[0] == pytest.approx(expected, abs=1e-4)  # before its first step it is the probe
    assert tuned.guess == math.log(2) and tuned.losses[-1] < tuned.losses[0]
    assert ((scores(tuned, shown.pool, list(range(16))) >= 0.5) == sets.values).all()


def test_the_network_learns_and_what_it_came_with_stays() -> None:
    shown = views(24)
    before = {name: tensor.clone() for name, tensor in shown.network.network.state_dict().items()}
    head = probe(shown)
    torch.manual_seed(3)
    first, last = tuned_at(shown, head, [10, 40], 40, 0)
    assert np.mean(last.losses[-5:]) < 0.5 * np.mean(last.losses[:5])
    assert first.losses == last.losses[:10]
    pool = Pictures(60)
    unseen = list(range(24, 60))
    right = scores(last, pool, unseen).argmax(1) == np.array(unseen) % 2
    assert right.mean() > 0.9
    assert all(torch.equal(before[name], tensor) for name, tensor in shown.network.network.state_dict().items())
    statistics = [name for name in before if "running" in name]
    assert statistics and all(torch.equal(before[name], dict(last.trunk.state_dict())[name]) for name in statistics)


def test_equal_arguments_give_equal_weights() -> None:
    shown = views()
    head = probe(shown)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        (tuned,) = tuned_at(shown, head, [6], 20, 5)
        found.append(tuned)
    assert found[0].losses == found[1].losses
    for one, other in zip(found[0].trunk.parameters(), found[1].trunk.parameters(), strict=True):
        assert torch.equal(one, other)
    (another,) = tuned_at(shown, head, [6], 20, 6)
    assert another.losses != found[0].losses


def test_weights_are_a_running_average() -> None:
    shown = views()
    training, steps = FineTuning(shown, probe(shown), 50, 0), 7
    decay, average = 1 - 1 / (MEMORY * 50), None
    for step in range(steps):
        training.step(step, step)
        now = training.network.weight.detach().clone()
        average = now if average is None else decay * average + (1 - decay) * now
    found = training.averaged([0.0] * steps)
    torch.testing.assert_close(found.head.get_buffer("weight"), average, rtol=1e-5, atol=1e-6)
    assert not torch.equal(found.head.get_buffer("weight"), training.network.weight.detach())


def test_a_class_without_rows_is_never_called() -> None:
    shown = views()
    head = probe(shown, width=3)
    assert head.get_buffer("bias")[2] == -math.inf
    (tuned,) = tuned_at(shown, head, [5], 20, 0)
    said = scores(tuned, shown.pool, list(range(16)))
    assert np.isfinite(said).all() and (said[:, 2] == 0).all()
    np.testing.assert_allclose(said.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(("name", "options", "decay"), [("vit_tiny_patch16_224", VIT, LAYER_DECAY), ("test_resnet", {}, None)])
def test_rates_fall_towards_the_input(name: str, options: dict[str, int], decay: float | None) -> None:
    """Of a transformer by 0.75 a layer (Clark et al. 2020); of a CNN to a tenth in the first layer."""
    shown = views(network=encoder(name, options=options))
    training = FineTuning(shown, probe(shown), 20, 0)
    rate = {id(p): group["lr"] for group in training.descent.optimiser.param_groups for p in group["params"]}
    assert rate[id(training.network.weight)] == rate[id(training.network.bias)] == RATE
    rates = [{rate[id(p)] for p in layer} for layer in training.network.trunk.param_groups()]
    assert all(len(each) == 1 for each in rates)
    by_layer = [each.pop() for each in rates]
    assert by_layer[-1] == pytest.approx(TRUNK_RATE)
    falls = [low / high for low, high in pairwise(by_layer)]
    assert falls == pytest.approx([decay or FIRST_LAYER ** (1 / (len(by_layer) - 1))] * len(falls))
    assert len(rate) == len(list(training.network.parameters()))


def test_infinite_pixels_are_told() -> None:
    pool = Pictures(8)
    pool.images = [image.float() for image in pool.images]
    shown = views(8, pool=pool)
    head = probe(shown)
    pool.images[3][:] = math.inf
    with pytest.raises(TrainingError, match=r"finetune: the loss is nan at step 1 of 20; look for infinite values .*3"):
        list(tuned_at(shown, head, [1], 20, 0))


def test_a_step_takes_some_time() -> None:
    shown = views()
    assert 0 < step_seconds(shown, probe(shown)) < 10


@pytest.mark.parametrize(
    ("losses", "begun", "stopped"),
    [
        ([0.1] * 20, math.log(2), True),  # the probe had learnt it already
        ([0.1] * 20, None, False),  # without one, nothing was ever learnt
        ([*np.linspace(0.6, 0.3, 18), 0.25, 0.2], math.log(2), False),
        ([0.9] * 20, math.log(2), False),  # worse than guessing
    ],
)
def test_the_probes_fall_counts(losses: list[float], begun: float | None, stopped: bool) -> None:
    assert stopped_falling(losses, begun) is stopped


def test_the_last_tenth_sees_the_batches_before_it_again() -> None:
    assert [batch_of(step, 30) for step in range(24, 30)] == [24, 25, 26, 24, 25, 26]
