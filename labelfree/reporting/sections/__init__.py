"""The page's sections in reading order, one file each: a run folder in, what its template shows out."""

from labelfree.reporting.sections import (
    data,
    efficiency,
    gaps,
    headline,
    health,
    leakage,
    method,
    nearest,
    recommended,
    reproduce,
    scores,
    seen,
)

BUILDERS = (
    headline.build,
    recommended.build,
    efficiency.build,
    scores.build,
    gaps.build,
    health.build,
    seen.build,
    nearest.build,
    leakage.build,
    data.build,
    method.build,
    reproduce.build,
)

__all__ = ["BUILDERS"]
