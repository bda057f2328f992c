"""What a run's images settle of how they are read, found before any of them is read."""

from __future__ import annotations

from dataclasses import replace

from labelfree.data.manifest import load_manifest
from labelfree.domain import Settles
from labelfree.pipeline.context import Context
from labelfree.pipeline.inputs import domain_for
from labelfree.planning.settling import in_words, settled


def with_settled_reader(run: Context) -> Context:
    """The run with keys of its recipe's `reader` that neither recipe nor card say and its images settle; they are told.

    The recipe as it was asked for stays what names the run: the same images settle the same.
    """
    domain, _ = domain_for(run.recipe)
    if run.manifest is not None or not isinstance(domain, Settles):
        return run
    keys = settled(domain, load_manifest(run.recipe.data, domain).rows)
    for sentence in in_words(keys):
        run.say.say(sentence)
    reader = {**run.recipe.reader, **{key: default.value for key, default in keys.items()}}
    return replace(run, recipe=run.recipe.model_copy(update={"reader": reader}))
