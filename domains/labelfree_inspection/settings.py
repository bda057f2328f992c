"""What the reader of pictures of parts is told: its keys in a recipe and a data card."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

KEYS_FOR: dict[str, str] = {}  # what sentences of the core name, where files must be told


class Reader(BaseModel):
    """Keys of the inspection domain's reader."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    smallest_defect: PositiveFloat | None = Field(
        None, description="longest side in pixels of the smallest defect that matters: no view is cropped so that it would often miss it"
    )
