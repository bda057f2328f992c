"""What image and text learn of each other on `rsicd`: CLIP and SigLIP from ImageNet's, a domain's and random weights, at equal minutes.

    OMP_NUM_THREADS=1 python benchmarks/language.py --data $LABELFREE_DATA --pace
    OMP_NUM_THREADS=1 python benchmarks/language.py --data $LABELFREE_DATA --seeds 0 1 2
    OMP_NUM_THREADS=1 python benchmarks/language.py --data $LABELFREE_DATA --seeds 0 1 2 --on test
    python benchmarks/language.py --show

A cell is a start, an objective and a seed: `satellite_clip` or `satellite_siglip`, with a text tower from random weights. The first command
times a step of each, on an idle machine: how many steps `--minutes` of one thread allow. The others carry cells out one by one with so many
steps each, so that what runs beside them changes no figure, and append them to benchmarks/results/language.csv; those that it holds for the
same versions and last commit that touched what they measure are not measured again. The start `domain` is a SimCLR pretraining on the same
pool, of as many minutes of its own, from ImageNet's weights; both objectives go on from it.

Scored are retrieval in both directions and, by the classes of the same rows, the linear probe with all labels and what is asked in words
where the protocol `zeroshot` is installed (`--held-out N` keeps N classes out of the pretraining). A look at `test` takes over what the
cell on `dev` pretrained, and is appended to benchmarks/results/test_log.csv. `--steps N` in place of minutes tries a cell. `--show` prints
the table of docs/language.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from datetime import datetime
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from cells import RESULTS, append, carry_out, found, place, rows
from objectives import SHARED
from runs import begin, collapsed, command, plan_in

from labelfree.errors import TrainingError
from labelfree.transfer.tasks import find_task

TABLE, PACE, LOG = RESULTS / "language.csv", RESULTS / "language_pace.csv", RESULTS / "test_log.csv"
CARD, SIZE, SCORING_MINUTES = "rsicd", 128, 2.0
STARTS, OBJECTIVES = ("imagenet", "domain", "random"), ("clip", "siglip")
ELSEWHERE = ("data_cards/eurosat-rgb.md", "recipes/satellite_simclr.yaml", "benchmarks/objectives.py")
LANGUAGE = ("labelfree/language", "labelfree/data/captions", "labelfree/pretraining/captions.py", "labelfree/objectives/image_text.py")
SCORED = ("labelfree/transfer/captions", *(f"labelfree/transfer/tasks/{name}.py" for name in ("recall", "retrieval", "standing")))
DEPENDS = (*(part for part in SHARED if part not in ELSEWHERE), *LANGUAGE, *SCORED, f"data_cards/{CARD}.md", "benchmarks/language.py")
METRICS = [f"{way}_{kind}" for way in ("text_to_image", "image_to_text") for kind in ("r1", "r5", "r10", "median_rank")]
CLASSES = ("linear", "prompted", "prompted_chance", "zero_shot", "zero_shot_chance")
ROW_OF_KIND = {"prompted": "prompted", "zero-shot": "zero_shot"}  # rows of prompted.json, and the columns that they become
DOMAIN = "simclr"
NO_CLASSES = "evaluate.held_out_classes=null"  # of captions, which name none


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path, default=Path(), help="folder of the data sets")
    asked.add_argument("--minutes", type=float, default=10, help="of one thread, for a pretraining")
    asked.add_argument("--steps", type=int, help="of a pretraining, in place of minutes")
    asked.add_argument("--starts", nargs="+", choices=STARTS, default=list(STARTS))
    asked.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=list(OBJECTIVES))
    asked.add_argument("--seeds", type=int, nargs="+", default=[0])
    asked.add_argument("--held-out", type=int, default=0, help="classes kept out of the pretraining")
    asked.add_argument("--batch", type=int, default=64, help="images of a step; `auto` would depend on the machine's memory")
    asked.add_argument("--on", choices=["dev", "test"], default="dev")
    asked.add_argument("--most", type=float, default=100, help="minutes after which no further cell is begun")
    asked.add_argument("--pace", action="store_true", help="time a step of every pretraining, and no more")
    asked.add_argument("--show", action="store_true", help="print the table, and no more")
    asked.add_argument("--out", type=Path, default=Path("runs/language"))
    given = asked.parse_args()
    length = f"{given.steps} steps" if given.steps else f"{given.minutes:g} minutes"
    if given.show:
        return show(length)
    which = product(given.seeds, given.objectives, given.starts)
    same = {"length": length, "batch": str(given.batch), "held_out": str(given.held_out), "on": given.on}
    cells = [cell_of(start, objective, seed, same) for seed, objective, start in which]
    if given.pace:
        return time_steps(cells, given.data, given.out)
    carry_out(TABLE, cells, expected, lambda cell: measured(cell, given.data, given.out), given.most)
    show(length)


def cell_of(start: str, objective: str, seed: int, same: dict[str, str]) -> dict[str, str]:
    """`same`: what all cells of a sitting have in common."""
    which = {"start": start, "objective": objective, "seed": str(seed), **same}
    own: tuple[str, ...] = (f"labelfree/objectives/{objective}.py", f"recipes/satellite_{objective}.yaml")
    own += (f"labelfree/objectives/{DOMAIN}.py", f"recipes/satellite_{DOMAIN}.yaml") if start == "domain" else ()
    return which | place("torch", "timm", "open_clip_torch", depends=(*DEPENDS, *own))


def expected(cell: dict[str, str]) -> float:
    """Minutes of one thread."""
    if cell["on"] == "test":
        return SCORING_MINUTES
    number, unit = cell["length"].split()
    each = float(number) if unit == "minutes" else float(number) / 60
    return SCORING_MINUTES + each * (2 if cell["start"] == "domain" else 1)


def arm_of(cell: dict[str, str]) -> str:
    return "domain" if cell["start"] == "random" else "imagenet+domain"


def asked_of(cell: dict[str, str], data: Path, objective: str, init: str) -> list[str]:
    """The keys of a pretraining. `init`: what its arm goes on from, "random": nothing."""
    held_out = [f"evaluate.held_out_classes={cell['held_out']}"] if cell["held_out"] != "0" else []
    start = [] if init == "random" else [f"backbone.init={init}"]
    return [
        f"data.card={CARD}", f"data.root={(data / CARD).resolve()}", "evaluate.on=dev", f"pretrain.objective={objective}",
        f"pretrain.size={SIZE}", f"pretrain.batch_size={cell['batch']}", f"pretrain.seeds=[{cell['seed']}]",
        "pretrain.on_collapse=warn", f"evaluate.sizes=[{SIZE}]", *start, *held_out,
    ]  # fmt: skip


def retrieval(arm: str) -> list[str]:
    return ["evaluate.task=retrieval", f"evaluate.arms=[random, {arm}]", f"evaluate.primary={{arm: {arm}, against: random}}"]


def classes(arm: str) -> list[str]:
    """The linear probe, and what is asked in words where that is installed."""
    protocols = ["linear", *(["zeroshot"] if "zeroshot" in find_task("classification").protocols else [])]
    claim = f"evaluate.primary={{arm: {arm}, against: random, protocol: linear, budget: all, metric: accuracy}}"
    asked = f"evaluate.protocols=[{', '.join(protocols)}]"
    return ["evaluate.task=classification", asked, "evaluate.labels_per_class=[all]", f"evaluate.arms=[random, {arm}]", claim]


def paced(cell: dict[str, str], objective: str, start: str) -> dict[str, str]:
    return {"objective": objective, "start": start, **{key: cell[key] for key in ("batch", "torch", "timm", "hardware")}}


def time_steps(cells: list[dict[str, str]], data: Path, runs: Path) -> None:
    """Begin a run of every objective and start and stop it once its steps are timed; `domain` costs what ImageNet's start costs."""
    for cell in cells:
        stages = [(cell["objective"], "random" if cell["start"] == "random" else "imagenet")]
        stages += [(DOMAIN, "imagenet")] if cell["start"] == "domain" else []
        for objective, start in stages:
            key = paced(cell, objective, start)
            if found(PACE, key):
                continue
            out = runs / f"pace-{objective}-{start}-{cell['batch']}-{cell['commit'][:8]}"
            asked = [*asked_of(cell, data, objective, start), *retrieval_or_plain(objective, arm_of(cell)), "pretrain.minutes=60"]
            begin(command(f"satellite_{objective}", asked, out), out)
            plan = plan_in(out)
            append(PACE, key | {"seconds": f"{plan['seconds_per_step']:.3f}", "head_seconds": f"{plan['head_seconds']:.3f}"})
            print(f"{objective} from {start}: {plan['seconds_per_step']:.3f} s a step.", flush=True)


def retrieval_or_plain(objective: str, arm: str) -> list[str]:
    return retrieval(arm) if objective in OBJECTIVES else classes(arm)


def steps_of(cell: dict[str, str], objective: str, start: str) -> int:
    """As many as asked for, or as the minutes allow, a tenth of them in the head-only start."""
    number, unit = cell["length"].split()
    if unit == "steps":
        return int(number)
    pace = found(PACE, paced(cell, objective, start))
    if pace is None:
        sys.exit(f"benchmarks/language.py: {objective} from {start} is not timed on this machine yet; run with --pace first.")
    head = 0.0 if start == "random" else 0.1
    return max(10, int(60 * float(number) / ((1 - head) * float(pace["seconds"]) + head * float(pace["head_seconds"]))))


def folder_of(cell: dict[str, str], runs: Path, stage: str) -> Path:
    """A domain's start is shared by what goes on from it."""
    kind = f"{cell['length']}-{cell['batch']}-{cell['held_out']}-{cell['seed']}-{cell['commit'][:8]}".replace(" ", "")
    return runs / (f"{stage}-{kind}" if stage == DOMAIN else f"{cell['objective']}-{cell['start']}-{kind}{stage}")


def measured(cell: dict[str, str], data: Path, runs: Path) -> dict[str, str]:
    """Carry a cell out: the domain's start where it has one, the pretraining with retrieval, then the classes of the same images."""
    arm, objective, init = arm_of(cell), cell["objective"], cell["start"]
    steps, start = [], "random" if init == "random" else "imagenet"
    if init == "domain":
        steps.append(steps_of(cell, DOMAIN, start))
        out = folder_of(cell, runs, DOMAIN)
        begun = [*asked_of(cell, data, DOMAIN, start), *classes(arm), "pretrain.minutes=null", f"pretrain.steps={steps[0]}"]
        if end := carried_out(command(f"satellite_{DOMAIN}", begun, out), out):
            return nothing(steps, end)
        init = str((out / "backbone.safetensors").resolve())
    steps.append(steps_of(cell, objective, start))
    out = folder_of(cell, runs, "")
    asks = retrieval(arm) if cell["held_out"] == "0" else classes(arm)  # captions of retrieval name no classes to hold out
    begun = [*asked_of(cell, data, objective, init), *asks, "pretrain.minutes=null", f"pretrain.steps={steps[-1]}"]
    if end := carried_out(command(f"satellite_{objective}", begun, out), out):
        return nothing(steps, end)
    on = [f"evaluate.on={cell['on']}"]

    def answered(kind: str, question: list[str], *more: str) -> Path:
        """The run itself where it asks that on dev, else a comparison alone."""
        if cell["on"] == "dev" and asks == question:
            return out
        return taken_over(out, folder_of(cell, runs, f"-{kind}-{cell['on']}"), [*question, *more, *on])

    asked, by_class = answered("retrieval", retrieval(arm), NO_CLASSES), answered("classes", classes(arm))
    if cell["on"] == "test":
        script = f"python benchmarks/language.py --data $LABELFREE_DATA --starts {cell['start']} --objectives {objective}"
        look = {"date": f"{datetime.now():%Y-%m-%d %H:%M}", "commit": cell["commit"], "data": CARD, "recipe": f"satellite_{objective}"}
        append(LOG, look | {"command": f"{script} --seeds {cell['seed']} --on test"})
    return {"steps": "+".join(map(str, steps)), **of_retrieval(asked, arm), **of_classes(by_class, arm), "end": "fine"}


def carried_out(typed: list[str], out: Path) -> str:
    """Carry a run out, or on; why there are no scores of it, "" where there are."""
    if (out / "state.json").is_file() and json.loads((out / "state.json").read_text(encoding="utf-8")).get("status") == "finished":
        return ""
    code = subprocess.run(typed, check=False).returncode
    collapse = collapsed(out) if code == TrainingError.exit_code else ""
    if code and not collapse:
        sys.exit(f"benchmarks/language.py: {out} ended with exit code {code}; the same command goes on where it stopped.")
    return collapse


def taken_over(source: Path, out: Path, settings: list[str]) -> Path:
    """A comparison alone, of what the run `source` pretrained."""
    new = [sys.executable, "-m", "labelfree", "evaluate", "--weights", str(source), *settings, "--out", str(out)]
    typed = command("", [], out) if (out / "state.json").is_file() else new
    if end := carried_out(typed, out):
        sys.exit(f"benchmarks/language.py: {out}: {end}")
    return out


def of_retrieval(run: Path, arm: str) -> dict[str, str]:
    """Every metric of retrieval, its chance, and the interval that one run knows of R@10."""
    told = {row["metric"]: row for row in json.loads((run / "chance.json").read_text(encoding="utf-8")) if row["arm"] == arm}
    scores = {name: spoken(told[name]["mean"], name) for name in METRICS}
    chances = {f"{name}_chance": spoken(told[name]["chance"], name) for name in METRICS}
    bounds = {f"{name}_{end}": spoken(told[name][end], name) for name in METRICS if name.endswith("r10") for end in ("low", "high")}
    return {**scores, **chances, **bounds}


def of_classes(run: Path, arm: str) -> dict[str, str]:
    """Accuracy in % of the linear probe, and of what was asked in words among classes of its own kind."""
    found_here = dict.fromkeys(CLASSES, "")
    table = json.loads((run / "claims.json").read_text(encoding="utf-8"))["table"]
    found_here["linear"] = next(spoken(row["mean"], "") for row in table if (row["arm"], row["protocol"]) == (arm, "linear"))
    words: list[dict[str, Any]] = json.loads(text)["rows"] if (text := read(run / "prompted.json")) else []
    for row in words:
        if row["arm"] == arm and row["among"] == "them" and (column := ROW_OF_KIND.get(row["kind"])):
            found_here |= {column: spoken(row["mean"], ""), f"{column}_chance": spoken(row["chance"], "")}
    return found_here


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def spoken(value: float | None, metric: str) -> str:
    """Shares in %, ranks as they are."""
    if value is None:
        return ""
    return f"{value:.1f}" if metric.endswith("rank") else f"{100 * value:.2f}"


def nothing(steps: list[int], end: str) -> dict[str, str]:
    columns = [*METRICS, *(f"{name}_chance" for name in METRICS)]
    columns += [f"{name}_{end_of}" for name in METRICS if name.endswith("r10") for end_of in ("low", "high")]
    return {"steps": "+".join(map(str, steps)), **dict.fromkeys([*columns, *CLASSES], ""), "end": end}


def show(length: str) -> None:
    """For dev and test a row a start and objective: means over seeds with their deviation; chance stands in the last row."""
    shown = [*METRICS, "linear", "prompted", "zero_shot"]
    heads = [heading(name) for name in shown]
    cells: dict[tuple[str, ...], list[dict[str, str]]] = defaultdict(list)
    for row in rows(TABLE):
        if row["length"] == length:
            cells[row["on"], row["held_out"], row["start"], row["objective"]].append(row)
    for on, held_out in dict.fromkeys(key[:2] for key in cells):
        here = {key[2:]: each for key, each in cells.items() if key[:2] == (on, held_out)}
        kept = f", {held_out} classes kept out" if held_out != "0" else ""
        print(f"\n{CARD}, {on}, {length} a pretraining{kept}\n\n| start | objective | {' | '.join(heads)} | seeds |")
        print(f"|---|---|{'---|' * len(heads)}---|")
        for (start, objective), each in here.items():
            print(f"| {start} | {objective} | {' | '.join(spread(each, name) for name in shown)} | {len({row['seed'] for row in each})} |")
        every = [row for each in here.values() for row in each]
        print(f"| chance | | {' | '.join(spread(every, f'{name}_chance', mean_alone=True) for name in shown)} | |")


def heading(name: str) -> str:
    """`text_to_image_r10` as `t→i R@10`."""
    short = name.replace("text_to_image_", "t→i ").replace("image_to_text_", "i→t ").replace(" r1", " R@1").replace(" r5", " R@5")
    return short.replace("_", " ")


def spread(cells: list[dict[str, str]], name: str, mean_alone: bool = False) -> str:
    """The mean over seeds, and their deviation; nothing where it was not measured."""
    values = [float(row[name]) for row in cells if row.get(name)]
    if not values:
        return ""
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 and not mean_alone else "")


if __name__ == "__main__":
    main()
