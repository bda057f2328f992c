"""The best, the middle and the worst of the scored images as the claimed comparison called their pixels: pictures for a run's report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from labelfree.data.budgets import Budget, largest
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs
from labelfree.progress import Progress
from labelfree.recipe import Primary
from labelfree.reporting import Segmented, save_segments
from labelfree.reporting.segment_pictures import plane
from labelfree.transfer.cells import CellKey
from labelfree.transfer.encoders import Encoder
from labelfree.transfer.maps import MapProtocol
from labelfree.transfer.maps.asking import MapAsker
from labelfree.transfer.maps.prediction import PredictedMaps
from labelfree.transfer.setup import Part, Setup, parts_of
from labelfree.transfer.tasks import Metric
from labelfree.transfer.tasks.masks import Masks

EACH = 2  # images of a kind


def show_segments(encoders: Sequence[Encoder], setup: Setup, primary: Primary, inputs: Inputs, folder: RunFolder, say: Progress) -> None:
    """Pictures of both arms of the primary at its budget, first draw and fold. Dev images are never shown, and of other tasks nothing is.

    Heads are learned once more, since a comparison keeps none.
    """
    question, images = inputs.question, inputs.images
    assert question is not None and images is not None
    protocol = next((one for one in setup.protocols if one.name == primary.protocol), None)
    targets = question.targets
    if not isinstance(protocol, MapProtocol) or not isinstance(targets, Masks) or inputs.roles.split == "dev":
        return
    labels = primary.budget if primary.budget in setup.budgets else largest(setup.budgets)
    part = next(iter(parts_of(question, setup.draws)))
    called: dict[str, PredictedMaps] = {}
    scores = np.full(len(part.judge), np.nan)
    for arm in (primary.arm, primary.against):
        encoder = next((one for one in encoders if one.arm == arm and protocol.suits(one)), None)  # its first seed
        if encoder is None:
            return
        asker = MapAsker(question, encoder, setup, images, folder.path, say, None)
        called[arm], answers = called_by(asker, protocol, labels, part)
        if arm == primary.arm:
            scores = of_each(answers, question.task.metrics[setup.metric])
    shown = []
    sign = question.task.metrics[setup.metric].sign
    judged = targets[part.judge]
    empty = np.array([not np.isin(judged.load(int(entry)), judged.foreground).any() for entry in judged.values])
    for kind, at in chosen(sign * scores, empty):
        entry = int(judged.values[at])
        score = None if empty[at] or not np.isfinite(scores[at]) else float(scores[at])
        maps = {arm: plane(np.asarray(predicted[at])) for arm, predicted in called.items()}
        shown.append(Segmented(inputs.domain.preview(images.sample(entry)), plane(judged.load(entry)), maps, kind, score))
    if shown:
        save_segments(folder.path, shown, targets.names, primary.arm, setup.metric)


def called_by(asker: MapAsker, protocol: MapProtocol, labels: Budget, part: Part) -> tuple[PredictedMaps, pa.Table]:
    """What a head of the comparison says of the scored images, and its answers as they were scored."""
    encoder = asker.encoder
    key = CellKey(encoder.arm, encoder.backbone, encoder.seed, protocol.name, labels, part.draw, part.fold)
    cell = asker.cell(key, protocol, part)  # the comparison left it on disk
    fitted = asker.fit(protocol, cell.size, part.learn(labels), part.draw, part.learn("all"))
    return asker.predicted(fitted, cell.size, part.judge), cell.answers


def of_each(answers: pa.Table, metric: Metric) -> np.ndarray:
    """(n,) the metric of each scored image alone; NaN where it has none."""
    return np.array([metric.value(answers.slice(at, 1)) for at in range(len(answers))])


def chosen(scores: np.ndarray, empty: np.ndarray) -> list[tuple[str, int]]:
    """Positions of the images shown, each once: best, middle and worst by `scores` (higher is better) of those that show an object,
    then those that show none, the worst called first. `empty`: (n,) bool.
    """
    order = [at for at in np.argsort(-scores, kind="stable").tolist() if np.isfinite(scores[at])]
    ranked = [at for at in order if not empty[at]]
    ends = min(EACH, max(1, len(ranked) // 3))
    best, worst, rest = ranked[:ends], ranked[ends:][::-1][:ends], ranked[ends:-ends]
    first = max(0, len(rest) - EACH) // 2
    kinds = {"best": best, "middle": rest[first : first + EACH], "worst": worst}
    nothing = [at for at in order[::-1] if empty[at]] + [at for at in np.flatnonzero(empty).tolist() if not np.isfinite(scores[at])]
    return [(kind, at) for kind, found in kinds.items() for at in found] + [("empty", at) for at in nothing[:EACH]]
