"""Patch tokens of a loaded network: timm's own hidden states, row by row, without its class token."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import LoadedBackbone
from labelfree.errors import DataError

MEAN, STD = (0.2, 0.3, 0.4), (0.1, 0.2, 0.1)


def loaded(name: str, size: int = 64, dims: int = 2, channels: int = 3, **options: int) -> LoadedBackbone:
    torch.manual_seed(0)
    backbone = build(name, channels, dims=dims, options=options)
    told = (1.0,) * channels, (0.0,) * channels
    return LoadedBackbone(backbone, WeightCard(name, tuple("abc"[:channels]), "x", *told, MEAN[:channels], STD[:channels], size, dims=dims))


def images(count: int, side: int, loaded: LoadedBackbone) -> tuple[torch.Tensor, torch.Tensor]:
    physical = torch.rand(count, 3, side, side)
    return physical, (physical - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def test_of_a_vit_they_are_timms_hidden_states() -> None:
    tower = loaded("test_vit")
    physical, shown = images(3, 64, tower)
    net = tower.backbone.net
    for layer in (0, -2, -1):
        seen = tower.tokens(physical, layer)
        with torch.no_grad():
            expected = net.forward_intermediates(shown, indices=[range(len(net.blocks))[layer]], intermediates_only=True, output_fmt="NLC")[
                0
            ]
        assert seen.grid == (4, 4) and seen.tokens.shape == (3, 16, tower.backbone.token_dim)
        assert_close(seen.tokens, expected, rtol=1e-4, atol=1e-5)
    last = tower.tokens(physical)
    with torch.no_grad():
        normed = net.norm(expected)
    assert_close(last.tokens, normed, rtol=1e-4, atol=1e-5)
    assert_close(last.pooled, tower.embed(physical), rtol=1e-4, atol=1e-5)
    assert tower.tokens(physical, size=96).grid == (6, 6)


def test_of_a_cnn_they_are_its_maps() -> None:
    tower = loaded("test_resnet")
    physical, shown = images(2, 64, tower)
    with torch.no_grad():
        maps = tower.backbone.pyramid(shown)
    for layer, expected in enumerate(maps):
        seen = tower.tokens(physical, layer)
        assert seen.grid == tuple(expected.shape[2:])
        assert_close(seen.tokens, expected.flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-5)
    assert_close(tower.tokens(physical).tokens.mean(1), tower.embed(physical), rtol=1e-4, atol=1e-5)


def test_an_adapter_learns_on_them() -> None:
    """Tensors of inference mode could not be kept for a gradient."""
    tower = loaded("test_vit")
    seen = tower.tokens(images(1, 64, tower)[0], -2).tokens
    adapter = nn.Linear(seen.shape[-1], 4)
    adapter(seen).sum().backward()
    assert adapter.weight.grad is not None and adapter.weight.grad.abs().sum() > 0


def test_what_has_none_is_said(tmp_path: Path) -> None:
    tower = loaded("test_vit")
    physical = images(1, 64, tower)[0]
    with pytest.raises(DataError, match="test_vit: has no layer 99; layers count from 0 on, or from -1 backwards"):
        tower.tokens(physical, 99)
    with pytest.raises(DataError, match="no images were given"):
        tower.tokens(physical[:0])
    with pytest.raises(DataError, match="these weights want"):
        tower.tokens(physical[:, :2])
