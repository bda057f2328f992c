"""Networks of pictures on volumes: the same as the pictures one by one, whichever axis lies across slices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from labelfree.backbones import build, slicewise
from labelfree.backbones.base import Backbone
from labelfree.backbones.slicewise import SliceNetwork, axis_across, pictures, planar, stacked
from labelfree.errors import RecipeError


def flat(channels: int = 2) -> Backbone:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(channels, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1))
    return Backbone(net, "toy", channels, dims=2, dim=6).eval()


def cut(x: Tensor, axis: int) -> list[Tensor]:
    """The slices of volumes, one by one."""
    return [x.select(2 + axis, place) for place in range(x.shape[2 + axis])]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_vectors_are_the_mean_and_maps_the_stack_of_slices(axis: int) -> None:
    network, x = SliceNetwork(flat(), axis).eval(), torch.randn(3, 2, 8, 12, 16)
    with torch.no_grad():
        apart = [network.inner(each) for each in cut(x, axis)]
        levels = [network.inner.pyramid(each) for each in cut(x, axis)]
        whole = network(x)
        assert_close(network.embed(x), torch.stack([each.pooled for each in apart]).mean(0))
        assert_close(whole.pooled, network.embed(x))
        assert_close(whole.tokens, torch.stack([each.tokens for each in apart], 2 + axis))
        for level, parts in zip(network.pyramid(x), zip(*levels, strict=True), strict=True):
            assert_close(level, torch.stack(parts, 2 + axis))
            assert level.shape[2 + axis] == x.shape[2 + axis]
        assert_close(network.hidden_states(x, 0), network.pyramid(x)[0])


def test_slices_go_and_come_back() -> None:
    x = torch.randn(2, 3, 4, 5, 6)
    for axis in range(3):
        assert torch.equal(stacked(pictures(x, axis), 2, axis), x)
        assert torch.equal(pictures(x, axis)[1], cut(x, axis)[1][0])
    assert (planar((4, 5, 6), 1), planar(7, 1), planar((4, 5), 0)) == ((4, 6), 7, (4, 5))


def test_memory_does_not_grow_with_the_volume_and_nothing_else_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    network, x = SliceNetwork(flat(), 0).eval(), torch.randn(2, 2, 50, 16, 16)
    with torch.inference_mode():
        at_once, levels = network.embed(x), network.pyramid(x)
        monkeypatch.setattr(slicewise, "PIXELS", 7 * 16 * 16)
        most: list[int] = []
        network.net.register_forward_pre_hook(lambda _net, inputs: most.append(len(inputs[0])))
        assert_close(network.embed(x), at_once)
        assert max(most) == 7
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(network.pyramid(x), levels, strict=True))
    most.clear()
    network.embed(x)  # gradients need all slices
    assert most == [100]


def test_it_learns_as_any_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    network = SliceNetwork(flat(), 2).train()
    network(torch.randn(2, 2, 8, 8, 4)).pooled.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert {id(p) for group in network.param_groups() for p in group} == set(map(id, network.parameters()))


def test_hidden_tokens_are_hidden_in_their_slice() -> None:
    network, x = SliceNetwork(flat(), 1).eval(), torch.randn(1, 2, 8, 3, 8)
    hidden = torch.zeros(1, 2, 3, 2, dtype=torch.bool)
    hidden[0, 0, 2, 1] = True
    with torch.no_grad():
        seen, plain = network(x, hidden).tokens, network(x).tokens
    assert torch.equal(seen[..., :2, :], plain[..., :2, :]) and not torch.equal(seen[..., 2, :], plain[..., 2, :])


@pytest.mark.parametrize(
    ("spacing", "axis"),
    [(None, 0), ((1.0, 1.0, 1.0), 0), ((0.8, 0.8, 5.0), 2), ((1.0, 3.0, 1.0), 1), ((1.0, 1.005, 1.0), 0), ((0.7, 0.7), 0)],
)
def test_slices_lie_along_the_coarsest_axis(spacing: tuple[float, ...] | None, axis: int) -> None:
    assert axis_across(spacing) == axis


def test_it_is_built_by_name_with_the_weights_of_its_network() -> None:
    network = build("slicewise/resnet10t", 1, dims=3, options={"axis": 2})
    assert (network.name, network.dims, network.options["axis"]) == ("slicewise/resnet10t", 3, 2)
    network.require_size((32, 48, 5), "evaluate.sizes")
    again = build(network.name, 1, dims=3, options=network.options)
    again.net.load_state_dict(network.net.state_dict())
    x = torch.randn(1, 1, 32, 32, 3)
    with torch.no_grad():
        assert_close(again.eval().embed(x), network.eval().embed(x))


def test_what_it_cannot_be_is_one_sentence() -> None:
    with pytest.raises(RecipeError, match=r"reads volumes slice by slice; name resnet10t for pictures"):
        build("slicewise/resnet10t", 1, dims=2)
    with pytest.raises(RecipeError, match=r"backbone\.options\.axis: 3 is no axis of a volume"):
        build("slicewise/resnet10t", 1, options={"axis": 3})
    with pytest.raises(RecipeError, match="no network is called 'resnet10x'"):
        build("slicewise/resnet10x", 1)


def test_a_layer_of_a_vit_keeps_every_slice() -> None:
    options = {"embed_dim": 16, "depth": 2, "num_heads": 2, "patch_size": 8, "img_size": 16}
    network = build("slicewise/vit_tiny_patch16_224", 1, options=options).eval()
    assert isinstance(network, SliceNetwork)
    x = torch.randn(2, 1, 3, 16, 16)
    with torch.no_grad():
        layer = network.hidden_states(x, 0)
        assert layer.shape == (2, 16, 3, 2, 2)
        assert_close(layer[:, :, 1], network.inner.hidden_states(x[:, :, 1], 0))
