"""The page on augmentations shows every op."""

from __future__ import annotations

from pathlib import Path

from labelfree_medical import augmentation as medical
from labelfree_satellite import augmentation as satellite
from PIL import Image

from labelfree import views

DOCS = Path(__file__).parents[2] / "docs"


def test_every_op_has_a_picture_on_the_page() -> None:
    page = (DOCS / "augmentations.md").read_text(encoding="utf-8")
    kinds = [
        kind
        for module in (views, satellite, medical)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, views.ViewOp)
    ]
    ops = {kind.__name__ for kind in kinds} - {"ViewOp", "Geometry", "Anomaly", "Only"}
    assert len(ops) >= 19
    for name in ops:
        assert f"**{name}**" in page and f"pictures/{name.lower()}.png" in page
        with Image.open(DOCS / "pictures" / f"{name.lower()}.png") as picture:
            assert picture.size == (6 * 128 + 5 * 6, 128)
