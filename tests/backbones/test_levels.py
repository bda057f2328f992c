"""Vectors of several levels: each level's average, as long as the others, and otherwise the network as it is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from labelfree.backbones import build
from labelfree.backbones.base import Backbone
from labelfree.backbones.levels import LevelNetwork
from labelfree.errors import RecipeError

NAMES = ["test_resnet", "test_efficientnet", "test_vit"]


def both(name: str, levels: list[int]) -> tuple[Backbone, Backbone, Tensor]:
    """A network, the same with vectors of these levels, and images."""
    torch.manual_seed(0)
    plain = build(name, channels=2).eval()
    joined = build(f"levels/{name}", channels=2, options={"levels": levels}).eval()
    joined.net.load_state_dict(plain.net.state_dict())
    return plain, joined, torch.randn(3, 2, 64, 64)


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_holds_each_levels_average_and_its_own(name: str) -> None:
    plain, joined, x = both(name, [0, -1, 2])
    with torch.no_grad():
        levels = plain.pyramid(x)
        parts = [plain.embed(x), levels[-1].mean((2, 3)), levels[1].mean((2, 3))]
        told = joined(x)
        assert_close(joined.embed(x), torch.cat([F.normalize(part, dim=1) for part in parts], 1))
        assert_close(told.pooled, joined.embed(x))
        assert joined.dim == told.pooled.shape[1] == sum(part.shape[1] for part in parts)
        assert_close(told.tokens, plain(x).tokens)
        assert all(torch.equal(a, b) for a, b in zip(joined.pyramid(x), levels, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_one_pass_gives_what_two_give(name: str) -> None:
    plain, _, x = both(name, [0])
    with torch.no_grad():
        seen, maps = plain.with_pyramid(x)
        assert_close(seen.pooled, plain.embed(x))
        assert all(torch.equal(a, b) for a, b in zip(maps, plain.pyramid(x), strict=True))


def test_levels_nobody_names_are_the_networks_own_and_the_two_coarsest() -> None:
    named = build("levels/test_resnet", channels=1)
    assert isinstance(named, LevelNetwork) and named.levels == (0, -1, -2)
    assert named.options["levels"] == [0, -1, -2] and named.name == "levels/test_resnet"


@pytest.mark.parametrize(
    ("levels", "said"),
    [([9], "has 5 levels, 1 to 5 from the finest, and no 9"), ("last", "is no list of levels"), ([], "is no list of levels")],
)
def test_levels_that_are_not_there_are_named(levels: object, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        build("levels/test_resnet", channels=1, options={"levels": levels})


def test_hidden_tokens_are_refused() -> None:
    _, joined, x = both("test_vit", [0])
    with pytest.raises(RecipeError, match="take test_vit for an objective that does"):
        joined(x, torch.zeros(3, 4, 4, dtype=torch.bool))


def test_every_layer_learns() -> None:
    joined = both("test_resnet", [0, 1])[1].train()
    joined(torch.randn(2, 2, 64, 64)).pooled.square().sum().backward()
    assert all(parameter.grad is not None for parameter in joined.parameters())
    assert {id(p) for group in joined.param_groups() for p in group} == set(map(id, joined.parameters()))
