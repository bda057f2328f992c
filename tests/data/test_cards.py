"""Cards are checked, found by name or path, and agree with the files they speak of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from labelfree import resources
from labelfree.data.cards import card_names, find_card
from labelfree.data.manifest import load_manifest
from labelfree.data.pool import build_pool
from labelfree.errors import DataError, RecipeError
from labelfree.progress import Silent
from labelfree.recipe import Data
from tests.data.fake_domain import PillowDomain

GOOD = "---\nname: mine\ndomain: satellite\nlicence: CC0\ncitation: me\nbands: [a, b]\n{more}---\n# Mine\n"


@pytest.mark.parametrize("name", card_names())
def test_every_card_is_sound(name: str) -> None:
    card = find_card(name)
    assert card.name == name and len(card.prose) > 300
    assert card.generated == name.startswith("generated") and (card.generated or not card.variant)


def test_a_card_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    path.write_text(GOOD.format(more="unit: reflectance\nscale: 0.0001\n"))
    assert find_card(path).reader == {"bands": ["a", "b"], "unit": "reflectance × 10000"}


def test_a_card_names_what_numbers_of_masks_stand_for_and_a_recipe_goes_before_it(tmp_path: Path) -> None:
    card = tmp_path / "mine.md"
    card.write_text(GOOD.format(more="classes: {1: road, 2: roof}\n"))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"")
    (tmp_path / "splits.csv").write_text("path,mask,split\nimages/a.png,a_mask.png,train\n")
    (tmp_path / "a_mask.png").write_bytes(b"")
    for data, named in (
        (Data(root=tmp_path, card=str(card)), "roof"),
        (Data(root=tmp_path, card=str(card), classes={2: "house"}), "house"),
    ):
        assert load_manifest(data, PillowDomain()).renamed == {"1": "road", "2": named}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("colour: red\n", "colour"),
        ("statistics: {mean: [1], std: [1, 2]}\n", "statistics.mean has 1 numbers for 2 channels"),
        ("scale: -1\n", "scale"),
        ("task: guessing\n", "task"),
        ("split: [\n", "not YAML"),
    ],
)
def test_faults_name_the_key(tmp_path: Path, more: str, said: str) -> None:
    path = tmp_path / "mine.md"
    path.write_text(GOOD.format(more=more))
    with pytest.raises(DataError, match="mine.md") as error:
        find_card(path)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_bands_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    path.write_text(GOOD.format(more="statistics: {mean: [1, 2], std: [1, 2]}\n").replace("[a, b]", '[a, "-", b, "-"]'))
    assert find_card(path).reader["bands"] == ["a", "-", "b", "-"]


def test_no_front_matter(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("# Just prose\n")
    with pytest.raises(DataError, match="starts with YAML"):
        find_card(tmp_path / "mine.md")


def test_names_are_suggested() -> None:
    with pytest.raises(DataError, match="did you mean eurosat-ms?"):
        find_card("eurosat_ms")
    with pytest.raises(RecipeError, match="did you mean satellite_dino?"):
        resources.resource("recipes", "satelite_dino")


def test_the_wheels_resources_are_used_outside_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "labelfree"
    (package / "_resources" / "data_cards").mkdir(parents=True)
    (package.parent / "data_cards").mkdir()  # somebody else's
    (package / "_resources" / "data_cards" / "packed.md").write_text("x")
    monkeypatch.setattr(resources, "PACKAGE", package)
    assert resources.resource_names("data_cards") == ["packed"]
    assert resources.resource("data_cards", "packed.md") == package / "_resources" / "data_cards" / "packed.md"


def test_statistics_of_eurosat_rgb_are_those_of_its_training_rows(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    domain, card = PillowDomain(), find_card("eurosat-rgb")
    manifest = load_manifest(Data(root=real_data("eurosat_rgb"), card="eurosat-rgb"), domain)
    rows = manifest.subset("pretrain", "train")[::7]  # a seventh is quick and near enough to tell swapped bands or another unit
    found = build_pool(rows, domain.read, domain.settings(), tmp_path, say=Silent(), tile="auto").fingerprint()
    assert card.statistics is not None
    np.testing.assert_allclose(found.mean, card.statistics.mean, atol=0.005)
    np.testing.assert_allclose(found.std, card.statistics.std, atol=0.005)
