"""A folder's images chosen for labelling, from end to end: the audit is drawn, the others are chosen, and what to label is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelfree.choosing import Candidates, Choice, Strategy, find_strategy
from labelfree.data.chosen import AUDIT
from labelfree.data.our_folders import SELECTION_FILES
from labelfree.data.pool import read_sample
from labelfree.data.threads import in_order
from labelfree.domain import Row, Sample
from labelfree.errors import DataError, RecipeError
from labelfree.pipeline.pretrained_on import FIRST, seen_by
from labelfree.planning.folder_settings import folder_data, with_keys
from labelfree.planning.unread_labels import unread_labels
from labelfree.progress import Progress
from labelfree.recipe_file import Overrides
from labelfree.reporting.contact_sheet import Caption, save_contact_sheets
from labelfree.selecting.audit import draw_audit
from labelfree.selecting.features import image_features
from labelfree.selecting.head_so_far import class_scores
from labelfree.selecting.images import Images, read_images
from labelfree.selecting.likeness import Likeness
from labelfree.selecting.relatives import with_relatives
from labelfree.selecting.resolution import resolution
from labelfree.selecting.table import write_table
from labelfree.selecting.weights import Weights, find_weights

DRAWN = "drawn at random, to be scored on"
BESIDE = "not to be labelled: of the group of an audit image, or like one"


@dataclass(frozen=True)
class Selection:
    """Images to label. `rows`: in the order to label them, chosen ones first, then those of the audit; `reasons`: one a row.

    `file`: the table of them. `sheets`: pictures of them, a page each. `notes`: sentences on what was found and done.
    """

    rows: tuple[Row, ...]
    reasons: tuple[str, ...]
    file: Path
    sheets: tuple[Path, ...]
    notes: tuple[str, ...]

    @property
    def sheet(self) -> Path:
        """The first page of pictures."""
        return self.sheets[0]

    def lines(self) -> Iterator[str]:
        """What was done, for a person to read."""
        yield from self.notes
        yield f"To label, in order: {self.file}"
        yield f"Pictures: {', '.join(map(str, self.sheets))}"


@dataclass(frozen=True)
class Wanted:
    """What is asked for: `budget` images chosen by `strategy`, and `audit` more drawn at random. Raises RecipeError where that is none."""

    budget: int
    audit: int
    strategy: Strategy
    seed: int

    def __post_init__(self) -> None:
        if min(self.budget, self.audit) < 0:
            raise RecipeError("--budget, --audit: give how many images, 0 or more.")
        if not self.budget and not self.audit:
            raise RecipeError("Nothing is asked for; say how many images to choose with --budget, or to draw for an audit with --audit.")


def select_images(
    folder: Path,
    weights: str | Path | None,
    budget: int,
    strategy: str,
    audit: int,
    labels: Path | None,
    domain: str | None,
    overrides: Overrides,
    seed: int,
    out: Path,
    say: Progress,
) -> Selection:
    """Choose, and write select.csv and the pictures into the new or empty folder `out`. Raises RecipeError or DataError."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RecipeError(f"--out {out}: is not an empty folder; name a new one, so that nothing chosen before is lost.")
    there = next(parent for parent in (out, *out.absolute().parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise RecipeError(f"--out {out}: nothing may be written in {there}; name another folder.")
    wanted = Wanted(budget, audit, find_strategy(strategy), seed)
    if budget and weights is None and wanted.strategy.needs_features:
        raise RecipeError("--weights: say by whose features to choose: a run folder, a weight file, or imagenet.")
    network = None if weights is None else find_weights(weights)
    images = _images(folder, network, labels, domain, overrides, say)
    return _Selector(images, network, wanted, say).select(out)


def _images(folder: Path, network: Weights | None, labels: Path | None, domain: str | None, overrides: Overrides, say: Progress) -> Images:
    """The folder's images, read as those that the network learnt from, unless `overrides` say otherwise."""
    data, network = folder_data(folder, labels), network or Weights()
    field = domain or (network.card.domain if network.card is not None and network.card.domain else None)
    asked = with_keys(data, overrides, field, say)
    told = {key: value for key, value in asked.reader.items() if value is not None}
    recipe = asked.model_copy(update={"reader": {**network.reader(domain), **told}})
    if network.pool is not None:
        recipe = recipe.model_copy(update={"pool": network.pool})
    for sentence in unread_labels(asked.data):
        say.say(f"{sentence}.")
    return read_images(recipe, field, say)


class _Selector:
    """One choice under way. `notes` grow as it goes on."""

    def __init__(self, images: Images, network: Weights | None, wanted: Wanted, say: Progress) -> None:
        self.images, self.network, self.wanted, self.say = images, network, wanted, say
        self.notes: list[str] = []

    def select(self, out: Path) -> Selection:
        self.notes += _seen_so_far(self.images)
        drawn = self._audit()
        chosen = self._chosen(drawn) if self.wanted.budget else []
        if not chosen and not drawn:
            raise DataError(f"{self.images.manifest.root}: every image that is left is a near-duplicate of one that is labelled or scored.")
        groups = self._with_relatives(drawn) if drawn else {}
        rows = [*chosen, *((replace(self.images.rows[at], split="test", chosen=AUDIT, group=groups[at]), DRAWN) for at in drawn)]
        beside = [(replace(self.images.rows[at], group=group), BESIDE) for at, group in groups.items() if at not in drawn]
        audit = [*self.images.audited, *drawn]
        if audit:
            before = len(self.images.audited)
            already = "" if not before else f" ({before:,} of them drawn before)" if drawn else ", all drawn before"
            self.notes.append(f"Audit: {len(audit):,} images{already}; runs score on them alone, and no other of their groups is chosen.")
            self.notes += resolution(len(audit), len(self.images.groups_of(audit)))
            self.notes += _seen_before(self.images, self.network, audit)
        out.mkdir(parents=True, exist_ok=True)
        sheets = save_contact_sheets(out / SELECTION_FILES[1], self._pictures([row for row, _ in rows]), _captions(rows))
        file = write_table(out, [*rows, *beside])
        return Selection(tuple(row for row, _ in rows), tuple(reason for _, reason in rows), file, tuple(sheets), tuple(self.notes))

    def _audit(self) -> list[int]:
        """Positions drawn at random among images that share nothing with those that are learnt from: no group, no ground, no likeness."""
        if not self.wanted.audit:
            return []
        images = self.images
        learnt = [*images.labelled, *images.waiting]
        able = images.apart(images.free, learnt)
        likeness = Likeness(images.pool.index, images.groups, learnt)
        while True:
            ids, groups = [images.rows[at].id for at in able], [images.groups[at] for at in able]
            drawn = [able[at] for at in draw_audit(ids, groups, self.wanted.audit, self.wanted.seed)]
            alike = {at for at in drawn if learnt and likeness(at, ()) is not None}
            if not alike:
                return drawn
            able = [at for at in able if at not in alike]

    def _with_relatives(self, drawn: Sequence[int]) -> dict[int, str | None]:
        """The groups of those drawn, and of the images that are to stay with them."""
        near = Likeness(self.images.pool.index, self.images.groups, ()).repeats(drawn)
        groups = with_relatives(self.images, drawn, near)
        if more := len(groups) - len(drawn):
            self.notes.append(
                f"{more:,} images are of the audit's groups or repeat its images: the table names them, and nobody learns from them."
            )
        return groups

    def _chosen(self, drawn: Sequence[int]) -> list[tuple[Row, str]]:
        """What the strategy picks among images that are no relatives of the audit, in order, with its reasons."""
        images, wanted = self.images, self.wanted
        kept_apart = [*images.audited, *drawn]
        free = images.apart(images.free, kept_apart)
        if not free:
            raise DataError(_none_left(images, drawn))
        likeness = Likeness(images.pool.index, images.groups, [*kept_apart, *images.waiting])
        candidates = self._candidates(free, likeness)
        picked = wanted.strategy.choose(candidates, min(wanted.budget, len(free)), wanted.seed)
        self._tell(candidates, likeness, len(free), picked)
        return [(replace(images.rows[choice.position], split="", chosen=choice.strategy), choice.reason) for choice in picked]

    def _candidates(self, free: Sequence[int], likeness: Likeness) -> Candidates:
        images = self.images
        network = self.network if self.wanted.strategy.needs_features else None
        features = np.zeros((len(images.rows), 1), np.float32) if network is None else image_features(network, images, self.say)
        labelled = np.array(images.labelled, dtype=np.int64)
        rows = [images.rows[at] for at in images.labelled]
        classes = sorted({str(row.label) for row in rows})
        numbers = {group: number for number, group in enumerate(dict.fromkeys(images.groups))}
        groups = [images.groups[at] for at in images.labelled]
        may_be = np.zeros(len(images.rows), dtype=bool)
        may_be[free] = True
        return Candidates(
            features=features,
            groups=np.array([numbers[group] for group in images.groups], dtype=np.int64),
            open=may_be,
            labelled=labelled,
            codes=np.array([classes.index(str(row.label)) for row in rows], dtype=np.int64),
            outputs=class_scores(features, labelled, rows, groups, self.wanted.seed) if rows and network is not None else None,
            classes=tuple(classes),
            too_like=likeness,
        )

    def _tell(self, candidates: Candidates, likeness: Likeness, free: int, picked: Sequence[Choice]) -> None:
        """Sentences on the choice."""
        wanted, images = self.wanted, self.images
        self.notes += [note for note in (wanted.strategy.note(candidates), likeness.note) if note]
        if images.waiting:
            self.notes.append(f"Chosen before and without a label yet, so not chosen again: {len(images.waiting):,}.")
        if wanted.budget > free:
            self.notes.append(f"{wanted.budget:,} images were asked for and {free:,} may be chosen.")
        if len(picked) < min(wanted.budget, free):
            self.notes.append("The others are near-duplicates of images that are labelled, chosen or in the audit.")
        ways = {choice.strategy for choice in picked}
        how = wanted.strategy.words if ways <= {wanted.strategy.name} else f"by {', '.join(sorted(ways))}"
        ground = " (blocks on the ground)" if images.spatial else ""
        groups = len(images.groups_of([choice.position for choice in picked]))
        of = f"; they are of {groups:,} group{'s' * (groups != 1)}{ground}" if images.grouped else ""
        self.notes.append(f"Chosen: {len(picked):,} of {free:,} images without a label, {how}{of}.")

    def _pictures(self, rows: Sequence[Row]) -> list[np.ndarray | None]:
        """Each as the field shows it; None where the file has gone since it was read."""
        domain, read = self.images.domain, self.images.manifest.read or self.images.domain.read

        def shown(row: Row) -> np.ndarray | None:
            sample = read_sample(read, row)
            return domain.preview(sample) if isinstance(sample, Sample) else None

        return list(self.say.track(in_order(shown, rows), "pictures", len(rows)))


def _seen_so_far(images: Images) -> Iterator[str]:
    """Which classes have labels, the most frequent first."""
    counts = Counter(str(images.rows[at].label) for at in images.labelled)
    if counts:
        each = ", ".join(f"{name} {n:,}" for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        yield f"Classes seen so far: {each} ({len(counts):,} class{'es' * (len(counts) != 1)}, {counts.total():,} labels)."
    alone = sorted({str(images.rows[at].label) for at in images.audited if images.rows[at].label is not None} - set(counts))
    if alone:
        yield f"Seen in the audit alone, so that no head can learn them yet: {', '.join(alone)}."


def _seen_before(images: Images, network: Weights | None, audit: Sequence[int]) -> Iterator[str]:
    """What to do where the network has learnt from images of the audit."""
    file = None if network is None else network.file
    seen = seen_by(file, images.data, [images.rows[at] for at in audit]) if file is not None else []
    if seen:
        yield (
            f"{file} was pretrained on {len(seen):,} of the audit images: it may choose, and is not to be scored on them; "
            f"`labelfree run` pretrains again without them. Next time {FIRST}."
        )


def _none_left(images: Images, drawn: Sequence[int]) -> str:
    """Why nothing may be chosen."""
    root = images.manifest.root
    if drawn and len(images.free) == len(drawn):
        return f"--audit {len(drawn)}: takes every image that is left, so none may be chosen; lower it, or give --budget 0."
    if drawn and len(images.groups_of(images.free)) == 1:
        if images.rows[drawn[0]].group is None:
            return f"{root}: all images left are copies of one another, and no copy of an audit image is chosen; give --budget 0."
        one = f"all images left are of one group ({images.groups[drawn[0]]})"
        return (
            f"{root}: {one}, and nothing is chosen from a group that is audited; name finer groups in a column `group`, or give --budget 0."
        )
    if drawn:
        return f"--audit {len(drawn)}: its groups hold every image that is left, so none may be chosen; lower it, or give --budget 0."
    if images.manifest.class_folders:
        return f"{root}: names of folders are taken as classes, so every image has a label; set data.class_folders=false if they are none."
    return f"{root}: no image is left to choose: each has a label, is scored, was chosen before, or is of a group that is scored."


def _captions(rows: Sequence[tuple[Row, str]]) -> list[Caption]:
    return [Caption(f"{number}  {row.chosen}", reason) for number, (row, reason) in enumerate(rows, 1)]
