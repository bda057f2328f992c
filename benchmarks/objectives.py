"""The objectives side by side at equal time: a CNN from ImageNet weights and a small ViT from random ones, kNN and linear at few labels.

    python benchmarks/objectives.py --root $LABELFREE_DATA/eurosat_rgb --seeds 0
    python benchmarks/objectives.py --root $LABELFREE_DATA/eurosat_rgb --seeds 1
    python benchmarks/objectives.py --root $LABELFREE_DATA/eurosat_rgb --seeds 2

A cell is one run of the recipe `satellite_simclr`, in a process of its own: one objective, one seed, `--minutes` of pretraining with every
other key `auto`, its last step's network scored. One sitting is one seed of both tables. Cells that benchmarks/results/objectives.csv holds
for the same machine, commit and versions are not run again; every look at `test` is appended to benchmarks/results/test_log.csv.

How many steps fit into the minutes is timed for every objective before the first cell is carried out, on an idle machine: each run is begun
and stopped there, and resumed later. Other seeds take as many steps, so that what runs beside them later changes no figure: once the first
sitting has said "Timed", the others may run beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from statistics import mean, stdev

from cells import RESULTS, append, found, place, rows
from runs import begin as start_and_stop
from runs import collapsed, ended, last_check, means, plan_in
from runs import command as command_of

from labelfree.errors import TrainingError

TABLE, LOG = RESULTS / "objectives.csv", RESULTS / "test_log.csv"
# What a cell's figures depend on: nothing of how images are found, runs are watched and kept, or scores are claimed and shown.
SHARED = (
    *(
        f"labelfree/{part}"
        for part in ("backbones", "views", "planning/auto_values.py", "pipeline/pretraining_plans.py", "pipeline/starts.py")
    ),
    *(f"labelfree/pretraining/{name}.py" for name in ("module", "job", "fit")),
    *(f"labelfree/training/{name}.py" for name in ("lars", "optimisers", "randomness", "schedules")),
    *(f"labelfree/transfer/{name}.py" for name in ("probes", "preparation", "selection", "encoders", "features", "time_limit")),
    *(f"labelfree/objectives/{name}.py" for name in ("base", "blockwise", "distributed", "heads", "info_nce", "momentum")),
    *("domains", "data_cards/eurosat-rgb.md", "recipes/satellite_simclr.yaml", "benchmarks/objectives.py"),
)
FAMILY = {
    "dino": ["prototypes", "distillation"],
    "dinov2": ["prototypes", "distillation", "ibot", "koleo"],
}  # files besides an objective's own
NETWORKS = {
    "cnn": ["backbone.name=tf_efficientnet_lite0", "backbone.init=imagenet"],
    "vit": [
        "backbone.name=vit_tiny_patch16_224",
        "backbone.init=random",
        "backbone.options={embed_dim: 128, depth: 6, num_heads: 4, patch_size: 8, img_size: 64}",
    ],
}
PRETRAINED = {"cnn": "imagenet+domain", "vit": "domain"}
OBJECTIVES = {"cnn": ["simclr", "moco", "byol", "simsiam", "dino"], "vit": ["simclr", "moco_v3", "dino", "dinov2"]}
STARTS = {"cnn": ["imagenet", "random"], "vit": ["random"]}  # arms without a pretraining, one cell each
SCORING = ["evaluate.labels_per_class=[5]", "evaluate.draws=10", "evaluate.sizes=[64, 128]"]
SCORING_MINUTES = 0.7  # on two cores; a guess until the table is there
FALLBACK = "statistics"
PEAK = "peak_gb.txt"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--root", type=Path, default=Path())
    asked.add_argument("--minutes", type=float, default=5)
    asked.add_argument("--seeds", type=int, nargs="+", default=[0])
    asked.add_argument("--tables", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    asked.add_argument("--on", choices=["test", "dev"], default="test")
    asked.add_argument("--out", type=Path, default=Path("runs/objectives"))
    asked.add_argument("--show", action="store_true", help="measure nothing: print the newest cells that the table holds, of any commit")
    given = asked.parse_args()
    if given.show:
        for table in given.tables:
            show(table, newest(table))
        return
    length = {"on": given.on, "minutes": f"{given.minutes:g}"}
    cells = [{"table": t, "method": m, "seed": "", **length, **place_of(m)} for t in given.tables for m in STARTS[t]]
    cells += [
        {"table": t, "method": m, "seed": str(s), **length, **place_of(m)} for s in given.seeds for t in given.tables for m in OBJECTIVES[t]
    ]
    missing = [cell for cell in cells if not found(TABLE, cell)]
    minutes = sum(SCORING_MINUTES + (given.minutes if cell["seed"] else 0) for cell in missing)
    print(f"Expected: {len(missing)} of {len(cells)} cells to measure, about {minutes:.0f} minutes.", flush=True)
    for cell in missing:
        if cell["seed"] and not timed_before(cell, given.out):
            begin(cell, given.root, given.out)
    print("Timed.", flush=True)
    for cell in missing:
        append(TABLE, cell | measured(cell, given.root, given.out))
        if given.on == "test":
            typed = f"python benchmarks/objectives.py --root $LABELFREE_DATA/{given.root.name} --seeds {cell['seed'] or given.seeds[0]}"
            look = {"commit": cell["commit"], "data": "eurosat-rgb", "recipe": f"{cell['table']} {cell['method']}", "command": typed}
            append(LOG, {"date": f"{datetime.now():%Y-%m-%d %H:%M}", **look})
    for table in given.tables:
        current = [{"table": t, "method": method, **length, **place_of(method)} for t, method in lines(table)]
        show(table, [row for cell in current for row in rows(TABLE) if cell.items() <= row.items()])


def lines(table: str) -> list[tuple[str, str]]:
    """What a table shows: ImageNet's network in both, then its own."""
    return list(dict.fromkeys([("cnn", "imagenet"), *((table, method) for method in (*STARTS[table], *OBJECTIVES[table]))]))


def newest(table: str) -> list[dict[str, str]]:
    """The cells of the commit that was measured last, method by method."""
    found = []
    for t, method in lines(table):
        cells = [row for row in rows(TABLE) if (row["table"], row["method"]) == (t, method)]
        found += [row for row in cells if row["commit"] == cells[-1]["commit"]]
    return found


def place_of(method: str, *also: str) -> dict[str, str]:
    """Where a method's cells are measured: the last commit that changed what they depend on (and `also`), machine and versions."""
    own = [f"labelfree/objectives/{name}.py" for name in (method, *FAMILY.get(method, []))]
    return place("torch", "timm", depends=(*SHARED, *own, *also))


def folder_of(cell: dict[str, str], under: Path) -> Path:
    place = hashlib.blake2b(repr(sorted((cell | {"seed": ""}).items())).encode(), digest_size=4).hexdigest()
    return under / "-".join(part for part in (cell["table"], cell["method"], cell["seed"], place) if part)


def command(cell: dict[str, str], root: Path, runs: Path) -> list[str]:
    """The cell as a command line: a new run, or an unfinished one that goes on."""
    arm = arm_of(cell)
    asked = ["data.card=eurosat-rgb", f"data.root={root}", f"evaluate.on={cell['on']}", *NETWORKS[cell["table"]], *SCORING]
    asked += [f"evaluate.arms=[{FALLBACK}, {arm}]", f"evaluate.primary={{arm: {arm}, against: {FALLBACK}, budget: 5}}"]
    if cell["seed"]:
        steps = timed_before(cell, runs)
        asked += [f"pretrain.steps={steps}", "pretrain.minutes=null"] if steps else [f"pretrain.minutes={cell['minutes']}"]
        asked += [f"pretrain.objective={cell['method']}", f"pretrain.seeds=[{cell['seed']}]"]
    return command_of("satellite_simclr", asked, folder_of(cell, runs))


def arm_of(cell: dict[str, str]) -> str:
    return PRETRAINED[cell["table"]] if cell["seed"] else cell["method"]


def begin(cell: dict[str, str], root: Path, runs: Path) -> None:
    """Start the run and stop it once its steps are timed and planned; what it took of memory until then is training's."""
    out = folder_of(cell, runs)
    peak = start_and_stop(command(cell, root, runs), out)
    (out / PEAK).write_text(f"{peak:.2f}", encoding="utf-8")


def measured(cell: dict[str, str], root: Path, runs: Path) -> dict[str, str]:
    """Carry the cell out: scores in %, what it cost, how it ended."""
    out, arm = folder_of(cell, runs), arm_of(cell)
    code, _ = ended(subprocess.Popen(command(cell, root, runs)))
    collapse = collapsed(out) if code == TrainingError.exit_code else ""
    if code and not collapse:
        sys.exit(f"benchmarks/objectives.py: {out} ended with exit code {code}; the same command goes on where it stopped.")
    result = blank() | ({"end": collapse or "healthy"} | pretraining(out) if cell["seed"] else {})
    return result if collapse else result | scores(out, arm)


def timed_before(cell: dict[str, str], runs: Path) -> str:
    """The number of steps of another seed of the cell, finished or only begun, or nothing."""
    alike = {key: value for key, value in cell.items() if key != "seed"}
    finished = [row["steps"] for row in rows(TABLE) if alike.items() <= row.items() and row["steps"]]
    others = (folder_of({**cell, "seed": str(seed)}, runs) for seed in range(10))
    begun = [str(plan_in(out)["steps"]) for out in others if (out / "plan.json").is_file()]
    return next(iter(finished + begun), "")


def blank() -> dict[str, str]:
    measures = ("knn", "linear", "statistics_knn", "statistics_linear", "steps", "seconds_per_step", "peak_gb", "rankme", "std", "end")
    return dict.fromkeys(measures, "")


def scores(out: Path, arm: str) -> dict[str, str]:
    """Mean accuracy over the draws, in %, of the arm and of plain statistics."""
    table = {(name, protocol): 100 * mean for (name, protocol, budget), mean in means(out).items() if budget == "5"}
    own = {protocol: table[arm, protocol] for protocol in ("knn", "linear")}
    others = {f"statistics_{protocol}": table[FALLBACK, protocol] for protocol in ("knn", "linear")}
    return {key: f"{value:.2f}" for key, value in (own | others).items()}


def pretraining(out: Path) -> dict[str, str]:
    """Length, speed and memory of the pretraining, and what its last health check measured."""
    plan, peak, last = plan_in(out), out / PEAK, last_check(out)
    length = {"steps": str(plan["steps"]), "seconds_per_step": f"{plan['seconds_per_step']:.3g}" if peak.is_file() else ""}
    memory = {"peak_gb": peak.read_text(encoding="utf-8") if peak.is_file() else ""}  # of a seed that was timed
    return length | memory | {name: f"{last[name]:.3g}" for name in ("rankme", "std")}


def show(table: str, measured_rows: list[dict[str, str]]) -> None:
    """The table as the docs quote it: mean and standard deviation over seeds."""
    methods: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in measured_rows:
        methods[row["method"]].append(row)
    print(f"\n{table}\n\n| | kNN | linear | seeds | steps | s a step | peak GB | RankMe | ended |\n|---|---|---|---|---|---|---|---|---|")
    if measured_rows:
        first = measured_rows[0]
        print(f"| statistics | {first['statistics_knn']} | {first['statistics_linear']} | | | | | | |")
    for method, cells in methods.items():
        columns = [spread([row[key] for row in cells]) for key in ("knn", "linear")]
        cost = [spread([row[key] for row in cells]) for key in ("steps", "seconds_per_step", "peak_gb", "rankme")]
        ends = "; ".join(dict.fromkeys(row["end"] for row in cells))
        named = f"{method} (a CNN)" if cells[0]["table"] != table else method
        print(f"| {named} | {' | '.join(columns)} | {sum(bool(row['seed']) for row in cells) or ''} | {' | '.join(cost)} | {ends} |")


def spread(values: list[str]) -> str:
    numbers = [float(value) for value in values if value]
    if not numbers:
        return ""
    return f"{mean(numbers):.3g}" + (f" ± {stdev(numbers):.2g}" if len(numbers) > 1 else "")


if __name__ == "__main__":
    main()
