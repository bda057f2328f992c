"""Real processes in one gloo group, started once, that carry out whatever function they are sent."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

SECONDS = 120  # a case may take; the first waits for imports


class Group:
    """`world` processes; `run` sends all of them one function and gives back what each returned, in the order of ranks."""

    def __init__(self, world: int, folder: Path) -> None:
        context = _context()
        self.world = world
        self.ends: list[Connection] = []
        self.processes = []
        for rank in range(world):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(rank, world, str(folder / f"meeting-{world}"), theirs), daemon=True)
            process.start()
            theirs.close()
            self.ends.append(ours)
            self.processes.append(process)

    def run(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """`function(rank, world, *arguments)` on every process. Raises AssertionError with the traceback of the one that failed."""
        for end in self.ends:
            end.send_bytes(pickle.dumps((function, arguments)))
        answers = []
        for rank, end in enumerate(self.ends):
            if not end.poll(SECONDS):
                self.stop()
                raise AssertionError(f"{function.__name__}: process {rank} of {self.world} has not answered in {SECONDS} s")
            answers.append(pickle.loads(end.recv_bytes()))
        failed = [answer for fine, answer in answers if not fine]
        assert not failed, "\n".join(failed)
        return [answer for _, answer in answers]

    def stop(self) -> None:
        """End the processes."""
        for end in self.ends:
            end.close()
        for process in self.processes:
            process.kill()
            process.join()


def _context() -> multiprocessing.context.BaseContext:
    """On Linux processes are forked from one without threads that has imported torch and the cases for all of them."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.distributed.cases", "tests.distributed.pretrainings"])
    return context


def _work(rank: int, world: int, meeting: str, end: Connection) -> None:
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=Path(meeting).as_uri(), rank=rank, world_size=world)
    while True:
        try:
            function, arguments = pickle.loads(end.recv_bytes())
        except EOFError:
            return
        try:
            answer = (True, function(rank, world, *arguments))
        except Exception:
            answer = (False, f"process {rank} of {world}:\n{traceback.format_exc()}")
        end.send_bytes(pickle.dumps(answer))
