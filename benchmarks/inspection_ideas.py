"""What each idea of the inspection domain gives: one at a time changed in a recipe, at equal processor minutes, scored on dev of neu_det.

    OMP_NUM_THREADS=1 python benchmarks/inspection_ideas.py --data $LABELFREE_DATA --pace
    OMP_NUM_THREADS=1 python benchmarks/inspection_ideas.py --data $LABELFREE_DATA --seeds 0 1 2

Three bases, DINO, SimCLR and BYOL (which `labelfree plan` proposes), from ImageNet weights. The first command times a step of every idea,
on an idle machine: how many steps `--minutes` of one thread allow. The others carry cells out with so many steps each, so that what runs
beside them changes no figure, and write them to benchmarks/results/inspection_ideas.csv; those that it holds for the same versions and last
commit that touched what they measure are not measured again. An idea of two stages shares the minutes out between them. `--show` prints
the table of docs/domains/inspection.md from all cells.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from zlib import crc32

from cells import RESULTS, append, carry_out, found, place, rows
from objectives import FAMILY, SHARED
from runs import begin, collapsed, command, means, plan_in

from labelfree.errors import TrainingError

TABLE, PACE = RESULTS / "inspection_ideas.csv", RESULTS / "inspection_ideas_pace.csv"
RECIPE, ARM, FALLBACK = "inspection_simclr", "imagenet+domain", "statistics"
SCORING_MINUTES = 2.0  # of a cell, on one thread
SET = ("data.card=neu-det", "evaluate.on=dev", "pretrain.size=96", "pretrain.local_size=48")
SCORED = {
    "evaluate.protocols": "[knn, linear]",
    "evaluate.labels_per_class": "[1, 5, 10, all]",
    "evaluate.draws": "10",
    "evaluate.sizes": "[96, 192]",
}
COLUMNS = [(protocol, budget) for protocol in ("knn", "linear") for budget in ("1", "5", "10", "all")]  # all: 50 of each class
BASES = ("dino", "simclr", "byol")
TILES = "pool.tile=128"
ELSEWHERE = ("data_cards/eurosat-rgb.md", "recipes/satellite_simclr.yaml", "benchmarks/objectives.py")
DEPENDS = (*(part for part in SHARED if part not in ELSEWHERE), "data_cards/neu-det.md", f"recipes/{RECIPE}.yaml")
NOTHING = "as the recipe"
LEVELS = ("backbone.name=levels/tf_efficientnet_lite0",)  # its own vector and the two coarsest levels
MIDDLE = (*LEVELS, "backbone.options.levels=[-2,-3]")


@dataclass(frozen=True)
class Idea:
    """What is changed in the recipe. `then`: keys of a second stage, which begins with the first one's weights and takes half the time.
    `pretrained`: whether there is any; where not, ImageNet's network is scored as it is.
    """

    settings: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    pretrained: bool = True


IDEAS = {
    NOTHING: Idea(),
    "generic views": Idea(("pretrain.views=generic",)),
    "views as large as the images": Idea(("pretrain.size=192", "pretrain.local_size=96")),
    "a quarter of the batch": Idea(("pretrain.batch_size=16",)),
    "views as large as the images, a quarter of the batch": Idea(("pretrain.size=192", "pretrain.local_size=96", "pretrain.batch_size=16")),
    "crops at native resolution": Idea((TILES,)),
    "neighbouring tiles as second views": Idea((TILES, "data.positives=neighbours")),
    "second views differ in light alone": Idea(("reader.only_light=true",)),
    "crops to a fifth of the area": Idea(("reader.smallest_defect=100",)),
    "CutPaste instead": Idea(("pretrain.objective=cutpaste",)),
    "CutPaste's three classes instead": Idea(("pretrain.objective=cutpaste", "pretrain.options.kinds=2")),
    "CutPaste in the second half": Idea(then=("pretrain.objective=cutpaste",)),
    "vectors of several levels": Idea(LEVELS),
    "vectors of middle levels alone": Idea(MIDDLE),
    "ImageNet, nothing pretrained": Idea(pretrained=False),
    "ImageNet, vectors of several levels, nothing pretrained": Idea(LEVELS, pretrained=False),
    "ImageNet, vectors of middle levels alone, nothing pretrained": Idea(MIDDLE, pretrained=False),
}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    asked.add_argument("--minutes", type=float, default=8, help="of one thread, for a pretraining")
    asked.add_argument("--seeds", type=int, nargs="+", default=[0])
    asked.add_argument("--bases", nargs="+", choices=BASES, default=list(BASES))
    asked.add_argument("--ideas", nargs="+", choices=list(IDEAS), default=list(IDEAS))
    asked.add_argument("--most", type=float, default=100, help="minutes after which no further cell is begun")
    asked.add_argument("--pace", action="store_true", help="time a step of every idea, and no more")
    asked.add_argument("--show", action="store_true", help="print the table, and no more")
    asked.add_argument("--out", type=Path, default=Path("runs/inspection_ideas"))
    given = asked.parse_args()
    cells = [cell_of(*which, given.minutes) for which in product(given.seeds, given.bases, given.ideas) if measurable(*which)]
    if given.pace:
        return time_steps(cells, given.data, given.out)
    if given.show:
        return show(given.minutes)
    carry_out(TABLE, cells, expected, lambda cell: measured(cell, given.data, given.out), given.most)
    show(given.minutes)


def measurable(seed: int, base: str, idea: str) -> bool:
    """What is not pretrained has one seed and no base; an objective of its own has no base either."""
    alone = not IDEAS[idea].pretrained or any("objective" in setting for setting in IDEAS[idea].settings)
    return (not alone or base == BASES[0]) and (IDEAS[idea].pretrained or seed == 0)


def cell_of(seed: int, base: str, idea: str, minutes: float) -> dict[str, str]:
    which = {"idea": idea, "base": base, "seed": str(seed), "minutes": f"{minutes:g}"}
    told = " | ".join(map(" ".join, stages(base, idea) or [list(IDEAS[idea].settings)]))
    named = [word.removeprefix("pretrain.objective=") for word in told.split() if word.startswith("pretrain.objective=")]
    own = [f"labelfree/objectives/{part}.py" for name in named for part in (name, *FAMILY.get(name, []))]
    return which | {"settings": told} | place("torch", "timm", depends=(*DEPENDS, *own))


def stages(base: str, idea: str) -> list[list[str]]:
    """The keys of each stage of an idea; none where nothing is pretrained."""
    if not IDEAS[idea].pretrained:
        return []
    first = [f"pretrain.objective={base}", *IDEAS[idea].settings]
    return [first, *([list(IDEAS[idea].then)] if IDEAS[idea].then else [])]


def expected(cell: dict[str, str]) -> float:
    return SCORING_MINUTES + (float(cell["minutes"]) if IDEAS[cell["idea"]].pretrained else 0.0)


def paced(cell: dict[str, str], stage: str) -> dict[str, str]:
    return {"stage": stage, **{key: cell[key] for key in ("commit", "torch", "timm")}}


def asked_of(cell: dict[str, str], stage: list[str], data: Path, arm: str = ARM) -> list[str]:
    """All keys of a run."""
    claim = f"evaluate.primary={{arm: {arm}, against: {FALLBACK}, protocol: linear, budget: 5, metric: accuracy}}"
    scored = [f"{key}={value}" for key, value in SCORED.items()]
    return [f"data.root={data / 'neu_det'}", *SET, *scored, f"evaluate.arms=[{FALLBACK}, {arm}]", claim, *stage]


def time_steps(cells: list[dict[str, str]], data: Path, runs: Path) -> None:
    """Begin a run of every stage and stop it once its steps are timed."""
    for cell in cells:
        for stage in stages(cell["base"], cell["idea"]):
            key = paced(cell, " ".join(stage))
            if found(PACE, key):
                continue
            out = runs / f"pace-{crc32(key['stage'].encode()):08x}-{cell['commit'][:8]}"
            begin(command(RECIPE, [*asked_of(cell, stage, data), "pretrain.minutes=60"], out), out)
            plan = plan_in(out)
            append(PACE, key | {"seconds": f"{plan['seconds_per_step']:.3f}", "head_seconds": f"{plan['head_seconds']:.3f}"})
            print(f"{' '.join(stage)}: {plan['seconds_per_step']:.3f} s a step.", flush=True)


def steps_of(cell: dict[str, str], stage: list[str], minutes: float) -> int:
    """As many as the minutes allow, a tenth of them in the head-only start."""
    pace = found(PACE, paced(cell, " ".join(stage)))
    if pace is None:
        sys.exit(f"benchmarks/inspection_ideas.py: {cell['idea']} is not timed on this machine yet; run with --pace first.")
    return max(10, int(60 * minutes / (0.9 * float(pace["seconds"]) + 0.1 * float(pace["head_seconds"]))))


def measured(cell: dict[str, str], data: Path, runs: Path) -> dict[str, str]:
    """Carry a cell out, stage after stage: steps of each, and scores on dev in %."""
    name = f"{cell['base']}-{cell['idea']}-{cell['seed']}-{cell['minutes']}-{cell['commit'][:8]}"
    name = "".join(letter if letter.isalnum() or letter == "-" else "_" for letter in name)
    todo = stages(cell["base"], cell["idea"])
    taken, weights, out = [], None, runs / name
    for number, stage in enumerate(todo or [list(IDEAS[cell["idea"]].settings)]):
        out = runs / (f"{name}-{number}" if number + 1 < len(todo) else name)
        taken.append(steps_of(cell, stage, float(cell["minutes"]) / len(todo)) if todo else 0)
        asked = asked_of(cell, stage, data, ARM if todo else "imagenet")
        asked += [
            "pretrain.minutes=null",
            f"pretrain.steps={taken[-1] or 1}",
            f"pretrain.seeds=[{cell['seed']}]",
            "pretrain.on_collapse=warn",
        ]
        asked += [f"backbone.init={weights}"] if weights else []
        code = subprocess.run(command(RECIPE, asked, out), check=False).returncode
        collapse = collapsed(out) if code == TrainingError.exit_code else ""
        if code and not collapse:
            sys.exit(f"benchmarks/inspection_ideas.py: {out} ended with exit code {code}; the same command goes on where it stopped.")
        if collapse:
            return {"steps": "+".join(map(str, taken)), **{f"{p}_{b}": "" for p, b in COLUMNS}, "end": collapse}
        weights = (out / "backbone.safetensors").resolve()
    scores = means(out)
    told = {f"{p}_{b}": f"{100 * scores[ARM if todo else 'imagenet', p, b]:.2f}" for p, b in COLUMNS}
    return {"steps": "+".join(map(str, taken)), **told, "end": "fine"}


def show(minutes: float) -> None:
    """One row an idea and base: means over seeds with their deviation, and how many seeds."""
    cells: dict[tuple[str, str], dict[str, dict[str, str]]] = defaultdict(dict)
    for row in rows(TABLE):
        if row["minutes"] == f"{minutes:g}":
            cells[row["base"], row["idea"]][row["seed"]] = row
    print(f"| idea | base | {' | '.join(f'{p} at {b}' for p, b in COLUMNS)} | seeds |\n|---|---|{'---|' * len(COLUMNS)}---|")
    for (base, idea), seeds in cells.items():
        figures = [spread([float(row[f"{p}_{b}"]) for row in seeds.values() if row[f"{p}_{b}"]]) for p, b in COLUMNS]
        print(f"| {idea} | {base if measurable(0, BASES[1], idea) else ''} | {' | '.join(figures)} | {len(seeds)} |")


def spread(values: list[float]) -> str:
    return (f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")) if values else "collapsed"


if __name__ == "__main__":
    main()
