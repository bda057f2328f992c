"""Keys that were spelled otherwise once go on working: in files, overrides, Python, run folders; a person is told once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import labelfree
from labelfree.errors import RecipeError
from labelfree.pipeline.folder import recipe_digest
from labelfree.recipe import Recipe
from labelfree.recipe_file import change, load_recipe, parse_recipe
from labelfree.recipe_renames import RENAMED, first_spelling, respelled, today
from tests.data.fake_domain import write

OLD = """\
domain: satellite
data:
  root: /images
  sensor: naip
  bands: [red, green, blue, nir]
"""
NEW = """\
domain: satellite
data:
  root: /images
reader:
  sensor: naip
  bands: [red, green, blue, nir]
"""


@pytest.fixture
def load(tmp_path: Path):
    """Load a text as a file, with overrides; what was told of spellings is kept beside it."""

    def loaded(text: str, *overrides: str) -> tuple[Recipe, list[str]]:
        (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
        told: list[str] = []
        return load_recipe(tmp_path / "mine.yaml", list(overrides), told.append), told

    return loaded


def test_both_spellings_are_one_recipe_and_one_line_tells_the_new_one(load) -> None:
    (old, told), (new, nothing) = load(OLD), load(NEW)
    assert old == new == parse_recipe(OLD, "mine") and recipe_digest(old) == recipe_digest(new)
    assert old.reader["bands"] == ["red", "green", "blue", "nir"] and nothing == []
    assert told == ["data.bands is now reader.bands, data.sensor is now reader.sensor; the old spelling goes on working."]
    typed, told = load(NEW, "data.nodata=0")
    assert typed.reader["nodata"] == 0 and told == ["data.nodata is now reader.nodata; the old spelling goes on working."]


def test_every_way_to_write_a_recipe_takes_the_old_spelling(load) -> None:
    wanted = load(NEW)[0].reader
    assert Recipe.model_validate({"domain": "satellite", "data": {"sensor": "naip"}}).reader == {"sensor": "naip"}
    assert change(load(NEW)[0], {"data.sensor": "naip"}).reader == wanted
    assert change(load(NEW)[0], {"data": {"root": "/images", "sensor": "naip"}}).reader == wanted
    assert load("domain: satellite\ndata: {root: /images}", "data={sensor: naip, bands: [red, green, blue, nir]}")[0].reader == wanted


@pytest.mark.parametrize(("text", "typed"), [(OLD, "reader.sensor"), (NEW, "data.sensor"), (OLD, "data.sensor"), (NEW, "reader.sensor")])
def test_what_is_typed_goes_before_the_file_however_it_is_spelled(load, text: str, typed: str) -> None:
    assert load(text, f"{typed}=aerial-rgbn")[0].reader["sensor"] == "aerial-rgbn"


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        (OLD.replace("naip", "nape"), [], "mine.yaml:4: data.sensor: 'nape' is not known; one of sentinel-2-l1c"),
        (NEW.replace("naip", "nape"), [], "mine.yaml:5: reader.sensor: 'nape' is not known; one of sentinel-2-l1c"),
        (OLD.replace("sensor", "sensr"), [], "mine.yaml:4: data.sensr is not a key; did you mean reader.sensor?"),
        (OLD.replace("nir", "2"), [], "mine.yaml:5: data.bands.3 must be text, not 2."),
        (OLD.replace("nir", "red"), [], "mine.yaml:5: data.bands: a name stands twice in red, green, blue, red."),
        (OLD, ["data.chip=0"], "data.chip=0: data.chip must be a whole number above 0 or null"),
        (OLD, ["reader.chip=0"], "reader.chip=0: reader.chip must be a whole number above 0 or null"),
        (OLD + "reader: {sensor: naip, unit: x}\n", ["data.unit=7 7"], "data.unit=7 7: data.unit: '7 7' is not known"),
        (
            OLD + "reader: {sensor: rgb-rendering}\n",
            [],
            "mine.yaml: data.sensor is the old spelling of reader.sensor, and the two differ; keep one.",
        ),
        (
            NEW,
            ["data.unit=a", "reader.unit=b"],
            "data.unit=a, reader.unit=b: data.unit is the old spelling of reader.unit, and the two differ",
        ),
        (
            NEW,
            ["reader.unit=b", "data.unit=a"],
            "reader.unit=b, data.unit=a: data.unit is the old spelling of reader.unit, and the two differ",
        ),
    ],
)
def test_a_mistake_is_told_in_the_words_that_were_typed(load, tmp_path: Path, text: str, overrides: list[str], said: str) -> None:
    with pytest.raises(RecipeError) as error:
        load(text, *overrides)
    assert said in str(error.value).replace(f"{tmp_path}/", "") and "\n" not in str(error.value)


@pytest.mark.parametrize("overrides", [[], ["data.sensor=naip", "data.nodata=0", "data.chip=3"]])
def test_a_run_begun_in_the_old_spelling_goes_on(load, overrides: list[str]) -> None:
    recipe = load_recipe("satellite_dino", [*overrides, "report.share=false", "data.class_folders=true"])  # as they were unless said
    asked = first_spelling(recipe.model_dump(mode="json"))  # private/asked.yaml as it was written then
    assert "reader" not in asked and {old[1] for old in RENAMED} < set(asked["data"])
    again = load(yaml.safe_dump(asked))[0]
    assert again == recipe and recipe_digest(again) == recipe_digest(recipe)
    digest = hashlib.sha256(json.dumps(without(asked, "on_collapse"), sort_keys=True).encode()).hexdigest()[:16]
    assert recipe_digest(recipe) == digest == recipe_digest(load_recipe("satellite_dino", overrides))  # as it was taken then


def without(asked: dict, key: str) -> dict:
    """A recipe without a key of `pretrain`."""
    return {**asked, "pretrain": {name: value for name, value in asked["pretrain"].items() if name != key}}


def test_a_run_folders_own_recipe_says_nothing_of_spellings_where_nothing_was_said(load) -> None:
    empty = "".join(f"  {key}: null\n" for _, key in RENAMED)
    assert load(f"domain: satellite\ndata:\n{empty}")[1] == []


@given(st.dictionaries(st.sampled_from(sorted(RENAMED)), st.integers() | st.none(), max_size=4), st.booleans())
def test_respelling_loses_nothing_and_comes_back(said, within_data: bool) -> None:
    values: dict = {"domain": "x", "data": {"root": "/r"}, "reader": {"else": 1}}
    for old, value in said.items():
        keys = old if within_data else today(old)
        values[keys[0]][keys[1]] = value
    now, moved = respelled(values)
    assert {key: value for key, value in now["reader"].items() if value is not None} == {
        "else": 1, **{today(old)[1]: value for old, value in said.items() if value is not None},
    }  # fmt: skip
    assert set(moved) == {today(old) for old, value in said.items() if value is not None and within_data}
    assert now["data"] == {"root": "/r"}
    back = first_spelling(now)
    assert back["reader"] == {"else": 1} and {old: back["data"][old[1]] for old in said} == said


def test_the_line_is_on_the_console_of_each_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "images" / "0.png", np.zeros((8, 8, 3))).parent
    labelfree.show_data(root, ["data.sensor=rgb-rendering"])
    assert capsys.readouterr().out == "data.sensor is now reader.sensor; the old spelling goes on working.\n"
    labelfree.show_data(root, ["reader.sensor=rgb-rendering"])
    labelfree.show_recipe("satellite_dino")
    assert capsys.readouterr().out == ""


def test_a_key_may_move_within_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RENAMED, ("pretrain", "rate"), ("pretrain", "lr"))
    told: list[str] = []
    recipe = load_recipe("satellite_dino", ["pretrain.rate=0.5"], told.append)
    assert recipe.pretrain.lr == 0.5 and told == ["pretrain.rate is now pretrain.lr; the old spelling goes on working."]
    assert load_recipe("satellite_dino", ["pretrain={rate: 0.5}"]).pretrain.lr == 0.5
    assert first_spelling({"pretrain": {"lr": 0.5}})["pretrain"] == {"rate": 0.5}
    with pytest.raises(RecipeError, match="pretrain.rate must be a number above 0 or auto"):
        load_recipe("satellite_dino", ["pretrain.rate=fast"])
