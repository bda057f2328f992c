"""What is trained on one process with the joint batch and on several with their shares of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from labelfree.backbones import Features, build, statistics_kept
from labelfree.objectives import Crops, Objective, Step, Views, blockwise
from labelfree.objectives.batchnorm import joint_statistics
from labelfree.objectives.clip import CLIPLoss
from labelfree.objectives.dinov2 import DINOv2
from labelfree.objectives.distributed import everyone
from labelfree.objectives.ibot import hidden_blocks
from labelfree.objectives.registry import make_objective, objective_class, objective_names
from labelfree.objectives.siglip import SigLIPLoss
from labelfree.pretraining.devices import DDP
from tests.objectives.small import altered, said, taught

JOINT = 8  # images a step, over all processes
STEPS = 3
SMALL = {"hidden": 32, "out": 16, "prototypes": 32, "bottleneck": 16, "queue": 32, "local_crops": 2, "text": "tiny"}
NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {  # options, and the grid of tokens at 32 px
    "resnet10t": ({}, (1, 1)),
    "vit_tiny_patch16_224": ({"embed_dim": 32, "depth": 2, "num_heads": 2, "patch_size": 8, "img_size": 32}, (4, 4)),
}
CNN, VIT = NETWORKS


@dataclass(frozen=True)
class Trained:
    """Losses of all steps, gradients of the first (averaged over processes), and what the module held before and after."""

    losses: Tensor
    gradients: dict[str, Tensor]
    before: dict[str, Tensor]
    after: dict[str, Tensor]


def every_objective() -> list[str]:
    """A name for each class that is installed."""
    return sorted({objective_class(name): name for name in objective_names()}.values())


def train_objective(rank: int, world: int, name: str, network: str) -> Trained:
    """A small objective on this process's share of the joint views."""
    torch.manual_seed(0)
    options, grid = NETWORKS[network]
    backbone = build(network, 3, options=options)
    known = inspect.signature(objective_class(name).__init__).parameters
    objective = smooth(make_objective(name, backbone, {key: value for key, value in SMALL.items() if key in known}))
    return train(rank, world, objective, lambda step: joint_views(objective, grid, step))


def train_drawing(rank: int, world: int, shares: int) -> Trained:
    """DINOv2 on a ViT with hidden tokens that each of `shares` processes draws; one process is given what they draw."""
    torch.manual_seed(0)
    options, grid = NETWORKS[VIT]
    backbone = build(VIT, 3, options=options)
    objective = DINOv2(backbone, hidden=32, prototypes=32, bottleneck=16, local_crops=2)

    def drawn(step: int) -> Views:
        joint, hidden = joint_views(objective, grid, step), []
        if world > 1:
            torch.manual_seed(300 + shares * step + rank)
            return replace(joint, hidden=None)
        for share in range(shares):
            torch.manual_seed(300 + shares * step + share)
            each = hidden_blocks(2 * JOINT // shares, grid, objective.mask_share, objective.mask_ratio)
            hidden.append(each.unflatten(0, (2, -1)))
        return replace(joint, hidden=torch.cat(hidden, dim=1).flatten(0, 1))

    return train(rank, world, objective, drawn)


def smooth(objective: Objective) -> Objective:
    """Without ReLU: at its kink the last digit of a sum, which depends on who adds what, decides over a whole gradient."""
    for module in list(objective.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.SiLU())
    return objective


def train(rank: int, world: int, objective: Objective, views: Callable[[int], Views]) -> Trained:
    """A few steps as a pretraining takes them, but of SGD: a bias before BatchNorm has no gradient but rounding, which AdamW scales up."""
    before = held(objective)
    learner: nn.Module = Learner(objective).train()
    if world > 1:
        learner = DistributedDataParallel(learner, **DDP)
    weights = [p for p in objective.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(weights, lr=0.003, momentum=0.9)
    losses, gradients = [], {}
    for step in range(STEPS):
        optimiser.zero_grad()
        loss = learner(share_of(views(step), rank, world))
        loss.backward()
        losses.append(loss.detach())
        if step == 0:
            gradients = {name: p.grad.clone() for name, p in objective.named_parameters() if p.grad is not None}
        objective.before_step(step / STEPS)
        optimiser.step()
        objective.after_step((step + 1) / STEPS)
    return Trained(torch.stack(losses), gradients, before, held(objective))


def held(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and buffers."""
    return {name: x.detach().clone() for name, x in (*module.named_parameters(), *module.named_buffers())}


class Learner(nn.Module):
    """An objective as a pretraining calls it: joint statistics, and the loss alone."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, views: Views) -> Tensor:
        with joint_statistics():
            return self.objective(views).loss


def joint_views(objective: Objective, grid: tuple[int, int], step: int) -> Views:
    """Views of the joint batch, the same on every process: two of one image are alike. Tokens are hidden by image, not by process."""
    draw = torch.Generator().manual_seed(100 + step)
    images = torch.randn(JOINT, 3, 32, 32, generator=draw)

    def noisy(x: Tensor, n: int) -> Tensor:
        return x.repeat(n, 1, 1, 1) + 0.3 * torch.randn(n * JOINT, *x.shape[1:], generator=draw)

    crops = objective.crops
    big = noisy(images, crops.globals)
    small = noisy(images[:, :, 8:24, 8:24], crops.locals) if crops.locals else None
    hidden = torch.rand(len(big), *grid, generator=draw) < 0.4
    extra = {"text": said(objective, JOINT), "taught": taught(objective, big), "altered": altered(objective, big)}
    return Views(big, small, hidden=hidden, rows=torch.arange(JOINT), **extra)


def share_of(views: Views, rank: int, world: int) -> Views:
    """This process's rows of view-major views, view-major again."""

    def share(x: Tensor | None) -> Any:
        return None if x is None else x.unflatten(0, (-1, JOINT)).chunk(world, dim=1)[rank].flatten(0, 1)

    labels = (views.masks, views.boxes, views.text)
    said = views.taught and Features(share(views.taught.pooled), share(views.taught.tokens))
    return Views(
        share(views.globals), share(views.locals), *map(share, labels), share(views.hidden), share(views.rows), said, share(views.altered)
    )


class Pairs(Objective):
    """Two linear towers under a loss of image-text pairs; equal captions occur."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.crops = Crops(globals=1)
        self.backbone, self.texts = nn.Linear(12, 8), nn.Linear(10, 8)
        self.loss = loss

    def forward(self, views: Views) -> Step:
        return Step(self.loss(self.backbone(views.globals), self.texts(views.text), views.rows))


PAIR_LOSSES: dict[str, Callable[[], nn.Module]] = {"clip": CLIPLoss, "siglip": SigLIPLoss}


def train_pairs(rank: int, world: int, name: str, held_similarities: int) -> Trained:
    """As `train_objective`; beyond `held_similarities` the loss passes in blocks."""

    def pairs(step: int) -> Views:
        draw = torch.Generator().manual_seed(200 + step)
        images, texts = torch.randn(JOINT, 12, generator=draw), torch.randn(JOINT, 10, generator=draw)
        return Views(images, text=texts, rows=torch.arange(JOINT) // 2 % 3)  # the first two captions are equal, and the last two to them

    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockwise, "HELD", held_similarities)
        return train(rank, world, Pairs(PAIR_LOSSES[name]()), pairs)


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "1d": lambda: nn.BatchNorm1d(5),
    "1d, sequences": lambda: nn.BatchNorm1d(5),
    "2d": lambda: nn.BatchNorm2d(5),
    "2d, timm, with its activation": lambda: BatchNormAct2d(5),
    "2d, not affine": lambda: nn.BatchNorm2d(5, affine=False),
    "2d, cumulative average": lambda: nn.BatchNorm2d(5, momentum=None),
    "2d, no running statistics": lambda: nn.BatchNorm2d(5, track_running_stats=False),
    "2d, evaluated": lambda: nn.BatchNorm2d(5).eval(),
    "2d, statistics kept": lambda: nn.BatchNorm2d(5),
    "3d": lambda: nn.BatchNorm3d(5),
}
SPACE = {"1d": (), "1d, sequences": (7,), "3d": (2, 3, 4)}


def normalise(rank: int, world: int, kind: str) -> dict[str, Tensor]:
    """Two passes through a BatchNorm layer: what comes out, gradients of the sum over all rows, and the statistics that are left."""
    draw = torch.Generator().manual_seed(0)
    layer = LAYERS[kind]()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=draw) + 0.5)
    keeping = statistics_kept(layer) if "kept" in kind else nullcontext()
    found = {}
    with joint_statistics(), keeping:
        for number in range(2):
            shape = (JOINT, 5, *SPACE.get(kind, (3, 4)))
            x, towards = (3 * torch.randn(shape, generator=draw) + 40 for _ in range(2))
            here = x.chunk(world)[rank].requires_grad_()
            out = layer(here)
            layer.zero_grad()
            (out * towards.chunk(world)[rank].sin()).sum().backward()
            found |= {f"out {number}": out.detach(), f"gradient {number}": here.grad}
            for name, parameter in layer.named_parameters():
                found[f"{name} {number}"] = everyone().sum(parameter.grad)
    return found | held(layer)


def exchange(rank: int, world: int) -> dict[str, Tensor]:
    """What each collective of `Ranks` gives, and the gradient that `gather` hands back."""
    ranks = everyone()
    x = (torch.arange(12.0).view(2, 3, 2) + 100 * rank).requires_grad_()
    gathered = ranks.gather(x)
    itself, partner = ranks.positions(3)
    ((rank + 1) * gathered).sum().backward()
    return {
        "gather": gathered.detach(),
        "gradient": x.grad,
        "constant": ranks.gather_constant(x),
        "sum": ranks.sum(x[0, 0]),
        "mean": ranks.mean(x[0, 0]),
        "itself": gathered.detach().flatten(0, 1)[itself] - x.detach().flatten(0, 1),
        "partner": gathered.detach().flatten(0, 1)[partner] - x.detach().flip(0).flatten(0, 1),
    }
