"""Weights of other projects become files that explain themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from labelfree.backbones.build import build, told_beside
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
    field, wants = _known(name, domain, told_beside(file))
    target = (out or file).with_suffix(".safetensors")
    for there in (target, target.with_suffix(".json")):
        if there.exists():
            raise DataError(f"{there}: exists already; name another file with --out.")
    backbone = build(wants.architecture, len(wants.channels), init=file, options=dict(wants.options))
    if wants.axes:
        turn_kernels(backbone.net, wants.axes)
    told = {key: value for key, value in asdict(wants).items() if key not in ("source", "axes")}  # the words are the card's
    own = {"options": backbone.options, "dims": backbone.dims, "domain": field, "arm": name, "licence": f"see {wants.source}"}
    return save(backbone, WeightCard(**told | own), target)


def turn_kernels(net: nn.Module, axes: Sequence[int]) -> None:
    """Give `net` images whose axis i is what was axis `axes[i]`: its answers are the same, turned. Every kernel is turned alike."""
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 2 + len(axes):
                parameter.copy_(parameter.permute(0, 1, *(2 + axis for axis in axes)).clone())


def _known(name: str, domain: str | None, told: Mapping[str, Any]) -> tuple[str, ForeignWeights]:
    """The domain that knows these weights, and what they expect. `told`: what their file holds besides tensors."""
    asked = [domain] if domain is not None else sound_domains()
    answers: dict[str, ForeignWeights] = {}
    refusals = []
    for each in asked:
        reader = domain_with(each, {})
        try:
            if isinstance(reader, KnowsWeights):
                answers[each] = reader.foreign(name, told)
            elif domain is not None:
                raise RecipeError(f"--domain: {domain} knows no published weights; write the .json beside the file by hand.")
        except RecipeError as error:
            refusals.append(str(error))
    if len(answers) == 1:
        return next(iter(answers.items()))
    if answers:
        raise RecipeError(f"--as {name}: several domains know these weights ({', '.join(answers)}); choose with --domain.")
    raise RecipeError(" ".join(refusals) or f"--as {name}: no installed domain ({', '.join(asked) or 'none'}) knows published weights.")
