"""Few labels on a data card: each shipped satellite recipe against ImageNet, scored once on `test`.

    python benchmarks/few_labels.py --card eurosat-rgb --root $LABELFREE_DATA/eurosat_rgb --minutes 10

One cell a recipe. A cell that benchmarks/results/few_labels.csv holds for the same machine, commit and versions is not run again.
Every score of `test` is appended to benchmarks/results/test_log.csv by this script itself.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from cells import RESULTS, append, found, place, rows

import labelfree

TABLE, LOG = RESULTS / "few_labels.csv", RESULTS / "test_log.csv"
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
    for recipe in given.recipes:
        cell = {
            "recipe": recipe,
            "card": given.card,
            "split": "test",
            "minutes": f"{given.minutes:g}",
            **place("torch", "timm"),
        }
        if found(TABLE, cell):
            print(f"{recipe}: already measured for this machine, commit and versions.")
            continue
        settings = [f"data.card={given.card}", f"data.root={given.root}", f"pretrain.minutes={given.minutes:g}", "evaluate.on=test"]
        out = folder_of(cell, given.out)
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
    print_family([row for row in rows(TABLE) if row["card"] == given.card], given.out)


def print_family(table: list[dict[str, str]], runs: Path) -> None:
    """All primaries measured on one card, merged into one report and tested together (docs/protocol.md, 13)."""
    folders = [folder_of(row, runs) for row in table]
    if gone := [str(folder) for folder in folders if not folder.is_dir()]:
        print(f"The family is not tested: {', '.join(gone)} of {TABLE.name} is not on this machine.")
        return
    compared = labelfree.compare(folders, runs / f"compared-{table[0]['card']}")
    print("\n".join((*compared.lines(), f"report: {compared.report}")))


def folder_of(cell: dict[str, str], runs: Path) -> Path:
    """Where the run of a cell is."""
    return runs / f"{cell['recipe']}-{cell['commit'][:8]}"


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


if __name__ == "__main__":
    main()
