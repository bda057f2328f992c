"""Keys of the reader that a domain suggests for what was looked at: `plan` reads again with them, and says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labelfree.data.object_sizes import ObjectSizes
from labelfree.domain import Default, Domain, Unites
from labelfree.planning.sampled_images import Looks

Keys = Mapping[str, Default]


def uniting(domain: Domain, looks: Looks, reader: Mapping[str, Any]) -> Keys:
    """That make one set of images which differ in their channels; none where the recipe says otherwise, or the domain knows none."""
    if not isinstance(domain, Unites) or len(looks.channels) < 2:
        return {}
    keys = domain.uniting(looks.channels)
    return {} if any(reader.get(key) is not None for key in keys) else keys


def for_objects(domain: Domain, objects: ObjectSizes, reader: Mapping[str, Any]) -> Keys:
    """That tell a domain how large the smallest labelled object is, whose views then keep it; none where it has no such key."""
    key = getattr(domain, "keys_for", {}).get("objects", "").removeprefix("reader.")
    if not key or not len(objects) or reader.get(key) is not None:
        return {}
    at = int(objects.along.argmin())
    return {key: Default(round(float(objects.along[at]), 1), f"the longer side of the shortest labelled object ({objects.images[at]})")}


def read_otherwise(looks: Looks, keys: Keys, domain: str) -> Iterator[str]:
    """What was seen before the images are read with `keys`, and why they are."""
    if len(looks.channels) > 1:
        told = "; ".join(f"{count} hold {', '.join(channels)}" for channels, count in looks.channels.items())
        yield f"  of {len(looks.outcomes)} images looked at {told}"
    else:
        yield from (f"  {line}" for line in looks.judged().lines({}, domain))
    yield from (f"  reader.{key}={default.value}: {default.reason}" for key, default in keys.items())
