"""Small networks, views and objectives for tests: seconds on one core."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from labelfree.backbones import Backbone, Features, build
from labelfree.objectives import Objective, Views
from labelfree.objectives.registry import objective_class, objective_options

SMALL = {"hidden": 32, "out": 16, "bottleneck": 16, "prototypes": 32, "queue": 24, "local_crops": 2, "text": "tiny"}
VIT = {"embed_dim": 32, "depth": 2, "num_heads": 2, "patch_size": 8, "img_size": 32}


def cnn(channels: int = 3) -> Backbone:
    torch.manual_seed(0)
    return build("resnet10t", channels)


def vit(channels: int = 3) -> Backbone:
    torch.manual_seed(0)
    return build("vit_tiny_patch16_224", channels, options=VIT)


class Volumes(Backbone):
    """A 3D network of one's own: two convolutions with BatchNorm, tokens from the last."""

    def __init__(self, channels: int = 1) -> None:
        net = nn.Sequential(
            nn.Conv3d(channels, 8, 3, stride=2, padding=1), nn.BatchNorm3d(8), nn.ReLU(), nn.Conv3d(8, 16, 3, stride=2, padding=1)
        )
        super().__init__(net, "volumes", channels, dims=3, dim=16)


def small(name: str, backbone: Any, **options: Any) -> Objective:
    """The objective called `name` with narrow heads, in training mode."""
    torch.manual_seed(1)
    known = objective_options(name)
    given = {key: value for key, value in SMALL.items() if key in known} | options
    return objective_class(name)(backbone, **given).train()


def views(objective: Objective, batch: int = 6, channels: int = 3, side: int = 32, axes: int = 2, seed: int = 2) -> Views:
    """Random views as the objective wants them, local ones of half the side."""
    draw = torch.Generator().manual_seed(seed)
    crops = objective.crops
    big = torch.randn(crops.globals * batch, channels, *(side,) * axes, generator=draw)
    little = torch.randn(crops.locals * batch, channels, *(side // 2,) * axes, generator=draw) if crops.locals else None
    return Views(big, little, text=said(objective, batch), taught=taught(objective, big), altered=altered(objective, big))


def said(objective: Objective, batch: int, seed: int = 3) -> Tensor | None:
    """Numbers of captions, of three words each but the first one's two, where the objective reads them."""
    if not objective.reads_text:
        return None
    begin, end = torch.full((batch, 1), 49406), torch.full((batch, 1), 49407)
    words = torch.randint(1, 49406, (batch, 3), generator=torch.Generator().manual_seed(seed))
    numbers = torch.cat([begin, words, end], 1)
    numbers[0, 3:] = torch.tensor([49407, 0])
    return numbers


def altered(objective: Objective, big: Tensor) -> Tensor | None:
    """Where pixels of the views `big` were altered, for objectives that ask: in a band, another one for each view, none in the first."""
    if not objective.crops.altered:
        return None
    where = torch.zeros_like(big[:, 0], dtype=torch.bool).unflatten(0, (objective.crops.globals, -1))
    for number in range(1, objective.crops.globals):
        where[number, :, ..., 4 * number : 4 * number + 6] = True
    return where.flatten(0, 1)


def taught(objective: Objective, big: Tensor, width: int | None = None) -> Features | None:
    """What a teacher might say of the views `big`, where the objective learns from one: a random linear map of them, `width` numbers a
    place, None: as many as the backbone's.
    """
    if not objective.learns_from:
        return None
    width = width or objective.backbone.dim
    draw = torch.Generator().manual_seed(0)
    mixing = torch.randn(width, big.shape[1], generator=draw).to(big.device)
    tokens = torch.einsum("dc,bc...->bd...", mixing, big.unfold(2, 8, 8).mean(-1))
    return Features(tokens.flatten(2).square().mean(2), tokens)


def take_step(objective: Objective, batch: Views, progress: float = 0.5, rate: float = 0.1) -> Tensor:
    """One step of gradient descent, with the hooks that training calls. Returns the loss before it."""
    learning = [p for p in objective.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(learning, lr=rate)
    step = objective(batch)
    optimiser.zero_grad()
    step.loss.backward()
    objective.before_step(progress)
    optimiser.step()
    objective.after_step(progress)
    return step.loss.detach()
