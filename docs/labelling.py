"""The picture of docs/labelling.md: the page of `labelfree label` on the generated sample, in a real Chromium.

python -m docs.labelling
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import labelfree
from tests.labelling.browser import pages
from tests.labelling.conftest import site_of

CLASSES = "forest,pasture,crops,water,built-up"
ORDER = (8, 1, 2, 3, 4, 5, 0, 9, 7, 6)  # an image is asked about on which something is to be seen
PICTURE = Path(__file__).parent / "pictures" / "labelling.png"


def main() -> None:
    with tempfile.TemporaryDirectory() as there:
        images = labelfree.sample_data(Path(there) / "generated", variant="rgb") / "images"
        rows = Path(there) / "select.csv"
        names = sorted(path.name for path in images.iterdir())[:60]
        lines = [f"{name},{name.partition('_')[0]},,typical" for name in [names[i] for i in ORDER] + names[len(ORDER) :]]
        rows.write_text("\n".join(["path,group,split,chosen", *lines, ""]), encoding="utf-8")
        with site_of(images, CLASSES, rows=rows) as site, pages(Path(there) / "chromium") as opened:
            page = opened(site.address)
            page.size(1120, 700)
            for key in "3151215?4":
                page.press(key)
                page.settled()
            page.until("[...document.querySelectorAll('#neighbours img')].every((image) => image.complete && image.src)")
            page.picture(PICTURE)


if __name__ == "__main__":
    main()
