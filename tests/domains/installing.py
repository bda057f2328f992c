"""Domains of third parties, installed as pip would: a module and the entry point of its distribution, in a folder on the path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.docs.pages import TOP

EXTENDING = TOP / "docs" / "extending.md"
BROKEN = "raise RuntimeError('its library is not here')\n"
# No model of its own: what its reader takes are the constructor's keywords. Reads bytes as they come, recognises nothing.
PLAIN = """
import torch
from labelfree.domain import Sample

class Plain:
    name = "plain"

    def __init__(self, width, gain=1.0, sensor=None):
        self.width, self.gain = width or 4, gain

    def settings(self):
        return {"domain": self.name, "width": self.width, "gain": self.gain}

    def files(self, root):
        return sorted(root.rglob("*.bin"))

    def read(self, row):
        data = torch.frombuffer(bytearray(row.path.read_bytes()), dtype=torch.uint8).reshape(1, -1, self.width)
        return Sample(data, ("value",), (self.gain,), (0.0,), "stored", source=row.id)

    def missing(self, channels):
        return []
"""


def thermal() -> str:
    """The domain that the page on extending shows."""
    section = EXTENDING.read_text(encoding="utf-8").partition("## A domain of your own")[2]
    return section.partition("```python\n")[2].partition("```")[0]


def install(folder: Path, modules: Mapping[str, tuple[str, str]]) -> Path:
    """A folder for the path with domain -> (its class, the text of its module), the module called `<domain>_domain`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, text) in modules.items():
        (folder / f"{name}_domain.py").write_text(text, encoding="utf-8")
    about = folder / "third_parties-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: third-parties\nVersion: 1\n")
    points = "".join(f"{name} = {name}_domain:{made}\n" for name, (made, _) in modules.items())
    (about / "entry_points.txt").write_text(f"[labelfree.domains]\n{points}")
    return folder
