"""Whether a plan keeps images of one folder together, where folders are called by what belongs together and nothing else groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labelfree.data.folder_groups import named_groups
from labelfree.data.normal import is_normal
from labelfree.domain import Row
from labelfree.planning.recognition import Field
from labelfree.recipe import Data
from labelfree.recipe_file import Overrides

KEY = "data.group_folders"
FEWEST = 2  # groups of normal images alone: one is held out of what the other teaches
WHY = "folders are called by what belongs together: scores on images of one that was learnt from promise too much"


def offers_groups(field: Field, data: Data, overrides: Overrides) -> bool:
    """Whether `data.group_folders` would group what nobody has grouped or split. `overrides`: which may say otherwise."""
    said = list(overrides) if isinstance(overrides, Mapping) else [text.partition("=")[0].strip() for text in overrides]
    if KEY in said or data.group_folders or field.manifest.given_split or any(row.group for row in field.manifest.rows):
        return False
    return bool(named_groups(field.manifest.rows, field.domain))


def mixed_groups(rows: Sequence[Row]) -> str:
    """Why these groups would leave no false alarms to count (docs/protocol.md, 17); empty where they leave some, or nothing tells them."""
    told = [(row.group or row.id, is_normal(row)) for row in rows if row.split != "pretrain"]
    normal, others = ({group for group, good in told if good is said} for said in (True, False))
    if not normal or not others or len(normal - others) >= FEWEST:
        return ""
    return (
        "nearly every folder holds something that is not normal, and false alarms are counted by groups without any, so that no threshold "
        "could be set by them; say it where none is needed, for scores on images of a folder that was learnt from promise too much."
    )
