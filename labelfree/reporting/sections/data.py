"""The data: what the pool looks like and how many labels there are."""

from __future__ import annotations

from collections import Counter
from typing import Any

from labelfree.data.cards import Card
from labelfree.reporting.sections.base import Context, Section
from labelfree.reporting.words import MINUS

ORDER = ("pool", "pool+train", "train", "dev", "test", "unused")
ROLES = {
    "pool": "pretraining only",
    "pool+train": "pretraining and labels",
    "train": "labels",
    "dev": "scored (dev)",
    "test": "scored (test)",
    "unused": "not used",
}


def build(context: Context) -> Section:
    run = context.run
    fingerprint = run.fingerprint
    classes = classes_by_split(run.splits, run.words.budget.stratum if run.words.categorical else "")
    if not fingerprint and not classes:
        return Section("data", "The data", absent="The data were not fingerprinted: the run ended before its pool was built.")
    facts = []
    if fingerprint:
        facts = [
            ("Images in the pool", f"{fingerprint.get('count', 0):,}"),
            ("Size", size(fingerprint)),
            ("Stored as", str(fingerprint.get("dtype", "")).removeprefix("torch.")),
        ]
        facts += [("Unit", fingerprint.get("unit") or "not known"), ("Fingerprint", str(fingerprint.get("digest", ""))[:16])]
    card_facts = {**reader_of(run.card), "licence": run.card.get("licence"), "cite": run.card.get("citation")}
    facts += [(key.capitalize(), str(value)) for key, value in card_facts.items() if value]
    channels = [
        {"name": name, "mean": short(mean), "std": short(std)}
        for name, mean, std in zip(fingerprint.get("channels", []), fingerprint.get("mean", []), fingerprint.get("std", []), strict=False)
    ]
    return Section(
        "data",
        "The data",
        {
            "facts": [fact for fact in facts if fact[1]],
            "channels": channels,
            "unit": fingerprint.get("unit", ""),
            "classes": classes,
        },
        lead="Mean and spread are measured on the pretraining pool alone, never on scored images." if channels else "",
    )


def reader_of(card: dict[str, Any]) -> dict[str, str]:
    """What a data card says of its images in words of their field; the unit is told already. Cards kept by older runs have it on top."""
    further = card.get("reader") or {key: value for key, value in card.items() if key not in Card.model_fields}
    return {key: value for key, value in further.items() if isinstance(value, str) and key != "unit"}


def size(fingerprint: dict[str, Any]) -> str:
    """64 × 64 pixels, or the span of sizes."""
    smallest, largest = (" × ".join(f"{side:,}" for side in fingerprint.get(key, ())) for key in ("smallest", "largest"))
    return f"{smallest} pixels" if smallest == largest else f"{smallest} to {largest} pixels"


def short(value: float) -> str:
    """Four figures, however large the unit makes them."""
    return f"{value:,.4g}".replace("-", MINUS)


def classes_by_split(rows: list[dict[str, str]], stratum: str = "class") -> dict[str, Any]:
    """Counts a `stratum`, as a class is called, and role; labels that name none ("") are counted together.

    Labels of rows that only the pretraining saw are unknown by rule, so those rows are one line.
    """
    if not rows or "role" not in rows[0]:
        return {}
    blind = {"pool", "unused"}
    named = ((row["label"] if stratum else "labelled" * bool(row["label"]), row["role"]) for row in rows)
    counted = Counter((label if role not in blind else "", role) for label, role in named)
    roles = sorted({role for _, role in counted}, key=lambda role: (ORDER.index(role) if role in ORDER else len(ORDER), role))
    lines = [
        {"name": name or "label not used", "counts": [counted[name, role] for role in roles]}
        for name in sorted({name for name, _ in counted}, key=lambda n: (n == "", n))
    ]
    totals = [sum(column) for column in zip(*(line["counts"] for line in lines), strict=True)]
    return {
        "title": f"Images a {stratum} and use" if stratum else "Images by use",
        "head": stratum.capitalize() or "Label",
        "roles": [ROLES.get(role, role) for role in roles],
        "lines": lines,
        "totals": totals,
    }
