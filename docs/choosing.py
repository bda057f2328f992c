"""The picture of docs/choosing.md: the contact sheet of a first round on the generated sample.

python -m docs.choosing
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import labelfree

PICTURE = Path(__file__).parent / "pictures" / "choosing.png"


def main() -> None:
    with tempfile.TemporaryDirectory() as there:
        images = labelfree.sample_data(Path(there) / "generated") / "images"
        asked = {"audit": 6, "overrides": ["reader.sensor=sentinel-2-l1c"]}
        found = labelfree.select(images, "imagenet", 12, out=Path(there) / "round-1", **asked)
        shutil.copy(found.sheet, PICTURE)


if __name__ == "__main__":
    main()
