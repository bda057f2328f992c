"""A run folder whose every number is known, written as a run writes it, to render and to test the report."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from labelfree.recipe import Recipe
from labelfree.reporting import Shot, save_leak_pairs, save_neighbours, save_views

CLASSES = ["Annual crop", "Forest", "Highway", "Industrial", "Pasture", "River"]
ARMS = ["statistics", "random", "imagenet", "imagenet+domain"]
BUDGETS: list[int | str] = [1, 5, 10, 50, "all"]
TRUTH = {  # score at each budget, linear; kNN is three points lower
    "statistics": (0.31, 0.42, 0.46, 0.52, 0.53),
    "random": (0.27, 0.38, 0.45, 0.55, 0.58),
    "imagenet": (0.46, 0.673, 0.745, 0.819, 0.838),
    "imagenet+domain": (0.61, 0.785, 0.815, 0.842, 0.851),
}
WIDTH = (0.055, 0.028, 0.021, 0.015, 0.012)  # half an interval at each budget


def x_of(budget: int | str) -> float:
    return 100.0 if budget == "all" else float(budget)


def claims(difference: float = 0.112, half: float = 0.031, **changes: Any) -> dict[str, Any]:
    """claims.json of a run in which the primary arm is ahead by `difference`."""
    low, high = difference - half, difference + half
    table = [
        {
            "arm": arm,
            "protocol": protocol,
            "budget": budget,
            "n_labels": int(x_of(budget) * len(CLASSES)),
            "x": x_of(budget),
            "metric": "accuracy",
            "mean": TRUTH[arm][i] - shift,
            "low": TRUTH[arm][i] - shift - WIDTH[i],
            "high": TRUTH[arm][i] - shift + WIDTH[i],
            "draws": 1 if budget == "all" else 5,
            "sizes": [] if arm == "statistics" else [128] if arm == "imagenet" else [64],
            "flags": ["undertrained"] if (arm, budget, protocol) == ("random", 50, "linear") else [],
        }
        for protocol, shift in (("knn", 0.03), ("linear", 0.0))
        for arm in ARMS
        for i, budget in enumerate(BUDGETS)
    ]
    found = {
        "primary": {
            "arm": "imagenet+domain",
            "against": "imagenet",
            "protocol": "linear",
            "budget": 5,
            "metric": "accuracy",
            "difference": difference,
            "low": low,
            "high": high,
            "p": 0.0004 if low > 0 or high < 0 else 0.41,
            "level": 0.95,
            "draws": 5,
            "seeds": 1,
            "scored_groups": 212,
            "split": "dev",
            "significant": low > 0 or high < 0,
            "moved_from": None,
            "undertrained": False,
        },
        "smallest_difference": 0.044,
        "labels_saved": {"ratio": 4.9, "low": 3.4, "high": None, "text": "4.9× (3.4 to > 10)"},
        "table": table,
        "envelope": [{"arm": "imagenet", "protocol": p, "budget": b, "mean": TRUTH["imagenet"][i] + 0.012 - s} for p, s in (("knn", 0.03), ("linear", 0)) for i, b in enumerate(BUDGETS)],
        "strongest_imagenet": {"arm": "imagenet", "budget": 5},
        "notes": ["Budget 200: dropped, the rarest class of train has 180 labels."],
        "headline": "labels saved at 5 a class: 4.9x (3.4 to > 10)",
    }
    return found | changes


def patches(n: int, seed: int = 0, side: int = 64) -> list[tuple[np.ndarray, str]]:
    """`n` coloured, textured fields (side, side, 3) uint8, each with the class that made it."""
    random = np.random.default_rng(seed)
    tones = {"Annual crop": (190, 165, 100), "Forest": (38, 78, 48), "Highway": (140, 138, 132), "Industrial": (170, 150, 145), "Pasture": (120, 150, 80), "River": (45, 80, 110)}
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


def make_run(folder: Path, *, generated: bool = False, recipe: dict[str, Any] | None = None, scores: dict[str, Any] | None = None) -> Path:
    """A whole run: every file the report reads. `recipe` adds to the recipe; `scores` replaces claims.json."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"name": "satellite_dino", "domain": "satellite", "data": {"card": "eurosat-rgb", "root": "/data/eurosat_rgb"}, "pretrain": {"objective": "dino", "minutes": 9, "local_size": 32}}
    settings |= {"evaluate": {"on": "dev", "sizes": [64, 128, 192], "labels_per_class": BUDGETS}}
    resolved = Recipe.model_validate(settings | (recipe or {}), strict=False).model_dump(mode="json")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True), encoding="utf-8")

    def write(name: str, value: Any) -> None:
        (folder / name).write_text(json.dumps(value, indent=1), encoding="utf-8")

    write("claims.json", scores or claims())
    write("classes.json", CLASSES)
    write("notes.json", ["imagenet-inflated: left out, the images have three bands.", "evaluate.minutes: 5 draws instead of 10, middle budgets kept."])
    write("card.json", {"name": "eurosat-rgb", "domain": "satellite", "licence": "MIT", "citation": "Helber et al., IEEE JSTARS 2019", "sensor": "sentinel-2", "generated": generated})
    write(
        "leaks.json",
        {"exact": [], "near": [["a.tif", "b.tif", 0.981]] * 3, "judged": 571, "not_judged": 18, "limit": 6, "cannot_tell": False, "dropped": 0, "transductive": False, "sentence": "3 of 571 judged images have a near-duplicate in the pool; the limit is 6."},
    )
    write(
        "fingerprint.json",
        {"count": 8411, "channels": ["red", "green", "blue"], "dtype": "torch.uint8", "unit": "8-bit", "smallest": [64, 64], "largest": [64, 64], "mean": [87.9, 96.9, 103.9], "std": [51.9, 34.8, 29.4], "digest": "9f2c81d0aa17be44c0"},
    )
    write(
        "environment.json",
        {
            "command": "labelfree run recipes/satellite_dino.yaml data.card=eurosat-rgb data.root=/data/eurosat_rgb",
            "started": "2026-11-24T10:12:44+00:00",
            "git": {"commit": "fa6c30e", "dirty": False},
            "hardware": {"cpu": "2 cores, x86_64", "gpu": None, "memory_gb": 8},
            "python": "3.11.9",
            "packages": {"torch": "2.14.0", "timm": "1.0.31", "lightning": "2.6.0", "scikit-learn": "1.9.0"},
        },
    )
    write("plan.json", {"pretrain.batch_size": {"value": 128, "reason": "fits in memory, one trial step"}, "pretrain.lr": {"value": 0.0002, "reason": "continuing from weights"}})
    _write_table(folder / "metrics.csv", ("arm", "seed", "step", "name", "value"), _metrics())
    _write_table(folder / "splits.csv", ("path", "label", "group", "split"), _splits())
    _pictures(folder)
    return folder


def _metrics() -> list[tuple[Any, ...]]:
    random = np.random.default_rng(1)
    rows: list[tuple[Any, ...]] = []
    for step in range(0, 1500, 5):
        t = step / 1500
        shapes = {"loss": 6.9 - 2.6 * (1 - math.exp(-4 * t)), "std": 0.62 + 0.2 * t, "rankme": 60 + 130 * t, "alignment": 0.5 - 0.2 * t}
        shapes |= {"uniformity": -2.1 - 0.8 * t, "teacher_entropy": 6.2 - 3 * t, "gradient_norm": 2.2 * math.exp(-2 * t) + 0.4}
        rows += [("imagenet+domain", 0, step, name, round(value * (1 + 0.02 * random.normal()), 5)) for name, value in shapes.items()]
    return rows


def _splits() -> list[tuple[str, str, str, str]]:
    sizes = {"pretrain": 120, "train": 60, "dev": 42}
    return [(f"{split}/{i:04d}.jpg", CLASSES[i % len(CLASSES)], f"block-{i // 4}", split) for split, n in sizes.items() for i in range(n)]


def _pictures(folder: Path) -> None:
    made = patches(36)
    rows = []
    for image, _ in made[:5]:
        views = [np.rot90(image[8:56, 4:52]), image[10:60, 2:52][:, ::-1], image[:32, :32], image[20:52, 30:62], image[32:64, 4:36][::-1], image[5:37, 15:47]]
        rows.append([image, *views])
    save_views(folder, "imagenet+domain", rows, ["source", "global 1", "global 2", "local 1", "local 2", "local 3", "local 4"])
    random = np.random.default_rng(3)

    def near(q: int, right: float) -> list[Shot]:
        picks = [made[(q + len(CLASSES) * (1 + n)) % 36] if random.random() < right else made[(q + 1 + n) % 36] for n in range(5)]
        return [Shot(image, label, 0.95 - 0.03 * n) for n, (image, label) in enumerate(picks)]

    save_neighbours(
        folder, [Shot(*made[q]) for q in range(6)], {"imagenet": [near(q, 0.5) for q in range(6)], "imagenet+domain": [near(q, 0.85) for q in range(6)]}
    )
    save_leak_pairs(folder, [(made[i][0], made[i][0][::-1]) for i in range(3)])


def _write_table(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
