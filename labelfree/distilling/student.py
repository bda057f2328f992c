"""A student: a smaller network that learns what a head answers on images without labels (Hinton et al. 2015, arXiv:1503.02531).

Its head is that of fine-tuning: a linear probe on what the teacher calls, then it and the network under it on the teacher's shares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from labelfree.backbones.weights import RUN_FILE, save
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.head_file import FOLDER, RECOMMENDED, write_head
from labelfree.deploy.loaded_head import VectorHead
from labelfree.deploy.loading import load_head
from labelfree.deploy.model_card import model_card
from labelfree.distilling.answers import Answers, answers_of, milliseconds, numbers, targets_of
from labelfree.distilling.images import StudentImages, student_images
from labelfree.domain import Size, as_size, in_proportion
from labelfree.errors import DataError, RecipeError
from labelfree.pipeline.network_encoders import Networks, said_of
from labelfree.pipeline.starts import Starts
from labelfree.progress import Progress
from labelfree.recipe import BackboneSettings
from labelfree.recipe_file import Overrides
from labelfree.training.files import write_json, write_text
from labelfree.transfer.encoders import NetworkEncoder
from labelfree.transfer.heads import train_head
from labelfree.transfer.operating import Share
from labelfree.transfer.protocols import Head
from labelfree.transfer.protocols.finetune import Finetune
from labelfree.transfer.selection import Choice
from labelfree.transfer.tasks import Targets
from labelfree.transfer.tuning.images import LabelledViews
from labelfree.transfer.tuning.training import Tuned, step_seconds, tuned_at
from labelfree.weight_names import weight_file

ARM = "student"  # what its features are called
SUMMARY = "student.json"
TIMED = 32  # images, by which both networks' time is taken
PROBED = 5000  # images that its probe is fitted on, most
LOOKS = 20  # how often a training tells where it stands


@dataclass(frozen=True)
class Teaching:
    """How a student is taught. `backbone`, `init`: its network and what that starts from, as a recipe names both. `minutes` or `steps`: how
    long. `temperature`: at which answers are compared. `size`: its input size, None: the teacher's. Raises RecipeError where that is none.
    """

    backbone: str
    init: str = "imagenet"
    minutes: float | None = None
    steps: int | None = None
    temperature: float = 1.0
    size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise RecipeError("distil: say how long to teach, with either --minutes or --steps.")
        for name in ("minutes", "steps", "temperature", "size"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise RecipeError(f"--{name} {value:g}: give a number above 0.")

    def steps_of(self, seconds: float) -> int:
        """How many steps fit, where each takes so many seconds."""
        return self.steps or max(1, round(60 * float(self.minutes or 0) / seconds))


@dataclass(frozen=True)
class Student:
    """What was written. `head`: its file, for `predict` and `export`; `weights`: its network alone, for arms and `load`. `steps`: that it
    was taught. `agreement`: on held-out images, how often it calls what the teacher calls. `accuracy`: of the student and of the teacher on
    labelled images of a split that was asked for; None where there are none. `milliseconds`, `numbers`: an image, and of the network, of
    both in this order.
    """

    folder: Path
    head: Path
    weights: Path
    steps: int
    taught: int
    agreement: Share
    accuracy: tuple[Share, Share] | None
    milliseconds: tuple[float, float]
    numbers: tuple[int, int]
    on: str

    def lines(self) -> Iterator[str]:
        """What it came to, for a person to read."""
        yield f"Taught by the answers for {self.taught:,} images in {self.steps:,} steps."
        yield f"On {_of(self.agreement)} held-out images without a label it calls what its teacher calls."
        if self.accuracy is None:
            yield f"No labelled image of {self.on} is there, so nothing is known of how often it is right."
        else:
            mine, theirs = map(_of, self.accuracy)
            yield f"Right on {self.on}: the student {mine}, the teacher {theirs}."
        (mine_ms, their_ms), (mine_n, their_n) = self.milliseconds, self.numbers
        yield f"An image takes it {mine_ms:.1f} ms and the teacher {their_ms:.1f}; {mine_n:,} numbers against {their_n:,}."


def distil_head(head: str | Path, folder: Path, teaching: Teaching, out: Path, on: str, overrides: Overrides, say: Progress) -> Student:
    """Teach a student by the head's answers on the images of `folder`, and write it into the new or empty folder `out`.

    `on`: dev or test, whose labels it is judged by where there are any. Raises DataError for a head that is not one of classes of whole
    images, and for images that it does not take; RecipeError for a network that cannot be made.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RecipeError(f"--out {out}: is not an empty folder; name a new one.")
    if on not in ("dev", "test"):
        raise RecipeError(f"--on {on}: give dev or test.")
    teacher = _teacher(head)
    images = student_images(teacher, folder, on, overrides, teaching.seed, say)
    answers = answers_of(teacher, _samples(images, images.taught, "asking the teacher", say))
    encoder = _encoder(teacher, images, teaching)
    tuned = _taught(encoder, images, targets_of(answers, images.rows(images.taught), teacher.classes, teaching.temperature), teaching, say)
    card = _card(teacher, encoder, images, teaching, tuned)
    file = _write(out, card, encoder, tuned)
    images.remember(out)
    student = load_head(file)
    assert isinstance(student, VectorHead)
    found = _judged(student, teacher, images, len(tuned.losses), on, say)
    lead = [
        f"A student of {teacher.path.name} ({teacher.card.arm}, {teacher.card.protocol}): it learned what that head answers.",
        *found.lines(),
    ]
    words = teacher.task.words_of(Targets(np.zeros(0, np.int64), len(teacher.classes)))
    write_text(file.with_suffix(".md"), model_card(card, file.name, {}, words, "", lead))
    told = {key: value for key, value in asdict(found).items() if key not in ("folder", "head", "weights")}
    write_json(out / SUMMARY, {"teacher": card.images.objective, **asdict(teaching), **told})
    for sentence in found.lines():
        say.say(sentence)
    if teacher.card.threshold is not None:
        say.say(f"The teacher calls {teacher.card.alarm} by a threshold; the student calls the class of the largest score.")
    return found


def _teacher(head: str | Path) -> VectorHead:
    loaded = load_head(head)
    if not isinstance(loaded, VectorHead) or not loaded.task.categorical or Finetune.name not in loaded.task.protocols:
        raise DataError(f"{loaded.path}: a head of {loaded.card.task}; a student is taught by one that says of which class an image is.")
    if loaded.card.tile is not None:
        raise DataError(
            f"{loaded.path}: looks at images in tiles of {loaded.card.tile} pixels, and a student sees them whole, shrunk until what the "
            "teacher sees is gone; export the head itself (`labelfree export`)."
        )
    return loaded


def _samples(images: StudentImages, positions: np.ndarray, label: str, say: Progress) -> Iterator[Any]:
    """Images one after the other, as they are stored."""
    for entry in say.track(images.entries(positions), label, len(positions)):
        yield images.pool.sample(int(entry))


def _encoder(teacher: VectorHead, images: StudentImages, teaching: Teaching) -> NetworkEncoder:
    """The student's network as it starts. It reads all channels, in the teacher's proportions."""
    pool = images.pool
    settings = BackboneSettings(name=teaching.backbone, init=teaching.init)
    starts = Starts(settings, images.domain, images.fingerprint, pool.scale, pool.offset)
    size = teaching.size or teacher.size or max(teacher.card.shape)
    view: Size = next((as_size(part["input"]["view"]) for part in teacher.card.parts if "input" in part), 1)
    with said_of("--backbone"):
        network = starts.network(teaching.init, teaching.seed)
    network.require_size(in_proportion(view, size), "--size")
    networks = Networks(starts, (size,))
    return networks.encoder(ARM, lambda: network, network.name, starts.reading(teaching.init), view, teaching.seed)


def _taught(encoder: NetworkEncoder, images: StudentImages, shares: np.ndarray, teaching: Teaching, say: Progress) -> Tuned:
    """The student after its last step. `shares`: (n, K) of the taught images."""
    size, entries = encoder.sizes[0], images.entries(images.taught)
    views = LabelledViews(encoder, images.pool, entries, shares, size)
    probe = _probe(encoder, images, entries, shares, teaching.seed)
    steps = teaching.steps_of(1.0 if teaching.steps else step_seconds(views, probe))
    stops = sorted({max(1, round(steps * look / LOOKS)) for look in range(1, LOOKS + 1)})
    *_, last = say.track(tuned_at(views, probe, stops, steps, teaching.seed), "teaching the student", len(stops))
    return _at_temperature(last, teaching.temperature)


def _probe(encoder: NetworkEncoder, images: StudentImages, entries: np.ndarray, shares: np.ndarray, seed: int) -> Head:
    """A linear probe on what the teacher calls. A class that it never calls starts as unlikely as the least likely other one."""
    some = np.random.default_rng(seed).permutation(len(entries))[:PROBED]
    features, called = encoder.features(images.pool, entries[some].tolist(), encoder.sizes[0]), shares[some].argmax(1)
    protocol = Finetune()
    choice = Choice(encoder.sizes[0], protocol.preparations[0], protocol.default)
    head = train_head(features, Targets(called, shares.shape[1]), protocol, choice, encoder.blocks)
    bias = head.get_buffer("bias")
    bias[bias.isinf()] = bias[bias.isfinite()].min()
    return head


def _at_temperature(tuned: Tuned, temperature: float) -> Tuned:
    """What was learned is softmax(z / T): the student's own logits are T times those."""
    tensors = dict(tuned.head.named_buffers())
    tensors |= {name: tensors[name] * temperature for name in ("weight", "bias")}
    return replace(tuned, head=Head(tuned.head.protocol, tensors))


def _card(teacher: VectorHead, encoder: NetworkEncoder, images: StudentImages, teaching: Teaching, tuned: Tuned) -> HeadCard:
    """The teacher's, for another network. Its labels are those that taught the teacher."""
    data, network, given = images.fingerprint, encoder.kept()[0].told, teacher.card
    published = teaching.init not in ("imagenet", "random") and weight_file(teaching.init) is None
    started = "at random" if teaching.init == "random" else f"from weights under: {network['licence'] or 'not stated'}"
    return replace(
        given,
        protocol=Finetune.name,
        images=replace(
            given.images, architecture=encoder.backbone, options=network["options"], size=encoder.sizes[0], scale=data.scale,
            offset=data.offset, mean=data.mean, std=data.std, low=data.low, high=data.high, dtype=data.dtype, data=data.digest, arm=ARM,
            init=teaching.init if published else "", seed=teaching.seed, steps=len(tuned.losses), normalisation={},
            objective=f"answers of {teacher.path.name} ({given.arm}, {given.protocol})",
        ),
        parts=(network,),
        preparation=Finetune().preparations[0],
        setting=len(tuned.losses),
        inner=None,
        threshold=None,
        alarm="",
        licence=f"student started {started}; taught by a head of: {given.licence or 'not stated'}",
        version=version("labelfree"),
    )  # fmt: skip


def _write(out: Path, card: HeadCard, encoder: NetworkEncoder, tuned: Tuned) -> Path:
    """The head's file, and the network alone with its card."""
    trunk: Any = tuned.trunk
    (out / FOLDER).mkdir(parents=True)
    normalisation = encoder.prepare.normalise.told()  # type: ignore[attr-defined]
    mean, std = (tuple(normalisation.get(name, ())) for name in ("mean", "std"))
    told = replace(card.images, mean=mean, std=std, normalisation=normalisation, licence=card.licence)
    save(trunk, told, out / RUN_FILE)
    return write_head(out / FOLDER / RECOMMENDED, card, dict(tuned.head.named_buffers()), [trunk.net.state_dict()])


def _judged(student: VectorHead, teacher: VectorHead, images: StudentImages, steps: int, on: str, say: Progress) -> Student:
    """The student as it was written, on images that it did not learn from."""

    def both(positions: np.ndarray, label: str) -> tuple[Answers, Answers]:
        first, second = (answers_of(each, _samples(images, positions, label, say)) for each in (student, teacher))
        return first, second

    mine, theirs = both(images.held_out, "asking both")
    agreement = Share.of(mine.agree(theirs.called), len(images.held_out))
    accuracy = None
    if len(images.scored):
        labels = [row.label for row in images.rows(images.scored)]
        right = [Share.of(each.agree(labels), len(labels)) for each in both(images.scored, f"asking both of {on}")]
        accuracy = (right[0], right[1])
    few = list(_samples(images, images.held_out[:TIMED], "timing both", say))
    times = (milliseconds(student, few), milliseconds(teacher, few))
    folder, sizes = student.path.parent.parent, (numbers(student), numbers(teacher))
    return Student(folder, student.path, folder / RUN_FILE, steps, len(images.taught), agreement, accuracy, times, sizes, on)


def _of(share: Share) -> str:
    """A share of images, with its exact 95 % interval."""
    return f"{share.count:,.0f} of {share.whole:,.0f} ({share.low:.1%} to {share.high:.1%})"
