"""The first look at how long a step takes, on a throw-away copy: what `pretrain.minutes` and the forecast are planned with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from labelfree.backbones import Backbone
from labelfree.data.space import gigabytes
from labelfree.domain import Size, sides
from labelfree.errors import RecipeError
from labelfree.objectives import Views
from labelfree.objectives.distributed import everyone
from labelfree.pretraining.devices import channels_last, deterministic_kernels, joined
from labelfree.pretraining.job import Job
from labelfree.pretraining.module import PretrainingModule
from labelfree.training.free_memory import KEPT
from labelfree.training.memory import OutOfMemory, batch_fits, freed_memory_kept, kept_for_backward
from labelfree.training.timing import Lap, Stopwatch, fastest

FEW_IMAGES = (2, 4)  # images of the batches that memory is estimated by
FULL_STEPS, HEAD_STEPS = 4, 2  # timed, each after one that warms up
HEAD_ONLY = 1_000  # number of the first step of the trial in which the backbone learns


@dataclasses.dataclass(frozen=True)
class Pace:
    """Seconds a step: `full` where the backbone learns, `head` in the head-only start. `busy`: times by how much others slowed it down."""

    full: float
    head: float
    busy: float = 1.0

    def seconds(self, first: int, last: int, head_only: int) -> float:
        """For the steps from `first` up to `last`, of which those below `head_only` move the head alone."""
        heads = max(0, min(last, head_only) - first)
        return heads * self.head + (last - first - heads) * self.full


def pace_of(job: Job, room: float = math.inf, tell: Callable[[str], object] | None = None) -> Pace:
    """Time a few steps: the fastest counts, without the time that other jobs took from it.

    Also the check that a batch fits in memory (TrainingError names the setting to lower), that BatchNorm has something to compare and that
    the network takes views of these sizes (RecipeError). `room`: bytes that a step may keep for its backward pass on a processor, where
    running out of memory would end the process without a word. A batch that by an estimate keeps more raises OutOfMemory before it is
    tried; where somebody hears that (`tell`) it is tried all the same.
    Of several processes all take part.
    """
    plan = dataclasses.replace(job.plan, head_only=HEAD_ONLY, steps=10**6)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # of several GPUs the current one
    module = PretrainingModule(dataclasses.replace(job, plan=plan))
    backbone = module.objective.backbone
    assert isinstance(backbone, Backbone)
    backbone.require_size(plan.size, "pretrain.size")
    if module.objective.crops.locals:
        backbone.require_size(plan.local_size, "pretrain.local_size")
    with deterministic_kernels(), freed_memory_kept(), batch_fits(plan.batch_size), _several_values():
        if device.type == "cpu" and math.isfinite(room) and (kept := _bytes_kept(module.train())) > room:
            _too_large(plan.batch_size, f"about {gigabytes(kept / KEPT)}, and {gigabytes(room / KEPT)} are free", tell)
        channels_last(module.to(device))
        optimiser = module.configure_optimizers()
        learner = joined(module.train())

        def timed(first: int, steps: int) -> Lap:
            laps = [_step(module, learner, optimiser, device, first + number) for number in range(1 + steps)]
            return fastest(laps[1:])

        full = timed(HEAD_ONLY, FULL_STEPS)
        head = timed(0, HEAD_STEPS) if job.plan.head_only else full
        module.losses.require()
    return Pace(full.seconds, min(head.seconds, full.seconds), full.wall / max(full.seconds, 1e-9) if full.busy else 1.0)


def _too_large(batch_size: int, estimate: str, tell: Callable[[str], object] | None) -> None:
    """Tell of a batch that memory may not hold, or raise OutOfMemory where nobody hears it."""
    if tell is None:
        error = OutOfMemory(f"out of memory: a step of {batch_size} images takes {estimate}; set a smaller pretrain.size.")
        error.estimate = estimate
        raise error
    advice = f"set pretrain.batch_size={max(1, batch_size // 2)} or a smaller pretrain.size"
    tell(f"A step of {batch_size} images takes {estimate}: the system may end the run without a word; then {advice}.")


def _bytes_kept(module: PretrainingModule) -> float:
    """What a step keeps for its backward pass, from the growth between two batches of a few images."""
    plan, objective, crops = module.plan, module.objective, module.objective.crops
    assert isinstance(objective.backbone, Backbone)
    channels, axes = objective.backbone.channels, module.job.pool.batch(module.job.entries[:1]).ndim - 2

    def views(images: int, count: int, size: Size) -> Tensor:
        return torch.randn(count * images, channels, *sides(size, axes))

    def kept(images: int) -> int:
        small = views(images, crops.locals, plan.local_size) if crops.locals else None
        big = views(images, crops.globals, plan.size)
        taught = module.teacher(big) if module.teacher else None
        said = module.job.captions.draw(module.job.entries[:images], plan.source, 0, 0) if module.job.captions else None
        step = Views(big, small, text=said, rows=torch.arange(images), taught=taught)
        return kept_for_backward(lambda: objective(step).loss)

    few, more = FEW_IMAGES
    each = (kept(more) - kept(few)) / (more - few)
    return each * plan.batch_size / everyone().world


def _step(module: PretrainingModule, learner: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device, step: int) -> Lap:
    watch, plan = Stopwatch(), module.plan
    module.set_rates(optimiser, step)
    with torch.autocast(device.type, torch.bfloat16, enabled=plan.precision == "bf16"):
        loss = learner(step)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), plan.clip_grad or float("inf"))
    module.objective.before_step(0.5)
    optimiser.step()
    module.objective.after_step(0.5)
    optimiser.zero_grad()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return watch.lap()


@contextmanager
def _several_values() -> Iterator[None]:
    """Within: a BatchNorm that is given one value a channel, of which there is no spread, raises RecipeError."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise RecipeError("pretrain.batch_size: this network's BatchNorm needs two values a channel or more; take at least 2.") from error
