"""Which field the images are from: asked of every installed domain, answered by the files alone, never by a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelfree.data.cards import reader_settings
from labelfree.data.manifest import Manifest, load_manifest
from labelfree.data.pool import at_even_steps, read_sample
from labelfree.data.windows import glance
from labelfree.domain import Domain, Recognises, Sample, domain_names, extent_of, find_domain
from labelfree.errors import DataError, LabelfreeError, RecipeError
from labelfree.planning.sampled_images import open_rows
from labelfree.recipe import Data

FEW = 8  # files that each domain reads to tell


@dataclass(frozen=True)
class Field:
    """The domain that reads a data set, its rows as that domain finds them, and the reason it was taken."""

    domain: Domain
    manifest: Manifest
    reason: str


def field_of(data: Data, name: str | None) -> Field:
    """The domain called `name`, else the only installed one that recognises the files.

    Raises `RecipeError` where none or several do, `DataError` where there is nothing to read.
    """
    if name is not None:
        domain = find_domain(name, reader_settings(data))
        return Field(domain, load_manifest(data, domain), "you said so")
    read, refused = [], []
    for installed in domain_names():
        try:
            domain = find_domain(installed, reader_settings(data))
            read.append((domain, load_manifest(data, domain)))
        except LabelfreeError as error:
            refused.append(error)
    if not read and refused:
        raise DataError(" ".join(dict.fromkeys(map(str, refused)))) from refused[0]
    looked = [(domain, manifest, _looked_at(domain, manifest)) for domain, manifest in read]
    found = [Field(domain, manifest, reason) for domain, manifest, few in looked if (reason := _recognised(domain, few)) is not None]
    if len(found) == 1:
        return found[0]
    faults = [few[0] for _, _, few in looked if few and not any(isinstance(each, Sample) for each in few)]
    if faults and len(faults) == len(looked):
        raise DataError(str(faults[0]))
    raise RecipeError(_undecided(data.root, found))


def _looked_at(domain: Domain, manifest: Manifest) -> list[Sample | DataError]:
    """A few images as the domain reads them."""
    rows = open_rows(manifest.rows)
    return [read_sample(domain.read, glance(row, extent_of(domain))) for row in (at_even_steps(rows, FEW) if rows else ())]


def _recognised(domain: Domain, few: Sequence[Sample | DataError]) -> str | None:
    """The reason of the first image, where every one that can be read has one."""
    if not isinstance(domain, Recognises):
        return None
    reasons = [domain.recognises(sample) for sample in few if isinstance(sample, Sample)]
    return reasons[0] if reasons and all(reasons) else None


def _undecided(root: Path | None, found: list[Field]) -> str:
    names = ", ".join(domain_names()) or "none"
    if found:
        said = "; ".join(f"{field.domain.name}: {field.reason}" for field in found)
        return f"{root}: several domains know these files ({said}); choose with --domain (installed: {names})."
    return f"{root}: the files do not tell which field they are from; name it with --domain (installed: {names})."
