"""What a section is, and what all sections are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labelfree.reporting.charts import Style
from labelfree.reporting.files import RunFiles
from labelfree.reporting.pictures import Album


@dataclass(frozen=True)
class Section:
    """One block of the page. `absent` says why there is nothing to show; then `values` are not looked at."""

    anchor: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    absent: str = ""
    lead: str = ""


@dataclass(frozen=True)
class Context:
    """The run and what the sections share: one style an arm, one purse for pictures, whether pictures may be shown."""

    run: RunFiles
    styles: Mapping[str, Style]
    album: Album
    show_pictures: bool = True

    @property
    def hidden(self) -> str:
        """The sentence that stands where pictures may not."""
        return "" if self.show_pictures else "Source pictures are left out of a shared report (report.images: true shows them)."
