"""What pays on a small pool: one idea at a time changed in the recipe `satellite_dino`, at equal processor minutes, scored on dev.

    OMP_NUM_THREADS=1 python benchmarks/small_pool.py --data $LABELFREE_DATA --pace
    OMP_NUM_THREADS=1 python benchmarks/small_pool.py --data $LABELFREE_DATA --seeds 0

Sets: 2,000 and 8,000 images of eurosat_rgb, and neu_det as pictures of the satellite reader. The first command times a step of every
idea, on an idle machine: how many steps `--minutes` of one thread allow. The others carry cells out, each a run of its own with so many
steps, so that what runs beside them changes no figure; two may run side by side, and on another machine than steps were timed on (the table
says which). Cells that benchmarks/results/small_pool.csv holds for the same versions and last commit that touched what they measure are not
measured again. `--most` ends a sitting. `--show` prints the newest cells, of any commit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from cells import RESULTS, append, carry_out, found, place, rows
from objectives import FAMILY, SHARED
from runs import begin, collapsed, command, means, plan_in
from size_rules import part_of

from labelfree.errors import TrainingError

TABLE, PACE = RESULTS / "small_pool.csv", RESULTS / "small_pool_pace.csv"
RECIPE, OBJECTIVE = "satellite_dino", "dino"
SCORING_MINUTES = 1.2  # a cell's comparison on one thread
ARM, FALLBACK = "imagenet+domain", "statistics"
NOTHING, IMAGENET = "as the recipe", "ImageNet, nothing pretrained"


@dataclass(frozen=True)
class Set:
    """A pool to pretrain on. `images`: how many of the folder's, None: all. `base`: what the idea "as the recipe" means there."""

    folder: str
    images: int | None
    settings: tuple[str, ...]
    base: tuple[str, ...]
    scored_at: str
    sides: tuple[tuple[str, int, int], ...]  # (idea, size of global views, of local ones)


RGB = ("data.card=eurosat-rgb", "data.leak_limit=1.0")
TWICE_AND_THRICE = (("views twice the images' side", 128, 64), ("views three times the images' side", 192, 96))
EUROSAT = ("pretrain.size=64", "pretrain.local_size=32")
SETS = {
    "eurosat_rgb 2,000": Set("eurosat_rgb", 2000, RGB, EUROSAT, "[64, 128]", TWICE_AND_THRICE),
    "eurosat_rgb 8,000": Set("eurosat_rgb", 8000, RGB, EUROSAT, "[64, 128]", TWICE_AND_THRICE),
    "neu_det": Set(
        "neu_det",
        None,
        ("evaluate.task=classification",),
        ("pretrain.size=96", "pretrain.local_size=48"),  # half the images' 200 pixels
        "[96, 192]",
        (("views a third of the images' side", 64, 32), ("views of the images' side", 192, 96)),
    ),
}


@dataclass(frozen=True)
class Idea:
    """What is changed in the recipe: keys, or how many times as long a pretraining is."""

    settings: tuple[str, ...] = ()
    length: float = 1.0


THREEFOLD = "pretrain.lr=6e-4"  # of AdamW's rate from weights, at 128 images a batch
IDEAS = {
    NOTHING: Idea(),
    "2 local crops": Idea(("pretrain.options.local_crops=2",)),
    "6 local crops": Idea(("pretrain.options.local_crops=6",)),
    "SimCLR": Idea(("pretrain.objective=simclr",)),
    "BYOL": Idea(("pretrain.objective=byol",)),
    "SimSiam": Idea(("pretrain.objective=simsiam",)),
    "a third of the rate": Idea(("pretrain.lr=7e-5",)),
    "three times the rate": Idea((THREEFOLD,)),
    "ten times the rate": Idea(("pretrain.lr=2e-3",)),
    "BYOL, three times the rate": Idea(("pretrain.objective=byol", THREEFOLD)),
    "SimSiam, three times the rate": Idea(("pretrain.objective=simsiam", THREEFOLD)),
    "the last half of the layers": Idea(("pretrain.trained=0.5",)),
    "the last quarter of the layers": Idea(("pretrain.trained=0.25",)),
    "half as long": Idea(length=0.5),
    "three times as long": Idea(length=3.0),
    "three times the rate, three times as long": Idea((THREEFOLD,), length=3.0),
    "BYOL, three times as long": Idea(("pretrain.objective=byol",), length=3.0),
    "BYOL, three times the rate, three times as long": Idea(("pretrain.objective=byol", THREEFOLD), length=3.0),
}
DEPENDS = (
    *(part for part in SHARED if part not in ("recipes/satellite_simclr.yaml", "benchmarks/objectives.py")),
    f"recipes/{RECIPE}.yaml",
)  # not this script: a cell names the keys that it changed


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    asked.add_argument("--minutes", type=float, default=5, help="of one thread, for a pretraining")
    asked.add_argument("--seeds", type=int, nargs="+", default=[0])
    asked.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    asked.add_argument("--ideas", nargs="+", default=None)
    asked.add_argument("--most", type=float, default=100, help="minutes after which no further cell is begun")
    asked.add_argument("--pace", action="store_true", help="time a step of every idea, and no more")
    asked.add_argument("--show", action="store_true", help="print the table, and no more")
    asked.add_argument("--out", type=Path, default=Path("runs/small_pool"))
    given = asked.parse_args()
    cells = [cell for seed in given.seeds for name in given.sets for cell in cells_of(name, seed, given.minutes)]
    cells = [cell for cell in cells if given.ideas is None or cell["idea"] in given.ideas]
    if given.pace:
        return time_steps(cells, given.data, given.out)
    if given.show:
        return show(given.minutes)
    carry_out(TABLE, cells, expected, lambda cell: measured(cell, given.data, given.out), given.most)
    show(given.minutes)


def cells_of(name: str, seed: int, minutes: float) -> list[dict[str, str]]:
    """Every idea for a set and a seed; what starts from ImageNet and is not pretrained has the first seed alone."""
    ideas = [*IDEAS, *(idea for idea, _, _ in SETS[name].sides), *([IMAGENET] if seed == 0 else [])]
    length = {"seed": str(seed), "minutes": f"{minutes:g}"}
    return [{"set": name, "idea": idea, **length, "settings": " ".join(settings_of(name, idea)), **place_of(idea)} for idea in ideas]


def place_of(idea: str) -> dict[str, str]:
    """Machine, versions, and the last commit that changed what an idea's cells depend on."""
    named = [setting.removeprefix("pretrain.objective=") for setting in idea_of(idea).settings if setting.startswith("pretrain.objective=")]
    objective = named[0] if named else OBJECTIVE
    own = [f"labelfree/objectives/{name}.py" for name in (objective, *FAMILY.get(objective, []))]
    return place("torch", "timm", depends=(*DEPENDS, *own))


def idea_of(name: str) -> Idea:
    return IDEAS.get(name, Idea())


def settings_of(name: str, idea: str) -> list[str]:
    """The recipe's keys for an idea: those of the set, then its own."""
    of = SETS[name]
    sides = [[f"pretrain.size={size}", f"pretrain.local_size={local}"] for side, size, local in of.sides if side == idea]
    return [*of.settings, *(sides[0] if sides else of.base), *idea_of(idea).settings]


def expected(cell: dict[str, str]) -> float:
    if cell["idea"] == IMAGENET:
        return SCORING_MINUTES
    return float(cell["minutes"]) * idea_of(cell["idea"]).length + SCORING_MINUTES


def root_of(name: str, data: Path, runs: Path) -> Path:
    """The folder of a set: a part of the images, copied, or all of them where they lie."""
    of = SETS[name]
    return data / of.folder if of.images is None else part_of(data / of.folder, of.images, runs / f"{of.folder}-{of.images}")


def paced(cell: dict[str, str]) -> dict[str, str]:
    """What a step's time depends on: not the seed, the length or the rate, nor how many images a folder of pictures of one size holds."""
    settings = " ".join(setting for setting in cell["settings"].split() if not setting.startswith("pretrain.lr="))
    return {"settings": settings, **{key: cell[key] for key in ("commit", "torch", "timm")}}


def time_steps(cells: list[dict[str, str]], data: Path, runs: Path) -> None:
    """Begin a run of every idea and stop it once its steps are timed."""
    for cell in cells:
        if cell["idea"] == IMAGENET or found(PACE, paced(cell)):
            continue
        out = runs / f"pace-{SETS[cell['set']].folder}-{cell['idea'].replace(' ', '_')}-{cell['commit'][:8]}"
        asked = [f"data.root={root_of(cell['set'], data, runs)}", "evaluate.on=dev", *cell["settings"].split(), "pretrain.minutes=60"]
        asked += [f"evaluate.arms=[{FALLBACK}, {ARM}]", f"evaluate.primary={{arm: {ARM}, against: {FALLBACK}, budget: 5}}"]
        begin(command(RECIPE, asked, out), out)
        plan = plan_in(out)
        timed = {"seconds": f"{plan['seconds_per_step']:.3f}", "head_seconds": f"{plan['head_seconds']:.3f}"}
        append(PACE, paced(cell) | timed)
        print(f"{cell['set']}, {cell['idea']}: {timed['seconds']} s a step, {timed['head_seconds']} s in the head-only start.", flush=True)


def steps_of(cell: dict[str, str]) -> int:
    """As many as the minutes allow, a tenth of them in the head-only start."""
    pace = found(PACE, paced(cell))
    if pace is None:
        sys.exit(f"benchmarks/small_pool.py: {cell['idea']} is not timed on this machine yet; run with --pace first.")
    seconds = 60 * float(cell["minutes"]) * idea_of(cell["idea"]).length
    return max(10, int(seconds / (0.9 * float(pace["seconds"]) + 0.1 * float(pace["head_seconds"]))))


def measured(cell: dict[str, str], data: Path, runs: Path) -> dict[str, str]:
    """Carry a cell out: steps, and scores on dev in %."""
    name = f"{cell['set']}-{cell['idea']}-{cell['seed']}-{cell['minutes']}-{cell['commit'][:8]}".replace(" ", "_").replace(",", "")
    out, pretrained = runs / name, cell["idea"] != IMAGENET
    arm = ARM if pretrained else "imagenet"
    asked = [
        f"data.root={root_of(cell['set'], data, runs)}",
        "evaluate.on=dev",
        *cell["settings"].split(),
        f"evaluate.arms=[{FALLBACK}, {arm}]",
    ]
    asked += [f"evaluate.primary={{arm: {arm}, against: {FALLBACK}, budget: 5}}", "evaluate.protocols=[linear]", "evaluate.draws=10"]
    asked += [f"evaluate.sizes={SETS[cell['set']].scored_at}", "evaluate.labels_per_class=[1, 5]"]
    steps = steps_of(cell) if pretrained else 0
    asked += ["pretrain.minutes=null", f"pretrain.steps={steps or 1}", f"pretrain.seeds=[{cell['seed']}]", "pretrain.on_collapse=warn"]
    code = subprocess.run(command(RECIPE, asked, out), check=False).returncode
    collapse = collapsed(out) if code == TrainingError.exit_code else ""
    if code and not collapse:
        sys.exit(f"benchmarks/small_pool.py: {out} ended with exit code {code}; the same command goes on where it stopped.")
    scores = {} if collapse else means(out)
    told = {f"linear_{budget}": f"{100 * scores[arm, 'linear', budget]:.2f}" if scores else "" for budget in ("1", "5")}
    return {"steps": str(steps), **told, "end": collapse or "fine"}


def show(minutes: float) -> None:
    """One row an idea: of each set the accuracy at 1 and at 5 labels a class, by how much it is ahead of the recipe at 5, and the seeds."""
    cells: dict[tuple[str, str], dict[str, dict[str, str]]] = defaultdict(dict)
    for row in rows(TABLE):
        if row["minutes"] == f"{minutes:g}":
            cells[row["idea"], row["set"]][row["seed"]] = row
    sets = [name for name in SETS if any(of == name for _, of in cells)]
    columns = [f"{name}: {what}" for name in sets for what in ("1", "5", "ahead at 5", "seeds")]
    print(f"| idea | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for idea in dict.fromkeys(idea for idea, _ in cells):
        shown = [figure for name in sets for figure in figures(cells[idea, name], cells[NOTHING, name])]
        print(f"| {idea} | {' | '.join(shown)} |")


def figures(seeds: dict[str, dict[str, str]], base: dict[str, dict[str, str]]) -> list[str]:
    """An idea on a set in four columns, empty where it is not measured; `base`: the recipe as it is, by seed."""
    if not seeds:
        return [""] * 4
    at = [spread([float(row[key]) for row in seeds.values() if row[key]]) for key in ("linear_1", "linear_5")]
    ahead = [float(row["linear_5"]) - float(base[seed]["linear_5"]) for seed, row in seeds.items() if seed in base and row["linear_5"]]
    return [*at, "" if seeds is base or not ahead else spread(ahead), str(len(seeds))]


def spread(values: list[float]) -> str:
    return (f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")) if values else "collapsed"


if __name__ == "__main__":
    main()
