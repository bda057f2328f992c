"""Labels that were chosen: images that a strategy picked train and never score; those drawn at random do (docs/protocol.md, 20)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelfree.domain import Row

AUDIT = "audit"
AT_RANDOM = (AUDIT, "random")
INDICATIVE = "Indicative only"  # begins every sentence on scores that are no estimate for images to come
DRAW = "`labelfree select FOLDER --audit 100 --budget 0 --out audit`"


@dataclass(frozen=True)
class Standing:
    """What the scores of a comparison are worth.

    `scored`: a sentence on which rows are scored, where not all labelled ones may be. `indicative`: why scores are no estimate for images
    to come, "" where they are one. `surprises`: whether scored rows were drawn blindly, so that they may show what no label teaches.
    """

    scored: str = ""
    indicative: str = ""
    surprises: bool = False

    @property
    def notes(self) -> list[str]:
        """Its sentences."""
        return [sentence for sentence in (self.scored, self.indicative) if sentence]


PLAIN = Standing()  # where nobody chose any


def picked(row: Row) -> bool:
    """Whether a strategy chose this row for what it shows."""
    return row.chosen is not None and row.chosen not in AT_RANDOM


def ways(rows: Sequence[Row]) -> str:
    """The strategies that picked these rows: `margin, typical`."""
    return ", ".join(sorted({row.chosen for row in rows if row.chosen is not None and picked(row)}))


def scored_on_chosen(labelled: Sequence[Row]) -> Standing:
    """Where chosen rows are scored for want of others; nothing is said where nobody chose any."""
    chosen = [row for row in labelled if picked(row)]
    if not chosen:
        return PLAIN
    share = f"{len(chosen)} of {len(labelled)} labels were chosen ({ways(chosen)})"
    way = f"draw an audit with {DRAW}, add its labels to the table, and run again"
    return Standing(indicative=f"{INDICATIVE}: {share}, and chosen images are no sample of those to come; {way}.")


def scored_on_others(learnt: Sequence[Row], count: int) -> Standing:
    """Where `count` labels that nobody chose are scored, in folds or set aside, and the chosen ones among `learnt` train."""
    chosen = [row for row in learnt if picked(row)]
    return Standing(
        scored=f"Scored on the {count} labels alone that nobody chose; the {len(chosen)} chosen ones ({ways(chosen)}) only train."
    )


def scored_on_split(train: Sequence[Row], score: Sequence[Row], unlabelled: Sequence[Row]) -> Standing:
    """Where a given split is scored. `unlabelled`: its rows without a label."""
    chosen, audit = [row for row in train if picked(row)], [row for row in score if row.chosen == AUDIT]
    if not audit:
        return Standing(scored=f"The {len(chosen)} labels that were chosen ({ways(chosen)}) only train.") if chosen else PLAIN
    blindly = "drawn at random before labelling (audit)"
    all_of_them = len(audit) == len(score)
    scored = f"Scored on {len(audit)} images {blindly} alone" if all_of_them else f"Scored on {len(score)} images, {len(audit)} {blindly}"
    sentences = [f"{scored}; the {len(chosen)} chosen ones ({ways(chosen)}) only train." if chosen else f"{scored}."]
    if waiting := [row for row in unlabelled if row.chosen == AUDIT]:
        count = f"{len(waiting)} of {len(waiting) + len(audit)} audit images"
        sentences.append(f"{count} have no label (skipped, unsure or not asked yet): the score is that of the others.")
    return Standing(scored=" ".join(sentences), surprises=True)
