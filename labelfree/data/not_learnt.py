"""Labelled images that no head learns from: a task that learns from one kind alone leaves the others to be scored."""

from __future__ import annotations

from collections.abc import Sequence


def not_learnt(strata: Sequence[str], learnt: Sequence[str], split: str) -> list[str]:
    """A sentence on those of the labelled images to learn from that are of no stratum that is `learnt` (empty: all are), if any.

    `split`: where scores come from, "cv" for folds of these images.
    """
    idle = sum(stratum not in learnt for stratum in strata) if learnt else 0
    if not idle:
        return []
    scored = "they are scored" if split == "cv" else f"only those of {split} are scored"
    what = " or ".join(learnt)
    return [f"{idle:,} of {len(strata):,} labelled images are not {what}: none is learned from, and they choose nothing; {scored}."]
