"""What the reader of medical images is told: its keys in a recipe and a data card, and what their words mean."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from labelfree_medical.amounts import WINDOWS
from labelfree_medical.planes import Plane

Positive = Annotated[float, Field(gt=0)]
BYTES = "of 255"  # unit of pictures with 8 bits
SLICES = 16  # of a volume that is read as pictures: neighbours are nearly alike
KEYS_FOR = {  # what sentences of the core name, where files must be told
    "channels": "reader.colour, reader.channels",
    "unit": "reader.modality",
    "scale": "reader.modality or reader.series",
    "gaps": "reader.padding",
    "zeros": "reader.padding=0",
}


class Reader(BaseModel):
    """Keys of the medical domain's reader."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    modality: str | list[str] | None = Field(
        None,
        description="which images of a folder that mixes them: CT, MR, CR, … as DICOM calls them, or volumes, pictures",
    )
    series: str | list[str] | None = Field(
        None, description="which series of DICOM: its UID, kernel or description, where * stands for anything (`*thin*`)"
    )
    channels: list[str] | None = Field(None, description="names of the channels in stored order, where the files do not say")
    colour: Literal["stored", "gray", "rgb"] = Field(
        "stored", description="what a set that holds gray and coloured images is read as; stored: each as it is"
    )
    orientation: Literal["ras", "stored"] = Field(
        "ras", description="axes of volumes: to the right, to the front and up wherever files place them, or as they are stored"
    )
    spacing: Positive | list[Positive] | None = Field(
        None,
        description="mm between voxels to which volumes are resampled: one number, or along right, anterior, superior; default: as stored",
    )
    window: str | list[float] | None = Field(
        None, description=f"values that a network is shown, e.g. [-160, 240]; of CT also {', '.join(WINDOWS)}"
    )
    normalise: Literal["auto", "set", "image"] = Field(
        "auto", description="by the mean and spread of the set, or of each image; auto: of the set where numbers have a unit, as of CT"
    )
    crop: bool = Field(False, description="cut volumes down to the box around what is not background")
    padding: float | None = Field(None, description="a stored number that stands for no measurement, besides what files declare")
    slices: Plane | None = Field(None, description="read volumes as pictures: slices of one plane")
    slices_per_volume: Annotated[int, Field(gt=0)] | Literal["all"] = Field(
        SLICES, description="how many slices of each volume, at equal distances; all: every one"
    )

    @field_validator("spacing")
    @classmethod
    def _three_numbers(cls, spacing: float | list[float] | None) -> float | list[float] | None:
        if isinstance(spacing, list) and len(spacing) != 3:
            raise ValueError(f"{len(spacing)} numbers; give one, or three along right, anterior, superior")
        return spacing

    @field_validator("window")
    @classmethod
    def _low_and_high(cls, window: str | list[float] | None) -> str | list[float] | None:
        window_of(window)
        return window

    @field_validator("padding", mode="before")
    @classmethod
    def _whole_numbers_too(cls, given: Any) -> Any:
        return float(given) if isinstance(given, int) and not isinstance(given, bool) else given

    @field_validator("spacing", "window", mode="before")
    @classmethod
    def _as_lists(cls, given: Any) -> Any:
        if isinstance(given, int) and not isinstance(given, bool):
            return float(given)
        return [float(each) if isinstance(each, int) else each for each in given] if isinstance(given, list | tuple) else given


def window_of(given: str | list[float] | None) -> tuple[float, float] | None:
    """The least and the largest number of a window, by its name or as given. Raises ValueError."""
    if given is None:
        return None
    if isinstance(given, str):
        if given not in WINDOWS:
            raise ValueError(f"{given!r} is no window that is known; there are {', '.join(WINDOWS)}, or write [low, high]")
        return WINDOWS[given]
    if len(given) != 2 or not given[0] < given[1]:
        raise ValueError(f"{given} is no window; write [low, high]")
    return given[0], given[1]


def several(given: str | list[str] | None) -> tuple[str, ...]:
    """What a key lists, of which one may stand alone."""
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)
