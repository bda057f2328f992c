"""What the reader of pictures of parts is told: its keys in a recipe and a data card."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, field_validator, model_validator

KEYS_FOR = {  # what sentences of the core name, where files must be told
    "channels": "reader.colour, reader.page or reader.channels",
    "unit": "reader.depth",
    "scale": "reader.depth and reader.shift",
    "gaps": "reader.nodata",
    "zeros": "reader.nodata=0",
    "objects": "reader.smallest_defect",
}
DEEPEST = 16  # bits
BYTES, LEVELS, REAL = "of 255", "grey levels", "stored"  # units
BITS = "bits"  # the tag of a sample whose file says its depth
TURNED = "turned over at"  # the tag of a sample in whose file 0 is white: the number from which its own are taken away


class Reader(BaseModel):
    """Keys of the inspection domain's reader."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    depth: Annotated[int, Field(ge=1, le=DEEPEST)] | None = Field(
        None, description="bits that the camera gives, where files hold more, such as 12 of 16; default: found over the whole set"
    )
    shift: Annotated[int, Field(ge=0, le=DEEPEST - 1)] | None = Field(
        None, description="how many bits of 0 files hold below those of the camera: 4 where 12 bits stand at the upper end of 16"
    )
    colour: Literal["auto", "stored", "gray", "rgb"] = Field(
        "auto",
        description="auto: three equal channels are gray, stored as colours; stored: each file as it is; gray, rgb: all files made so",
    )
    channels: list[str] | None = Field(None, description="names of the channels in stored order, such as lights of pages")
    page: Annotated[int, Field(ge=1)] | None = Field(
        None, description="which page of a TIFF that holds several of one size; default: all, as channels"
    )
    nodata: float | None = Field(None, description="a stored number that stands for no measurement, as in height maps")
    smallest_defect: PositiveFloat | None = Field(
        None, description="longest side in pixels of the smallest defect that matters: no view is cropped so that it would often miss it"
    )
    only_light: bool = Field(
        False, description="views of one image differ in light, lens and sensor alone: nothing is cropped, flipped or turned"
    )

    @field_validator("nodata", mode="before")
    @classmethod
    def _whole_numbers_too(cls, given: Any) -> Any:
        return float(given) if isinstance(given, int) and not isinstance(given, bool) else given

    @model_validator(mode="after")
    def _fits(self) -> Reader:
        if self.shift is not None and self.depth is None:
            raise ValueError("shift says where the bits of depth stand; give depth too")
        if self.depth is not None and self.depth + (self.shift or 0) > DEEPEST:
            raise ValueError(f"depth {self.depth} and shift {self.shift} are more than {DEEPEST} bits together")
        return self
