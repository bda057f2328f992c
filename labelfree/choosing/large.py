"""From how many rows on the work is faiss's: a rule of size alone, so that what is installed changes no choice."""

from __future__ import annotations

from typing import Any

from labelfree.errors import RecipeError

LARGE = 100_000  # rows; below it scikit-learn takes seconds


def faiss_for(rows: int) -> Any:
    """faiss where there are so many rows that it is needed; else None. Raises RecipeError where it is needed and not installed."""
    if rows < LARGE:
        return None
    try:
        import faiss
    except ImportError as error:
        raise RecipeError(f"{rows:,} images: from {LARGE:,} on faiss is needed; pip install 'labelfree[search]'.") from error
    return faiss
