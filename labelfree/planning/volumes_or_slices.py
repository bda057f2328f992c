"""Whether a folder's volumes are learnt from as they are, or read as pictures of their slices."""

from __future__ import annotations

from dataclasses import replace

from labelfree.domain import Domain, Flattens
from labelfree.errors import DataError, RecipeError
from labelfree.planning.recognition import Field
from labelfree.planning.sampled_images import Looks
from labelfree.planning.suggested_keys import Keys
from labelfree.planning.volumes import NARROW, Device, VolumePlan, plan_volumes


def volumes_or_slices(field: Field, looks: Looks) -> tuple[VolumePlan | None, Keys]:
    """How volumes are learnt from as such; else None, and the keys of the reader that make pictures of them: none of what is pictures.

    Raises `DataError` where volumes can be neither.
    """
    if looks.dims in (0, 2):
        return None, {}
    seen, domain = looks.judged(), field.domain
    planned = plan_volumes(seen.shapes, [look.spacing for look in seen.looks], len(field.manifest.rows), NARROW, Device.here())
    lacking = _lacking(planned.network.name, looks.dims)
    if not lacking and (planned.enough or not isinstance(domain, Flattens)):
        return planned, {}
    if isinstance(domain, Flattens):
        reason = lacking or planned.reason
        return None, {key: replace(default, reason=f"{default.reason}: {reason}") for key, default in domain.flattening.items()}
    raise DataError(
        f"{seen.looks[0].row.path}: {looks.dims} spatial axes, and {lacking}, so no recipe can be proposed; write one that names a "
        "network of yours as backbone.name: module:factory (docs/extending.md)."
    )


def as_volumes(domain: Domain, planned: VolumePlan) -> str:
    """A line of what `plan` found: that volumes stay volumes, and what reads them otherwise."""
    instead = [f"reader.{key}={default.value}" for key, default in domain.flattening.items()] if isinstance(domain, Flattens) else []
    other = f"; {', '.join(instead)} reads them as pictures" if instead else ""
    return f"  learnt from as volumes: {planned.reason}{other}"


def _lacking(name: str, dims: int) -> str:
    """Why a network of volumes cannot be had here; "" where it can."""
    from labelfree.backbones import build

    try:
        build(name, 1, dims=dims)
    except RecipeError:
        return f"no network for those can be made here ({name})"
    return ""
