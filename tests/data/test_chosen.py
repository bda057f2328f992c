"""PROTOCOL 20: images that a strategy chose train and never score; those drawn at random do, alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from labelfree.data.label_tables import read_table
from labelfree.data.manifest import Manifest
from labelfree.data.splits import Roles, assign_roles, folds
from labelfree.domain import Place, Row
from labelfree.errors import DataError, LeakError
from labelfree.recipe import Data
from labelfree.transfer.tasks import find_task

ROOT = Path("/images")
TASK = find_task("classification")


def row(i: int, label: str | None = None, chosen: str | None = None, split: str = "", group: str | None = None) -> Row:
    return Row(f"{i:03d}", ROOT / f"{i:03d}", label=label, chosen=chosen, split=split, group=group)


def roles_of(rows: list[Row], places: dict[str, Place] | None = None, alone: bool = False, **data: object) -> Roles:
    given = any(r.split in ("train", "dev", "test") for r in rows)
    manifest = Manifest(rows, ROOT, "made", (), given_split=given)
    return assign_roles(manifest, TASK, Data.model_validate(data), "test", 0, places, every_label_out=alone)


def ids(rows: list[Row] | None) -> set[str]:
    return {r.id for r in rows or ()}


REST = [row(i) for i in range(100, 130)]
CHOSEN = [row(i, "ab"[i % 2], "typical") for i in range(10)]
AUDIT = [row(20 + i, "ab"[i % 2], "audit", "test") for i in range(8)]
PLAIN = [row(40 + i, "ab"[i % 2]) for i in range(6)]


def test_a_table_says_how_rows_were_chosen(tmp_path: Path) -> None:
    file = tmp_path / "select.csv"
    file.write_text("path,group,split,chosen,reason\na.png,s1,,typical,densest of part 1\nb.png,,test,audit,\nc.png,,,,\n")
    assert [(r.path, r.group, r.split, r.chosen) for r in read_table(file)] == [
        ("a.png", "s1", "", "typical"),
        ("b.png", None, "test", "audit"),
        ("c.png", None, "", None),
    ]


def test_only_a_table_that_says_it_has_another_digest() -> None:
    plain, told = (Manifest([row(1, "a", chosen)], ROOT, "made", ("a",)).digest for chosen in (None, "typical"))
    assert plain == "9df4e076efc2b288299c7486533bdb87" and told != plain  # that of runs before there was such a column


def test_an_audit_is_scored_alone_and_chosen_rows_train() -> None:
    roles = roles_of([*CHOSEN, *AUDIT, *PLAIN, *REST])
    assert ids(roles.score) == ids(AUDIT) and ids(roles.train) == ids([*CHOSEN, *PLAIN])
    assert ids(roles.pool) == ids([*CHOSEN, *PLAIN, *REST])
    assert (
        roles.standing.scored
        == "Scored on 8 images drawn at random before labelling (audit) alone; the 10 chosen ones (typical) only train."
    )
    assert roles.standing.indicative == "" and roles.standing.scored in roles.notes


def test_a_test_split_of_another_making_is_scored_as_ever() -> None:
    own = [row(60 + i, "ab"[i % 2], split="test") for i in range(4)]
    assert roles_of([*CHOSEN, *own, *REST]).standing.scored == "The 10 labels that were chosen (typical) only train."
    both = roles_of([*CHOSEN, *own, *AUDIT, *REST])
    assert both.standing.scored.startswith("Scored on 12 images, 8 drawn at random before labelling (audit); the 10")
    with pytest.raises(DataError, match="'rare' has 1 scored images and no train image"):
        roles_of([*CHOSEN, *own, row(70, "rare", split="test"), *AUDIT, *REST])


def test_audit_images_without_an_answer_are_counted() -> None:
    silent = [row(60, None, "audit", "test"), row(61, None, "audit", "test")]
    roles = roles_of([*CHOSEN, *AUDIT, *silent, *REST])
    assert (
        "2 of 10 audit images have no label (skipped, unsure or not asked yet): the score is that of the others." in roles.standing.scored
    )
    assert not ids(roles.pool) & ids(silent) and not any("are not scored" in note for note in roles.notes)


def test_a_chosen_row_moved_to_test_is_not_scored() -> None:
    moved = row(70, "a", "margin", "test")
    roles = roles_of([*CHOSEN, *AUDIT, moved, *REST])
    assert moved.id not in ids(roles.score) | ids(roles.train) | ids(roles.pool)
    assert "1 test rows were chosen (margin), so they are not scored; empty their split and they train." in roles.notes
    with pytest.raises(DataError, match=r"all 1 labelled test rows were chosen \(margin\), which flatters; draw an audit"):
        roles_of([*CHOSEN, moved, *REST])


def test_a_group_is_never_on_both_sides() -> None:
    rows = [*CHOSEN[1:], row(0, "a", "typical", group="scene"), *AUDIT[1:], row(20, "a", "audit", "test", "scene"), *REST]
    with pytest.raises(LeakError, match="'scene' has rows in train and in test"):
        roles_of(rows)


def test_what_an_audit_meets_and_no_label_teaches_counts_as_wrong() -> None:
    roles = roles_of([*CHOSEN, *AUDIT, row(80, "rare", "audit", "test"), *REST])
    assert "080" in ids(roles.score) and "1 audit images show rare, which no label teaches: they count as wrong." in roles.notes
    with pytest.raises(DataError, match="no train image"):  # a test set that nobody drew blindly is at fault
        roles_of([*CHOSEN, row(80, "rare", split="test"), *REST])


def test_a_table_without_labels_keeps_its_audit_and_its_relatives_out_of_the_pool() -> None:
    blank = [row(i, None, "typical") for i in range(4)]
    rows = [*blank, row(20, None, "audit", "test", "scene"), row(21, None, "audit", "test"), row(90, group="scene"), *REST]
    place = Place("site", (0.0, 0.0, 10.0, 10.0), unit=1.0)
    roles = roles_of(rows, {"021": place, "100": place}, alone=True)
    assert ids(roles.pool) == ids([*blank, *REST[1:]]) and roles.train == [] and roles.score is None
    assert "No audit image has a label yet, so nothing is compared; all 2 stay out of the pretraining pool." in roles.notes


def test_labels_come_later_and_the_pool_is_the_same() -> None:
    """A pretraining on the table of what was chosen is one on the table with its labels, whatever was skipped."""
    place = Place("site", (0.0, 0.0, 10.0, 10.0), unit=1.0)
    table = [*CHOSEN, *AUDIT, row(90, None, "typical"), row(91, None, "audit", "test")]
    blank = [row(int(r.id), None, r.chosen, r.split) for r in table]
    places = {"001": place, "021": place, "100": place}  # a chosen row and one of the pool show ground that is scored
    before, after = (roles_of([*rows, *REST], places, alone=rows is blank) for rows in (blank, table))
    assert ids(before.pool) == ids(after.pool) and not ids(after.pool) & {"001", "100"}


def test_chosen_labels_without_an_audit_are_indicative_only() -> None:
    roles = roles_of([*CHOSEN, *REST])
    assert roles.score is None and ids(roles.train) == ids(CHOSEN) and not roles.learn_only
    assert roles.standing.indicative.startswith("Indicative only: 10 of 10 labels were chosen (typical), and chosen images are no sample")
    assert "`labelfree select FOLDER --audit 100 --budget 0" in roles.standing.indicative
    assert roles.standing.indicative in roles.notes
    aside = roles_of([*CHOSEN, *REST], holdout=0.2)
    assert aside.split == "test" and aside.standing.indicative == roles.standing.indicative
    parts = roles_of([*(row(i, "ab"[i % 2], "typical", "train") for i in range(10)), *REST])
    assert parts.split == "cv" and parts.standing.indicative == roles.standing.indicative


def test_an_audit_without_any_label_is_asked_for_them() -> None:
    silent = [row(20 + i, None, "audit", "test") for i in range(3)]
    with pytest.raises(DataError, match="none of the 3 audit images has a label, so nothing can be scored; label them"):
        roles_of([*CHOSEN, *silent, *REST])
    alone = roles_of([*CHOSEN, *silent, *REST], alone=True)  # pretraining needs none
    assert alone.train == [] and not ids(alone.pool) & ids(silent)


@pytest.mark.parametrize("chosen", [None, "random", "audit"])
def test_rows_that_nobody_chose_are_scored_in_folds_and_chosen_ones_train(chosen: str | None) -> None:
    plain = [row(40 + i, "ab"[i % 2], chosen) for i in range(6)]
    roles = roles_of([*CHOSEN, *plain, *REST])
    assert roles.learn_only == ids(CHOSEN) and roles.standing.indicative == ""
    assert roles.standing.scored == "Scored on the 6 labels alone that nobody chose; the 10 chosen ones (typical) only train."
    aside = roles_of([*CHOSEN, *plain, *REST], holdout=0.34)
    assert aside.score and ids(aside.score) < ids(plain) and ids(CHOSEN) < ids(aside.train) and aside.standing.indicative == ""


def test_too_few_others_leave_it_indicative() -> None:
    roles = roles_of([*CHOSEN, row(40, "a"), row(41, "a"), row(42, "b"), *REST])  # b is once among them: no two folds
    assert not roles.learn_only and roles.standing.indicative.startswith("Indicative only: 10 of 13 labels")


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.booleans()), min_size=8, max_size=40),
    st.integers(0, 3),
)
def test_folds_never_score_what_only_trains_nor_part_its_group(rows: list[tuple[str, int, bool]], seed: int) -> None:
    targets, groups = [name for name, _, _ in rows], [f"g{group}" for _, group, _ in rows]
    aside = [at for at, (_, _, chosen) in enumerate(rows) if chosen]
    fair = [at for at in range(len(rows)) if at not in aside]
    assume(fair)
    try:
        made = folds(targets, groups, 2, seed, learn_only=aside)
    except DataError:
        return
    least = min(len({groups[at] for at in fair if targets[at] == name}) for name in {targets[at] for at in fair})
    for repeat in made:
        assert len(repeat) == min(5, least)
        assert Counter(np.concatenate([test for _, test in repeat]).tolist()) == Counter(fair)  # each fair row once
        for learn, test in repeat:
            held = {groups[at] for at in test}
            assert set(learn.tolist()) == {at for at in range(len(rows)) if groups[at] not in held}
