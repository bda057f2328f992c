"""The tables of `workflow.py` from its CSVs, as pages show them: what each way scores, and what each step saves.

python benchmarks/workflow_tables.py --on test
"""

from __future__ import annotations

import argparse
from itertools import groupby, product

from cells import rows
from workflow import BUDGETS, CLAIMED, SAVED, STEPS, TABLE

WAYS = {
    ("ImageNet", "random", "linear"): "ImageNet, random labels, linear probe",
    ("ImageNet", "random", "propagate"): "… labels propagated",
    ("ImageNet", "chosen", "linear"): "… labels chosen",
    ("ImageNet", "chosen", "propagate"): "… chosen and propagated",
    ("own", "random", "linear"): "own backbone, random labels, linear probe",
    ("own", "random", "propagate"): "… labels propagated",
    ("own", "chosen", "linear"): "… labels chosen",
    ("own", "chosen", "propagate"): "**own backbone, chosen, propagated**",
}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--on", choices=["dev", "test"], default="test")
    asked.add_argument("--minutes", default="12")
    given = asked.parse_args()
    scores = [row for row in rows(TABLE) if (row["on"], row["minutes"]) == (given.on, given.minutes)]
    saved = [row for row in rows(SAVED) if (row["on"], row["minutes"]) == (given.on, given.minutes)]
    for name, cells in groupby(sorted(scores, key=lambda row: row["set"]), key=lambda row: row["set"]):
        show_scores(name, list(cells))
    show_saved(saved)


def show_scores(name: str, cells: list[dict[str, str]]) -> None:
    """One row a way, one column a budget: of equal cells the newest counts, which stands last."""
    mean = {(row["arm"], row["way"], row["protocol"], row["labels_per_class"]): 100 * float(row["mean"]) for row in cells}
    classes = int(cells[0]["labels"]) // int(cells[0]["labels_per_class"])
    print(f"\n{name}, {cells[0]['metric'].replace('_', ' ')} in %\n")
    print(f"| labels in all | {' | '.join(str(budget * classes) for budget in BUDGETS)} |\n|---|{'---|' * len(BUDGETS)}")
    for way, words in WAYS.items():
        print(f"| {words} | {' | '.join(f'{mean[*way, str(budget)]:.1f}' for budget in BUDGETS)} |")


def show_saved(saved: list[dict[str, str]]) -> None:
    """One row a step, two columns a set: labels saved at 1 and at 5 a class."""
    sets = list(dict.fromkeys(row["set"] for row in saved))
    words = {(row["set"], row["step"], row["labels_per_class"]): row["words"] for row in saved}
    columns = list(product(sets, map(str, CLAIMED)))
    print(f"\n| labels saved by | {' | '.join(f'{name} at {at}' for name, at in columns)} |\n|---|{'---|' * len(columns)}")
    for step in STEPS:
        print(f"| {step} | {' | '.join(words[name, step, at] for name, at in columns)} |")


if __name__ == "__main__":
    main()
