"""The data: what the pool looks like and how many labels there are."""

from __future__ import annotations

from collections import Counter
from typing import Any

from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import MINUS


def build(context: Context) -> Section:
    run = context.run
    found = run.fingerprint
    classes = classes_by_split(run.splits)
    if not found and not classes:
        return Section("data", "The data", absent="The data were not fingerprinted: the run ended before its pool was built.")
    facts = []
    if found:
        facts = [("Images in the pool", f"{found.get('count', 0):,}"), ("Size", size(found)), ("Stored as", str(found.get("dtype", "")).removeprefix("torch."))]
        facts += [("Unit", found.get("unit") or "not known"), ("Fingerprint", str(found.get("digest", ""))[:16])]
    for key, name in (("sensor", "Sensor"), ("licence", "Licence"), ("citation", "Cite")):
        if value := run.card.get(key):
            facts.append((name, str(value)))
    channels = [
        {"name": name, "mean": short(mean), "std": short(std)}
        for name, mean, std in zip(found.get("channels", []), found.get("mean", []), found.get("std", []), strict=False)
    ]
    return Section(
        "data",
        "The data",
        {"facts": [fact for fact in facts if fact[1]], "channels": channels, "unit": found.get("unit", ""), "classes": classes},
        lead="Mean and spread are measured on the pretraining pool alone, never on scored images." if channels else "",
    )


def size(found: dict[str, Any]) -> str:
    """64 × 64 pixels, or the span of sizes."""
    smallest, largest = (" × ".join(f"{side:,}" for side in found.get(key, ())) for key in ("smallest", "largest"))
    return f"{smallest} pixels" if smallest == largest else f"{smallest} to {largest} pixels"


def short(value: float) -> str:
    """Four figures, however large the unit makes them."""
    return f"{value:,.4g}".replace("-", MINUS)


def classes_by_split(rows: list[dict[str, str]]) -> dict[str, Any]:
    """Counts a class and split; labels of pretraining rows are unknown by rule, so these are one line."""
    if not rows:
        return {}
    key = next((name for name in ("role", "split") if name in rows[0]), None)
    if key is None:
        return {}
    counted = Counter((row.get("label") or "", row[key] or "unsplit") for row in rows)
    splits = [name for name in ("pretrain", "pool", "train", "dev", "test", "score") if any(split == name for _, split in counted)]
    splits += sorted({split for _, split in counted} - set(splits))
    blind = {"pretrain", "pool"}
    classes = sorted({label for label, split in counted if label and split not in blind})
    lines = [{"name": name, "counts": [0 if split in blind else counted[name, split] for split in splits]} for name in classes]
    unknown = [sum(n for (label, split), n in counted.items() if split == each and (each in blind or not label)) for each in splits]
    if any(unknown):
        lines.append({"name": "label not used", "counts": unknown})
    totals = [sum(column) for column in zip(*(line["counts"] for line in lines), strict=True)]
    return {"splits": splits, "lines": lines, "totals": totals}

