"""The best, the middle and the worst of the scored images as the claimed comparison called their pixels: pictures for a run's report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from labelfree.pipeline.claimed_cells import ClaimedCells, chosen, of_each
from labelfree.pipeline.confidential import withheld
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.volume_planes import pictures, place_shown
from labelfree.progress import Progress
from labelfree.recipe import Primary
from labelfree.reporting import Segmented, save_segments
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.maps import MapProtocol
from labelfree.transfer.maps.asking import MapAsker
from labelfree.transfer.maps.prediction import PredictedMaps
from labelfree.transfer.setup import Setup
from labelfree.transfer.tasks.masks import Masks

TRUTH = ""  # beside what arms are called


def show_segments(encoders: Sequence[Encoder], setup: Setup, primary: Primary, inputs: Inputs, folder: RunFolder, say: Progress) -> None:
    """Pictures of both arms of the primary at its budget, first draw and fold. Dev images are never shown, and of other tasks nothing is.

    Heads are learned once more, since a comparison keeps none.
    """
    question, images = inputs.question, inputs.images
    assert question is not None and images is not None
    claimed, targets = ClaimedCells.of(encoders, setup, primary, question), question.targets
    if inputs.roles.split == "dev" or not isinstance(targets, Masks) or claimed is None or not isinstance(claimed.protocol, MapProtocol):
        return
    part, metric = claimed.part, question.task.metrics[setup.metric]
    called, answers = dict[str, PredictedMaps](), dict[str, pa.Table]()
    for arm, encoder in claimed.encoders.items():
        asker = MapAsker(question, encoder, setup, images, folder.path, say, None)
        called[arm], answers[arm] = called_by(asker, claimed)
    scores = of_each(answers[primary.arm], metric)
    shown = []
    judged = targets[part.judge]
    empty = np.array([not np.isin(judged.load(int(entry)), judged.foreground).any() for entry in judged.values])
    for kind, at in chosen(metric.sign * scores, empty, withheld(images, judged.values)):
        entry = int(judged.values[at])
        score = None if empty[at] or not np.isfinite(scores[at]) else float(scores[at])
        truth, maps = judged.load(entry), {arm: np.asarray(predicted[at]) for arm, predicted in called.items()}
        place = place_shown(truth, maps[primary.arm], judged.foreground, errors=kind == "worst")
        image, drawn = pictures(inputs.domain, images.sample(entry), {TRUTH: truth, **maps}, place)
        shown.append(Segmented(image, drawn.pop(TRUTH), drawn, kind, score))
    if shown:
        save_segments(folder.path, shown, targets.names, primary.arm, setup.metric)


def called_by(asker: MapAsker, claimed: ClaimedCells) -> tuple[PredictedMaps, pa.Table]:
    """What a head of the comparison says of the scored images, and its answers as they were scored."""
    protocol, part = claimed.protocol, claimed.part
    assert isinstance(protocol, MapProtocol)
    cell = asker.cell(claimed.key(asker.encoder.arm), protocol, part)  # the comparison left it on disk
    fitted = asker.fit(protocol, cell.size, part.learn(claimed.labels), part.draw, part.learn("all"))
    return asker.predicted(fitted, cell.size, part.judge), cell.answers
