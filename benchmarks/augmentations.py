"""The satellite domain's augmentations against SimCLR's for photographs, at equal time on 13 bands: what does knowing the field buy?

    python benchmarks/augmentations.py --root $LABELFREE_DATA/eurosat_ms

A cell is one run of the recipe `satellite_simclr` on the card eurosat-ms: `pretrain.views` domain or generic, one seed, `--minutes` of
pretraining, all else the same; kNN and linear at 5 labels a class on `test`, each look logged. The first seed of each kind of views times
its own steps, the others take as many. Cells that benchmarks/results/augmentations.csv holds for the same machine, commit and
versions are not run again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from cells import RESULTS, append, found, rows
from objectives import LOG, place_of, spread
from runs import collapsed, plan_in

from labelfree.errors import TrainingError

TABLE = RESULTS / "augmentations.csv"
ARM, STARTS = "imagenet+domain", ("statistics", "imagenet", "imagenet-inflated")
PROTOCOLS = ("knn", "linear")
SCORING_MINUTES = 1.0  # of a cell besides its pretraining; a guess until the table is there


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--root", type=Path, required=True)
    asked.add_argument("--minutes", type=float, default=5)
    asked.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    asked.add_argument("--on", choices=["test", "dev"], default="test")
    asked.add_argument("--out", type=Path, default=Path("runs/augmentations"))
    given = asked.parse_args()
    shared = {
        "minutes": f"{given.minutes:g}",
        "on": given.on,
        **place_of("simclr", "benchmarks/augmentations.py", "data_cards/eurosat-ms.md"),
    }
    cells = [{"views": views, "seed": str(seed), **shared} for seed in given.seeds for views in ("domain", "generic")]
    missing = [cell for cell in cells if not found(TABLE, cell)]
    print(
        f"Expected: {len(missing)} of {len(cells)} cells to measure, about {len(missing) * (given.minutes + SCORING_MINUTES):.0f} minutes.",
        flush=True,
    )
    for cell in missing:
        out = given.out / "-".join((cell["views"], cell["seed"], cell["on"], cell["commit"][:8]))
        append(TABLE, cell | measured(cell, given.root, out))
        if given.on == "test":
            typed = f"python benchmarks/augmentations.py --root $LABELFREE_DATA/{given.root.name} --seeds {cell['seed']}"
            look = {"commit": cell["commit"], "data": "eurosat-ms", "recipe": f"satellite_simclr, {cell['views']} views", "command": typed}
            append(LOG, {"date": f"{datetime.now():%Y-%m-%d %H:%M}", **look})
    show([row for cell in cells if (row := found(TABLE, cell))])


def measured(cell: dict[str, str], root: Path, out: Path) -> dict[str, str]:
    """One run: scores in % of the pretrained arm and of the starts, steps, how it ended."""
    asked = ["data.card=eurosat-ms", f"data.root={root}", f"evaluate.on={cell['on']}", f"pretrain.views={cell['views']}"]
    asked += [f"pretrain.seeds=[{cell['seed']}]", f"evaluate.arms=[{', '.join((*STARTS, ARM))}]", "evaluate.labels_per_class=[5]"]
    asked += ["evaluate.draws=10", "evaluate.sizes=[64, 128]", f"evaluate.primary={{arm: {ARM}, against: imagenet-inflated, budget: 5}}"]
    steps = next((row["steps"] for row in rows(TABLE) if {**cell, "seed": row["seed"]}.items() <= row.items()), "")
    asked += [f"pretrain.steps={steps}", "pretrain.minutes=null"] if steps else [f"pretrain.minutes={cell['minutes']}"]
    shutil.rmtree(out, ignore_errors=True)
    code = subprocess.run([sys.executable, "-m", "labelfree", "run", "satellite_simclr", *asked, "--out", str(out)], check=False).returncode
    collapse = collapsed(out) if code == TrainingError.exit_code else ""
    if code and not collapse:
        sys.exit(f"benchmarks/augmentations.py: {out} ended with exit code {code}.")
    result = {"steps": str(plan_in(out / "plan.json")["steps"]), "end": collapse or "healthy"}
    means = (
        {}
        if collapse
        else {(row["arm"], row["protocol"]): 100 * row["mean"] for row in json.loads((out / "claims.json").read_text())["table"]}
    )
    named = {f"{arm} {protocol}": means.get((arm, protocol)) for arm in (ARM, *STARTS) for protocol in PROTOCOLS}
    return result | {key: "" if value is None else f"{value:.2f}" for key, value in named.items()}


def show(table: list[dict[str, str]]) -> None:
    """Mean and standard deviation over the seeds, the starts first."""
    print("\n| | kNN | linear | steps | ended |\n|---|---|---|---|---|")
    for arm in STARTS:
        print(f"| {arm} | {' | '.join(spread([row[f'{arm} {protocol}'] for row in table[:1]]) for protocol in PROTOCOLS)} | | |")
    for views in ("domain", "generic"):
        own = [row for row in table if row["views"] == views]
        scores = " | ".join(spread([row[f"{ARM} {protocol}"] for row in own]) for protocol in PROTOCOLS)
        ends = "; ".join(dict.fromkeys(row["end"] for row in own))
        print(f"| {ARM}, {views} views, {len(own)} seeds | {scores} | {spread([row['steps'] for row in own])} | {ends} |")


if __name__ == "__main__":
    main()
