"""Anomalies told from normal images: AUROC, AUPRO, seconds and memory, with this coreset and with Anomalib's of the same patches.

    python benchmarks/anomaly.py --root $LABELFREE_DATA/magnetic_tile 'data.classes={">127": defect}'
    python benchmarks/anomaly.py --root $LABELFREE_DATA/magnetic_tile --peer ENVIRONMENT/bin/python 'data.classes={">127": defect}'

Train rows teach, dev rows are scored; test rows are never looked at. Anomalib (2.7) stands in an environment of its own, named by its
Python: it is handed the very patches that ours is chosen among, chooses its coreset by its own code, and tells the distances of some
patches by its own code too. All else is the same, so scores differ by the method alone. They come without intervals: normal images of
some sets stand in few groups. Cells that benchmarks/results/anomaly.csv holds for the same machine, commit and versions are not measured
again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from cells import RESULTS, append, found, place
from torch import Tensor

import labelfree
from labelfree.progress import Console
from labelfree.transfer.patches import memory
from labelfree.transfer.patches.coreset import k_centres
from labelfree.transfer.patches.distances import nearest

TABLE = RESULTS / "anomaly.csv"
METRICS = ("auroc", "ap", "aupro", "pixel_ap")
ARMS = ("statistics", "imagenet")
ASKED = 2048  # patches whose distances are compared
RETURNED = {"MALLOC_MMAP_THRESHOLD_": "1000000"}  # else glibc keeps what each of its steps frees, up to 14 GB, and the process is killed
Centres = Callable[[Tensor, int, int], Tensor]

# Positions of the coreset in argv's folder, and distances of its first patches to it: the peer's own code.
PEER = """
import json, resource, sys, time
import numpy as np, torch
from anomalib.models.components import KCenterGreedy
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
folder, count, asked = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
patches = torch.from_numpy(np.load(f"{folder}/patches.npy"))
torch.manual_seed(0)
begun = time.perf_counter()
chosen = KCenterGreedy(embedding=patches, sampling_ratio=count / len(patches)).select_coreset_idxs()
seconds = time.perf_counter() - begun
np.save(f"{folder}/chosen.npy", np.array([int(at) for at in chosen]))
np.save(f"{folder}/told.npy", PatchcoreModel.euclidean_dist(patches[:asked], patches[chosen]).amin(1).numpy())
print(json.dumps({"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--root", type=Path, required=True)
    asked.add_argument("--domain", default="inspection")
    asked.add_argument("--budget", default="all", help="normal images that teach")
    asked.add_argument("--peer", type=Path, help="a Python that has anomalib")
    asked.add_argument("--out", type=Path, default=Path("runs/anomaly"))
    asked.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="changed in the recipe")
    given = asked.parse_args()
    here = {"data": given.root.name, "budget": given.budget, "settings": " ".join(given.settings), **place("torch", "timm")}
    makers: dict[str, Centres] = {"labelfree": k_centres}
    if given.peer is not None:
        makers["anomalib"] = peer_centres(given.peer)
    for name, centres in makers.items():
        cell = here | {"coreset": name}
        if not found(TABLE, cell):
            print(f"Expected: about 5 minutes on two cores with the coreset of {name}.", flush=True)
            measure(given.root, given.domain, given.budget, given.settings, given.out / f"{here['commit'][:8]}-{name}", cell, centres)
    show(here, list(makers))


def measure(root: Path, domain: str, budget: str, settings: list[str], out: Path, cell: dict[str, str], centres: Centres) -> None:
    """Both arms of one comparison on dev rows, their memories chosen by `centres`."""
    primary = {"arm": "imagenet", "against": "statistics", "protocol": "coreset", "budget": budget, "metric": "auroc"}
    recipe = [
        "evaluate.on=dev", "evaluate.draws=1", "evaluate.protocols=[coreset]", f"evaluate.arms=[{', '.join(ARMS)}]",
        f"evaluate.labels_per_class=[{budget}]", "evaluate.max_false_alarms=0.05", f"evaluate.primary={json.dumps(primary)}",
        *(each for each in settings if not each.startswith(("data.", "reader."))),
    ]  # fmt: skip
    read_by = [each for each in settings if each.startswith(("data.", "reader."))]  # which a plan has to know beforehand
    proposal = labelfree.plan(root, domain, overrides=["evaluate.task=anomaly", *read_by], say=Console())
    memory.k_centres = centres  # type: ignore[assignment]
    begun = time.perf_counter()
    run = labelfree.evaluate(proposal.recipe, recipe, out)
    seconds, megabytes = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with run.results.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["flags"] != "envelope"]
    for arm in ARMS:
        values = {row["metric"]: row["value"] for row in rows if row["arm"] == arm}
        took = {"seconds": f"{seconds:.0f}", "megabytes": f"{megabytes:.0f}"}
        append(TABLE, cell | {"arm": arm, **{name: values.get(name, "") for name in METRICS}, **took})


def peer_centres(python: Path) -> Centres:
    """Chooses as Anomalib does, in its own environment, and prints what that took beside ours, and how far its distances are from ours."""

    def centres(vectors: Tensor, count: int, seed: int) -> Tensor:
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder) / "patches.npy", vectors.numpy())
            words = [str(python), "-c", PEER, folder, str(count), str(ASKED)]
            done = subprocess.run(words, env=os.environ | RETURNED, capture_output=True, text=True, check=True)
            chosen, told = (np.load(Path(folder) / f"{name}.npy") for name in ("chosen", "told"))
        took, begun = json.loads(done.stdout.splitlines()[-1]), time.perf_counter()
        k_centres(vectors, count, seed)
        ours = time.perf_counter() - begun
        apart = float(np.abs(nearest(vectors[:ASKED], vectors[torch.from_numpy(chosen)])[0].numpy() - told).max())
        print(f"{count:,} of {len(vectors):,} patches: {ours:.1f} s here; anomalib {took['seconds']:.1f} s, {took['megabytes']:.0f} MB")
        print(f"  distances to its coreset differ by {apart:.2g} at most", flush=True)
        return torch.from_numpy(chosen)

    return centres


def show(here: dict[str, str], names: list[str]) -> None:
    print("\n| coreset | arm | AUROC | AP | AUPRO | pixel AP | s, both arms | MB |\n|---|---|---|---|---|---|---|---|")
    for name in names:
        for arm in ARMS:
            row = found(TABLE, {**here, "coreset": name, "arm": arm})
            if row is not None:
                scores = " | ".join(f"{100 * float(row[metric]):.1f}" if row[metric] else "not defined" for metric in METRICS)
                print(f"| {name} | {arm} | {scores} | {row['seconds']} | {row['megabytes']} |")


if __name__ == "__main__":
    main()
