"""The comparison of a run: cells answered for every arm, the primary arm's heads, its nearest neighbours."""

from __future__ import annotations

import numpy as np

from labelfree.pipeline.arm_encoders import Arms
from labelfree.pipeline.context import Context
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.pictures import show_neighbours
from labelfree.progress import Progress
from labelfree.training.memory import out_of_memory
from labelfree.transfer.asking import bound_to, search_among
from labelfree.transfer.comparison import answer
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.features import extract
from labelfree.transfer.heads import head_metadata, save_head, train_head
from labelfree.transfer.selection import inner_folds
from labelfree.transfer.setup import Setup


def compare(run: Context, inputs: Inputs) -> list[str]:
    """Answer the question for every arm and save the primary arm's heads. Returns sentences for the report.

    Work that the run's folder already holds is not done again.
    """
    assert inputs.question is not None and inputs.images is not None
    recipe, folder, say = run.recipe, run.folder, run.say
    arms = Arms(recipe, inputs, folder.path)
    encoders = arms.encoders()
    for note in arms.notes:
        say.say(note)
    with out_of_memory("in the comparison", "name smaller input sizes with evaluate.sizes=[...]"):
        setup = answer(inputs.question, encoders, recipe.evaluate, inputs.images, folder.path, say, inputs.unlabelled)
    chief = next((e for e in encoders if e.arm == recipe.evaluate.primary.arm), None)  # its first seed
    if chief is not None:
        save_heads(inputs, chief, setup, folder, say)
    shown = {e.arm: e for e in reversed(encoders) if e.arm in (recipe.evaluate.primary.arm, recipe.evaluate.primary.against)}
    first = {arm: _features(inputs, encoder, setup.sizes_of(encoder)[0], folder, say) for arm, encoder in reversed(shown.items())}
    show_neighbours(inputs, first, folder)
    return arms.notes


def _features(inputs: Inputs, encoder: Encoder, size: int, folder: RunFolder, say: Progress) -> np.ndarray:
    """Features of all evaluation images at one input size, as the comparison left them on disk."""
    question, images = inputs.question, inputs.images
    assert question is not None and images is not None
    return extract(encoder, images, size, folder.path / "features", say, question.images)


def save_heads(inputs: Inputs, encoder: Encoder, setup: Setup, folder: RunFolder, say: Progress) -> None:
    """heads/<protocol>.safetensors: the arm's head trained on all train (or all labelled) rows.

    Settings are chosen inside those rows, among the search points and input sizes that `setup` left to the comparison.
    """
    question = inputs.question
    assert question is not None
    rows, task = question.train, question.task
    targets = question.targets[rows]
    folds = inner_folds(question.stratum_codes[rows], question.group_names[rows], question.seed)
    features = {size: _features(inputs, encoder, size, folder, say)[rows] for size in setup.sizes_of(encoder)}
    for protocol in setup.protocols:
        beside = bound_to(inputs.unlabelled, protocol, encoder, folder.path, say)
        search = search_among(rows, question, setup, protocol, beside)
        choice = search.best(search.choose(features, encoder.blocks, targets, folds), tuple(features))
        head = train_head(features[choice.size], targets, search.at(choice.size), choice, encoder.blocks, setup.grid)
        save_head(
            folder.path / "heads" / f"{protocol.name}.safetensors",
            head,
            head_metadata(protocol.name, choice, task.legend(question.targets)),
        )
