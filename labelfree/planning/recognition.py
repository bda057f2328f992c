"""Which field the images are from: asked of every installed domain, answered by the files alone, never by a name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from labelfree.data.cards import effective_card
from labelfree.data.manifest import Manifest, load_manifest
from labelfree.data.pool import at_even_steps, read_sample
from labelfree.data.windows import glance
from labelfree.domain import Default, Domain, ReadsRemote, Recognises, Row, Sample, extent_of
from labelfree.errors import DataError, LabelfreeError, RecipeError
from labelfree.installed_domains import domain_names, sound_domains
from labelfree.planning.sampled_images import open_rows
from labelfree.planning.settling import in_words, settled
from labelfree.reader_settings import domain_with
from labelfree.recipe import Data

FEW = 8  # files that each domain reads to tell
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """The domain that reads a data set, its rows as that domain finds them, and the reason it was taken.

    `settled`: keys of its reader that the set settled; the domain is told them, and the manifest's notes tell.
    """

    domain: Domain
    manifest: Manifest
    reason: str
    settled: Mapping[str, Default] = field(default_factory=dict)


@dataclass(frozen=True)
class _Asked:
    """A domain with a few images as it reads them, and what tells that they are of its field (None: nothing does)."""

    domain: Domain
    manifest: Manifest
    few: Sequence[Sample | DataError]

    @property
    def reads(self) -> bool:
        return any(isinstance(each, Sample) for each in self.few)

    @property
    def reason(self) -> str | None:
        """The reason of the first image, where every one that can be read has one."""
        if not isinstance(self.domain, Recognises):
            return None
        reasons = [self.domain.recognises(sample) for sample in self.few if isinstance(sample, Sample)]
        return reasons[0] if reasons and all(reasons) else None


def field_of(data: Data, reader: Settings, name: str | None, sure: bool = True) -> Field:
    """The domain called `name` or by the data card, else the only installed one that recognises the files.

    `reader`: what the recipe says of it. `sure=False`: a domain also does that is alone in being installed, or in reading the files.
    Raises `RecipeError` where none or several do, `DataError` where there is nothing to read.
    """
    card = effective_card(data)
    reason = "you said so" if name else "the card says so" if card else "no other is installed"
    name = name or (card.domain if card else None) or (None if sure else only_domain())

    def read(domain: Domain) -> tuple[Manifest, list[Row]]:
        manifest = load_manifest(data, domain)
        rows = open_rows(manifest.rows)
        return manifest, [glance(row, extent_of(domain)) for row in (at_even_steps(rows, FEW) if rows else ())]

    settings = (reader, card.reader if card else {})
    if name is not None:
        domain = domain_with(name, *settings)
        return _settled(Field(domain, load_manifest(data, domain), reason), settings)
    return _settled(_recognised(str(data.root), settings, read, sure), settings)


def _settled(known: Field, settings: Sequence[Settings]) -> Field:
    """The field with a domain that is told what its images settle."""
    keys = settled(known.domain, known.manifest.rows)
    if not keys:
        return known
    domain = domain_with(known.domain.name, {key: default.value for key, default in keys.items()}, *settings)
    manifest = replace(known.manifest, notes=(*known.manifest.notes, *in_words(keys)))
    return replace(known, domain=domain, manifest=manifest, settled=keys)


def domain_of_file(path: str | Path, name: str | None, settings: Settings) -> tuple[Domain, Row]:
    """The domain called `name`, else the only one installed, or the one that recognises the file; and the row that it reads.

    Raises as `field_of` does.
    """

    def row(domain: Domain) -> Row:
        remote = str(path) if isinstance(domain, ReadsRemote) and domain.remote(str(path)) else None
        return Row(id=Path(path).name, path=Path(path), remote=remote)

    name = name or only_domain()
    if name is not None:
        domain = domain_with(name, settings)
        return domain, row(domain)
    domain = _recognised(str(path), (settings,), lambda domain: (Manifest([], Path(), "", ()), [row(domain)]), sure=False).domain
    return domain, row(domain)


def only_domain() -> str | None:
    """The installed domain, where there is one alone that can be imported."""
    sound = sound_domains()
    return sound[0] if len(sound) == 1 else None


def _recognised(shown: str, settings: Sequence[Settings], read: Callable[[Domain], tuple[Manifest, list[Row]]], sure: bool) -> Field:
    """The domain that knows the rows which `read` gives for it."""
    asked, refused = [], []
    for installed in sound_domains():
        try:
            domain = domain_with(installed, *settings)
            manifest, rows = read(domain)
            asked.append(_Asked(domain, manifest, [read_sample(domain.read, row) for row in rows]))
        except LabelfreeError as error:
            refused.append(error)
    if not asked and refused:
        kind = RecipeError if all(isinstance(error, RecipeError) for error in refused) else DataError
        raise kind(" ".join(dict.fromkeys(map(str, refused)))) from refused[0]
    fields = [Field(each.domain, each.manifest, reason) for each in asked if (reason := each.reason) is not None]
    readers = [Field(each.domain, each.manifest, "no other reads them") for each in asked if each.reads]
    for chosen in (fields, () if sure else readers):
        if len(chosen) == 1:
            return chosen[0]
    faults = {each.domain.name: str(each.few[0]) for each in asked if each.few and not each.reads}
    if faults and len(faults) == len(asked):
        apart = "; ".join(f"{name}: {fault.rstrip('.')}" for name, fault in faults.items())
        raise DataError(next(iter(faults.values())) if len(faults) == 1 else f"{shown}: no installed domain reads this ({apart}).")
    raise RecipeError(_undecided(shown, fields))


def _undecided(shown: str, fields: Sequence[Field]) -> str:
    names = ", ".join(domain_names()) or "none"
    if fields:
        reasons = "; ".join(f"{field.domain.name}: {field.reason}" for field in fields)
        return f"{shown}: several domains know these files ({reasons}); choose with --domain (installed: {names})."
    return f"{shown}: the files do not tell which field they are from; name it with --domain (installed: {names})."
