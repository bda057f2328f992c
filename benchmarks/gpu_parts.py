"""The parts of `benchmarks/gpu.py`: each takes its form and gives facts; `faults` among them are sentences of what did not hold."""

from __future__ import annotations

import copy
import dataclasses
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from gpu_jobs import Pictures, job_on, narrow_options, network, views
from torch import Tensor, nn

from labelfree.backbones import Features
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import LoadedBackbone
from labelfree.objectives import Views
from labelfree.objectives.registry import make_objective, objective_names
from labelfree.pretraining.devices import channels_last, deterministic_kernels
from labelfree.pretraining.fit import fit
from labelfree.pretraining.label_monitor import leave_one_out
from labelfree.pretraining.module import PretrainingModule
from labelfree.progress import Silent

# Shares by which a device's loss and gradients (all of them as one vector) may differ from the processor's in fp32: in fp32, and in bf16
# beyond twice what the processor's own bf16 differs by.
FP32 = {"loss": 1e-4, "gradients": 5e-3}
ROUNDED = {"loss": 5e-3, "gradients": 0.02}
CPU = torch.device("cpu")
VIEWS_DIFFER = 1e-3  # standard deviations, largest of all pixels
SPEED = (("resnet50", 224, 64), ("vit_small_patch16_224", 224, 128), ("resnet18", 64, 512))  # network, side, images a batch
SPEED_SMALL = (("resnet18", 32, 8), ("vit_tiny_patch16_224", 32, 8))
WAITS = "called a synchronizing CUDA operation"


@dataclasses.dataclass(frozen=True)
class Form:
    """Where it runs, and whether it is the `small` form: few steps of small networks."""

    device: torch.device
    small: bool

    @classmethod
    def on(cls, device: str, small: bool) -> Form:
        return cls(torch.device(device), small or device == "cpu")

    @property
    def cuda(self) -> bool:
        return self.device.type == "cuda"

    def wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()


def agreement(form: Form) -> dict[str, Any]:
    """A step of every objective from the same weights and views: loss and gradients against the processor's in fp32."""
    found: dict[str, Any] = {}
    faults = []
    batch, side = (4, 32) if form.small else (16, 64)
    for name in objective_names():
        objective = small_objective(name, side)
        big = torch.randn(objective.crops.globals * batch, 3, side, side, generator=torch.Generator().manual_seed(1))
        little = torch.randn(objective.crops.locals * batch, 3, side // 2, side // 2, generator=torch.Generator().manual_seed(2))
        taught = Features(big.flatten(1)[:, : objective.backbone.dim], big[:, :1].tile(1, objective.backbone.token_dim, 1, 1))
        said = torch.randint(1, 49_407, (batch, 8), generator=torch.Generator().manual_seed(3)) if objective.reads_text else None
        step = Views(big, little if objective.crops.locals else None, text=said, rows=torch.arange(batch), taught=taught)
        true = loss_and_gradients(objective, step, CPU, "fp32")
        rounded = differences(true, loss_and_gradients(objective, step, CPU, "bf16"))
        allowed = {"fp32": FP32, "bf16": {what: ROUNDED[what] + 2 * share for what, share in rounded.items()}}
        found[name] = {}
        for precision, most in allowed.items():
            differ = differences(true, loss_and_gradients(objective, step, form.device, precision))
            found[name][precision] = {"differ": differ, "allowed": most}
            wrong = [f"{what} by {share:.2g}, more than {most[what]:.2g}" for what, share in differ.items() if not share <= most[what]]
            faults += [f"{name}, {precision}: differ in {', '.join(wrong)}"] if wrong else []
    return {"objectives": found, "faults": faults}


def differences(true: tuple[float, Tensor], other: tuple[float, Tensor]) -> dict[str, float]:
    """Of losses and of gradients, as shares of the true ones."""
    return {"loss": abs(other[0] - true[0]) / abs(true[0]), "gradients": float((other[1] - true[1]).norm() / true[1].norm())}


def loss_and_gradients(objective: nn.Module, step: Views, device: torch.device, precision: str) -> tuple[float, Tensor]:
    """Of a copy on `device`; the gradients of all parameters in one vector, on the host."""
    learner: Any = copy.deepcopy(objective).to(device).train()
    taught = step.taught
    if taught is not None:
        taught = Features(taught.pooled.to(device), None if taught.tokens is None else taught.tokens.to(device))
    little, said = (None if part is None else part.to(device) for part in (step.locals, step.text))
    there = Views(step.globals.to(device), little, text=said, rows=step.rows, taught=taught)
    torch.manual_seed(3)  # which tokens are hidden
    with full_fp32(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        loss = learner(there).loss
        loss.backward()
    grads = [p.grad.float().flatten().cpu() for p in learner.parameters() if p.grad is not None]
    return float(loss.detach()), torch.cat(grads)


@contextmanager
def full_fp32() -> Iterator[None]:
    """Within: cuDNN does not round to TensorFloat-32, as it may by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def same_views(form: Form) -> dict[str, Any]:
    """Two views and small ones on the device, from the draws that a processor would make: the same, but for rounding."""
    side, pool = (32, Pictures(16, 40)) if form.small else (64, Pictures(64, 96))
    stored = pool.batch(range(len(pool)))

    def made(device: torch.device) -> Tensor:
        pipeline = views(3, noise=False).to(device)
        return pipeline.many(stored.to(device), 4, side, (0.1, 1.0), torch.Generator().manual_seed(5)).cpu()

    differ = float((made(form.device) - made(CPU)).abs().max())
    faults = [] if differ <= VIEWS_DIFFER else [f"views differ by {differ:.3g}"]
    return {"largest_difference": differ, "allowed": VIEWS_DIFFER, "faults": faults}


def speed(form: Form) -> dict[str, Any]:
    """Samples a second and peak memory of two-view training (SimCLR, pool to optimiser), the bare backbone, and lightly."""
    precision = "bf16" if form.cuda else "fp32"
    found: dict[str, Any] = {}
    for name, side, batch in SPEED_SMALL if form.small else SPEED:
        facts = found[f"{name} at {side}"] = {"batch": batch, "precision": precision}
        facts["bare"] = measured(form, batch, bare_step(form, name, side, batch, precision))
        with TemporaryDirectory() as folder, deterministic_kernels():
            facts["two_views"] = measured(form, batch, two_view_step(form, name, side, batch, precision, Path(folder)))
        facts["share_of_bare"] = facts["two_views"]["samples_per_s"] / facts["bare"]["samples_per_s"]
        facts["lightly"] = lightly_speed(form, name, side, batch, precision)
    return found


def measured(form: Form, batch: int, step: Callable[[int], object], warm: int = 4, times: int = 12) -> dict[str, float]:
    """`step` repeated: samples (images, not views) a second, and the most memory at once."""
    warm, times = (1, 3) if form.small else (warm, times)
    for number in range(warm):
        step(number)
    if form.cuda:
        torch.cuda.reset_peak_memory_stats()
    form.wait()
    began = time.perf_counter()
    for number in range(warm, warm + times):
        step(number)
    form.wait()
    seconds = (time.perf_counter() - began) / times
    peak = torch.cuda.max_memory_allocated() / 2**30 if form.cuda else None
    return {"samples_per_s": batch / seconds, "ms_per_step": 1000 * seconds, "peak_gib": peak}  # type: ignore[dict-item]


def bare_step(form: Form, name: str, side: int, batch: int, precision: str) -> Callable[[int], None]:
    """Forward, backward and optimiser of the backbone alone, on two views a sample that lie on the device."""
    backbone = network(name, 3, side).to(form.device).train()
    channels_last(backbone)
    optimiser = torch.optim.AdamW(backbone.parameters(), 1e-3)
    x = torch.randn(2 * batch, 3, side, side, device=form.device).contiguous(memory_format=torch.channels_last)

    def step(_number: int) -> None:
        with torch.autocast(form.device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = backbone.embed(x).square().mean()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def two_view_step(form: Form, name: str, side: int, batch: int, precision: str, folder: Path) -> Callable[[int], None]:
    """A step of a real pretraining, as the trial times it: images from the pool, views on the device, objective, optimiser."""
    job = job_on(folder, "simclr", name, side, batch_size=batch, precision=precision, images=max(2 * batch, 64))
    module = PretrainingModule(job).to(form.device).train()
    module.batches.tell = lambda sentence: None
    channels_last(module)
    optimiser: Any = module.configure_optimizers()

    def step(number: int) -> None:
        module.set_rates(optimiser, number)
        with torch.autocast(form.device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = module.loss_at(number)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 3.0)
        module.objective.before_step(0.5)
        optimiser.step()
        module.objective.after_step(0.5)
        optimiser.zero_grad()

    return step


def lightly_speed(form: Form, name: str, side: int, batch: int, precision: str) -> dict[str, Any]:
    """The same method with lightly's transform in loader processes, head and loss; or that it is not installed."""
    try:
        from lightly.loss import NTXentLoss
        from lightly.models.modules import SimCLRProjectionHead
        from lightly.transforms import SimCLRTransform
    except ImportError:
        return {"installed": False}
    from PIL import Image

    pictures = [Image.fromarray(picture.permute(1, 2, 0).numpy()) for picture in Pictures(2 * batch, side).stored]
    transform = SimCLRTransform(input_size=side)
    wanted = batch * (4 if form.small else 24)
    samples = type("Samples", (torch.utils.data.Dataset,), {
        "__len__": lambda self: wanted, "__getitem__": lambda self, row: transform(pictures[row % len(pictures)]),
    })()  # fmt: skip
    loader = iter(torch.utils.data.DataLoader(samples, batch, num_workers=0 if form.small else 8, pin_memory=form.cuda, drop_last=True))
    backbone = network(name, 3, side).to(form.device).train()
    head, criterion = SimCLRProjectionHead(backbone.dim, 2048, 128).to(form.device), NTXentLoss()
    optimiser = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], 1e-3)

    def step(_number: int) -> None:
        x = torch.cat(next(loader)).to(form.device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        with torch.autocast(form.device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = criterion(*head(backbone.embed(x)).chunk(2))
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return {"installed": True, **measured(form, batch, step)}


def synchronisations(form: Form) -> dict[str, Any]:
    """Times that the host waits for the device: in a step of every objective, and in a step of a real run, Lightning included."""
    if not form.cuda:
        return {"counted": False, "why": "no device to wait for"}
    with TemporaryDirectory() as folder:
        objectives = {name: waits_of(name, form, Path(folder)) for name in objective_names()}
        of_runs = []
        for steps in (16, 80):
            job = job_on(Path(folder) / str(steps), "simclr", "resnet18", 64, batch_size=64, steps=steps, check_every=1000)
            with counted_waits() as waits:
                fit(job, Silent())
            of_runs.append(sum(waits.values()))
    return {"counted": True, "objectives": objectives, "a_step_of_a_run": (of_runs[1] - of_runs[0]) / 64}


def waits_of(name: str, form: Form, folder: Path, warm: int = 8, steps: int = 16) -> dict[str, Any]:
    """Of steps of an objective once they are warm: views, loss, backward, what follows the optimiser."""
    kind = "vit_tiny_patch16_224" if name == "dinov2" else "resnet18"
    module = PretrainingModule(job_on(folder, name, kind, 64, batch_size=64, steps=200)).to(form.device).train()
    module.batches.tell = lambda sentence: None
    with counted_waits() as waits:
        for number in range(warm + steps):
            if number == warm:
                waits.clear()
            module.loss_at(number).backward()
            module.objective.after_step(0.5)
    return {"a_step": sum(waits.values()) / steps, "where": dict(waits)}


@contextmanager
def counted_waits() -> Iterator[Counter[str]]:
    """Within: file and line of every wait, counted."""
    waits: Counter[str] = Counter()

    def note(message: Any, category: Any, filename: str, line: int, *_: Any) -> None:
        if WAITS in str(message):
            waits[f"{Path(filename).name}:{line}"] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note  # type: ignore[assignment]
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield waits
        finally:
            torch.cuda.set_sync_debug_mode("default")


def embedding(form: Form) -> dict[str, Any]:
    """Images a second through `LoadedBackbone.embed`, and queries a second of kNN among their vectors."""
    name, side, count = ("resnet18", 32, 32) if form.small else ("resnet50", 224, 2048)
    scale, offset, mean, std = ((value,) * 3 for value in (1 / 255, 0.0, 0.5, 0.25))
    card = WeightCard(name, ("red", "green", "blue"), "display", scale, offset, mean, std, size=side)
    loaded = LoadedBackbone(network(name, 3, side), card)
    images = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))
    loaded.embed(images[:16])
    began = time.perf_counter()
    vectors = loaded.embed(images)
    seconds = time.perf_counter() - began
    alone = torch.cat([loaded.embed(image[None]) for image in images[:8]])
    differ = float((vectors[:8] - alone).abs().max() / alone.abs().max())
    rows = vectors.repeat(1 if form.small else 4, 1)
    began = time.perf_counter()
    leave_one_out(rows, torch.arange(len(rows)) % 10, torch.arange(len(rows)))
    return {
        "images_per_s": count / seconds, "network": f"{name} at {side}", "knn_queries_per_s": len(rows) / (time.perf_counter() - began),
        "knn_rows": len(rows), "alone_differs_by": differ,
        "faults": [f"an image's vector differs by {differ:.2g} from what it gets alone"] if not differ <= 1e-2 else [],
    }  # fmt: skip


def small_objective(name: str, side: int) -> Any:
    """An objective with narrow heads around a small network."""
    torch.manual_seed(0)
    backbone = network("vit_tiny_patch16_224" if name in {"dinov2", "moco_v3"} else "resnet18", 3, side)
    return make_objective(name, backbone, narrow_options(name)).train()
