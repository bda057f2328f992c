"""What a domain suggests for files that differ is read again, told with its reason, and never taken over the word of a person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.domain import Unites, find_domain
from labelfree.errors import DataError
from labelfree.progress import Silent
from tests.planning.folders import pictures, planned, told

NAMES = [f"{number:02d}.png" for number in range(24)]


@pytest.fixture
def stains(tmp_path: Path) -> Path:
    """Twenty coloured pictures and four gray ones."""
    pictures(tmp_path / "stains", NAMES)
    pictures(tmp_path / "stains", NAMES[::6], gray=True)
    return tmp_path / "stains"


def test_gray_and_coloured_pictures_are_planned_as_coloured_ones_and_why_is_told(stains: Path) -> None:
    proposal = planned(stains, "medical")
    assert proposal.recipe.reader["colour"] == "rgb"
    why = "4 of 24 images looked at are gray, the others coloured; gray as three equal channels loses nothing, colours as gray would"
    assert why in " ".join(proposal.text.replace("#", " ").split())
    said = told(proposal)
    assert "of 24 images looked at 20 hold red, green, blue; 4 hold gray" in said and "reader.colour=rgb: 4 of 24" in said
    assert "3 channels: red, green, blue" in said and "on_error" not in proposal.text  # none is left out


def test_what_a_person_says_of_colours_stands(stains: Path) -> None:
    gray = labelfree.plan(stains, "medical", overrides=["reader.colour=gray"], say=Silent())
    assert gray.recipe.reader["colour"] == "gray" and "are gray, the others coloured" not in gray.text
    with pytest.raises(DataError, match=r"reader\.colour"):
        labelfree.plan(stains, "medical", overrides=["reader.colour=stored"], say=Silent())


def test_a_run_does_not_choose(stains: Path, tmp_path: Path) -> None:
    overrides = [f"data.root={stains}", "domain=medical", "pretrain.steps=1", f"pool.dir={tmp_path / 'pools'}"]
    with pytest.raises(DataError, match=r"reader\.colour"):
        labelfree.run("medical_xray_simsiam", [*overrides, "data.card=null"], tmp_path / "run", say=Silent())


def test_other_channels_are_not_united() -> None:
    medical, told, rgb = find_domain("medical"), find_domain("medical", {"colour": "rgb"}), ("red", "green", "blue")
    assert isinstance(medical, Unites) and isinstance(told, Unites)
    for channels in ({("gray",): 3}, {rgb: 3}, {("gray",): 2, ("a", "b"): 3}, {("gray",): 1, rgb: 2, ("a", "b", "c", "d"): 1}):
        assert medical.uniting(channels) == {}
    assert medical.uniting({("gray",): 1, rgb: 2}) and not told.uniting({("gray",): 1, rgb: 2})


@pytest.mark.parametrize("domain, key, other", [("medical", "reader.padding=0", "nodata"), ("satellite", "reader.nodata=0", "padding")])
def test_only_keys_of_the_domain_are_named(tmp_path: Path, domain: str, key: str, other: str) -> None:
    for number, name in enumerate(NAMES):
        pixels = np.random.default_rng(number).integers(1, 256, (16, 16, 3), dtype=np.uint8)
        pixels[:4] = 0
        (tmp_path / "mine").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "mine" / name)
    checked = labelfree.check_data(tmp_path / "mine", domain=domain, say=Silent())
    for said in (told(planned(tmp_path / "mine", domain)), "\n".join(checked.lines())):
        assert f"if that means no measurement, set {key}" in said and other not in said
