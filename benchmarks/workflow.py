"""The whole way with few labels, each step alone and all together: own backbone, chosen labels, labels spread over the pool.

    OMP_NUM_THREADS=2 python benchmarks/workflow.py --data $LABELFREE_DATA --on dev

Sets: eurosat_rgb, neu_det (its pictures through the satellite reader), pneumoniamnist (as a Dataset). Budgets count labels *in all*, as
many as 1, 2, 5 and 10 a class would be: nobody can stratify what is not labelled. A cell is ten draws of one of eight ways: ImageNet's
network or one pretrained on the set's pool for `--minutes`; images drawn at random or chosen as typical from the same candidates, by the
network that learns from them; a linear probe, or labels propagated over the pool. Labels saved are against ImageNet, random, linear, whose
curve goes on to 50 labels a class (docs/protocol.md, 14): intervals from joint resamplings of draws and scored images.

Cells that benchmarks/results/workflow.csv holds for the same machine, versions and last commit that touched what they measure are not
measured again; every look at `test` is appended to benchmarks/results/test_log.csv by this script itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
from cells import RESULTS, append, found, place

import labelfree
from labelfree.choosing.candidates import Candidates
from labelfree.choosing.registry import find_strategy
from labelfree.data.manifest import Manifest, manifest_from_dataset
from labelfree.pipeline.arm_encoders import Arms
from labelfree.pipeline.context import Context
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs, gather
from labelfree.planning.recipe_draft import OBJECTIVE
from labelfree.progress import Console
from labelfree.recipe import Recipe
from labelfree.recipe_file import load_recipe
from labelfree.transfer.asking import bound_to
from labelfree.transfer.claims.labels_saved import LabelsSaved, bounds, labels_saved
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.features import extract
from labelfree.transfer.protocols import find_protocol
from labelfree.transfer.selection import Grid, Search, inner_folds
from labelfree.transfer.tasks.weights import RESAMPLINGS, Weights, resamplings

TABLE, SAVED, LOG = RESULTS / "workflow.csv", RESULTS / "workflow_saved.csv", RESULTS / "test_log.csv"
RECIPE = "satellite_dino"
ARMS = {"ImageNet": "imagenet", "own": "imagenet+domain"}
WAYS = {"random": "random", "chosen": "typical"}  # -> strategy
PROTOCOLS = ("linear", "propagate")
BUDGETS, LONGER = (1, 2, 5, 10), (20, 50)  # labels in all over classes; LONGER: of the curve that all is compared with
CLAIMED = (1, 5)
REFERENCE = ("ImageNet", "random", "linear")
STEPS = {
    "own backbone": ("own", "random", "linear"),
    "chosen": ("ImageNet", "chosen", "linear"),
    "propagated": ("ImageNet", "random", "propagate"),
    "chosen and propagated, ImageNet": ("ImageNet", "chosen", "propagate"),
    "all": ("own", "chosen", "propagate"),
}
DRAWS = 10
PROBE_MINUTES = 3.0  # of a set's cells, on two cores
DEPENDS = (
    *(f"labelfree/{part}" for part in ("backbones", "choosing", "objectives", "pretraining", "transfer", "views", "training")),
    *("labelfree/planning/auto_values.py", "labelfree/pipeline/arm_encoders.py", "labelfree/pipeline/unlabelled_images.py"),
    *("domains", "data_cards/eurosat-rgb.md", f"recipes/{RECIPE}.yaml", "benchmarks/workflow.py"),
)
Way = tuple[str, str, str]  # arm, way of choosing, protocol


@dataclass(frozen=True)
class Set:
    """A data set: its recipe's keys, and what its scores are."""

    settings: tuple[str, ...]
    metric: str = "accuracy"


SETS = {
    "eurosat_rgb": Set(("data.card=eurosat-rgb", "evaluate.sizes=[64, 128]")),
    "neu_det": Set(("evaluate.task=classification", "evaluate.sizes=[96, 192]", "pretrain.size=96", "pretrain.local_size=48")),
    "pneumoniamnist": Set(("evaluate.sizes=[28, 56]", "pretrain.size=32", "pretrain.local_size=32"), "balanced_accuracy"),
}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    asked.add_argument("--on", choices=["dev", "test"], default="dev")
    asked.add_argument("--minutes", type=float, default=12, help="of each pretraining")
    asked.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    asked.add_argument("--out", type=Path, default=Path("runs/workflow"))
    given = asked.parse_args()
    where = place("torch", "timm", "scikit-learn", depends=DEPENDS)
    shared = {"on": given.on, "minutes": f"{given.minutes:g}", **where}
    missing = [name for name in given.sets if not found(SAVED, {"set": name, **shared})]
    minutes = len(missing) * (given.minutes + PROBE_MINUTES)
    print(f"Expected: {len(missing)} of {len(given.sets)} sets, about {minutes:.0f} minutes.", flush=True)
    for name in missing:
        scored = Scored(name, given.data / name, given.on, given.minutes, given.out / f"{name}-{given.minutes:g}-{where['commit'][:8]}")
        if given.on == "test":
            typed = f"python benchmarks/workflow.py --data $LABELFREE_DATA --on test --minutes {given.minutes:g} --sets {name}"
            look = {"commit": where["commit"], "data": name, "recipe": RECIPE, "command": typed}
            append(LOG, {"date": f"{datetime.now():%Y-%m-%d %H:%M}", **look})
        for way in product(ARMS, WAYS, PROTOCOLS):
            for labels in BUDGETS + (LONGER if way == REFERENCE else ()):
                append(TABLE, {"set": name, **dict(zip(("arm", "way", "protocol"), way, strict=True)), **scored.row(way, labels), **shared})
        for step, at in product(STEPS, CLAIMED):
            saved = scored.saved(STEPS[step], at)
            numbers = {"ratio": f"{saved.ratio:.3g}", "low": f"{saved.low:.3g}", "high": f"{saved.high:.3g}", "words": str(saved)}
            append(SAVED, {"set": name, "step": step, "labels_per_class": str(at), **numbers, **shared})
            print(f"{name}, {at} labels a class in all: {step} saves {saved}", flush=True)


class Scored:
    """One set: what every way scores at every budget, on the scored images and on resamplings of them."""

    def __init__(self, name: str, root: Path, on: str, minutes: float, out: Path) -> None:
        self.set, self.out, self.say = SETS[name], out, Console()
        manifest = pneumonia(root) if name == "pneumoniamnist" else None
        keys = [*self.set.settings, f"evaluate.on={on}", f"pretrain.minutes={minutes:g}", "evaluate.protocols=[linear, propagate]"]
        keys += [f"pretrain.objective={OBJECTIVE}"]  # as `labelfree plan` proposes it
        keys += [f"evaluate.arms=[{', '.join(ARMS.values())}]", *([] if manifest else [f"data.root={root}"])]
        self.recipe: Recipe = load_recipe(RECIPE, keys)
        if not (out / "backbone.safetensors").is_file():
            labelfree.pretrain(self.recipe, out=out, manifest=manifest, say=self.say)
        folder = RunFolder(out, self.recipe)
        self.inputs: Inputs = gather(Context(self.recipe, folder, self.say, manifest, pretraining=False))
        assert self.inputs.question is not None and self.inputs.images is not None
        self.question, self.images = self.inputs.question, self.inputs.images
        self.encoders = {e.arm: e for e in Arms(self.recipe, self.inputs, out).encoders()}
        self.bound = {
            (arm, protocol): bound_to(self.inputs.unlabelled, find_protocol(protocol), encoder, out, self.say)
            for (arm, encoder), protocol in product(self.encoders.items(), PROTOCOLS)
        }
        self.scores: dict[tuple[Way, int], np.ndarray] = {}

    @cached_property
    def weights(self) -> Weights:
        """Every scored image once, then as often as in each resampling of groups."""
        assert self.question.score is not None
        names, groups = np.unique(self.question.group_names[self.question.score], return_inverse=True)
        once = np.ones((1, len(names)), np.uint16)
        return Weights(np.concatenate([once, resamplings(len(names), self.question.seed)]), groups)

    def row(self, way: Way, labels: int) -> dict[str, str]:
        """The figures of one cell."""
        scores = self.at(way, labels)[:, 0]
        return {
            "labels_per_class": str(labels),
            "labels": str(labels * self.question.targets.width),
            "metric": self.set.metric,
            "mean": f"{scores.mean():.4f}",
            "draws": " ".join(f"{score:.4f}" for score in scores),
        }

    def at(self, way: Way, labels: int) -> np.ndarray:
        """(DRAWS, 1 + resamplings) scores of a way with so many labels in all, over the number of classes."""
        if (way, labels) not in self.scores:
            self.scores[way, labels] = np.stack([self._score(way, labels, draw) for draw in range(DRAWS)])
        return self.scores[way, labels]

    def saved(self, way: Way, at: int) -> LabelsSaved:
        """Labels that a way saves against REFERENCE, at so many a class in all."""
        budgets = [*BUDGETS, *LONGER]
        drawn = np.random.default_rng(self.question.seed).integers(DRAWS, size=(RESAMPLINGS, DRAWS))
        reference = [self.at(REFERENCE, labels) for labels in budgets]
        curve = [self.at(way, labels) for labels in BUDGETS]
        curve += [np.full_like(curve[-1], np.inf)] * len(LONGER)  # not measured, and never asked for
        x, index = np.array(budgets, float), budgets.index(at)
        mean, mean_of_reference = (np.array([[points[:, 0].mean() for points in side]]) for side in (curve, reference))
        ratio = float(labels_saved(x, mean, mean_of_reference, index)[0])
        again, again_of_reference = (np.stack([_resampled(points, drawn) for points in side], 1) for side in (curve, reference))
        return LabelsSaved(float(at), ratio, *bounds(labels_saved(x, again, again_of_reference, index)), x[0] / at, x[-1] / at)

    def _score(self, way: Way, labels: int, draw: int) -> np.ndarray:
        """(1 + resamplings,) scores of one draw."""
        question, (arm, how, protocol) = self.question, way
        assert question.score is not None
        encoder, task = self.encoders[ARMS[arm]], question.task
        features = {size: self.features(encoder, size) for size in encoder.sizes}
        rows = question.train[self.chosen(encoder, WAYS[how], labels * question.targets.width, draw)]
        beside = self.bound[encoder.arm, protocol]
        learner = beside.learner(rows) if beside else None
        search = Search(task, find_protocol(protocol), task.metrics[self.set.metric], Grid(), learner)
        inner = inner_folds(question.stratum_codes[rows], question.group_names[rows], question.seed + draw)
        learn, targets = {size: x[rows] for size, x in features.items()}, question.targets[rows]
        choice = search.best(search.choose(learn, encoder.blocks, targets, inner), encoder.sizes)
        fit = search.answer(choice, learn[choice.size], targets, features[choice.size][question.score], encoder.blocks)
        return task.metrics[self.set.metric](task.answers(fit.output, question.targets[question.score]), self.weights)

    def chosen(self, encoder: Encoder, strategy: str, budget: int, draw: int) -> np.ndarray:
        """Positions among the candidates, the training rows: their labels are unknown until they are chosen."""
        question = self.question
        features = self.features(encoder, encoder.sizes[0])[question.train]
        groups = np.unique(question.group_names[question.train], return_inverse=True)[1]
        everything = np.ones(len(question.train), bool)
        candidates = Candidates(features, groups, everything, np.zeros(0, np.int64), np.zeros(0, np.int64))
        return np.array([choice.position for choice in find_strategy(strategy).choose(candidates, budget, draw)])

    def features(self, encoder: Encoder, size: int) -> np.ndarray:
        return extract(encoder, self.images, size, self.out / "features", self.say, self.question.images)


def _resampled(points: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """(B,) mean over the draws of each joint resampling. `points`: (R, 1 + B); `drawn`: (B, R)."""
    return np.take_along_axis(points[:, 1:], drawn.T, axis=0).mean(0)


def pneumonia(root: Path) -> Manifest:
    """pneumoniamnist's arrays as a torch Dataset would give them; labels of `pretrain` rows are unknown."""
    rows = list(_rows(root))
    return manifest_from_dataset(
        [image for image, _, _ in rows],
        ["gray"],
        labels=[label for _, label, _ in rows],
        splits=[split for _, _, split in rows],
        name="pneumoniamnist",
    )


def _rows(root: Path) -> Iterator[tuple[np.ndarray, str, str]]:
    """(1, 28, 28) uint8, class and split of each row of splits.csv, whose paths name items of arrays: file.npz#array[3]."""
    import csv

    arrays: dict[tuple[str, str], np.ndarray] = {}
    with (root / "splits.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            file, _, item = row["path"].partition("#")
            name, _, number = item.rstrip("]").partition("[")
            if (file, name) not in arrays:
                arrays[file, name] = np.load(root / file)[name]
            yield arrays[file, name][int(number)][None], row["label"], row["split"]


if __name__ == "__main__":
    main()
