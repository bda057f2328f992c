"""Weights of other projects become files that explain themselves."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from labelfree.backbones.build import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import save
from labelfree.domain import Domain, KnowsWeights
from labelfree.errors import DataError, RecipeError


def convert(file: Path, name: str, domain: Domain, out: Path | None = None) -> Path:
    """Write the tensors of `file`, published elsewhere as `name`, as safetensors with a weight card beside it. Returns the new file.

    `out`: default beside `file`. Raises RecipeError for weights that the domain does not know, DataError where tensors do not fit them
    or a file would be replaced.
    """
    if not isinstance(domain, KnowsWeights):
        raise RecipeError(f"--domain: {domain.name} knows no published weights; write the .json beside the file by hand.")
    target = (out or file).with_suffix(".safetensors")
    for there in (target, target.with_suffix(".json")):
        if there.exists():
            raise DataError(f"{there}: exists already; name another file with --out.")
    wants = domain.foreign(name)
    backbone = build(wants.architecture, len(wants.channels), init=file, options=dict(wants.options))
    told = {key: value for key, value in asdict(wants).items() if key != "source"}  # the words are the card's
    own = {"options": backbone.options, "domain": domain.name, "arm": name, "licence": f"see {wants.source}"}
    return save(backbone, WeightCard(**told | own), target)
