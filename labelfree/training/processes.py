"""Several processes of one run, as torchrun or srun start them: which one this is, and what all of them do together.

An ordinary process is alone: it starts no group, and every function here answers for it alone. Imports torch only where it is needed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from labelfree.errors import RecipeError, TrainingError

T = TypeVar("T")

MEETING = timedelta(minutes=10)  # for all to have started
CODE_FILE = "LABELFREE_CODE_FILE"  # set by `labelfree.torchrun`: where the process that speaks leaves the code that the run ends with
PATIENCE = timedelta(days=2)  # for the others while the first reads the images


@dataclass(frozen=True)
class Process:
    """One process of a run: `rank` of `world`, `local` among those of its machine.

    `address`, `port`: where the first one listens. `launcher`: the words that start all of them, before the name of the program.
    """

    rank: int = 0
    world: int = 1
    local: int = 0
    address: str = "127.0.0.1"
    port: int = 0
    launcher: tuple[str, ...] = ()

    @property
    def first(self) -> bool:
        """Whether this is the process that prepares, writes and speaks."""
        return self.rank == 0


def this_process() -> Process:
    """What torchrun (RANK, WORLD_SIZE, ...) or srun (SLURM_STEP_NUM_TASKS, SLURM_PROCID, ...) says; alone without them.

    A batch script's own process has SLURM_NTASKS too, so only what a step of srun sets is believed. A group that runs already knows best.
    """
    if "torch" in sys.modules and not _alone():
        import torch.distributed as dist

        return Process(dist.get_rank(), dist.get_world_size())
    variables = os.environ
    if int(variables.get("WORLD_SIZE", 1)) > 1 and "RANK" in variables:
        rank, world, local = int(variables["RANK"]), int(variables["WORLD_SIZE"]), int(variables.get("LOCAL_RANK", 0))
        each = int(variables.get("LOCAL_WORLD_SIZE", world))
        nodes = ("--nnodes", str(world // each)) if each < world else ()
        starter = ("python", "-m", "labelfree.torchrun") if CODE_FILE in variables else ("torchrun",)
        launcher = (*starter, *nodes, "--nproc-per-node", str(each), "-m")
        return Process(rank, world, local, variables.get("MASTER_ADDR", "127.0.0.1"), int(variables.get("MASTER_PORT", 29500)), launcher)
    if int(variables.get("SLURM_STEP_NUM_TASKS", 1)) > 1 and "SLURM_PROCID" in variables:
        rank, world, local = int(variables["SLURM_PROCID"]), int(variables["SLURM_STEP_NUM_TASKS"]), int(variables.get("SLURM_LOCALID", 0))
        port = 15000 + (int(variables.get("SLURM_JOB_ID", 0)) + 7919 * int(variables.get("SLURM_STEP_ID", 0))) % 10000
        address = variables.get("MASTER_ADDR") or _first_node(variables.get("SLURM_STEP_NODELIST", "127.0.0.1"))
        return Process(rank, world, local, address, int(variables.get("MASTER_PORT", port)), ("srun", "--ntasks", str(world)))
    return Process()


def _first_node(nodes: str) -> str:
    """The first name in SLURM's notation: `gpu[07-09,12],cpu1` begins with gpu07."""
    before, number, after = re.match(r"([^,\[]+)(?:\[([^],-]+)[^]]*\]([^,\[]*))?", nodes).groups("")  # type: ignore[union-attr]
    return f"{before}{number}{after}"


@contextmanager
def together() -> Iterator[Process]:
    """Within: the processes that the launcher started are one group. Alone, or in a group that is there already, nothing is started.

    The first process that fails claims the right to speak of it; what follows from it elsewhere stays unsaid.
    """
    import torch.distributed as dist

    process = this_process()
    if process.world == 1 or dist.is_initialized():
        yield process
        return
    store = _meet(process)
    try:
        _no_device_twice(process)
        yield process
    except BaseException as error:
        _Speaker.may = _claimed(store)
        if isinstance(error, RuntimeError) and (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise TrainingError(
                f"process {process.rank} of {process.world} lost another one, which ended without a word (out of memory, or killed?); "
                "`labelfree resume` goes on from what was saved."
            ) from error
        raise  # the group is left as it is: taking it down in order would wait for the others
    part()


def part() -> None:
    """The processes' common work is done: the others leave and the first goes on alone."""
    import torch.distributed as dist

    if _Speaker.groups and dist.is_initialized():
        dist.destroy_process_group()


def _meet(process: Process) -> Any:
    """Start the group: gloo for tensors on the processor, NCCL for those on GPUs. Returns the store that all share."""
    import torch
    import torch.distributed as dist

    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(process.local % torch.cuda.device_count())
    address = f"[{process.address}]" if ":" in process.address else process.address
    try:
        store, rank, world = next(dist.rendezvous(f"tcp://{address}:{process.port}", process.rank, process.world, timeout=MEETING))
        store = dist.PrefixStore(f"labelfree-{_Speaker.groups}", store)
        _Speaker.groups += 1
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", store=store, rank=rank, world_size=world, timeout=PATIENCE)
    except (RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"process {process.rank} of {process.world} cannot reach {process.address}:{process.port} ({reason})."
        ) from error
    return store


def _no_device_twice(process: Process) -> None:
    """Raises RecipeError when two processes were given one GPU."""
    import platform

    import torch

    if not torch.cuda.is_available():
        return
    card = torch.cuda.get_device_properties(torch.cuda.current_device())
    cards = gathered((platform.node(), str(getattr(card, "uuid", torch.cuda.current_device()))))
    if len(set(cards)) < process.world:
        raise RecipeError(
            f"{process.world} processes share {len(set(cards))} GPU{'s' if len(set(cards)) > 1 else ''}: start one a GPU, "
            "or set CUDA_VISIBLE_DEVICES= to train on the processors."
        )


class _Speaker:
    """Who may speak of a failure, and how many groups this process has been in."""

    may: bool | None = None
    groups = 0


def _claimed(store: Any) -> bool:
    try:
        return bool(store.add("failed", 1) == 1)
    except RuntimeError:  # the first process kept the store and is gone: it has spoken
        return False


def may_speak(code: int) -> bool:
    """Whether an error that ends this process with exit `code` is to be printed: once for all, by the process it befell first.

    Before there is a group, `labelfree.torchrun`'s file decides on each machine, and rank 0 speaks where other launchers started it. The
    file tells `labelfree.torchrun` what the run ends with.
    """
    file = os.environ.get(CODE_FILE)
    if file and _Speaker.may is not False:
        try:
            with Path(file).open("x") as kept:
                kept.write(str(code))
        except FileExistsError:
            return bool(_Speaker.may)
        return True
    return this_process().first if _Speaker.may is None else _Speaker.may


def agreed(flag: bool) -> bool:
    """True on all processes when it is true on any of them. All must ask, in the same order."""
    if _alone():
        return flag
    import torch
    import torch.distributed as dist

    vote = torch.tensor(int(flag), device=_device())
    dist.all_reduce(vote, dist.ReduceOp.MAX)
    return bool(vote)


def broadcast(value: T) -> T:
    """The first process's `value`, on all. All must ask, in the same order."""
    if _alone():
        return value
    import torch.distributed as dist

    carried: list[Any] = [value]
    dist.broadcast_object_list(carried, src=0, device=_device())
    return carried[0]  # type: ignore[no-any-return]


def wait() -> None:
    """Until all have come here."""
    agreed(False)


def gathered(value: T) -> list[T]:
    """Every process's `value`, in the order of ranks, on all. All must ask, in the same order."""
    if _alone():
        return [value]
    import torch.distributed as dist

    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def _alone() -> bool:
    import torch.distributed as dist

    return not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1


def _device() -> Any:
    """Where small numbers are exchanged: on the processor, unless a group of the user's own knows GPUs alone."""
    import torch
    import torch.distributed as dist

    return torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
