"""A network of volumes against networks that see slices: which starting point segments the hippocampus best from few labels, on `dev`.

    python benchmarks/volumes_arms.py --root $LABELFREE_DATA/hippocampus_msd --minutes 45

One cell an arm's own pretraining and seed, each a run of labelfree's own commands:

- `volumes`: `domain` in 3D, from random weights, with the domain's views; `volumes, generic`: the same with generic views;
- `slices`: a network of pictures that continues from ImageNet on axial slices of the same volumes, then sees volumes slice by slice;
- `random` and `imagenet` (slice by slice) stand beside each in the same run, scored on the same draws.

Cells that benchmarks/results/volumes_arms.csv holds for the same machine, commit and versions are not run again. `test` is never scored.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cells import RESULTS, append, found, place, rows

import labelfree

if TYPE_CHECKING:
    from labelfree.pipeline.stages import Run

TABLE = RESULTS / "volumes_arms.csv"
RECIPE = "medical_volume_segment"
SLICES = ["reader.slices=axial", "reader.slices_per_volume=all"]
WEIGHTS = "slices"  # what the arm of a network of slices is called


class Asked(NamedTuple):
    """What is the same for every cell."""

    root: Path
    minutes: float
    compared_in: float
    size: str
    protocols: list[str]
    out: Path
    overrides: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=45, help="of one pretraining, the same for all")
    parser.add_argument("--compared-in", type=float, default=20, metavar="MINUTES", help="of one comparison, at most")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--size", default="[32,48,32]", help="voxels of a view of the network of volumes")
    parser.add_argument("--protocols", nargs="+", default=["linear", "frozen"], help="the last is the claim's")
    parser.add_argument("--out", type=Path, default=Path("runs/volumes_arms"))
    parser.add_argument("overrides", nargs="*", help="keys of every run, such as evaluate.draws=1: for a trial, which is not kept")
    given = parser.parse_args()
    asked = Asked(given.root, given.minutes, given.compared_in, given.size, given.protocols, given.out, given.overrides)
    limits = {"minutes": f"{given.minutes:g}", "compared_in": f"{given.compared_in:g}", "protocols": " ".join(given.protocols)}
    cells = [{"arm": arm, "seed": str(seed), **limits} for seed in given.seeds for arm in given.arms]
    print(f"Expected: {len(cells)} cells of about {given.minutes + given.compared_in:.0f} minutes each.", flush=True)
    here = {} if given.overrides else place("torch", "monai", "timm")
    for cell in cells:
        if here and found(TABLE, cell | here):
            print(f"{cell['arm']}, seed {cell['seed']}: already measured for this machine, commit and versions.")
            continue
        run = ARMS[cell["arm"]](asked, int(cell["seed"]))
        for row in measured(run, cell["arm"]):
            print(row, flush=True)
            if here:
                append(TABLE, cell | here | row)
    if not given.overrides:
        print_table([row for row in rows(TABLE) if limits.items() <= row.items()])


def of_volumes(asked: Asked, seed: int, views: str = "domain") -> Run:
    """Pretrained in 3D, and compared."""
    settings = [f"pretrain.size={asked.size}", f"pretrain.views={views}"]
    return started(asked, f"volumes-{views}-{seed}", seed, settings)


def of_slices(asked: Asked, seed: int) -> Run:
    """Pretrained on slices as pictures; then its weights are an arm of a run on volumes, whose own pretraining there is none."""
    flat = asked.out / f"flat-{seed}"
    plain = ["backbone={name: tf_efficientnet_lite0, init: imagenet}", "pretrain.size=auto", "pretrain.batch_size=auto", *SLICES]
    if not (flat / "backbone.safetensors").is_file():
        arms = ["evaluate.arms=[imagenet, imagenet+domain]", "evaluate.primary.arm=imagenet+domain"]
        labelfree.pretrain(RECIPE, [*common(asked, seed), *plain, *arms], flat)
    arm = f"{{name: {WEIGHTS}, weights: {(flat / 'backbone.safetensors').absolute()}}}"
    arms = [f"evaluate.arms=[random, imagenet, {arm}]", f"evaluate.primary.arm={WEIGHTS}", f"pretrain.size={asked.size}"]
    return started(asked, f"slices-{seed}", seed, arms)


def started(asked: Asked, name: str, seed: int, settings: list[str]) -> Run:
    """A run, or the rest of one."""
    out = asked.out / name
    return labelfree.resume(out) if (out / "state.json").is_file() else labelfree.run(RECIPE, [*common(asked, seed), *settings], out)


def common(asked: Asked, seed: int) -> list[str]:
    """What every run is told."""
    data = ["data.card=hippocampus-msd", f"data.root={asked.root}", "reader.spacing=null", "evaluate.on=dev"]
    limits = [f"pretrain.minutes={asked.minutes:g}", f"evaluate.minutes={asked.compared_in:g}", "evaluate.labels_per_class=[2, 4, 8, 16]"]
    protocols = [f"evaluate.protocols=[{', '.join(asked.protocols)}]", f"evaluate.primary.protocol={asked.protocols[-1]}"]
    return [*data, f"seed={seed}", f"pretrain.seeds=[{seed}]", *limits, *protocols, *asked.overrides]


ARMS: dict[str, Callable[[Asked, int], Run]] = {
    "volumes": of_volumes,
    "volumes, generic": lambda asked, seed: of_volumes(asked, seed, "generic"),
    "slices": of_slices,
}


def measured(run: Run, arm: str) -> list[dict[str, str]]:
    """Every arm's mean score at each budget of the run."""
    names = {"domain": arm, WEIGHTS: arm}
    keys = ("protocol", "budget", "metric")
    return [
        {"scored": names.get(row["arm"], row["arm"]), "network": row["backbone"], **{key: str(row[key]) for key in keys}}
        | {"value": f"{row['mean']:.6g}"}
        for row in run.claims["table"]
    ]


def print_table(measured_rows: list[dict[str, str]]) -> None:
    """Means over seeds: a line an arm, a column a budget, for each protocol."""
    for protocol in sorted({row["protocol"] for row in measured_rows}):
        mine = [row for row in measured_rows if row["protocol"] == protocol]
        budgets = sorted({row["budget"] for row in mine}, key=lambda budget: (not budget.isdigit(), int(budget) if budget.isdigit() else 0))
        print(f"\n{protocol}, {mine[0]['metric']}\n\n| starts from | network | {' | '.join(budgets)} |\n|---|---|{'---|' * len(budgets)}")
        for scored, network in sorted({(row["scored"], row["network"]) for row in mine}):
            of_arm = [row for row in mine if (row["scored"], row["network"]) == (scored, network)]
            values = [[float(row["value"]) for row in of_arm if row["budget"] == budget] for budget in budgets]
            print(f"| {scored} | {network} | {' | '.join(f'{sum(each) / len(each):.3f}' if each else '' for each in values)} |")


if __name__ == "__main__":
    main()
