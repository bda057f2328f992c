"""Who is what: which rows are pretrained on, which give labels, which are scored; and the folds where no test set exists."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np

from labelfree.data.chosen import AUDIT, DRAW, PLAIN, Standing, picked, scored_on_chosen, scored_on_others, scored_on_split, ways
from labelfree.data.ground import overlapping, spatial_groups
from labelfree.data.manifest import Manifest
from labelfree.data.not_learnt import not_learnt
from labelfree.domain import Place, Row
from labelfree.errors import DataError, LeakError
from labelfree.recipe import Data

CLASS_FOLDER_HOLDOUT = 0.2  # also of what is pretrained on and scored, such as captions: there folds would leave nothing to pretrain on
FEW = 10  # labels a class, below which scores are indicative only


class Labels(Protocol):
    """What this room must know of a task: which rows carry its labels, and what folds and shares are balanced over.

    `learnt`: the strata that are learned from; (): all. `learns`: whether labels are learned from at all. `given`: what a labelled row has.
    """

    learnt: tuple[str, ...]
    learns: bool
    given: str

    def labelled(self, row: Row) -> bool: ...

    def stratum(self, row: Row) -> str: ...

    def taught(self, row: Row) -> frozenset[str]:
        """The classes that can be learnt from a labelled row."""
        ...

    def check_split(self, train: Sequence[Row], score: Sequence[Row] | None) -> None:
        """Raises DataError where these rows cannot be learnt from, or be scored after that."""
        ...


@dataclass(frozen=True)
class Roles:
    """`pool`: rows to pretrain on. `train`: rows that give labels. `score`: rows that are scored, None for cross-validation.

    `split` names where scores come from. Rows carry their final group. `learn_only`: ids of train rows that cross-validation never
    scores. `notes`: sentences for the report, those of `standing` among them.
    """

    pool: list[Row]
    train: list[Row]
    score: list[Row] | None
    split: Literal["test", "dev", "cv"]
    notes: list[str] = field(default_factory=list)
    learn_only: frozenset[str] = frozenset()
    standing: Standing = PLAIN


def assign_roles(
    manifest: Manifest,
    task: Labels,
    data: Data,
    on: Literal["test", "dev"],
    seed: int,
    places: Mapping[str, Place] | None = None,
    *,
    every_label_out: bool = False,
) -> Roles:
    """Roles of all rows (docs/protocol.md 1, 2, 5, 20).

    With a split the pool is pretrain + train and rows of no split; dev and test are never in it. Without one the labelled rows, and
    pool rows that share their group or their ground (`places`: by row id, from the pool), stay out and scores come from folds;
    `data.holdout` (class folders: 0.2) makes a test split instead. `every_label_out`: without a split rows with a label of any task stay
    out too, for each may be scored one day; so they do where no row has one of this task. `data.pretrain_on_labelled` takes them in,
    and nothing is scored. Rows that a strategy chose are never scored where others can be. The rows named are the same with and
    without `places`, but for pool rows that leave.
    Raises `DataError` where nothing could be trained or scored, `LeakError` where a group straddles a given split.
    """
    roles = _roles(manifest, task, data, on, seed, places or {}, every_label_out)
    return replace(roles, notes=[*roles.notes, *not_learnt([task.stratum(row) for row in roles.train], task.learnt, roles.split)])


def _roles(
    manifest: Manifest,
    task: Labels,
    data: Data,
    on: Literal["test", "dev"],
    seed: int,
    places: Mapping[str, Place],
    every_label_out: bool,
) -> Roles:
    if manifest.given_split and (manifest.subset("dev", "test") or data.holdout == "auto"):
        return _given(manifest, task, data, on, places, every_label_out)
    labelled = [row for row in manifest.rows if labels_count(row, task)]
    rest = [row for row in manifest.rows if not labels_count(row, task)]
    out: list[str] = []
    if every_label_out or not labelled:
        if data.pretrain_on_labelled:
            return Roles(manifest.rows, [], None, "cv", [_taken_in(manifest.rows)])
        rest, out = _without_labels(rest, [] if manifest.class_folders or data.holdout not in ("auto", 0) else labelled)
    if not labelled:
        return Roles(rest, [], None, "cv", ["No labels: the backbone is pretrained and nothing is compared.", *out])
    labelled, learn_only, notes = _grouped(task, labelled, places)
    notes = [*out, *notes]
    fair = [row for row in labelled if row.id not in learn_only]
    share = data.holdout if data.holdout != "auto" else CLASS_FOLDER_HOLDOUT if manifest.class_folders or not task.learns else 0.0
    if share:
        test = hold_out(fair, task, share, seed)
        score = [row for row in labelled if row.id in test]
        held = set(map(_group, score))
        train = [row for row in labelled if _group(row) not in held]
        pool, left = _away_from(rest + train, score, places, keep={row.id for row in train})
        notes.append(f"{len(score)} of {len(labelled)} labelled images are set aside as test (data.holdout={share:g}, seed {seed}).")
        task.check_split(train, score)
        standing = scored_on_others(train, len(score)) if learn_only else scored_on_chosen(labelled)
        return Roles(pool, train, score, "test", notes + left + standing.notes, standing=standing)
    pool, left = _away_from(rest, labelled, places)
    if not pool:
        why = "every image is labelled" if not rest else "every image without a label shares its group or its ground with a labelled one"
        way = ", or data.pretrain_on_labelled=true where nothing is to be scored" if every_label_out else ""
        raise DataError(f"{manifest.root}: {why}, so none is left to pretrain on; add data.holdout=0.2, or images without labels{way}.")
    counts = Counter(name for row in labelled for name in task.taught(row))
    if min(counts.values(), default=0) < FEW:
        notes.append(f"Fewer than {FEW} labels in some classes ({_counts(counts)}): scores are indicative only.")
    standing = scored_on_others(labelled, len(fair)) if learn_only else scored_on_chosen(labelled)
    return Roles(pool, labelled, None, "cv", notes + left + standing.notes, learn_only, standing)


def labels_count(row: Row, task: Labels) -> bool:
    """Whether a row's label may be learnt from or scored: those of `pretrain` rows are unknown."""
    return row.split != "pretrain" and task.labelled(row)


def _grouped(task: Labels, labelled: Sequence[Row], places: Mapping[str, Place]) -> tuple[list[Row], frozenset[str], list[str]]:
    """The labelled rows with blocks on the ground as groups, ids of those that are never scored, and sentences for the report.

    Chosen rows are not scored where the others of every class lie in two groups, which is what folds and a share set aside need.
    """
    fair = [row for row in labelled if not picked(row)]
    kinds = _taught(task, labelled) == _taught(task, fair)
    judged = fair if kinds and _groups_of_rarest(task, fair, {}) >= 2 else labelled
    blocks, notes = spatial_groups(labelled, places, lambda groups: _groups_of_rarest(task, judged, groups) >= 2)
    enough = judged is fair and _groups_of_rarest(task, fair, blocks) >= 2
    learn_only = frozenset(row.id for row in labelled if enough and picked(row))
    return [replace(row, group=blocks.get(row.id, row.group)) for row in labelled], learn_only, notes


def _given(
    manifest: Manifest, task: Labels, data: Data, on: Literal["test", "dev"], places: Mapping[str, Place], pretraining_alone: bool
) -> Roles:
    train = [row for row in manifest.subset("train", "") if task.labelled(row)]
    pool = manifest.subset("pretrain", "train", "")
    if not manifest.subset("dev", "test"):
        return _folds_of_train(manifest, task, train, pool, places)
    aside = manifest.subset(on)
    labelled = [row for row in aside if task.labelled(row)]
    score = [row for row in labelled if not picked(row)]
    unlabelled = [row for row in aside if not task.labelled(row)]
    waiting = [row for row in unlabelled if row.chosen == AUDIT]
    moved = [row for row in labelled if picked(row)]
    notes = [f"{len(moved)} {on} rows were chosen ({ways(moved)}), so they are not scored; empty their split and they train."] * bool(moved)
    if not score and any(map(task.labelled, manifest.rows)):
        if not (pretraining_alone and waiting):
            raise DataError(_nothing_to_score(manifest, on, moved, waiting))
        train = []
    if waiting and not score:
        notes.append(f"No audit image has a label yet, so nothing is compared; all {len(waiting)} stay out of the pretraining pool.")
    standing = scored_on_split(train, score, unlabelled)
    others = len(unlabelled) - (len(waiting) if standing.surprises else 0)
    if others and score:
        notes.append(f"{others} {on} rows have no {task.given} and are not scored.")
    straddling = {row.group for row in (*manifest.subset("pretrain", "train"), *train)} & {row.group for row in score} - {None}
    if straddling and not data.transductive:
        raise LeakError(
            f"{manifest.root}: group {sorted(map(str, straddling))[0]!r} has rows in train and in {on}; move all of its rows to one split, "
            "or set data.transductive=true to mark the report."
        )
    if straddling:
        notes.append(f"Transductive: {len(straddling)} groups have rows in train and in {on}, so scores are too good.")
    if score:
        known = _taught(task, train)
        met = [row for row in score if row.chosen != AUDIT or task.taught(row) <= known]
        task.check_split(train, met)
        if lost := sorted(_taught(task, score) - known):
            notes.append(f"{len(score) - len(met)} audit images show {', '.join(lost)}, which no label teaches: they count as wrong.")
    asked = {row.id for row in train if row.chosen is None}  # a chosen one leaves the pool with and without its label
    ahead = [*score, *waiting]  # those that wait are scored tomorrow, and then their relatives must not have been pretrained on
    pool, left = _away_from(pool, ahead, places, keep=asked, groups=not data.transductive)
    return Roles(pool, train, score or None, on, notes + left + standing.notes, standing=standing)


def _folds_of_train(manifest: Manifest, task: Labels, train: Sequence[Row], pool: Sequence[Row], places: Mapping[str, Place]) -> Roles:
    """A split without dev and test rows: folds over its labelled train rows, which stay out of the pool."""
    notes = ["The split names no dev or test rows, so scores come from folds over the train rows."]
    grouped, learn_only, said = _grouped(task, train, places)
    known = {row.id for row in train}
    without, left = _away_from([row for row in pool if row.id not in known], grouped, places)
    if not without:
        raise DataError(
            f"{manifest.root}: the split has train rows only, so none is left to pretrain on; add data.holdout=0.2 or pretrain rows."
        )
    standing = scored_on_others(grouped, len(grouped) - len(learn_only)) if learn_only else scored_on_chosen(grouped)
    return Roles(without, grouped, None, "cv", [*notes, *said, *left, *standing.notes], learn_only, standing)


def _nothing_to_score(manifest: Manifest, on: str, moved: Sequence[Row], waiting: Sequence[Row]) -> str:
    """What to say of a split none of whose rows can be scored."""
    if waiting:
        way = "label them (`labelfree label`), or empty their split for scores that are indicative only"
        return f"{manifest.root}: none of the {len(waiting)} audit images has a label, so nothing can be scored; {way}."
    if moved:
        way = f"draw an audit with {DRAW}, or empty their split for scores that are indicative only"
        return f"{manifest.root}: all {len(moved)} labelled {on} rows were chosen ({ways(moved)}), which flatters; {way}."
    other = "dev" if on == "test" else "test"
    way = f"set evaluate.on={other}" if manifest.subset(other) else "mark some labelled rows as test"
    return f"{manifest.root}: no labelled row has split {on!r}; {way}."


def _away_from(
    pool: Sequence[Row],
    scored: Sequence[Row],
    places: Mapping[str, Place],
    keep: Set[str] = frozenset(),
    groups: bool = True,  # type: ignore[assignment]
) -> tuple[list[Row], list[str]]:
    """The pool without rows that share a group or ground with scored rows; rows in `keep` (train rows of a split) are only reported."""
    names = {row.group for row in scored} - {None} if groups else set()
    same = {row.id for row in pool if row.group in names} - keep
    over = overlapping([row for row in pool if row.id not in same], scored, places)
    notes = []
    if same:
        notes.append(f"{len(same)} images without a label share a group with scored ones and are not pretrained on.")
    if over - keep:
        notes.append(f"{len(over - keep)} images show ground that is scored and are not pretrained on.")
    if over & keep:
        notes.append(f"{len(over & keep)} train rows show ground that is scored too: the split is not spatially clean.")
    out = same | (over - keep)
    return [row for row in pool if row.id not in out], notes


def _labels_of(row: Row) -> list[str]:
    """The columns in which a table gives a row a label of any task, else what says that it is normal."""
    columns = [column for column in ("label", "mask", "boxes") if getattr(row, column) is not None]
    return columns or (["data.normal"] if row.normal is not None and row.split != "pretrain" else [])


def _without_labels(rest: Sequence[Row], labelled: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """The rows without a label of any task, and what is said of the others, `labelled` ones of the task asked included."""
    left = [row for row in rest if not _labels_of(row)]
    count = len(rest) - len(left) + len(labelled)
    if not count:
        return left, []
    kinds = sorted({column for row in (*rest, *labelled) for column in _labels_of(row)})
    return left, [
        f"{count} images with {' or '.join(kinds)} are not pretrained on, so that they can be scored one day; "
        "data.pretrain_on_labelled=true takes them in."
    ]


def _taken_in(rows: Sequence[Row]) -> str:
    return (
        f"{sum(bool(_labels_of(row)) for row in rows)} labelled images are pretrained on (data.pretrain_on_labelled): "
        "scores on them would be too good, so nothing is compared."
    )


def hold_out(labelled: Sequence[Row], task: Labels, share: float, seed: int) -> set[str]:
    """Ids of a test share: whole groups, of each class about `share` of its rows, at least one row and never all of its groups.

    Rows that teach no class have their share too, as far as their groups allow.

    Groups come in the order of a hash, classes from the rarest on, so that the choice does not depend on the order of rows.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in labelled:
        groups[_group(row)].append(row)
    order = sorted(groups, key=lambda group: (hashlib.blake2b(f"holdout {seed} {group}".encode()).digest(), group))
    of = {row.id: task.taught(row) | {task.stratum(row)} for row in labelled}
    needed = _taught(task, labelled)
    total = Counter(label for names in of.values() for label in names)
    having: dict[str, int] = Counter(label for rows in groups.values() for label in set().union(*(of[row.id] for row in rows)))
    test: set[str] = set()
    held: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for label in sorted(total, key=lambda label: (having[label], label)):
        for group in order:
            inside = Counter(label for row in groups[group] for label in of[row.id])
            if held[label] >= max(1, round(share * total[label])):
                break
            if group in test or not inside[label] or any(taken[other] + 1 >= having[other] for other in inside):
                continue
            test.add(group)
            held.update(inside)
            taken.update(inside.keys())
        if not held[label] and label in needed:
            raise DataError(
                f"Class {label!r} has {having[label]} group(s) of images, too few to set some aside; label more, or set data.holdout=0."
            )
    return {row.id for group in test for row in groups[group]}


Fold = tuple[np.ndarray, np.ndarray]


def folds(
    targets: Sequence[str] | np.ndarray,
    groups: Sequence[str | None],
    draws: int,
    seed: int,
    ids: Sequence[str] | None = None,
    learn_only: Sequence[int] | np.ndarray = (),
    taught: Sequence[frozenset[str]] | None = None,
    most: int = 5,
) -> list[list[Fold]]:
    """`draws` repeats of stratified folds that never split a group: for each draw k pairs of (train, test) positions.

    `targets`: what test parts are balanced over; `taught`: the classes each row teaches, its target where None. k = min(`most`, groups of
    the rarest class taught). Rows without a group are their own. Every training part teaches every class. Positions in `learn_only` are
    in no test part, and in every training part but where their group is tested; k is that of the others.
    Raises `DataError` where a class lies in one group only.
    """
    names = [group if group is not None else f"row {ids[i] if ids is not None else i}" for i, group in enumerate(groups)]
    y = np.asarray([str(target) for target in targets])
    taught = [frozenset([target]) for target in y.tolist()] if taught is None else taught
    if not len(learn_only):
        return _folds(y, taught, names, draws, seed, most)
    more, which = np.asarray(learn_only, dtype=np.int64), np.array(names)
    judged = np.setdiff1d(np.arange(len(names)), more)
    made = _folds(y[judged], [taught[at] for at in judged], which[judged].tolist(), draws, seed, most)

    def joined(learn: np.ndarray, test: np.ndarray) -> Fold:
        apart = more[~np.isin(which[more], which[judged[test]])]
        return np.sort(np.concatenate([judged[learn], apart])), judged[test]

    return [[joined(*fold) for fold in repeat] for repeat in made]


def _folds(y: np.ndarray, taught: Sequence[frozenset[str]], names: Sequence[str], draws: int, seed: int, most: int) -> list[list[Fold]]:
    """The folds of rows of strata `y` in groups `names`, all of which are scored in turn."""
    from sklearn.model_selection import StratifiedGroupKFold

    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    which = np.array([number[name] for name in names])
    labels = sorted(frozenset().union(*taught))
    shown = np.array([[label in classes for label in labels] for classes in taught])
    if not labels:
        raise DataError(f"None of the {len(y)} labelled images shows anything to learn; label some that do.")
    groups_with = [len(set(which[column])) for column in shown.T]
    k = min(most, *groups_with)
    if k < 2:
        rarest = groups_with.index(k)
        images = shown[:, rarest].sum()
        raise DataError(
            f"Class {labels[rarest]!r} has labels in one group of images only ({images} labelled); cross-validation needs two: "
            "label more of it, leave the class out, or draw images to score on with `labelfree select --audit`."
        )
    y = _of_at_least(k, y)
    made = []
    for draw in range(draws):
        for attempt in range(100):
            state = int.from_bytes(hashlib.blake2b(f"folds {seed} {draw} {attempt}".encode(), digest_size=4).digest(), "big")
            parts = list(StratifiedGroupKFold(k, shuffle=True, random_state=state).split(y, y, which))
            if all(shown[train].any(0).all() and len(test) for train, test in parts):
                made.append(parts)
                break
        else:
            raise DataError(f"No {k} folds exist in which every class can be learnt: groups mix too many classes; give finer groups.")
    return made


def _of_at_least(k: int, y: np.ndarray) -> np.ndarray:
    """Strata that k test parts can share: the rows of smaller ones are balanced with those of the largest."""
    names, which, sizes = np.unique(y, return_inverse=True, return_counts=True)
    return np.where(sizes[which] < k, names[sizes.argmax()], y)


def _groups_of_rarest(task: Labels, labelled: Sequence[Row], groups: Mapping[str, str]) -> int:
    per_class: dict[str, set[str]] = defaultdict(set)
    for row in labelled:
        for name in task.taught(row):
            per_class[name].add(groups.get(row.id, _group(row)))
    return min((len(names) for names in per_class.values()), default=0)


def _taught(task: Labels, rows: Sequence[Row]) -> set[str]:
    return {name for row in rows for name in task.taught(row)}


def _group(row: Row) -> str:
    return row.group if row.group is not None else f"row {row.id}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{label}: {n}" for label, n in sorted(counts.items(), key=lambda item: str(item[0])))
