"""What a reader of several runs must know of them together: one test set looked at often, hidden names, generated images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from labelfree.comparing.runs import ComparedRun
from labelfree.comparing.scored_rows import ScoredRows
from labelfree.errors import RecipeError
from labelfree.reporting.html import GENERATED, TRANSDUCTIVE
from labelfree.reporting.words import count, listed


def refuse_the_same(runs: Sequence[ComparedRun]) -> None:
    """Raises RecipeError where one run was named twice, or a copy of it was."""
    first: dict[str, ComparedRun] = {}
    for run in runs:
        known = first.setdefault(run.fingerprint or str(run.folder.resolve()), run)
        if known is not run:
            same = "the same folder" if known.folder.resolve() == run.folder.resolve() else "the very same answers: a copy, or a repetition"
            raise RecipeError(f"{run.folder}: is {known.folder} again ({same}), which would count one result twice. Name each run once.")


def looks(runs: Sequence[ComparedRun], rows: Sequence[ScoredRows]) -> list[str]:
    """A sentence for each data set that several runs scored the same rows of. `runs` are scored ones, `rows` theirs."""
    by_place: dict[tuple[str, str], list[int]] = {}
    for at, run in enumerate(runs):
        by_place.setdefault((run.dataset, run.split), []).append(at)
    sentences = []
    for (dataset, split), places in by_place.items():
        seen = Counter(name for at in places for name in rows[at].scored)
        shared = [name for name, times in seen.items() if times > 1]
        if not shared:
            continue
        times = max(seen.values())
        named = listed([f"#{runs[at].number}" for at in places if not rows[at].scored.isdisjoint(shared)])
        sentences.append(
            f"{named} scored the same {count(len(shared), 'row')} of {dataset} ({split}): one data set looked at {times} times. "
            "The levels count the primaries named here; looks at it that are not named here count in none."
        )
    return sentences


def banners(runs: Sequence[ComparedRun]) -> list[str]:
    """What stands above the report of some of the runs stands above them all, with their numbers."""
    found = []
    for banner, those in ((GENERATED, [run for run in runs if run.generated]), (TRANSDUCTIVE, [run for run in runs if run.transductive])):
        which = "" if len(those) == len(runs) else f"{listed([f'#{run.number}' for run in those])}: "
        found += [f"{which}{banner}"] if those else []
    return found
