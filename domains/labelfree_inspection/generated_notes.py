"""What is said and asked of a generated part: a note as an inspector leaves it, and questions, drawn by a generator."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.random import Generator

GOOD = ("Part is good.", "No defect found.", "Surface clean, released.")
BAD = ("{what} on the surface.", "Rejected: {what}.", "{what} found, part set aside.")


def note(kind: str, defects: int, names: Sequence[str], draw: Generator) -> tuple[str, ...]:
    """Two sentences. `kind`: what the part's label says; `names`: of defects, any other kind is good. `defects`: how many there are."""
    if kind not in names:
        return tuple(str(GOOD[at]) for at in draw.choice(len(GOOD), 2, replace=False))
    many = {"scratch": "scratches", "patch": "patches"}.get(kind, f"{kind}s")
    what = f"{defects} {many}" if defects > 1 else f"one {kind}"
    sentences = [str(BAD[at]).format(what=what) for at in draw.choice(len(BAD), 2, replace=False)]
    return tuple(sentence[0].upper() + sentence[1:] for sentence in sentences)


def questions(kind: str, defects: int, names: Sequence[str], draw: Generator) -> list[tuple[str, str]]:
    """Four questions with their answers: whether a part is good, what is on it, whether that is one kind in particular, how many."""
    bad = kind in names
    asked = kind if bad and draw.random() < 0.5 else str(draw.choice([name for name in names if name != kind]))
    article = "an" if asked[0] in "aeiou" else "a"
    return [
        ("Is the part good?", "no" if bad else "yes"),
        ("What is on the surface?", kind if bad else "nothing"),
        (f"Is there {article} {asked}?", "yes" if asked == kind else "no"),
        ("How many defects are there?", str(defects if bad else 0)),
    ]
