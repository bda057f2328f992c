"""Views of parts: what lamps, lenses and sensors change between two pictures of one surface."""

from __future__ import annotations

from labelfree.domain import Fingerprint
from labelfree.views import Augmentation, Dihedral


def augmentation(fingerprint: Fingerprint) -> Augmentation:
    """The views of these pictures."""
    return Augmentation(geometry=[Dihedral()], physics=[], late=[], global_scale=(0.5, 1.0), local_scale=(0.2, 0.5))
