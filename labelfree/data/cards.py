"""Data cards: Markdown files whose front matter says what the numbers of a data set mean; a machine checks it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from labelfree.errors import DataError
from labelfree.recipe import Data
from labelfree.resources import resource, resource_names

FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*\n(.*)\Z", re.DOTALL)


class Statistics(BaseModel):
    """Mean and standard deviation of each band in physical units (stored numbers times scale), measured on `rows` of the set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: str = "pretrain+train"
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Card(BaseModel):
    """The front matter of a data card.

    `bands`: names in stored order, `-` for one to leave out. `unit`: of the numbers meant, `scale` times the stored ones;
    `reflectance × 10000` says both in one. `split`: how train and test were parted. `generated`: made by the domain's generator in this
    `variant`, so scores mean nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    domain: str
    task: Literal["classification", "detection", "segmentation", "retrieval", "none"] = "classification"
    sensor: str | None = None
    bands: tuple[str, ...] | None = None
    unit: str | None = None
    scale: Annotated[float, Field(gt=0)] | None = None
    split: str = ""
    licence: str
    citation: str
    statistics: Statistics | None = None
    generated: bool = False
    variant: str = ""
    prose: str = ""

    @model_validator(mode="after")
    def _one_number_a_band(self) -> Card:
        named = [band for band in self.bands or () if band != "-"]
        found = {"statistics.mean": self.statistics and self.statistics.mean, "statistics.std": self.statistics and self.statistics.std}
        for key, numbers in found.items():
            if numbers and named and len(numbers) != len(named):
                raise ValueError(f"{key} has {len(numbers)} numbers for {len(named)} bands")
        if len(set(named)) < len(named):
            raise ValueError("bands: a name stands twice")
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """What a domain is told of this set: `bands`, `sensor`, `unit`."""
        unit = f"{self.unit} × {1 / self.scale:g}" if self.unit and self.scale else self.unit
        return {"bands": list(self.bands) if self.bands else None, "sensor": self.sensor, "unit": unit}


def card_names() -> list[str]:
    """Names of the cards that come with labelfree."""
    return resource_names("data_cards")


def find_card(name: str | Path) -> Card:
    """The card in file `name`, or the one of labelfree called so. Raises `DataError` naming file and key."""
    path = Path(name)
    return read_card(path if path.suffix == ".md" and path.is_file() else resource("data_cards", str(name)))


def read_card(path: Path) -> Card:
    """Check and read one card file."""
    parts = FRONT_MATTER.match(path.read_text(encoding="utf-8-sig").replace("\r\n", "\n"))
    if parts is None:
        raise DataError(f"{path}: a data card starts with YAML between two lines of ---.")
    try:
        front = yaml.safe_load(parts[1])
        return Card(**{**front, "prose": parts[2].strip()})
    except yaml.YAMLError as error:
        raise DataError(f"{path}: the front matter is not YAML ({str(error).splitlines()[0]}).") from error
    except (ValidationError, TypeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "the front matter is not a mapping"}
        raise DataError(f"{path}: {'.'.join(map(str, first['loc'])) or 'front matter'}: {first['msg']}.") from error


def reader_settings(data: Data) -> dict[str, Any]:
    """What a domain is told of these images: the card's words, and the recipe's own before them."""
    card = effective_card(data)
    told = card.settings if card else {}
    own = {key: getattr(data, key) for key in ("bands", "sensor", "unit", "resolution", "nodata")}
    return {**{"bands": None, "sensor": None, "unit": None}, **told, **{key: value for key, value in own.items() if value is not None}}


def effective_card(data: Data) -> Card | None:
    """The card that applies to these settings. A generated card gives way to a person's own folder."""
    if data.card is None:
        return None
    card = find_card(data.card)
    return None if card.generated and data.root is not None else card
