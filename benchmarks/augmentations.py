"""A domain's augmentations against generic ones at equal time: what does knowing the field buy?

    python benchmarks/augmentations.py --root $LABELFREE_DATA/eurosat_ms
    python benchmarks/augmentations.py --set pneumoniamnist --root $LABELFREE_DATA/pneumoniamnist

A cell is one run of a recipe on a card: `pretrain.views` domain or generic (SimCLR's for photographs), one seed, `--minutes` of
pretraining, all else the same; kNN and linear at 5 labels a class on `test`, each look logged. The first seed of each kind of views times
its own steps, the others take as many. Cells that the set's table in benchmarks/results holds for the same machine, commit and
versions are not run again.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cells import RESULTS, append, found, rows
from objectives import LOG, place_of, spread
from runs import collapsed, means, plan_in

from labelfree.errors import TrainingError

ARM = "imagenet+domain"
PROTOCOLS = ("knn", "linear")
SCORING_MINUTES = 1.0  # of a cell besides its pretraining; a guess until the table is there


@dataclass(frozen=True)
class Set:
    """What is run: a recipe on a card with `settings`, and the arms that start otherwise; the claim is against the last of `starts`."""

    card: str
    recipe: str
    objective: str
    starts: tuple[str, ...]
    settings: tuple[str, ...]
    table: Path


SETS = {
    "eurosat_ms": Set(
        "eurosat-ms",
        "satellite_simclr",
        "simclr",
        ("statistics", "imagenet", "imagenet-inflated"),
        ("evaluate.sizes=[64, 128]",),
        RESULTS / "augmentations.csv",
    ),
    "pneumoniamnist": Set(
        "pneumoniamnist",
        "medical_xray_simsiam",
        "simsiam",
        ("statistics", "random", "imagenet"),
        ("evaluate.primary.metric=balanced_accuracy",),
        RESULTS / "augmentations_pneumoniamnist.csv",
    ),
}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--root", type=Path, required=True)
    asked.add_argument("--set", choices=SETS, default="eurosat_ms")
    asked.add_argument("--minutes", type=float, default=5)
    asked.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    asked.add_argument("--on", choices=["test", "dev"], default="test")
    asked.add_argument("--out", type=Path, default=Path("runs/augmentations"))
    given = asked.parse_args()
    of = SETS[given.set]
    depends = ("benchmarks/augmentations.py", f"data_cards/{of.card}.md", f"recipes/{of.recipe}.yaml")
    shared = {"minutes": f"{given.minutes:g}", "on": given.on, **place_of(of.objective, *depends)}
    cells = [{"views": views, "seed": str(seed), **shared} for seed in given.seeds for views in ("domain", "generic")]
    missing = [cell for cell in cells if not found(of.table, cell)]
    print(
        f"Expected: {len(missing)} of {len(cells)} cells to measure, about {len(missing) * (given.minutes + SCORING_MINUTES):.0f} minutes.",
        flush=True,
    )
    for cell in missing:
        out = given.out / "-".join((given.set, cell["views"], cell["seed"], cell["on"], cell["commit"][:8]))
        append(of.table, cell | measured(of, cell, given.root, out))
        if given.on == "test":
            typed = f"python benchmarks/augmentations.py --set {given.set} --root $LABELFREE_DATA/{given.root.name} --seeds {cell['seed']}"
            look = {"commit": cell["commit"], "data": of.card, "recipe": f"{of.recipe}, {cell['views']} views", "command": typed}
            append(LOG, {"date": f"{datetime.now():%Y-%m-%d %H:%M}", **look})
    show(of, [row for cell in cells if (row := found(of.table, cell))])


def measured(of: Set, cell: dict[str, str], root: Path, out: Path) -> dict[str, str]:
    """One run: scores in % of the pretrained arm and of the starts, steps, how it ended."""
    asked = [f"data.card={of.card}", f"data.root={root}", f"evaluate.on={cell['on']}", f"pretrain.views={cell['views']}"]
    asked += [f"pretrain.seeds=[{cell['seed']}]", f"evaluate.arms=[{', '.join((*of.starts, ARM))}]", "evaluate.labels_per_class=[5]"]
    asked += ["evaluate.draws=10", f"evaluate.primary={{arm: {ARM}, against: {of.starts[-1]}, budget: 5}}", *of.settings]
    steps = next((row["steps"] for row in rows(of.table) if {**cell, "seed": row["seed"]}.items() <= row.items()), "")
    asked += [f"pretrain.steps={steps}", "pretrain.minutes=null"] if steps else [f"pretrain.minutes={cell['minutes']}"]
    shutil.rmtree(out, ignore_errors=True)
    code = subprocess.run([sys.executable, "-m", "labelfree", "run", of.recipe, *asked, "--out", str(out)], check=False).returncode
    collapse = collapsed(out) if code == TrainingError.exit_code else ""
    if code and not collapse:
        sys.exit(f"benchmarks/augmentations.py: {out} ended with exit code {code}.")
    result = {"steps": str(plan_in(out)["steps"]), "end": collapse or "healthy"}
    scores = {} if collapse else means(out)
    named = {f"{arm} {protocol}": scores.get((arm, protocol, "5")) for arm in (ARM, *of.starts) for protocol in PROTOCOLS}
    return result | {key: "" if value is None else f"{100 * value:.2f}" for key, value in named.items()}


def show(of: Set, table: list[dict[str, str]]) -> None:
    """Mean and standard deviation over the seeds, the starts first."""
    print("\n| | kNN | linear | steps | ended |\n|---|---|---|---|---|")
    for arm in of.starts:
        print(f"| {arm} | {' | '.join(spread([row[f'{arm} {protocol}'] for row in table[:1]]) for protocol in PROTOCOLS)} | | |")
    for views in ("domain", "generic"):
        own = [row for row in table if row["views"] == views]
        scores = " | ".join(spread([row[f"{ARM} {protocol}"] for row in own]) for protocol in PROTOCOLS)
        ends = "; ".join(dict.fromkeys(row["end"] for row in own))
        print(f"| {ARM}, {views} views, {len(own)} seeds | {scores} | {spread([row['steps'] for row in own])} | {ends} |")


if __name__ == "__main__":
    main()
