"""Several runs merged: read, tested as one family, paired where they may be, and written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from labelfree.comparing.across import Across, across
from labelfree.comparing.family import Tested, family
from labelfree.comparing.files import PAGE, open_place, write_document, write_table
from labelfree.comparing.remarks import banners, looks, refuse_the_same
from labelfree.comparing.runs import ComparedRun, read_run
from labelfree.comparing.scored_rows import scored_rows
from labelfree.comparing.sections import across_section, curves_section, deck, family_section, levels_section, runs_section
from labelfree.errors import RecipeError
from labelfree.progress import Progress
from labelfree.reporting.html import page
from labelfree.training.files import write_text


@dataclass(frozen=True)
class Compared:
    """What came of several runs. `primaries`: one a run, in the order given; `across`: arms of different runs, exploratory; `notes`: what
    a reader must know; `folder`, `report`: where it was written.
    """

    primaries: list[Tested]
    across: list[Across]
    notes: list[str]
    folder: Path
    report: Path

    def lines(self) -> list[str]:
        """A sentence a primary, then the notes."""
        return [*map(sentence, self.primaries), *self.notes]


def compare_runs(folders: Sequence[Path], out: Path | None, say: Progress) -> Compared:
    """Merge runs; `out` default comparisons/<time>. Raises RecipeError or DataError, and then nothing is written."""
    if not folders:
        raise RecipeError("No run was named. Name the folders of the runs: labelfree compare runs/one runs/two.")
    place = Path("comparisons") / f"{datetime.now():%Y%m%d-%H%M%S}" if out is None else out
    open_place(place)
    runs: list[ComparedRun] = []
    with say.track(len(folders), "runs") as bar:
        for number, (folder, name) in enumerate(zip(folders, short_names(folders), strict=True), 1):
            runs.append(read_run(folder, number, name))
            bar.advance(note=name)
    refuse_the_same(runs)
    scored = [run for run in runs if run.scores is not None]
    rows = [scored_rows(run) for run in scored]
    tested = family(runs)
    pairs, apart = across(scored, rows)
    notes = looks(scored, rows)
    sections = [
        family_section(tested),
        curves_section(runs),
        across_section(pairs, apart),
        runs_section(runs, notes),
        levels_section(),
    ]
    write_table(tested, place)
    write_document(tested, pairs, [*notes, *apart], place)
    write_text(place / PAGE, page("comparison of runs", "Runs compared", deck(tested), banners(runs), sections))
    return Compared(tested, pairs, [*notes, *apart], place, place / PAGE)


def sentence(each: Tested) -> str:
    """One primary in a line."""
    run, primary = each.run, each.run.primary
    where = f"{run.words.budget.of(each.budget)} ({run.words.protocol(primary.protocol).words}, {run.metric.words})"
    size = "" if each.mean is None else f", {run.metric.difference(each.mean)}"
    if each.low is not None and each.high is not None:
        size += f" ({100 * each.level:.3g} % interval {run.metric.signed(each.low)} to {run.metric.signed(each.high)})"
    why = f"; {each.reason.removesuffix('.')}" if each.reason else ""
    question = f"{primary.arm} against {primary.against} at {where}"
    return f"#{run.number} {run.name}: {question}: {each.verdict}{size}, p = {each.p:.2g} tested at {each.alpha:.3g}{why}."


def short_names(folders: Sequence[Path]) -> list[str]:
    """Names of folders, with as many of those above them as it takes to tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    longest = max(map(len, parts))
    for depth in range(1, longest + 1):
        names = ["/".join(each[-depth:]) for each in parts]
        if len(set(names)) == len(set(parts)):
            break
    return names
