"""What the reader of pictures of parts is told: its keys in a recipe and a data card."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

KEYS_FOR: dict[str, str] = {}  # what sentences of the core name, where files must be told


class Reader(BaseModel):
    """Keys of the inspection domain's reader."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
