"""Every `auto` at 500, 2,000 and 8,000 images: do pretrainings stay healthy, and is what they leave better than what they began with?

    python benchmarks/size_rules.py --root $LABELFREE_DATA/eurosat_rgb

A cell is one run of the recipe `satellite_simclr` on part of the pool, drawn at random: one objective, one number of images, `--minutes` of
pretraining, all else `auto`; nearest neighbours of 20 labels a class on dev rows, beside the start (ImageNet's network; random for
DINOv2's small ViT). Cells that benchmarks/results/size_rules.csv holds for the same machine, commit and versions are not run again.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

from cells import RESULTS, append, found
from objectives import NETWORKS, PRETRAINED, place_of
from runs import collapsed

from labelfree.errors import TrainingError
from labelfree.objectives.registry import objective_names

TABLE = RESULTS / "size_rules.csv"
BEGINNING = {"cnn": "imagenet-inflated", "vit": "random"}
LABELS = 20  # a class
CELL_MINUTES = 0.5  # besides the pretraining; a guess until the table is there


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--root", type=Path, required=True)
    asked.add_argument("--minutes", type=float, default=1)
    asked.add_argument("--images", type=int, nargs="+", default=[500, 2000, 8000])
    asked.add_argument("--objectives", nargs="+", choices=objective_names(), default=objective_names())
    asked.add_argument("--out", type=Path, default=Path("runs/size_rules"))
    given = asked.parse_args()
    minutes_each = {"minutes": f"{given.minutes:g}"}
    place = {name: place_of(name, "benchmarks/size_rules.py") for name in given.objectives}
    cells = [{"objective": m, "images": str(n), **minutes_each, **place[m]} for m in given.objectives for n in given.images]
    missing = [cell for cell in cells if not found(TABLE, cell)]
    minutes = len(missing) * (given.minutes + CELL_MINUTES)
    print(f"Expected: {len(missing)} of {len(cells)} cells to measure, about {minutes:.0f} minutes.", flush=True)
    for cell in missing:
        root = part_of(given.root, int(cell["images"]), given.out / f"drawn-{cell['images']}")
        out = given.out / "-".join((cell["objective"], cell["images"], cell["minutes"], cell["commit"][:8]))
        append(TABLE, cell | measured(cell, root, out))
    show([row for cell in cells if (row := found(TABLE, cell))])


def part_of(root: Path, images: int, part: Path) -> Path:
    """A folder of copies: LABELS training rows a class and further rows of the pool, `images` in all, and every dev row."""
    if (part / "splits.csv").is_file():
        return part
    with (root / "splits.csv").open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    train = sorted((row for row in table if row["split"] == "train"), key=lambda row: row["label"])
    labelled = [row for _, rows_ in groupby(train, key=lambda row: row["label"]) for row in list(rows_)[:LABELS]]
    chosen = {row["path"] for row in labelled}
    unlabelled = [row | {"split": "pretrain"} for row in table if row["split"] in ("pretrain", "train") and row["path"] not in chosen]
    if not len(labelled) < images <= len(labelled) + len(unlabelled):
        sys.exit(f"benchmarks/size_rules.py: --images {images}: take more than {len(labelled)}, up to {len(labelled) + len(unlabelled)}.")
    random.Random(0).shuffle(unlabelled)  # the table is sorted by class
    kept = [*labelled, *unlabelled[: images - len(labelled)], *(row for row in table if row["split"] == "dev")]
    for row in kept:
        copy = part / row["path"]
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / row["path"], copy)
    with (part / "splits.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(table[0]))
        writer.writeheader()
        writer.writerows(kept)
    return part


def measured(cell: dict[str, str], root: Path, out: Path) -> dict[str, str]:
    """One run: what the rules gave, how it ended, neighbours before and after in %."""
    network = "vit" if cell["objective"] == "dinov2" else "cnn"
    before, after = BEGINNING[network], PRETRAINED[network]
    asked = ["data.card=eurosat-rgb", f"data.root={root}", "evaluate.on=dev", *NETWORKS[network], f"pretrain.objective={cell['objective']}"]
    asked += [f"pretrain.minutes={cell['minutes']}", f"evaluate.arms=[{before}, {after}]", "evaluate.protocols=[knn]"]
    asked += ["evaluate.labels_per_class=[all]", "evaluate.draws=1", "evaluate.sizes=[64]", "data.leak_limit=1.0"]
    asked += [f"evaluate.primary={{arm: {after}, against: {before}, protocol: knn, budget: all}}"]
    shutil.rmtree(out, ignore_errors=True)
    code = subprocess.run([sys.executable, "-m", "labelfree", "run", "satellite_simclr", *asked, "--out", str(out)], check=False).returncode
    collapse = collapsed(out) if code == TrainingError.exit_code else ""
    if code and not collapse:
        sys.exit(f"benchmarks/size_rules.py: {out} ended with exit code {code}.")
    plan = json.loads((out / "plan.json").read_text())["plans"][f"{after}-0"]
    rules = {"batch_size": plan["batch_size"], "steps": plan["steps"], "lr": plan["lr"], "options": json.dumps(plan["options"])}
    ended = {"knn_before": "", "knn_after": "", "end": collapse or "healthy"}
    if not collapse:
        means = {row["arm"]: 100 * row["mean"] for row in json.loads((out / "claims.json").read_text())["table"]}
        ended |= {"knn_before": f"{means[before]:.1f}", "knn_after": f"{means[after]:.1f}"}
    return {key: str(value) for key, value in (rules | ended).items()}


def show(table: list[dict[str, str]]) -> None:
    """One row an objective and number of images."""
    print("\n| objective | images | batch | steps | rate | kNN before | kNN after | ended |\n|---|---|---|---|---|---|---|---|")
    for row in table:
        columns = (row["objective"], row["images"], row["batch_size"], row["steps"], f"{float(row['lr']):.2g}", row["knn_before"])
        print(f"| {' | '.join(columns)} | {row['knn_after']} | {row['end']} |")


if __name__ == "__main__":
    main()
