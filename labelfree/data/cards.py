"""Data cards: Markdown files whose front matter says what the numbers of a data set mean; a machine checks it."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from labelfree.errors import DataError
from labelfree.installed_domains import reader_model
from labelfree.reader_settings import channels_of, checked_settings, mistake_in
from labelfree.recipe import TASKS, Data, installed_names
from labelfree.resources import resource, resource_names

FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*\n(.*)\Z", re.DOTALL)


class Statistics(BaseModel):
    """Mean and standard deviation of each channel in physical units (stored numbers times scale), measured on `rows` of the set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: str = "pretrain+train"
    mean: tuple[float, ...]
    std: tuple[float, ...]


FORESEEN = ("anomaly", "classification", "detection", "segmentation", "retrieval", "none")  # tasks of sets, installed or not


class Card(BaseModel):
    """The front matter of a data card.

    `split`: how train and test were parted. `classes`: what numbers of masks stand for. `class_words`: how a class is said in words, where
    its name does not say it. `generated`: made by the domain's generator in this
    `variant`, so scores mean nothing.
    `reader`: every other key; they are those of the domain's reader, what the numbers of the set are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    domain: str
    task: str = "classification"
    split: str = ""
    licence: str
    citation: str
    statistics: Statistics | None = None
    classes: dict[int, str] = Field(default_factory=dict)
    class_words: dict[str, str | list[str]] = Field(default_factory=dict)
    generated: bool = False
    variant: str = ""
    prose: str = ""
    reader: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _further_keys_are_the_readers(cls, front: Any) -> Any:
        if not isinstance(front, dict) or not isinstance(front.get("reader", {}), dict):
            return front
        known = {key: value for key, value in front.items() if key in cls.model_fields}
        further = {key: value for key, value in front.items() if key not in known}
        return {**known, "reader": _checked(str(front.get("domain")), {**front.get("reader", {}), **further})}

    @model_validator(mode="after")
    def _task_is_one(self) -> Card:
        known = sorted({*FORESEEN, *installed_names(TASKS)})
        if self.task not in known:
            raise ValueError(f"task: {self.task!r} is not one of {', '.join(known)}")
        return self

    @model_validator(mode="after")
    def _one_number_a_channel(self) -> Card:
        model = reader_model(self.domain)
        channels = channels_of(model, self.reader) if model else None
        for key in ("mean", "std"):
            numbers = getattr(self.statistics, key, None)
            if numbers and channels and len(numbers) != len(channels):
                raise ValueError(f"statistics.{key} has {len(numbers)} numbers for {len(channels)} channels")
        return self


def _checked(domain: str, further: dict[str, Any]) -> dict[str, Any]:
    """What the domain's reader takes of the keys that are not every card's; of a domain that is not here they are taken as they stand."""
    model = reader_model(domain)
    if model is None:
        return further
    told, problems = checked_settings(model, further)
    if problems:
        fault = mistake_in(domain, further, problems[0]).removeprefix("reader.")
        near = difflib.get_close_matches(fault.partition(" ")[0], Card.model_fields, 1, 0.7)
        raise ValueError(f"{fault.rstrip('.')}{f' (a card has {near[0]})' if near else ''}")
    return {key: value for key, value in told.items() if value is not None}


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
        key = "".join(f"{part}." for part in first["loc"]).rstrip(".")
        fault = str(first["msg"]).removeprefix("Value error, ")
        raise DataError(f"{path}: {f'{key}: ' if key else ''}{fault}.") from error


def effective_card(data: Data) -> Card | None:
    """The card that applies to these settings. A generated card gives way to a person's own folder."""
    if data.card is None:
        return None
    card = find_card(data.card)
    own = data.root is not None or data.captions is not None
    return None if card.generated and own else card
