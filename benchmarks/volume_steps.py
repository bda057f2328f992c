"""Seconds a step of every network of volumes, on this machine as it is: forward, backward and an update of AdamW, and what a step keeps.

    OMP_NUM_THREADS=2 python benchmarks/volume_steps.py
    python benchmarks/volume_steps.py --networks monai_dynunet_16 monai_vit_tiny_8 --view 64 64 64 --batch 8

A step shows two views of each volume of a batch, as every objective with two global views does; what heads and teachers add is not in it.
Of `--steps` steps after the first one the fastest counts, in processor time where the machine was busy. Networks that memory does not
hold are told and left out. Cells that benchmarks/results/volume_steps.csv holds for the same machine, commit and versions are not measured
again.
"""

from __future__ import annotations

import argparse

import torch
from cells import RESULTS, append, found, place

from labelfree.backbones import build
from labelfree.backbones.volume_networks import PRESETS
from labelfree.training.free_memory import bytes_for_a_step
from labelfree.training.memory import OutOfMemory, kept_for_backward, out_of_memory
from labelfree.training.timing import seconds_per_call

TABLE = RESULTS / "volume_steps.csv"
DEPENDS = ("labelfree/backbones", "benchmarks/volume_steps.py")
VIEWS = 2  # of each volume


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(PRESETS), choices=list(PRESETS), metavar="NAME")
    parser.add_argument("--view", type=int, nargs=3, default=[32, 48, 32], help="voxels along each axis")
    parser.add_argument("--batch", type=int, default=8, help="volumes a step")
    parser.add_argument("--steps", type=int, default=3, help="that are timed")
    given = parser.parse_args()
    asked = {"view": " ".join(map(str, given.view)), "batch": str(given.batch), "threads": str(torch.get_num_threads())}
    here = place("monai", "torch", depends=DEPENDS)
    print(f"Expected: {len(given.networks)} networks, some seconds to a few minutes each.\n", flush=True)
    print("| `backbone.name` | million parameters | s a step | GB a step keeps |\n|---|---|---|---|", flush=True)
    for name in given.networks:
        cell = {"network": name, **asked, **here}
        row = found(TABLE, cell)
        if row is None:
            try:
                row = cell | measured(name, tuple(given.view), given.batch, given.steps)
            except OutOfMemory as error:
                print(f"| `{name}` | | {error} | |", flush=True)
                continue
            append(TABLE, row)
        print(f"| `{name}` | {row['parameters']} | {row['seconds']} | {row['gigabytes']} |", flush=True)


def measured(name: str, view: tuple[int, ...], batch: int, steps: int) -> dict[str, str]:
    """Of one network with one channel. Raises OutOfMemory where a step of so many volumes would not fit."""
    torch.manual_seed(0)
    backbone = build(name, 1, dims=len(view)).train()
    x = torch.randn(VIEWS * batch, 1, *view)
    with out_of_memory(f"at {VIEWS} views of {batch} volumes", "take a smaller --batch or --view"):
        weights = sum(parameter.nbytes for parameter in backbone.parameters())
        each = (kept_for_backward(lambda: backbone.embed(x[:VIEWS])) - weights) / VIEWS
        if each * len(x) > bytes_for_a_step():
            raise OutOfMemory(f"a step would keep {each * len(x) / 1e9:.3g} GB; take a smaller --batch or --view.")
        optimiser = torch.optim.AdamW(backbone.parameters(), 1e-4)

        def step(number: int) -> None:
            optimiser.zero_grad()
            backbone.embed(x).square().mean().backward()
            optimiser.step()

        seconds = seconds_per_call(step, steps)
    count = sum(parameter.numel() for parameter in backbone.parameters())
    return {"parameters": f"{count / 1e6:.2f}", "seconds": f"{seconds:.3g}", "gigabytes": f"{each * len(x) / 1e9:.3g}"}


if __name__ == "__main__":
    main()
