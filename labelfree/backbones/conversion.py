"""Weights of other projects become files that explain themselves."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from labelfree.backbones.build import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import save
from labelfree.domain import ForeignWeights, KnowsWeights
from labelfree.errors import DataError, RecipeError
from labelfree.installed_domains import sound_domains
from labelfree.reader_settings import domain_with


def convert(file: Path, name: str, domain: str | None = None, out: Path | None = None) -> Path:
    """Write the tensors of `file`, published elsewhere as `name`, as safetensors with a weight card beside it. Returns the new file.

    `domain`: default the installed one that knows `name`. `out`: default beside `file`. Raises RecipeError for weights that no domain
    knows, DataError where tensors do not fit them or a file would be replaced.
    """
    field, wants = _known(name, domain)
    target = (out or file).with_suffix(".safetensors")
    for there in (target, target.with_suffix(".json")):
        if there.exists():
            raise DataError(f"{there}: exists already; name another file with --out.")
    backbone = build(wants.architecture, len(wants.channels), init=file, options=dict(wants.options))
    told = {key: value for key, value in asdict(wants).items() if key != "source"}  # the words are the card's
    own = {"options": backbone.options, "domain": field, "arm": name, "licence": f"see {wants.source}"}
    return save(backbone, WeightCard(**told | own), target)


def _known(name: str, domain: str | None) -> tuple[str, ForeignWeights]:
    """The domain that knows these weights, and what they expect."""
    asked = [domain] if domain is not None else sound_domains()
    answers: dict[str, ForeignWeights] = {}
    refusals = []
    for each in asked:
        reader = domain_with(each, {})
        try:
            if isinstance(reader, KnowsWeights):
                answers[each] = reader.foreign(name)
            elif domain is not None:
                raise RecipeError(f"--domain: {domain} knows no published weights; write the .json beside the file by hand.")
        except RecipeError as error:
            refusals.append(str(error))
    if len(answers) == 1:
        return next(iter(answers.items()))
    if answers:
        raise RecipeError(f"--as {name}: several domains know these weights ({', '.join(answers)}); choose with --domain.")
    raise RecipeError(" ".join(refusals) or f"--as {name}: no installed domain ({', '.join(asked) or 'none'}) knows published weights.")
