"""Whether a plan keeps the images of one folder together, where folders are called by what belongs together and nothing else groups."""

from __future__ import annotations

from collections.abc import Mapping

from labelfree.data.folder_groups import named_groups
from labelfree.planning.recognition import Field
from labelfree.recipe import Data
from labelfree.recipe_file import Overrides

KEY = "data.group_folders"
WHY = "folders are called by what belongs together: scores on images of one that was learnt from promise too much"


def offers_groups(field: Field, data: Data, overrides: Overrides) -> bool:
    """Whether `data.group_folders` would group what nobody has grouped or split. `overrides`: which may say otherwise."""
    said = list(overrides) if isinstance(overrides, Mapping) else [text.partition("=")[0].strip() for text in overrides]
    if KEY in said or data.group_folders or field.manifest.given_split or any(row.group for row in field.manifest.rows):
        return False
    return bool(named_groups(field.manifest.rows, field.domain))
