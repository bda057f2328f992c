"""When `auto` should turn from typical images to those the head hesitates about; and what choosing is worth at all, on ImageNet features.

    python benchmarks/turning.py --root $LABELFREE_DATA/neu_det $LABELFREE_DATA/eurosat_rgb

Labels are those of `train` rows, of which each of five seeds offers four fifths; scores are the accuracy of a logistic regression on `dev`
rows. Features: EfficientNet-Lite0 at 128 pixels, unit length. A cell is one data set and one way to choose, asked again at each total of
1, 2, 3, 5, 8, 10, 15 and 20 labels a class, counted in all: what is rare may have none. `turn at T` is typical below T labels a class and
margin from there on. Cells that benchmarks/results/turning.csv holds for the same machine, commit and versions are not measured again.
"""

from __future__ import annotations

import argparse
import csv
from functools import cache
from pathlib import Path

import numpy as np
import timm
import torch
from cells import RESULTS, append, found, place
from PIL import Image
from sklearn.linear_model import LogisticRegression

from labelfree.backbones.imagenet import imagenet_state
from labelfree.choosing import Candidates, find_strategy

TABLE = RESULTS / "turning.csv"
DEPENDS = ("labelfree/choosing", "benchmarks/turning.py")
NETWORK, SIDE = "tf_efficientnet_lite0", 128
TOTALS = (1, 2, 3, 5, 8, 10, 15, 20)
WAYS = {"random": ("random", 99), "cover": ("cover", 99), "typical": ("typical", 99)} | {
    f"turn at {t}": ("typical", t) for t in (1, 2, 3, 5, 8)
}
SEEDS, OFFERED = 5, 0.8
SECONDS = 15  # a cell

Rows = tuple[np.ndarray, np.ndarray]  # features (n, D) of unit length, classes (n,)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--root", type=Path, nargs="+", required=True)
    given = asked.parse_args()
    here = place("scikit-learn", "numpy", "timm", depends=DEPENDS)
    roots = {root.name: root for root in given.root}
    cells = [{"data": name, "way": way, **here} for name in roots for way in WAYS]
    missing = [cell for cell in cells if not found(TABLE, cell)]
    print(f"Expected: {len(missing)} of {len(cells)} cells to measure, about {len(missing) * SECONDS / 60:.0f} minutes.", flush=True)
    for cell in missing:
        train, dev = (rows(roots[cell["data"]], split) for split in ("train", "dev"))
        scores = 100 * np.array([path(train, dev, *WAYS[cell["way"]], seed) for seed in range(SEEDS)])
        values = zip(TOTALS, scores.mean(0), scores.std(0, ddof=1), strict=True)
        append(TABLE, cell | {f"at_{total}": f"{mean:.1f} ± {spread:.1f}" for total, mean, spread in values})
        print(f"{cell['data']}, {cell['way']}: done", flush=True)
    print(f"\n| data | way | {' | '.join(map(str, TOTALS))} |\n|{'---|' * (2 + len(TOTALS))}")
    for cell in cells:
        if row := found(TABLE, cell):
            print(f"| {row['data']} | {row['way']} | {' | '.join(row[f'at_{total}'] for total in TOTALS)} |")


@cache
def rows(root: Path, split: str) -> Rows:
    """What is known of the rows of a split."""
    with (root / "splits.csv").open(newline="", encoding="utf-8") as stream:
        table = [row for row in csv.DictReader(stream) if row["split"] == split]
    network = timm.create_model(NETWORK, num_classes=0).eval()
    network.load_state_dict(imagenet_state(NETWORK))
    images = np.stack([np.asarray(Image.open(root / row["path"]).convert("RGB").resize((SIDE, SIDE))) for row in table])
    with torch.inference_mode():
        batches = (torch.from_numpy(images).permute(0, 3, 1, 2)).split(50)
        features = torch.cat([network(batch.float() / 127.5 - 1) for batch in batches]).numpy()
    return features / np.linalg.norm(features, axis=1, keepdims=True), np.unique([row["label"] for row in table], return_inverse=True)[1]


def path(train: Rows, dev: Rows, first: str, turn: int, seed: int) -> list[float]:
    """Accuracies on `dev` as labels grow. `turn`: labels a class from which margin chooses."""
    offered = np.sort(np.random.default_rng(seed).permutation(len(train[1]))[: int(OFFERED * len(train[1]))])
    features, classes = train[0][offered], train[1][offered]
    count = int(train[1].max()) + 1
    labelled: list[int] = []
    scores = []
    for total in TOTALS:
        known = np.array(labelled, np.int64)
        hesitates = len(labelled) >= turn * count
        outputs = answers(regression(features[known], classes[known]), features, count) if hesitates else None
        candidates = Candidates(features, np.arange(len(features)), np.ones(len(features), bool), known, classes[known], outputs)
        strategy = find_strategy("margin" if hesitates else first)
        labelled += [choice.position for choice in strategy.choose(candidates, total * count - len(labelled), seed)]
        scores.append(float(regression(features[labelled], classes[labelled]).score(*dev)))
    return scores


def regression(features: np.ndarray, classes: np.ndarray) -> LogisticRegression:
    return LogisticRegression(C=10, max_iter=300).fit(features, classes)


def answers(head: LogisticRegression, features: np.ndarray, count: int) -> np.ndarray:
    """(n, count) class scores; 0 for a class the head has not seen."""
    scores = np.zeros((len(features), count))
    scores[:, head.classes_] = head.predict_proba(features)
    return scores


if __name__ == "__main__":
    main()
