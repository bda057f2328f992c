"""The comparison of a run: cells answered for every arm, what may be claimed, heads to use, nearest neighbours."""

from __future__ import annotations

import numpy as np

from labelfree.pipeline.arm_encoders import Arms
from labelfree.pipeline.box_pictures import show_boxes
from labelfree.pipeline.context import Context
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.heat_pictures import show_heats
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.kept_heads import KeptHeads
from labelfree.pipeline.left_heads import leave_heads
from labelfree.pipeline.named_classes import asked_in_words
from labelfree.pipeline.pictures import show_neighbours
from labelfree.pipeline.segment_pictures import show_segments
from labelfree.pipeline.token_pictures import show_tokens
from labelfree.progress import Progress
from labelfree.training.memory import out_of_memory
from labelfree.transfer.claims import save_chance, save_claims, save_confusions, save_precision_recall, save_reliability, save_roc
from labelfree.transfer.claims.beside_chance import beside_words
from labelfree.transfer.claims.prompted import save_prompted
from labelfree.transfer.comparison import answer, left_out
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.features import extract
from labelfree.transfer.network_sizes import save_sizes
from labelfree.transfer.tiles.pooled import in_tiles


def compare(run: Context, inputs: Inputs) -> list[str]:
    """Answer the question for every arm, write the claims, and keep the primary arm's heads and the recommended one. Returns sentences for
    the report.

    Work that the run's folder already holds is not done again.
    """
    question = inputs.question
    assert question is not None and inputs.images is not None
    recipe, folder, say = run.recipe, run.folder, run.say
    arms = Arms(recipe, inputs, folder.path)
    networks = arms.encoders()
    encoders = [in_tiles(encoder, recipe.evaluate.tile) for encoder in networks]
    for note in arms.notes:
        say.say(note)
    with out_of_memory("in the comparison", "name smaller input sizes with evaluate.sizes=[...]"):
        setup = answer(question, encoders, recipe.evaluate, inputs.images, folder.path, say, inputs.unlabelled, inputs.prompts)
    without = left_out(setup, encoders)
    for note in without:
        say.say(note)
    save_sizes(folder.path, networks)
    claims = save_claims(folder.path).to_dict()
    for row in save_chance(folder.path):
        if row.metric == setup.metric:
            say.say(beside_words(row, question.task.words_of(question.targets)))
    save_confusions(folder.path)
    save_precision_recall(folder.path)
    save_reliability(folder.path)
    save_roc(folder.path)
    for sentence in save_prompted(folder.path, asked_in_words(run, inputs, encoders, setup)):
        say.say(sentence)
    notes = leave_heads(KeptHeads(run, inputs, setup), encoders, claims)
    show_tokens(networks, setup, inputs, folder)
    show_segments(encoders, setup, recipe.evaluate.primary, inputs, folder, say)
    show_boxes(encoders, setup, recipe.evaluate.primary, inputs, folder, say)
    show_heats(encoders, setup, recipe.evaluate.primary, inputs, folder, say)
    if question.task.categorical:
        shown = {e.arm: e for e in reversed(encoders) if e.arm in (recipe.evaluate.primary.arm, recipe.evaluate.primary.against)}
        first = {arm: _features(inputs, encoder, setup.sizes_of(encoder)[0], folder, say) for arm, encoder in reversed(shown.items())}
        show_neighbours(inputs, first, folder)
    return [*arms.notes, *without, *notes]


def _features(inputs: Inputs, encoder: Encoder, size: int, folder: RunFolder, say: Progress) -> np.ndarray:
    """Features of all evaluation images at one input size, as the comparison left them on disk."""
    question, images = inputs.question, inputs.images
    assert question is not None and images is not None
    return extract(encoder, images, size, folder.path / "features", say, question.images)
