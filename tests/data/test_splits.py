"""PROTOCOL 1, 2 and 5: who is pretrained on, who gives labels, who is scored; and folds that never split a group."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.ground import overlapping, spatial_groups
from labelfree.data.manifest import Manifest
from labelfree.data.splits import assign_roles, folds, hold_out
from labelfree.domain import Place, Row
from labelfree.errors import DataError, LeakError
from labelfree.recipe import Data
from labelfree.transfer.tasks import find_task

ROOT = Path("/images")

TASK = find_task("classification")


def row(i: int, label: str | None = None, group: str | None = None, split: str = "") -> Row:
    return Row(f"{i:03d}.tif", ROOT / f"{i:03d}.tif", label=label, group=group, split=split)


def manifest(rows: list[Row], **more: bool) -> Manifest:
    return Manifest(rows, ROOT, "made", tuple(sorted({r.label for r in rows if r.label})), **more)


def ids(rows: list[Row] | None) -> set[str]:
    assert rows is not None
    return {r.id for r in rows}


SPLIT = [
    *(row(i, None, split="pretrain") for i in range(10)),
    *(row(10 + i, "ab"[i % 2], split="train") for i in range(10)),
    *(row(20 + i, "ab"[i % 2], split="dev") for i in range(4)),
    *(row(30 + i, "ab"[i % 2], split="test") for i in range(6)),
    row(40),
]


@pytest.mark.parametrize("on", ["test", "dev"])
def test_scored_rows_are_never_pretrained_on(on: str) -> None:
    roles = assign_roles(manifest(SPLIT, given_split=True), TASK, Data(), on, 0)  # type: ignore[arg-type]
    assert ids(roles.pool) == ids(SPLIT[:20]) | {"040.tif"}
    assert ids(roles.train) == ids(SPLIT[10:20]) and roles.split == on
    assert roles.score == [r for r in SPLIT if r.split == on]
    assert {TASK.stratum(r) for r in (*roles.train, *roles.score)} == {"a", "b"}


def test_blanking_labels_of_pool_rows_changes_nothing() -> None:
    secret = [replace(r, label="c") if r.split == "pretrain" else r for r in SPLIT]
    # a manifest never carries these labels; if one did, roles would still not look at them
    told, blank = (assign_roles(manifest(rows, given_split=True), TASK, Data(), "test", 0) for rows in (secret, SPLIT))
    assert (told.train, told.score) == (blank.train, blank.score) and ids(told.pool) == ids(blank.pool)


def test_without_a_split_labelled_rows_and_their_groups_stay_out() -> None:
    rows = [*(row(i, "ab"[i % 2], group=f"g{i // 2}") for i in range(20)), row(50, None, "g0"), row(51, None, "other"), row(52)]
    roles = assign_roles(manifest(rows), TASK, Data(), "test", 0)
    assert roles.score is None and roles.split == "cv"
    assert ids(roles.train) == ids(rows[:20]) and ids(roles.pool) == {"051.tif", "052.tif"}
    assert any("1 images without a label share a group" in note for note in roles.notes)


def test_without_labels_everything_is_pretrained_on() -> None:
    roles = assign_roles(manifest([row(1), row(2)]), TASK, Data(), "test", 0)
    assert len(roles.pool) == 2 and roles.train == [] and roles.score is None


def test_class_folders_hold_out_a_fifth() -> None:
    rows = [row(i, "abc"[i % 3]) for i in range(90)]
    roles = assign_roles(manifest(rows, class_folders=True), TASK, Data(), "test", 0)
    assert roles.split == "test" and len(roles.score or []) == 18 and ids(roles.pool) == ids(roles.train)
    assert not ids(roles.pool) & ids(roles.score)
    assert assign_roles(manifest(rows[::-1], class_folders=True), TASK, Data(), "test", 0).split == "test"
    assert ids(assign_roles(manifest(rows[::-1], class_folders=True), TASK, Data(), "test", 0).score) == ids(roles.score)
    assert ids(assign_roles(manifest(rows, class_folders=True), TASK, Data(), "test", 1).score) != ids(roles.score)


def test_a_table_that_labels_everything_is_told_of_holdout() -> None:
    rows = [row(i, "ab"[i % 2]) for i in range(40)]
    with pytest.raises(DataError, match="data.holdout=0.2"):
        assign_roles(manifest(rows), TASK, Data(), "test", 0)
    assert len(assign_roles(manifest(rows), TASK, Data(holdout=0.25), "test", 0).score or []) == 10


def test_a_split_without_scored_rows() -> None:
    with pytest.raises(DataError, match="evaluate.on=dev"):
        assign_roles(manifest([r for r in SPLIT if r.split != "test"], given_split=True), TASK, Data(), "test", 0)
    rows = [r for r in SPLIT if r.split not in ("dev", "test")]
    roles = assign_roles(manifest(rows, given_split=True), TASK, Data(), "test", 0)
    assert roles.split == "cv" and roles.score is None and not ids(roles.pool) & ids(roles.train)


def test_a_class_that_is_scored_and_never_learnt() -> None:
    with pytest.raises(DataError, match="Class 'c' has 1 scored images and no train image"):
        assign_roles(manifest([*SPLIT, row(60, "c", split="test")], given_split=True), TASK, Data(), "test", 0)


def test_a_group_on_both_sides_of_a_split_is_a_leak() -> None:
    rows = [replace(r, group="patient 7") if r.id in ("010.tif", "030.tif") else r for r in SPLIT]
    with pytest.raises(LeakError, match="'patient 7' has rows in train and in test"):
        assign_roles(manifest(rows, given_split=True), TASK, Data(), "test", 0)
    roles = assign_roles(manifest(rows, given_split=True), TASK, Data(transductive=True), "test", 0)
    assert len(roles.pool) == 21 and any("Transductive" in note for note in roles.notes)


def test_labelled_rows_of_no_split_are_train_rows_and_may_leak_as_such() -> None:
    rows = [*(replace(r, group="patient 7") if r.id == "030.tif" else r for r in SPLIT), row(50, "a", group="patient 7")]
    with pytest.raises(LeakError, match="'patient 7' has rows in train and in test"):
        assign_roles(manifest(rows, given_split=True), TASK, Data(), "test", 0)


def test_rows_of_no_split_that_share_a_scored_group_leave_the_pool() -> None:
    rows = [replace(r, group="patient 7") if r.id in ("030.tif", "040.tif") else r for r in SPLIT]
    assert "040.tif" not in ids(assign_roles(manifest(rows, given_split=True), TASK, Data(), "test", 0).pool)


def square(x: float, y: float, side: float = 640, crs: str = "site", unit: float | None = 1.0) -> Place:
    return Place(crs, (x, y, x + side, y + side), unit=unit)


def test_ground_that_is_labelled_leaves_the_pool_on_every_date() -> None:
    rows = [*(row(i, "ab"[i % 2]) for i in range(8)), row(20), row(21), row(22), row(23)]
    places = {r.id: square(20_000 * i, 0) for i, r in enumerate(rows[:8])}
    places |= {"020.tif": square(0, 0), "021.tif": square(320, 320), "022.tif": square(640, 0), "023.tif": square(0, 0, crs="another site")}
    roles = assign_roles(manifest(rows), TASK, Data(), "test", 0, places)
    assert ids(roles.pool) == {"022.tif", "023.tif"}  # a neighbour and another site stay
    assert all(r.group for r in roles.train) and any("2 images show ground that is scored" in note for note in roles.notes)
    assert all(r.group is None for r in assign_roles(manifest(rows), TASK, Data(), "test", 0).train)


boxes = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=25)


@given(boxes, boxes)
def test_overlaps_equal_those_found_pair_by_pair(mine: list[tuple[int, ...]], others: list[tuple[int, ...]]) -> None:
    a, b = [row(i) for i in range(len(mine))], [row(100 + i) for i in range(len(others))]
    where = {r.id: Place("m", (x, y, x + w, y + h)) for r, (x, y, w, h) in zip([*a, *b], [*mine, *others], strict=True)}

    def meet(p: Place, q: Place) -> bool:
        (l1, b1, r1, t1), (l2, b2, r2, t2) = p.bounds, q.bounds
        return min(r1, r2) > max(l1, l2) and min(t1, t2) > max(b1, b2)  # whole numbers never share a mere sliver here

    assert overlapping(a, b, where) == {r.id for r in a if any(meet(where[r.id], where[s.id]) for s in b)}


def test_blocks_are_sixteen_patches_and_at_least_a_kilometre() -> None:
    rows = [row(i) for i in range(5)]
    wide = {r.id: square(x, 100) for r, x in zip(rows, (0, 9_000, 10_300, 20_400, 30_800), strict=True)}
    groups, notes = spatial_groups(rows, wide)  # 16 * 640 m = 10.24 km
    assert [groups[r.id].split()[1] for r in rows] == ["0/0", "0/0", "1/0", "2/0", "3/0"] and "10.2 km" in notes[0]
    drone = {r.id: square(x, 0, side=10) for r, x in zip(rows, (0, 900, 1100, 2100, 2900), strict=True)}
    assert len(set(spatial_groups(rows, drone)[0].values())) == 3  # 1 km


def test_a_kilometre_is_one_in_feet_too() -> None:
    rows, feet = [row(i) for i in range(400)], 0.3048
    places = {r.id: square(100.0 * i, 0, side=50, unit=feet) for i, r in enumerate(rows)}  # 12.2 km
    groups, notes = spatial_groups(rows, places)
    assert len(set(groups.values())) == 13 and "blocks of 1 km" in notes[0]


def test_without_a_unit_blocks_are_counted_in_images() -> None:
    rows = [row(i) for i in range(64)]
    places = {r.id: square(10.0 * i, 0, side=10, unit=None) for i, r in enumerate(rows)}
    groups, notes = spatial_groups(rows, places)
    assert len(set(groups.values())) == 4 and "blocks of 16 images' width (the unit of coordinates is not known)" in notes[0]
    some = {**places, **{r.id: square(10.0 * i, 0, side=10, crs="another") for i, r in enumerate(rows[:32])}}
    groups, notes = spatial_groups(rows, some)
    assert len(set(groups.values())) == 1 + 2 and "blocks of 1 km or 16 images' width" in notes[0]


def test_small_fields_get_smaller_blocks() -> None:
    rows = [row(i, "ab"[i % 2]) for i in range(40)] + [row(90)]
    places = {r.id: square(12.0 * i, 0, side=12) for i, r in enumerate(rows)}  # 480 m of drone images
    roles = assign_roles(manifest(rows), TASK, Data(), "test", 0, places)
    assert any("would leave a class in one block" in note for note in roles.notes)
    assert len(folds([r.label for r in roles.train], [r.group for r in roles.train], 1, 0)[0]) >= 2  # type: ignore[misc]


def test_labelled_ground_that_overlaps_is_not_parted() -> None:
    """Two chips share three quarters of their ground across the edge of a block, which lies at 10,240 m."""
    rows = [row(i, "ab"[i % 2]) for i in range(6)]
    places = {r.id: square(x, 0) for r, x in zip(rows, (9_700, 9_860, 30_000, 45_000, 60_000, 75_000), strict=True)}
    groups, notes = spatial_groups(rows, places)
    assert groups["000.tif"] == groups["001.tif"] and len(set(groups.values())) == 5 and len(notes) == 1
    touching = {**places, "001.tif": square(9_700 + 600, 0)}  # a sliver alone
    assert spatial_groups(rows, touching)[0]["000.tif"] != spatial_groups(rows, touching)[0]["001.tif"]


def test_where_everything_overlaps_rows_are_parted_and_that_is_said() -> None:
    rows = [row(i, "ab"[i % 2]) for i in range(60)]
    places = {r.id: square(300.0 * i, 0) for i, r in enumerate(rows)}
    groups, notes = spatial_groups(rows, places, lambda found: len(set(found.values())) >= 2)
    assert len(set(groups.values())) == 2 and "blocks of 10.2 km" in notes[0], "blocks as large as without the overlaps"
    assert notes[-1].startswith("1 pairs of labelled images share ground and may be parted by folds")


def test_near_duplicates_tie_blocks_together() -> None:
    rows = [row(0, group="alike row 000.tif"), row(1, group="alike row 000.tif"), row(2), row(3)]
    places = {r.id: square(100_000 * i, 0) for i, r in enumerate(rows)}
    groups, _ = spatial_groups(rows, places)
    assert groups["000.tif"] == groups["001.tif"] and len(set(groups.values())) == 3
    owners = [row(0, group="alike A"), row(1)]
    assert set(spatial_groups(owners, places)[0]) == {"001.tif"}


cases = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 14)), min_size=30, max_size=80)


@given(cases, st.integers(0, 3))
def test_folds_never_split_a_group(pairs: list[tuple[str, int]], seed: int) -> None:
    targets, groups = [p[0] for p in pairs], [f"g{p[1]}" for p in pairs]
    per_class = {name: len({g for t, g in zip(targets, groups, strict=True) if t == name}) for name in set(targets)}
    try:
        made = folds(targets, groups, 2, seed)
    except DataError:
        assert min(per_class.values()) < 3  # groups that hold everything leave no fold, and a sentence says so
        return
    for repeat in made:
        assert len(repeat) == min(5, *per_class.values())
        tested = np.concatenate([test for _, test in repeat])
        assert sorted(tested) == list(range(len(pairs)))
        for train, test in repeat:
            assert not {groups[i] for i in train} & {groups[i] for i in test}
            assert {targets[i] for i in train} == set(targets)
    assert [[t.tolist() for _, t in r] for r in made] == [[t.tolist() for _, t in r] for r in folds(targets, groups, 2, seed)]


def test_folds_need_two_groups_of_every_class() -> None:
    with pytest.raises(DataError, match="Class 'b' has labels in one group of images only"):
        folds(["a", "a", "a", "b", "b"], [None, None, None, "g", "g"], 1, 0)
    (parts,) = folds(["a", "a", "a"], [None] * 3, 1, 0)  # one stratum is a task's own matter
    assert sorted(np.concatenate([judge for _, judge in parts]).tolist()) == [0, 1, 2]


def test_folds_ask_of_classes_that_they_can_be_learnt_not_of_strata() -> None:
    strata = ["pond"] * 4 + ["field"] * 5 + ["nothing"]  # one image shows nothing, which any other teaches
    taught = [frozenset({"pond", "field"})] * 4 + [frozenset({"field"})] * 5 + [frozenset()]
    (parts,) = folds(strata, [None] * 10, 1, 0, taught=taught)
    assert len(parts) == 4, "ponds are on four images"
    assert sorted(np.concatenate([judge for _, judge in parts]).tolist()) == list(range(10)), "the empty image is scored too"
    for learn, _ in parts:
        assert frozenset().union(*(taught[at] for at in learn)) == {"pond", "field"}


def test_folds_of_strata_smaller_than_the_number_of_folds() -> None:
    names = ["a", "b", "c"]
    taught = [frozenset({names[i % 3], names[(i + 1) % 3]}) for i in range(9)]
    (parts,) = folds([names[i % 3] for i in range(9)], [None] * 9, 1, 0, taught=taught)
    assert len(parts) == 5


def test_folds_where_nothing_is_shown() -> None:
    with pytest.raises(DataError, match="None of the 3 labelled images shows anything to learn"):
        folds(["nothing"] * 3, [None] * 3, 1, 0, taught=[frozenset()] * 3)


@given(cases, st.floats(0.1, 0.5), st.integers(0, 3))
def test_holdout_takes_whole_groups_and_leaves_every_class_some(pairs: list[tuple[str, int]], share: float, seed: int) -> None:
    rows = [row(i, label, f"g{group}") for i, (label, group) in enumerate(pairs)]
    try:
        test = hold_out(rows, TASK, share, seed)
    except DataError as error:
        assert "too few to set some aside" in str(error)
        return
    scored, kept = [r for r in rows if r.id in test], [r for r in rows if r.id not in test]
    assert not {r.group for r in scored} & {r.group for r in kept}
    assert {r.label for r in scored} == {r.label for r in kept} == {r.label for r in rows}


def drawn(i: int, **labels: str) -> Row:
    """A row with labels of other tasks."""
    return replace(row(i), **labels)


LABELS_OF_ALL_KINDS = [
    *(row(i, "ab"[i % 2]) for i in range(24)),
    *(drawn(30 + i, mask=f"{i}.png") for i in range(5)),
    *(drawn(40 + i, boxes=f"{i}.xml") for i in range(4)),
    *(row(50 + i) for i in range(6)),
]


def test_without_a_split_rows_with_a_label_of_the_task_asked_stay_out() -> None:
    roles = assign_roles(manifest(LABELS_OF_ALL_KINDS), TASK, Data(), "test", 0)
    assert ids(roles.pool) == {r.id for r in LABELS_OF_ALL_KINDS if r.label is None}, "masks and boxes are not what is asked for"
    assert not any("pretrain_on_labelled" in note for note in roles.notes)


def test_where_only_pretraining_is_asked_for_every_label_keeps_its_row_out() -> None:
    roles = assign_roles(manifest(LABELS_OF_ALL_KINDS), TASK, Data(), "test", 0, every_label_out=True)
    assert ids(roles.pool) == {f"{50 + i:03d}.tif" for i in range(6)}
    assert roles.notes[0] == (
        "33 images with boxes or label or mask are not pretrained on, so that they can be scored one day; "
        "data.pretrain_on_labelled=true takes them in."
    )


def test_where_the_task_has_no_label_those_of_others_stay_out_too() -> None:
    roles = assign_roles(manifest(LABELS_OF_ALL_KINDS[24:]), TASK, Data(), "test", 0)
    assert ids(roles.pool) == {f"{50 + i:03d}.tif" for i in range(6)} and not roles.train
    assert any(note.startswith("9 images with boxes or mask are not pretrained on") for note in roles.notes)


@pytest.mark.parametrize("rows", [LABELS_OF_ALL_KINDS, LABELS_OF_ALL_KINDS[24:]], ids=["labels too", "masks and boxes"])
def test_a_key_takes_them_in_and_then_nothing_is_scored(rows: list[Row]) -> None:
    roles = assign_roles(manifest(rows), TASK, Data(pretrain_on_labelled=True), "test", 0, every_label_out=True)
    assert ids(roles.pool) == ids(rows) and not roles.train and roles.score is None
    assert "labelled images are pretrained on (data.pretrain_on_labelled)" in roles.notes[0]


def test_with_a_split_the_rule_changes_nothing() -> None:
    rows = [*SPLIT, replace(row(70), mask="70.png", split="pretrain"), replace(row(71), boxes="71.xml")]
    before = assign_roles(manifest(rows, given_split=True), TASK, Data(), "test", 0)
    for data in (Data(), Data(pretrain_on_labelled=True)):
        assert assign_roles(manifest(rows, given_split=True), TASK, data, "test", 0, every_label_out=True) == before
    assert {"070.tif", "071.tif"} <= ids(before.pool)
