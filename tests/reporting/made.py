"""A run folder whose every number is known, written as a run writes it, to render and to test the report."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from labelfree.recipe import Recipe
from labelfree.reporting import Segmented, Shot, TokenGrid, save_leak_pairs, save_neighbours, save_segments, save_tokens, save_views

CLASSES = ["Annual crop", "Forest", "Highway", "Industrial", "Pasture", "River"]
ARMS = ["statistics", "random", "imagenet", "imagenet+domain"]
BUDGETS = ["1", "5", "10", "50", "all"]
TRUTH = {  # score at each budget, linear; kNN is three points lower
    "statistics": (0.31, 0.42, 0.46, 0.52, 0.53),
    "random": (0.27, 0.38, 0.45, 0.55, 0.58),
    "imagenet": (0.46, 0.673, 0.745, 0.819, 0.838),
    "imagenet+domain": (0.61, 0.785, 0.815, 0.842, 0.851),
}
BOUND = "at most 5.0 % of the images without River would be called so"
WIDTH = (0.055, 0.028, 0.021, 0.015, 0.012)  # half an interval at each budget


def x_of(budget: str) -> float:
    return 100.0 if budget == "all" else float(budget)


def claims(difference: float = 0.112, half: float = 0.031, **changes: Any) -> dict[str, Any]:
    """claims.json of a run in which the primary arm is ahead by `difference`; `changes` replace top-level entries."""
    low, high = difference - half, difference + half
    verdict = "better" if low > 0 else "worse" if high < 0 else "no significant difference"
    compared = {
        "arm": "imagenet+domain",
        "against": "imagenet",
        "protocol": "linear",
        "budget": "5",
        "metric": "accuracy",
        "mean": difference,
        "low": low,
    }
    compared |= {"high": high, "se": half / 2.1, "df": 18.0, "p": 0.0004 if verdict != "no significant difference" else 0.41}
    compared |= {"parts": {"draws": 1e-5, "test": 2e-4}, "undertrained": False, "withheld": "", "verdict": verdict}
    table = [
        {
            "arm": arm,
            "backbone": "tf_efficientnet_lite0",
            "protocol": protocol,
            "budget": budget,
            "x": x_of(budget),
            "n_labels": x_of(budget) * len(CLASSES),
            "metric": "accuracy",
            "mean": TRUTH[arm][i] - shift,
            "low": TRUTH[arm][i] - shift - WIDTH[i],
            "high": TRUTH[arm][i] - shift + WIDTH[i],
            "draws": 1 if budget == "all" else 5,
            "seeds": 1,
            "size": 0 if arm == "statistics" else 128 if arm == "imagenet" else 64,
            "undertrained": int((arm, budget, protocol) == ("random", "50", "linear")),
        }
        for protocol, shift in (("knn", 0.03), ("linear", 0.0))
        for arm in ARMS
        for i, budget in enumerate(BUDGETS)
    ]
    found = {
        "headline": "imagenet+domain beats imagenet at 5 labels a class.",
        "primary": compared,
        "resolvable": 0.044,
        "labels_saved": {
            "at": 5.0, "ratio": 4.9, "low": 3.4, "high": None, "smallest": 0.2, "largest": 20.0,
            "text": "4.9× (3.4× to > 20×)", "words": {"ratio": "4.9×", "low": "3.4×", "high": "> 20×"},
        },
        "table": table,
        "comparisons": [compared],
        "strongest_imagenet": {"arm": "imagenet", "budget": "5", "inner": 0.66, "among": {"imagenet": 0.66}},
        "envelope": [
            {"arm": "imagenet", "protocol": p, "budget": b, "x": x_of(b), "size": 192, "mean": TRUTH["imagenet"][i] + 0.012 - s}
            for p, s in (("knn", 0.03), ("linear", 0))
            for i, b in enumerate(BUDGETS)
        ],
        "undertrained": ["random, linear, 50 labels a class: the solver did not converge in 1 cells; no claim."],
        "caption": "kNN: k among 1, 3, 5, 10, 20, temperature 0.07. Linear: C among 0.1, 1, 10. Pooling: the architecture's own.",
        "method": "Draws, pretraining seeds and 2000 resamplings of 212 scored groups, joined by Satterthwaite's rule.",
        "notes": ["Budget 200 was dropped: the rarest class has 180 labels.",
                  "One pretraining seed: the spread between pretrainings is not in the intervals."],
        "operating": [
            {
                "arm": arm, "alarm": "River", "most": 0.05, "bound": BOUND, "unit": "image",
                "sentence": f"{arm}, River from a score of 0.61 on: {said}.",
            }
            for arm, said in (("imagenet+domain", "0 of 7 images of River missed"), ("imagenet", "3 of 7 images of River missed"))
        ],
    }  # fmt: skip
    return found | changes


def patches(n: int, seed: int = 0, side: int = 64) -> list[tuple[np.ndarray, str]]:
    """`n` coloured, textured fields (side, side, 3) uint8, each with the class that made it."""
    random = np.random.default_rng(seed)
    tones = {
        "Annual crop": (190, 165, 100),
        "Forest": (38, 78, 48),
        "Highway": (140, 138, 132),
        "Industrial": (170, 150, 145),
        "Pasture": (120, 150, 80),
        "River": (45, 80, 110),
    }
    made = []
    y, x = np.mgrid[0:side, 0:side] / side
    for i in range(n):
        name = CLASSES[i % len(CLASSES)]
        wave = sum(np.sin(2 * math.pi * (random.normal(0, 3) * x + random.normal(0, 3) * y + random.random())) for _ in range(5))
        field = np.asarray(tones[name]) * (1 + 0.06 * wave[..., None]) + random.normal(0, 6, (side, side, 3))
        if name in ("Highway", "River"):
            band = np.abs(y - 0.5 - 0.25 * np.sin(3 * x + i)) < 0.07
            field[band] = field[band] * (1.35 if name == "Highway" else 0.6)
        made.append((np.clip(field, 0, 255).astype(np.uint8), name))
    return made


def make_run(
    folder: Path,
    *,
    generated: bool = False,
    recipe: dict[str, Any] | None = None,
    scores: dict[str, Any] | None = None,
    pictures: bool = False,
) -> Path:
    """A whole run: every file the report reads. `recipe` adds to the recipe; `scores` replaces claims.json."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "name": "satellite_dino",
        "domain": "satellite",
        "data": {"card": "eurosat-rgb", "root": "/data/eurosat_rgb"},
        "pretrain": {"objective": "dino", "minutes": 9, "local_size": 32},
    }
    settings |= {"evaluate": {"on": "dev", "sizes": [64, 128, 192], "labels_per_class": [1, 5, 10, 50, 200, "all"]}}
    resolved = Recipe.model_validate(settings | (recipe or {}), strict=False).model_dump(mode="json")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True), encoding="utf-8")

    def write(name: str, value: Any) -> None:
        (folder / name).write_text(json.dumps(value, indent=1), encoding="utf-8")

    write("claims.json", scores or claims())
    write("classes.json", CLASSES)
    write("notes.json", ["imagenet-inflated: left out, the images have three bands."])
    write(
        "evaluation.json",
        {"notes": ["Budget 200 was dropped: the rarest class has 180 labels.", "evaluate.minutes=10: draws were cut from 10 to 5."]},
    )
    write(
        "card.json",
        {
            "name": "eurosat-rgb",
            "domain": "satellite",
            "licence": "MIT",
            "citation": "Helber et al., IEEE JSTARS 2019",
            "sensor": "sentinel-2",
            "generated": generated,
        },
    )
    near = [[f"pretrain/{i:04d}.jpg", f"dev/{i:04d}.jpg", 0.981] for i in range(3)]
    leaks = {
        "exact": [],
        "near": near,
        "scored": 42,
        "judged": 40,
        "not_judged": 2,
        "limit": 6,
        "chance": 0.0,
        "cannot_tell": False,
        "dropped": [],
    }
    leaks |= {
        "transductive": False,
        "scored_near": [pair[1] for pair in near],
        "sentence": "No exact copy among 42 scored images. 3 have a near-duplicate in the pool.",
    }
    write("leaks.json", leaks)
    write(
        "fingerprint.json",
        {
            "count": 8411,
            "channels": ["red", "green", "blue"],
            "dtype": "torch.uint8",
            "unit": "8-bit",
            "smallest": [64, 64],
            "largest": [64, 64],
            "mean": [87.9, 96.9, 103.9],
            "std": [51.9, 34.8, 29.4],
            "digest": "9f2c81d0aa17be44c0",
        },
    )
    write(
        "environment.json",
        {
            "command": "labelfree run recipes/satellite_dino.yaml data.card=eurosat-rgb data.root=/data/eurosat_rgb",
            "git": {"commit": "fa6c30e", "changed": False},
            "hardware": "2 cores (x86_64), 8 GiB memory, no GPU",
            "python": "3.11.9",
            "seed": 0,
            "packages": {"torch": "2.14.0", "timm": "1.0.31", "lightning": "2.6.0", "scikit-learn": "1.9.0"},
        },
    )
    write("plan.json", {"plans": {}, "sentences": ["imagenet+domain: pretrain.batch_size = 128 (fits in memory)."]})
    _write_table(folder / "metrics.csv", ("arm", "seed", "step", "name", "value"), _metrics())
    _write_table(folder / "splits.csv", ("path", "label", "group", "split", "role"), _splits())
    _write_table(
        folder / "results.csv",
        ("run", "dataset", "split", "arm", "metric", "value"),
        [("made", "eurosat-rgb", "dev", "imagenet", "accuracy", 0.673)],
    )
    _predictions(folder)
    write("confusion.json", confusion())
    write("reliability.json", reliability())
    if pictures:
        _pictures(folder)
    return folder


def confusion() -> dict[str, Any]:
    """confusion.json: two draws of 42 images; one arm calls neighbours for one another now and then, the other often."""
    tables = {}
    for arm, right in (("imagenet+domain", 11), ("imagenet", 8)):
        table = np.eye(len(CLASSES), dtype=int) * right
        table += np.roll(np.eye(len(CLASSES), dtype=int), 1, axis=1) * (14 - right)
        tables[arm] = table.tolist()
    facts = {"protocol": "linear", "budget": "5", "counted": "images", "classes": CLASSES}
    return facts | {"times": dict.fromkeys(tables, 2), "arms": tables}


def reliability() -> dict[str, Any]:
    """reliability.json: one arm's scores are what they say, the other's are 0.2 too high; nothing is called with less than 7 in 15."""
    arms = {}
    for arm, over in (("imagenet+domain", 0.0), ("imagenet", 0.2)):
        middles = [None if at < 7 else (at + 0.5) / 15 for at in range(15)]
        right = [None if middle is None else middle - over for middle in middles]
        ece = {"mean": 0.01 + over, "low": over / 2, "high": 0.03 + over}
        metrics = {"ece": ece, "brier": {"mean": 0.3 + over, "low": None, "high": None}}
        arms[arm] = {"rows": [0] * 7 + [10] * 8, "confidence": middles, "accuracy": right, "metrics": metrics}
    return {"protocol": "linear", "budget": "5", "times": dict.fromkeys(arms, 2), "arms": arms}


def _metrics() -> list[tuple[Any, ...]]:
    random = np.random.default_rng(1)
    rows: list[tuple[Any, ...]] = []
    for step in range(0, 1500, 5):
        t = step / 1500
        shapes = {"loss": 6.9 - 2.6 * (1 - math.exp(-4 * t)), "std": 0.62 + 0.2 * t, "rankme": 60 + 130 * t, "alignment": 0.5 - 0.2 * t}
        shapes |= {"uniformity": -2.1 - 0.8 * t, "teacher_entropy": 6.2 - 3 * t, "gradient_norm": 2.2 * math.exp(-2 * t) + 0.4}
        rows += [("imagenet+domain", 0, step, name, round(value * (1 + 0.02 * random.normal()), 5)) for name, value in shapes.items()]
    return rows


def _splits() -> list[tuple[str, str, str, str, str]]:
    sizes = {"pretrain": (120, "pool"), "train": (60, "pool+train"), "dev": (42, "dev")}
    return [
        (f"{split}/{i:04d}.jpg", CLASSES[i % len(CLASSES)], f"block-{split}-{i // 4}", split, role)
        for split, (n, role) in sizes.items()
        for i in range(n)
    ]


def _predictions(folder: Path) -> None:
    """The primary's point, two draws: the arm is right on all scored rows but the near-duplicates, the other only on those."""
    rows = [(arm, draw, i) for arm in ("imagenet+domain", "imagenet") for draw in range(2) for i in range(42)]
    right = [(i >= 3) == (arm == "imagenet+domain") for arm, _, i in rows]
    called = [(i if ok else i + 1) % len(CLASSES) for (_, _, i), ok in zip(rows, right, strict=True)]
    table = {"arm": [arm for arm, _, _ in rows], "protocol": ["linear"] * len(rows), "budget": ["5"] * len(rows), "seed": [0] * len(rows)}
    table |= {"draw": [draw for _, draw, _ in rows], "fold": [0] * len(rows), "row_id": [f"dev/{i:04d}.jpg" for _, _, i in rows]}
    table |= {"group": [f"block-dev-{i // 4}" for _, _, i in rows], "target": [i % len(CLASSES) for _, _, i in rows]}
    table |= {"scores": [[float(k == c) for k in range(len(CLASSES))] for c in called]}
    columns = pa.table(table)
    pq.write_table(columns.set_column(0, "arm", columns["arm"].dictionary_encode()), folder / "predictions.parquet")


def _pictures(folder: Path) -> None:
    made = patches(36)
    rows = []
    for image, _ in made[:5]:
        views = [
            np.rot90(image[8:56, 4:52]),
            image[10:60, 2:52][:, ::-1],
            image[:32, :32],
            image[20:52, 30:62],
            image[32:64, 4:36][::-1],
            image[5:37, 15:47],
        ]
        rows.append([image, *views])
    save_views(folder, "imagenet+domain", rows, ["source", "global 1", "global 2", "local 1", "local 2", "local 3", "local 4"])
    random = np.random.default_rng(3)

    def near(q: int, right: float) -> list[Shot]:
        picks = [made[(q + len(CLASSES) * (1 + n)) % 36] if random.random() < right else made[(q + 1 + n) % 36] for n in range(5)]
        return [Shot(image, label, 0.95 - 0.03 * n) for n, (image, label) in enumerate(picks)]

    save_neighbours(
        folder,
        [Shot(*made[q]) for q in range(6)],
        {"imagenet": [near(q, 0.5) for q in range(6)], "imagenet+domain": [near(q, 0.85) for q in range(6)]},
    )
    save_tokens(folder, {arm: [_seen(made[:4], arm)] for arm in ("imagenet", "imagenet+domain")})
    save_leak_pairs(folder, [(made[i][0], made[i][0][::-1]) for i in range(3)])


def _seen(images: list[tuple[np.ndarray, str]], arm: str) -> TokenGrid:
    """Brightness in place of what a network sees, blurred."""
    rows = []
    for image, _ in images:
        gray = image.mean(2)[..., None]
        clusters = np.where(gray > np.median(gray), (230, 159, 0), (86, 180, 233)).astype(np.uint8)
        rows.append([image, np.roll(image, len(arm) % 3, axis=2), clusters, np.repeat(gray, 3, 2).astype(np.uint8)])
    return TokenGrid("seen at 128 px", ["image", "colours", "clusters", "cut"], rows)


def segmented(folder: Path) -> Path:
    """Maps among the pictures of a made run: a river to find, part of a mask unknown, one image without any."""
    shown = []
    y, x = np.mgrid[0:64, 0:64] / 64
    for kind, value, shift, there in (("best", 0.93, 0.01, 1), ("middle", 0.71, 0.05, 1), ("worst", 0.22, 0.2, 1), ("empty", None, 0.1, 0)):
        image = patches(6, seed=int(100 * shift))[5][0]
        truth = (np.abs(y - 0.5 - 0.25 * np.sin(3 * x + 5)) < 0.07).astype(np.int16) * there
        truth[(x > 0.5) & (y > 0.7)] = 2 * there
        truth[:12, :16] = -1
        called = {arm: np.roll(truth, int(64 * shift * far), axis=0).clip(0) for arm, far in (("imagenet+domain", 1), ("imagenet", 2))}
        shown.append(Segmented(image, truth, called, kind, value))
    return save_segments(folder, shown, ["background", "river", "field"], "imagenet+domain", "mean_iou")


def _write_table(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
