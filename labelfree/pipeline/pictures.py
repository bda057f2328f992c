"""Pictures of a run: views as the network saw them, nearest neighbours by arm, pairs that the leak guard found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.data.pool import Pool
from labelfree.domain import Domain, Sample
from labelfree.pipeline.confidential import withheld
from labelfree.pipeline.folder import RunFolder
from labelfree.pipeline.inputs import Inputs
from labelfree.pretraining.job import Job
from labelfree.reporting import Shot, save_leak_pairs, save_neighbours, save_views
from labelfree.training.randomness import generator

IMAGES = 5  # rows of a grid of views
QUERIES = 4
NEIGHBOURS = 5
PAIRS = 6


def show_views(job: Job, inputs: Inputs, folder: RunFolder) -> None:
    """A grid for one pretraining: each pool image beside its global and local views, as its objective would get them."""
    objective = job.objective()
    draws = generator("shown", job.plan.source)
    open_to_all = job.entries[~withheld(job.pool, job.entries)]
    if len(open_to_all) == 0:
        return
    entries = open_to_all[np.linspace(0, len(open_to_all) - 1, IMAGES).astype(int)]
    stored = partners = job.pool.batch(entries)
    if job.positives is not None:
        pairs = job.positives.draw(entries, job.plan.source)
        partners = job.pool.batch(np.where(withheld(job.pool, pairs), entries, pairs))
    n, sizes = (objective.crops.globals, objective.crops.locals), (job.plan.size, job.plan.local_size)
    columns, pictures = ["image"], [[_stored(inputs.domain, job.pool, int(entry)) for entry in entries]]
    asked = [(kind, number) for kind, count in zip(("global", "local"), n, strict=True) for number in range(count)]
    second = None if partners is stored else partners
    views = job.views.multi_crop(stored, n, sizes, draws, second, altered=objective.crops.altered)
    for (kind, number), view in zip(asked, views, strict=True):
        images = (stored, partners)[number % 2]
        physical = job.views.normalise.of(job.views.physical(images)).inverse(view.normal)
        columns.append(f"{kind} {number + 1}")
        pictures.append([_rendered(inputs.domain, job.pool, each) for each in physical])
    save_views(folder.path, f"{job.arm}-{job.plan.seed}", list(zip(*pictures, strict=True)), columns)


def show_neighbours(inputs: Inputs, features: dict[str, np.ndarray], folder: RunFolder) -> None:
    """The same few labelled images and, by each arm's features, the labelled images nearest to them. Scored rows are never shown."""
    question, images = inputs.question, inputs.images
    assert question is not None and images is not None
    rows = question.train[~withheld(images, question.train)]
    if len(rows) == 0:
        return
    first = {question.strata[row]: int(row) for row in reversed(rows)}
    queries = [first[stratum] for stratum in sorted(first)][:QUERIES]
    found = {}
    for arm, table in features.items():
        unit = F.normalize(torch.from_numpy(table[rows] - table[rows].mean(0)), dim=1)
        where = {int(row): at for at, row in enumerate(rows)}
        near = unit[[where[query] for query in queries]] @ unit.T
        order = near.argsort(dim=1, descending=True)
        nearest = [[at for at in order[q].tolist() if int(rows[at]) != query][:NEIGHBOURS] for q, query in enumerate(queries)]
        found[arm] = [[_shot(inputs, int(rows[at]), float(near[q, at])) for at in each] for q, each in enumerate(nearest)]
    save_neighbours(folder.path, [_shot(inputs, query) for query in queries], found)


def show_leaks(inputs: Inputs, folder: RunFolder) -> None:
    """The first pairs that the leak guard found: pool left, scored right. Dev rows are never shown."""
    if inputs.leaks is None or inputs.images is None or inputs.roles.split == "dev":
        return
    pairs = [(a, b) for a, b, *_ in (*inputs.leaks.exact, *inputs.leaks.near)][:PAIRS]
    trained = {row.id: entry for entry, row in reversed(list(enumerate(inputs.pool.rows)))}
    scored = {row.id: entry for entry, row in enumerate(inputs.images.rows)}
    shown = [
        (_stored(inputs.domain, inputs.pool, trained[a]), _stored(inputs.domain, inputs.images, scored[b]))
        for a, b in pairs
        if a in trained and b in scored and not _withheld(inputs, trained[a], scored[b])
    ]
    if shown:
        save_leak_pairs(folder.path, shown)


def _withheld(inputs: Inputs, trained: int, scored: int) -> bool:
    assert inputs.images is not None
    return bool(withheld(inputs.pool, [trained])[0] or withheld(inputs.images, [scored])[0])


def _shot(inputs: Inputs, entry: int, similarity: float | None = None) -> Shot:
    assert inputs.question is not None and inputs.images is not None
    caption = inputs.question.task.caption(inputs.images.rows[entry])
    return Shot(_stored(inputs.domain, inputs.images, entry), caption, similarity)


def _stored(domain: Domain, pool: Pool, entry: int) -> np.ndarray:
    return domain.preview(pool.sample(entry))


def _rendered(domain: Domain, pool: Pool, physical: Tensor) -> np.ndarray:
    """A view in physical units (C, *spatial), rendered without a stretch of its own, so that gain and haze can be seen."""
    shown = domain.render(physical[None], pool.channels, pool.unit)
    if shown is None:
        ones, zeros = _plain(pool.channels)
        return domain.preview(Sample(physical, pool.channels, ones, zeros, pool.unit))
    plane = shown[0]
    while plane.ndim > 3:
        plane = plane[:, plane.shape[1] // 2]  # of a volume the slice in the middle
    picture: np.ndarray = (plane.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return picture


def _plain(channels: Sequence[str]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return (1.0,) * len(channels), (0.0,) * len(channels)
