"""From a recipe to images that are ready: manifest, roles, pools, leak check, fingerprint, and the question that is asked."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from labelfree.data.cards import Card, effective_card
from labelfree.data.folders import cache_folder
from labelfree.data.leaks import LeakReport, guard, near_groups, witnesses
from labelfree.data.manifest import Manifest, load_manifest, with_normal
from labelfree.data.our_folders import GENERATED
from labelfree.data.pool import Pool, build_pool, some_empty
from labelfree.data.positives import Positives, find_positives
from labelfree.data.scales import Scales
from labelfree.data.set_labels import SetLabels
from labelfree.data.splits import Roles, assign_roles
from labelfree.data.windows import in_windows, lenient
from labelfree.domain import Default, Domain, Fingerprint, Flattens, Row, Sample, Size, extent_of, located
from labelfree.errors import DataError, RecipeError
from labelfree.installed_domains import key_for
from labelfree.language.prompts import Prompts
from labelfree.pipeline.captions import with_captions, words_said
from labelfree.pipeline.confidential import keep_identifying, told_withheld
from labelfree.pipeline.context import Context
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.held_out import Wording, asks_in_words, check_names, prompts, wording
from labelfree.pipeline.pretrained_on import learn_only_where_seen, require_same_pool, scored_before
from labelfree.pipeline.shrunk_objects import shrunk_objects
from labelfree.pipeline.starts import Starts
from labelfree.pipeline.tiled_images import tiled_images
from labelfree.pipeline.unlabelled_images import unlabelled_images
from labelfree.planning.auto_values import view_size
from labelfree.planning.mirroring import mirror
from labelfree.progress import Progress
from labelfree.reader_settings import domain_with
from labelfree.recipe import Recipe
from labelfree.training.files import write_json, write_text
from labelfree.transfer.question import Question
from labelfree.transfer.setup import alarm_rule
from labelfree.transfer.tasks import LabelledImages, Task
from labelfree.transfer.tasks.registry import check_question, task_for
from labelfree.transfer.unlabelled import Unlabelled

ENDING = re.compile(r"item|\.[a-z][a-z0-9]{1,4}")


@dataclass(frozen=True)
class Inputs:
    """All that later stages need of the data of a recipe.

    `pool`, `entries`: what is pretrained on. `positives`: where second views come from, None: from the image itself. `images`,
    `question`: labelled and scored images, whole, and what is asked of them; None where there are no labels. `unlabelled`: the images
    that are learned from without labels, None where no protocol does. `notes`: sentences for the report. `learnt`: the rows that are
    pretrained on. `wording`: of the classes of these labels; `prompts`: how they are asked for, None where no protocol asks in words.
    """

    recipe: Recipe
    domain: Domain
    card: Card | None
    manifest: Manifest
    roles: Roles
    pool: Pool
    entries: np.ndarray
    fingerprint: Fingerprint
    images: Pool | None
    question: Question | None
    leaks: LeakReport | None
    task: Task
    positives: Positives | None = None
    unlabelled: Unlabelled | None = None
    notes: list[str] = field(default_factory=list)
    learnt: Sequence[Row] = ()
    wording: Wording = field(default_factory=lambda: Wording({}))
    prompts: Prompts | None = None

    @property
    def generated(self) -> bool:
        """Whether the images are made up: a card says so, or what the generator left in their folder does."""
        return (self.card is not None and self.card.generated) or (self.manifest.root / GENERATED).is_file()

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """(row id, reason) of images that could not be read."""
        return [*self.manifest.faults.items(), *self.pool.skipped, *(self.images.skipped if self.images else [])]

    @property
    def starts(self) -> Starts:
        """How the arms' networks start and read images; scale and offset are those of the images that are scored, where there are any."""
        stored = self.images or self.pool
        return Starts(self.recipe.backbone, self.domain, self.fingerprint, stored.scale, stored.offset, mirror=self.mirrored)

    @property
    def mirror(self) -> Default | None:
        """Whether views may be mirrored left to right, and why; None where neither recipe nor domain says."""
        classes = frozenset[str]().union(*self.question.taught) if self.question else ()
        return mirror(self.recipe.pretrain.mirror, self.domain, [*classes, *words_said(self.recipe, self.pool.images)])

    @property
    def mirrored(self) -> bool:
        return self.mirror is None or bool(self.mirror.value)


def domain_for(recipe: Recipe) -> tuple[Domain, Card | None]:
    """The domain, told what the recipe says of its reader, and what the card says besides."""
    card = effective_card(recipe.data)
    if card is not None and card.domain != recipe.domain:
        raise RecipeError(f"data.card: {card.name} belongs to the domain {card.domain}, the recipe's domain is {recipe.domain}.")
    return domain_with(recipe.domain, recipe.reader, card.reader if card else {}), card


def gather(run: Context) -> Inputs:
    """Read everything once. Writes splits.csv, fingerprint.json, leaks.json and card.json of the run."""
    recipe = run.recipe
    domain, card = domain_for(recipe)
    manifest = _manifest(run, domain)
    task = task_for(recipe.evaluate, manifest.rows)
    if run.comparing:
        check_question(recipe.evaluate, task)
    manifest = read_by(task, SetLabels(manifest, domain, recipe.data.absent), run.say)
    task = task.over(manifest.rows, SetLabels(manifest, domain, recipe.data.absent, run.say.say)).counting(manifest.rows)
    check_names(recipe, task, manifest.rows)
    store = Store(recipe, manifest.read or domain.read, {"domain": domain.name, **domain.settings()}, run.say)
    roles, pool, images = _pools(run, domain, manifest, task, store)
    if run.weights is not None:
        roles = learn_only_where_seen(run.weights, recipe.data, task, roles)
    leaks = _leaks(run, roles, pool, images) if images is not None else None
    copies = set(leaks.dropped) if leaks else set()
    worded = wording(recipe, card, task, manifest.rows, [*roles.train, *(roles.score or ())])
    asked = prompts(recipe, domain, worded.words) if run.comparing and asks_in_words(recipe, task) else None
    unseen, left_out = worded.kept([row for row in roles.pool if row.id not in copies], task, manifest.blanked)
    learnt, uncaptioned = with_captions(recipe, unseen, pretraining=run.pretraining)
    uncaptioned = [*left_out, *uncaptioned]
    entries = pool.entries(learnt)
    require_pool(manifest, roles, entries, copies, pool)
    fingerprint = pool.fingerprint(entries)
    if len(fingerprint.smallest) != 2 and isinstance(domain, Flattens):
        keys = ", ".join(f"reader.{key}={default.value}" for key, default in domain.flattening.items())
        run.say.say(f"These images are volumes; {keys} reads them as pictures.")
    positives, paired = find_positives(recipe.data, domain, pool, entries)
    for note in (*uncaptioned, *paired):
        run.say.say(note)
    tolerance = None if recipe.evaluate.surface_tolerance == "auto" else recipe.evaluate.surface_tolerance
    labelled = None if images is None else LabelledImages(images, store.read, tolerance)
    question = None if labelled is None else _question(manifest, task, roles, labelled, recipe.seed)
    if run.comparing and question is not None:
        alarm_rule(recipe.evaluate, question, recipe.evaluate.labels_per_class)  # told before hours of pretraining
    tiled = tiled_images(recipe.evaluate.tile, images) if run.comparing and images is not None else []
    inputs = Inputs(recipe, domain, card, manifest, roles, pool, entries, fingerprint, images, question, leaks, task, positives)
    view = view_size(recipe.pretrain, fingerprint, domain.plan(fingerprint))
    known = SetLabels(manifest, domain, recipe.data.absent)
    shrunk = shrunk_objects(recipe, task, known, roles.train, view, pool, images, run.comparing)
    for sentence in (*shrunk, *tiled):
        run.say.say(sentence)
    if run.weights is None:
        require_same_pool(run.folder.path, inputs.fingerprint.digest, roles)
    before = scored_before(recipe, roles, run.weights) if run.comparing and question is not None else []
    _keep(run.folder, inputs)
    unlabelled, said = None, list[str]()
    if run.comparing and question is not None and images is not None:
        unlabelled, said = unlabelled_images(recipe, question, images, pool, learnt, lambda rows: store.pool(rows, tile=None))
    notes = [*_notes(inputs, paired), *uncaptioned, *shrunk, *tiled, *before, *said]
    return replace(inputs, unlabelled=unlabelled, notes=notes, learnt=learnt, wording=worded, prompts=asked)


def _manifest(run: Context, domain: Domain) -> Manifest:
    """The rows of the run, large images in windows; its notes are told."""
    recipe = run.recipe
    manifest = with_normal(run.manifest, recipe.data) if run.manifest else load_manifest(recipe.data, domain)
    manifest.require_usable(recipe.data.on_error)
    if manifest.read is None:
        tile = tile_of(recipe)
        side = None if tile == "auto" else tile
        extent = lenient(extent_of(domain)) if recipe.data.on_error == "skip" else extent_of(domain)
        manifest = replace(manifest, rows=in_windows(manifest.rows, extent, side, tell=run.say.say))
    for note in (*manifest.notes, *manifest.aside, *manifest.faults.values()):
        run.say.say(note)
    return manifest


def read_by(task: Task, labels: SetLabels, say: Progress) -> Manifest:
    """The table as the task reads it; what follows from its labels is told."""
    read = task.reading(labels)
    for note in read.notes[len(labels.manifest.notes) :]:
        say.say(note)
    return read


def _pools(run: Context, domain: Domain, manifest: Manifest, task: Task, store: Store) -> tuple[Roles, Pool, Pool | None]:
    """The pool to pretrain on, that of the labelled and scored images (None without labels), and every row's role.

    Roles are given twice: what lies where and what is alike is known once the images are read.
    """
    recipe = run.recipe
    data, on, out = recipe.data, recipe.evaluate.on, run.every_label_out
    first = assign_roles(manifest, task, data, on, recipe.seed, every_label_out=out)
    require_pool(manifest, first, [*first.pool, *(first.score or [])])
    labelled = [*first.train, *(first.score or [])]
    images = store.pool(labelled, tile=None) if labelled else None
    held_out = [] if manifest.given_split else first.score or []  # which rows these are may change once coordinates are known
    pool = store.pool([*first.pool, *held_out], tile=tile_of(recipe))
    places = located(domain, {**pool.places(), **(images.places() if images else {})})
    if images is None:
        return assign_roles(manifest, task, data, on, recipe.seed, places, every_label_out=out), pool, None
    _require_one_kind(images, pool, recipe.domain)
    alike = manifest.with_groups(_alike(manifest, first, images))
    return assign_roles(alike, task, data, on, recipe.seed, places, every_label_out=out), pool, images


def _leaks(run: Context, roles: Roles, pool: Pool, images: Pool) -> LeakReport:
    """What the leak guard found; told, and kept in leaks.json."""
    scored = roles.train if roles.score is None else roles.score
    loose = {row.id for row in roles.pool} - {row.id for row in roles.train}
    trained = witnesses(pool, roles.pool)
    leaks = guard(trained, witnesses(images, scored), run.recipe.data, has_test=roles.score is not None, loose=loose)
    run.say.say(leaks.sentence)
    write_json(run.folder.path / "leaks.json", leaks.to_dict())
    return leaks


def _keep(folder: RunFolder, inputs: Inputs) -> None:
    """Write what the run's folder keeps of its images."""
    if inputs.skipped:
        write_json(folder.private / "skipped.json", inputs.skipped)
    write_json(folder.path / "fingerprint.json", {**asdict(inputs.fingerprint), "format": _formats(inputs.roles)})
    write_text(folder.path / "splits.csv", _splits(inputs.manifest, inputs.roles))
    keep_identifying(folder, inputs.manifest.names)
    card = inputs.card.model_dump(mode="json", exclude={"prose"}) if inputs.card is not None else {}
    if card or inputs.generated:
        write_json(folder.path / "card.json", {**card, "generated": inputs.generated})


def _notes(inputs: Inputs, paired: Sequence[str]) -> list[str]:
    """Sentences for the report."""
    notes = [*inputs.manifest.notes, *inputs.roles.notes, *paired, *inputs.domain.missing(inputs.pool.channels)]
    notes += [some_empty(part.empty) for part in (inputs.pool, inputs.images) if part is not None and part.empty]
    notes += told_withheld(inputs.manifest.rows)
    if skipped := inputs.skipped:
        notes.append(f"{len(skipped)} images could not be read and were skipped (private/skipped.json lists them).")
    if (inputs.roles.train or inputs.roles.score) and inputs.question is None:
        notes.append("No labelled image could be read, so nothing is compared.")
    return notes


def require_pool(
    manifest: Manifest, roles: Roles, left: Sequence[Any] | np.ndarray, copies: Set[str] = frozenset(), pool: Pool | None = None
) -> None:
    """Raises DataError, with every cause that is known, where no image is left to pretrain on."""
    if len(left):
        return
    causes = [note for note in roles.notes if "not pretrained on" in note]
    if copies:
        causes.append(f"{len(copies)} are copies of images that are scored.")
    if pool is not None and len(pool.images) < len(roles.pool):
        causes.append(f"{len(roles.pool) - len(pool.images)} could not be read or are empty.")
    if not roles.pool and not causes:
        causes.append(f"all {len(manifest.rows)} are labelled, scored or left out.")
    way = "add images without labels that show other ground, or set a part of the labelled ones aside with data.holdout=0.2"
    raise DataError(f"{manifest.root}: no image is left to pretrain on. {' '.join(causes)} The way out: {way}.")


def _require_one_kind(images: Pool, pool: Pool, domain: str) -> None:
    """Raises DataError where labelled images are of other channels or units than those to pretrain on, or on another scale."""
    if (images.channels, images.unit) != (pool.channels, pool.unit):
        raise DataError(
            f"labelled images have {', '.join(images.channels)} in {images.unit}, the others {', '.join(pool.channels)} in {pool.unit}; "
            f"say what the files hold with {key_for('channels', domain)} and {key_for('scale', domain)}."
        )
    scales = Scales(domain)
    for part in (images, pool):
        for row, most in zip(part.images, part.index.most, strict=True):
            scales.note(row, part.stored, float(most))
    scales.require_one(pool.stored, pool.unit)


@dataclass(frozen=True)
class Store:
    """Builds pools with one recipe's settings."""

    recipe: Recipe
    read: Callable[[Row], Sample]
    settings: Mapping[str, Any]
    say: Progress

    def pool(self, rows: list[Row], tile: Any) -> Pool:
        return build_pool(
            rows,
            self.read,
            self.settings,
            pool_folder(self.recipe),
            say=self.say,
            tile=tile,
            max_gb=self.recipe.pool.max_gb,
            on_error=self.recipe.data.on_error,
            max_skipped=self.recipe.data.max_skipped,
            domain=self.recipe.domain,
        )


def _alike(manifest: Manifest, roles: Roles, images: Pool) -> dict[str, str]:
    """Groups of near-duplicate labelled rows. A given split is not bent: there train and scored rows are looked at apart."""
    parts = [roles.train, roles.score or []] if manifest.given_split else [[*roles.train, *(roles.score or [])]]
    return {row: group for part in parts if part for row, group in near_groups(witnesses(images, part)).items()}


def tile_of(recipe: Recipe) -> Size | Literal["auto"] | None:
    """The side of the tiles that a recipe asks for, or one an axis."""
    given = recipe.pool.tile
    return tuple(given) if isinstance(given, list) else given


def pool_folder(recipe: Recipe) -> Path:
    """Where this recipe's pools are kept."""
    return recipe.pool.dir or cache_folder() / "pools"


def _question(manifest: Manifest, task: Task, roles: Roles, labelled: LabelledImages, seed: int) -> Question:
    images = labelled.pool
    rows = {row.id: row for row in (*roles.train, *(roles.score or ()))}
    final = [rows.get(row.id, row) for row in images.rows]
    train, score = ({row.id for row in part} for part in (roles.train, roles.score or ()))
    whole = roles.score is None and not task.learns  # folds would part what is scored for nothing
    if whole:
        score = train - roles.learn_only
    return Question(
        dataset=manifest.name,
        split="labelled" if whole else roles.split,
        task=task,
        ids=tuple(row.id for row in final),
        groups=tuple(row.group for row in final),
        strata=tuple(map(task.stratum, final)),
        targets=task.targets(final, labelled),
        train=np.array([i for i, row in enumerate(final) if row.id in train], dtype=np.int64),
        score=None
        if roles.score is None and not whole
        else np.array([i for i, row in enumerate(final) if row.id in score], dtype=np.int64),
        seed=seed,
        contents=tuple(map(str, images.index.digest)),
        learn_only=tuple(i for i, row in enumerate(final) if row.id in roles.learn_only),
        standing=roles.standing,
        taught=tuple(map(task.taught, final)),
        dims=images.index.shape.shape[1],
    )


def _splits(manifest: Manifest, roles: Roles) -> str:
    """splits.csv of the run: every row with the role it had, and where the table says it how it was chosen."""
    pool, train = {row.id for row in roles.pool}, {row.id: row for row in roles.train}
    score = {row.id: row for row in roles.score or ()}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    told = any(row.chosen is not None for row in manifest.rows)
    table.writerow(["path", "label", "group", "split", "role", *(["chosen"] if told else [])])
    for row in manifest.rows:
        final = train.get(row.id) or score.get(row.id) or row
        parts = [name for name, members in (("pool", pool), ("train", train), (roles.split, score)) if row.id in members]
        table.writerow(
            [row.id, final.label or "", final.group or "", row.split, "+".join(parts) or "unused", *([row.chosen or ""] if told else [])]
        )
    return text.getvalue()


def _formats(roles: Roles) -> dict[str, int]:
    """Images by their files' ending. What follows the last dot of a UID, a date or a name is none, and what few have may be a name."""
    endings = Counter(Path(row.id.partition("#")[0]).suffix.lower() or "item" for row in roles.pool)
    told, few = Counter[str](), max(1, endings.total() // 10)
    for ending, number in endings.items():
        told[ending if number > few and ENDING.fullmatch(ending) else "other"] += number
    return dict(told)
