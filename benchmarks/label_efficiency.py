"""How many labels a backbone of one's own saves, by the recipe that `labelfree plan` writes or one that ships; `dev`, and once `test`.

    python benchmarks/label_efficiency.py --root $LABELFREE_DATA/water_multiband --card water-multiband --on dev
    python benchmarks/label_efficiency.py --root $LABELFREE_DATA/water_multiband --card water-multiband --on test
    python benchmarks/label_efficiency.py --root $LABELFREE_DATA/rsod --card rsod --on test evaluate.task=detection
    python benchmarks/label_efficiency.py --root $LABELFREE_DATA/magnetic_tile --card magnetic-tile 'data.classes={">127": defect}'
    python benchmarks/label_efficiency.py --root $LABELFREE_DATA/hippocampus_msd --card hippocampus-msd --recipe medical_volume_segment
    python benchmarks/label_efficiency.py --show

What follows the options is changed in the recipe, key by key. One run; it goes on where it stopped. Its cells (arm, protocol, budget,
metric) end up in benchmarks/results/label_efficiency.csv, and those that are there for the same machine, commit and versions are not
measured again. A look at `test` is appended to benchmarks/results/test_log.csv by this script. `--show` prints the newest tables for
benchmarks/label_efficiency.md.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import datetime
from math import isnan
from pathlib import Path
from zlib import crc32

from cells import RESULTS, append, found, place, rows

import labelfree
from labelfree.data.cards import find_card
from labelfree.progress import Console
from labelfree.recipe import Primary, Recipe
from labelfree.recipe_file import change, load_recipe
from labelfree.transfer.claims.claims import TableRow, assemble
from labelfree.transfer.claims.scores import read_scores

TABLE, LOG = RESULTS / "label_efficiency.csv", RESULTS / "test_log.csv"
READING_MINUTES = 2  # decoding, features and report on two cores
PLANNED_WITH = ("data.", "reader.", "evaluate.task=")  # keys that a plan has to know beforehand


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--root", type=Path)
    asked.add_argument("--card", default="water-multiband", help="says how the files are read")
    asked.add_argument("--recipe", help="one that ships, in place of what is planned")
    asked.add_argument("--on", choices=["dev", "test"], default="dev")
    asked.add_argument("--out", type=Path, default=Path("runs/label_efficiency"))
    asked.add_argument("--show", action="store_true", help="print the tables, and no more")
    asked.add_argument("--weights", type=Path, help="a run of this script: what it pretrained is compared again, nothing is pretrained")
    asked.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="changed in the recipe that is planned")
    given = asked.parse_args()
    if not given.show:
        if given.root is None:
            asked.error("--root: name the folder of the data set")
        measure(given.root, given.card, given.on, given.settings, given.recipe, given.weights, given.out)
    show()


def measure(root: Path, card: str, on: str, settings: list[str], named: str | None, weights: Path | None, runs: Path) -> None:
    """Carry the recipe out, or its comparison alone, and keep its cells."""
    taken_over = [*([f"--recipe {named}"] if named else []), *([f"--weights {weights}"] if weights else [])]
    cell = {"card": card, "on": on, "settings": " ".join([*taken_over, *settings]), **place("torch", "timm")}
    if found(TABLE, cell):
        print(f"{card}, {on}: already measured for this machine, commit and versions.")
        return
    recipe = shipped(named, root, card, settings) if named else planned(root, card, settings)
    minutes = (0 if weights else recipe.pretrain.minutes or 0) + (recipe.evaluate.minutes or 0) + READING_MINUTES
    print(f"Expected: {minutes:.0f} minutes in all; {len(recipe.evaluate.arms)} arms.", flush=True)
    out = runs / f"{card}-{on}-{crc32(cell['settings'].encode()):08x}-{cell['commit'][:8]}"
    watch = time.monotonic()
    if (out / "state.json").is_file():
        run = labelfree.resume(out)
    elif weights:
        run = labelfree.evaluate(recipe, {"evaluate.on": on}, out, weights=weights)
    else:
        run = labelfree.run(recipe, {"evaluate.on": on}, out)
    took = f"{(time.monotonic() - watch) / 60:.1f}"
    if on == "test":
        asked = " ".join(["--root", f"$LABELFREE_DATA/{root.name}", "--card", card, "--on", on, *taken_over, *settings])
        command = f"python benchmarks/label_efficiency.py {asked}"
        look = {"date": f"{datetime.now():%Y-%m-%d %H:%M}", "commit": cell["commit"], "data": card, "recipe": named or "labelfree plan"}
        append(LOG, look | {"command": command})
    saved = (run.claims.get("labels_saved") or {}).get("text", "")
    for point in points(run.folder, recipe.evaluate.primary):
        append(TABLE, {**cell, "minutes": took, **point, "headline": run.headline, "labels_saved": saved})


def planned(root: Path, card: str, settings: list[str]) -> Recipe:
    """What `labelfree plan` writes for the folder, with `settings`."""
    reader = [f"reader.{key}={json.dumps(value)}" for key, value in find_card(card).reader.items()]
    known = [setting for setting in settings if setting.startswith(PLANNED_WITH)]
    proposal = labelfree.plan(root, find_card(card).domain, overrides=[*reader, *known], say=Console())
    return change(proposal.recipe, [setting for setting in settings if setting not in known])


def shipped(name: str, root: Path, card: str, settings: list[str]) -> Recipe:
    """A recipe that comes with labelfree, on the data set of a card, with `settings`."""
    return load_recipe(name, [f"data.card={card}", f"data.root={root}", *settings])


def points(run: Path, primary: Primary) -> list[dict[str, str]]:
    """Every point of every metric that the run has, with its 95 % interval."""
    metrics = dict.fromkeys(row["metric"] for row in rows(run / "results.csv"))
    found_points = []
    for metric in metrics:
        scores = read_scores(run, metric)
        words = scores.words.metric(metric)
        for row in assemble(scores, primary.model_copy(update={"metric": metric})).table:
            if isnan(row.mean):
                continue  # not defined on these images
            numbers = {"mean": row.mean, "low": row.low, "high": row.high}
            told = {name: "" if value is None else f"{value:.6g}" for name, value in numbers.items()}
            point = {"arm": row.arm, "protocol": row.protocol, "budget": row.budget, "metric": metric, **told}
            found_points.append({**point, "draws": str(row.draws), "undertrained": str(row.undertrained), "text": spoken(row, words.scale)})
    return found_points


def spoken(row: TableRow, scale: float) -> str:
    """A mean with its interval, as tables print it."""
    interval = "" if row.low is None or row.high is None else f" ({scale * row.low:.1f} to {scale * row.high:.1f})"
    return f"{scale * row.mean:.1f}{interval}{' undertrained' if row.undertrained else ''}"


def show() -> None:
    """For every set and split a table a metric: an arm and protocol a row, a budget a column, means with 95 % intervals."""
    newest: dict[tuple[str, str, str], str] = {}
    for row in rows(TABLE):
        newest[row["card"], row["on"], row["settings"]] = row["commit"]
    for (card, on, settings), commit in newest.items():
        cells = [row for row in rows(TABLE) if (row["card"], row["on"], row["settings"], row["commit"]) == (card, on, settings, commit)]
        print(f"\n### {card} {settings}, {on}: {cells[0]['minutes']} minutes, commit {commit[:7]}\n\n{cells[0]['headline']}")
        for metric in dict.fromkeys(row["metric"] for row in cells):
            of_metric = [row for row in cells if row["metric"] == metric]
            budgets = list(dict.fromkeys(row["budget"] for row in of_metric))
            print(f"\n| {metric.replace('_', ' ')} | {' | '.join(budgets)} |\n|---|{'---|' * len(budgets)}")
            for arm, protocol in dict.fromkeys((row["arm"], row["protocol"]) for row in of_metric):
                at = {row["budget"]: row["text"] for row in of_metric if (row["arm"], row["protocol"]) == (arm, protocol)}
                print(f"| {arm}, {protocol} | {' | '.join(at.get(budget, '') for budget in budgets)} |")


if __name__ == "__main__":
    main()
