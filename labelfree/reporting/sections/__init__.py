"""The page's sections in reading order, one file each: a run folder in, what its template shows out; None where a run has none of it."""

from labelfree.reporting.sections import (
    boxes,
    confusion,
    data,
    efficiency,
    gaps,
    headline,
    health,
    heats,
    leakage,
    method,
    nearest,
    operating,
    precision,
    recommended,
    reliability,
    reproduce,
    scores,
    seen,
    segments,
    tokens,
)

BUILDERS = (
    headline.build,
    recommended.build,
    efficiency.build,
    scores.build,
    confusion.build,
    precision.build,
    reliability.build,
    operating.build,
    segments.build,
    boxes.build,
    heats.build,
    gaps.build,
    health.build,
    seen.build,
    tokens.build,
    nearest.build,
    leakage.build,
    data.build,
    method.build,
    reproduce.build,
)

__all__ = ["BUILDERS"]
