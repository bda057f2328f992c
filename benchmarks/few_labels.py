"""Few labels on a data card: each shipped satellite recipe against ImageNet, scored once on `test`.

    python benchmarks/few_labels.py --card eurosat-rgb --root $LABELFREE_DATA/eurosat_rgb --minutes 10

One cell a recipe. A cell that benchmarks/results/few_labels.csv holds for the same machine, commit and versions is not run again.
Every score of `test` is appended to benchmarks/results/test_log.csv by this script itself.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import labelfree
from labelfree.planning.environment import environment
from labelfree.transfer.holm import holm

RESULTS = Path(__file__).parent / "results"
TABLE, LOG = RESULTS / "few_labels.csv", RESULTS / "test_log.csv"
KEYS = ("recipe", "card", "split", "minutes", "commit", "hardware", "torch", "timm")
VALUES = (
    "arm",
    "against",
    "protocol",
    "budget",
    "metric",
    "difference",
    "low",
    "high",
    "p",
    "arm_mean",
    "against_mean",
    "labels_saved",
    "headline",
)
COMPARISON_MINUTES = 6  # on two cores; measured


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--card", default="eurosat-rgb")
    asked.add_argument("--root", type=Path, required=True)
    asked.add_argument("--minutes", type=float, default=10)
    asked.add_argument("--recipes", nargs="+", default=["satellite_simclr", "satellite_dino"])
    asked.add_argument("--out", type=Path, default=Path("runs/few_labels"))
    given = asked.parse_args()
    print(f"Expected: {len(given.recipes)} cells of about {given.minutes + COMPARISON_MINUTES:.0f} minutes each.", flush=True)
    found = environment()
    for recipe in given.recipes:
        cell = {
            "recipe": recipe,
            "card": given.card,
            "split": "test",
            "minutes": f"{given.minutes:g}",
            "commit": commit(),
            "hardware": words(found["hardware"]),
            "torch": found["packages"]["torch"],
            "timm": found["packages"]["timm"],
        }
        if cell in [{key: row[key] for key in KEYS} for row in rows(TABLE)]:
            print(f"{recipe}: already measured for this machine, commit and versions.")
            continue
        settings = [f"data.card={given.card}", f"data.root={given.root}", f"pretrain.minutes={given.minutes:g}", "evaluate.on=test"]
        out = given.out / f"{recipe}-{cell['commit'][:8]}"
        run = labelfree.resume(out) if (out / "state.json").is_file() else labelfree.run(recipe, settings, out)
        command = (
            f"python benchmarks/few_labels.py --card {given.card} --root $LABELFREE_DATA/{given.root.name} --minutes {given.minutes:g}"
        )
        append(
            LOG,
            {
                "date": f"{datetime.now():%Y-%m-%d %H:%M}",
                "commit": cell["commit"],
                "data": given.card,
                "recipe": recipe,
                "command": command,
            },
        )
        append(TABLE, {**cell, **measured(run.claims)})
        print(run.headline, flush=True)
    print_family([row for row in rows(TABLE) if row["card"] == given.card])


def print_family(table: list[dict[str, str]]) -> None:
    """All primaries measured on one card, tested together (docs/protocol.md, 13)."""
    for row, verdict in zip(table, holm([float(row["p"]) for row in table]), strict=True):
        found = "claimed" if verdict.rejected else "not claimed"
        print(f"{row['recipe']}: p = {verdict.p:.2g}, tested at {verdict.alpha:.3g}: {found}")


def measured(claims: dict) -> dict[str, str]:
    """The primary of one run, as it was named before."""
    primary = claims["primary"]
    means = {
        row["arm"]: row["mean"]
        for row in claims["table"]
        if (row["protocol"], str(row["budget"])) == (primary["protocol"], str(primary["budget"]))
    }
    saved = claims.get("labels_saved") or {}
    values = {
        **{key: primary[key] for key in ("arm", "against", "protocol", "budget", "metric", "low", "high", "p")},
        "difference": primary["mean"],
        "arm_mean": means[primary["arm"]],
        "against_mean": means[primary["against"]],
        "labels_saved": saved.get("text", ""),
        "headline": claims["headline"],
    }
    return {key: f"{value:.6g}" if isinstance(value, float) else str(value) for key, value in values.items()}


def rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def append(path: Path, row: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def commit() -> str:
    """The commit of the checkout; a dirty one is refused, since its result could not be made again."""
    here = Path(__file__).parent
    state = subprocess.run(
        ["git", "status", "--porcelain", "--", ":!benchmarks/results"], cwd=here.parent, capture_output=True, text=True, check=True
    ).stdout
    if state.strip():
        sys.exit("benchmarks/few_labels.py: the checkout has changes; commit them first, so that the figure can be made again.")
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True).stdout.strip()


def words(hardware: object) -> str:
    return hardware if isinstance(hardware, str) else json.dumps(hardware, sort_keys=True)


if __name__ == "__main__":
    main()
