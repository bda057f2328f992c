"""Scored images with how anomalous the claimed comparison called their pixels: pictures for a run's report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelfree.pipeline.claimed_cells import ClaimedCells, chosen
from labelfree.pipeline.confidential import withheld
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs
from labelfree.pipeline.volume_planes import middle_of_largest, pictures
from labelfree.progress import Progress
from labelfree.recipe import Primary
from labelfree.reporting import Heated, save_heats
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.patches.asking import PatchAsker
from labelfree.transfer.patches.base import PatchProtocol
from labelfree.transfer.patches.prediction import PredictedPatches
from labelfree.transfer.setup import Setup
from labelfree.transfer.tasks.anomaly import Verdicts

TRUTH = ""  # beside the maps of arms
FULL = 0.995  # of the scores of pixels that are shown of an arm, from which on they are drawn as full
TIMES = 2  # the score of a normal image, that is drawn as full at least, as of a threshold where a head predicts: it stays all but clear
TITLES = {
    "best": "Anomalous, scored highest",
    "middle": "Anomalous, in the middle",
    "worst": "Anomalous, scored lowest",
    "empty": "Normal, scored highest",
}


def show_heats(encoders: Sequence[Encoder], setup: Setup, primary: Primary, inputs: Inputs, folder: RunFolder, say: Progress) -> None:
    """Pictures of both arms of the primary at its budget, first draw and fold. Dev images are never shown, and of other tasks nothing is.

    Heads are learned once more, since a comparison keeps none.
    """
    question, images = inputs.question, inputs.images
    assert question is not None and images is not None
    claimed, targets = ClaimedCells.of(encoders, setup, primary, question), question.targets
    protocol = claimed and claimed.protocol
    if inputs.roles.split == "dev" or claimed is None or not isinstance(protocol, PatchProtocol) or not isinstance(targets, Verdicts):
        return
    part, told = claimed.part, dict[str, PredictedPatches]()
    for arm, encoder in claimed.encoders.items():
        asker = PatchAsker(question, encoder, setup, images, folder.path, say, None)
        size = asker.cell(claimed.key(arm), protocol, part).size
        told[arm] = asker.predicted(asker.fit(protocol, size, part.learn(claimed.labels), part.draw), size, part.judge)
    empty = ~targets.anomalous[part.judge]
    scores = np.array([told[primary.arm].score(at) for at in range(len(part.judge))])
    picked = chosen(np.where(empty, -scores, scores), empty, withheld(images, part.judge))
    heats = {arm: {at: predicted.heat(at) for _, at in picked} for arm, predicted in told.items()}
    full = {
        arm: max([_usual(told[arm], picked, empty), *(float(np.nanquantile(heat, FULL)) for heat in of.values())])
        for arm, of in heats.items()
    }
    shown = []
    for kind, at in picked:
        entry, maps = int(part.judge[at]), {arm: of[at] for arm, of in heats.items()}
        known = bool(targets.anomalous[entry] and targets.outlined[entry])
        worst = np.nan_to_num(maps[primary.arm])
        place = middle_of_largest(worst >= np.quantile(worst, FULL))
        drawn_on = {TRUTH: targets.load(entry)} if known else {}
        image, drawn = pictures(inputs.domain, images.sample(entry), {**drawn_on, **maps}, place)
        truth = drawn.pop(TRUTH, None)
        shown.append(Heated(image, truth, {arm: (heat, full[arm]) for arm, heat in drawn.items()}, f"{TITLES[kind]}: {scores[at]:.3g}"))
    if shown:
        save_heats(folder.path, shown, primary.arm, setup.metric)


def _usual(told: PredictedPatches, picked: Sequence[tuple[str, int]], normal: np.ndarray) -> float:
    """From which score on pixels may be drawn as full, by the normal images among those picked."""
    return TIMES * min((told.score(at) for _, at in picked if normal[at]), default=0.0)
