"""The best, the middle and the worst of the scored images with the boxes that the claimed comparison found: pictures for a run's report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from labelfree.data.boxes import Boxes
from labelfree.pipeline.claimed_cells import ClaimedCells, chosen, of_each
from labelfree.pipeline.confidential import withheld
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs
from labelfree.progress import Progress
from labelfree.recipe import Primary
from labelfree.reporting import Boxed, Drawn, save_boxes
from labelfree.transfer.boxes.asking import BoxAsker
from labelfree.transfer.boxes.base import BoxProtocol
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.setup import Setup
from labelfree.transfer.tasks.box_matches import MATCHED, OVERLAPS, SIZES
from labelfree.transfer.tasks.detection import BoxTargets


def show_boxes(encoders: Sequence[Encoder], setup: Setup, primary: Primary, inputs: Inputs, folder: RunFolder, say: Progress) -> None:
    """Pictures of both arms of the primary at its budget, first draw and fold. Dev images are never shown, and of other tasks nothing is.

    What was found stands in the answers that a comparison keeps.
    """
    question, images = inputs.question, inputs.images
    assert question is not None and images is not None
    claimed, targets = ClaimedCells.of(encoders, setup, primary, question), question.targets
    if (
        claimed is None
        or not isinstance(claimed.protocol, BoxProtocol)
        or not isinstance(targets, BoxTargets)
        or inputs.roles.split == "dev"
    ):
        return
    part, answers = claimed.part, dict[str, Any]()
    for arm, encoder in claimed.encoders.items():
        asker = BoxAsker(question, encoder, setup, images, folder.path, say, None)
        answers[arm] = asker.cell(claimed.key(arm), claimed.protocol, part).answers
    metric = question.task.metrics[setup.metric]
    scores = of_each(answers[primary.arm], metric)
    entries = [int(entry) for entry in targets[part.judge].values]
    empty = np.array([not len(targets.load(entry).objects) for entry in entries])
    shown = []
    for kind, at in chosen(metric.sign * scores, empty, withheld(images, entries)):
        truth = targets.load(entries[at])
        found = {arm: _surest(table.slice(at, 1).to_pylist()[0], max(1, len(truth.objects))) for arm, table in answers.items()}
        score = None if empty[at] or not np.isfinite(scores[at]) else float(scores[at])
        sample = images.sample(entries[at])
        height, width = sample.data.shape[1:]
        shown.append(Boxed(inputs.domain.preview(sample), (height, width), _drawn(truth), found, kind, score))
    if shown:
        save_boxes(folder.path, shown, targets.names, primary.arm, setup.metric)


def _surest(answer: dict[str, Any], most: int) -> Drawn:
    """The surest boxes of one image, dashed where they match no object by half."""
    matches = np.array(answer["matches"], np.int8).reshape(-1, len(SIZES), len(OVERLAPS))[:most, 0, 0]
    corners = np.array(answer["corners"], np.float32).reshape(-1, 4)[:most]
    return Drawn(corners, answer["label"][:most], [match != MATCHED for match in matches.tolist()])


def _drawn(boxes: Boxes) -> Drawn:
    labels = [None if ignored else label for label, ignored in zip(boxes.label.tolist(), boxes.ignored.tolist(), strict=True)]
    return Drawn(boxes.corners, labels, boxes.ignored.tolist())
