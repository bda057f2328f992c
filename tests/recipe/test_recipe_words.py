"""What a recipe may say is listed in words, from the schema alone."""

from __future__ import annotations

import jsonschema
import yaml

import labelfree
from labelfree.objectives.registry import objective_names, objective_options, options_schemas
from labelfree.recipe import Recipe
from labelfree.recipe_file import load_recipe, to_yaml
from labelfree.recipe_words import expected, explained, fields_at, json_schema, outline


def test_words_say_range_and_alternatives():
    assert expected(("pretrain", "steps")) == "a whole number above 0 or auto"
    assert expected(("data", "max_skipped")) == "a number from 0 to 1"
    assert expected(("pretrain", "optimiser")) == "one of auto, adamw, lars, sgd"
    assert expected(("evaluate", "sizes")) == "a list, each a whole number above 0 or auto"


def test_the_outline_lists_every_key():
    listed = outline(options_schemas())
    for section in fields_at(()):
        for key in fields_at((section,)):
            assert f"  {key}:" in listed, key


def test_the_outline_is_itself_a_recipe(tmp_path):
    path = tmp_path / "outline.yaml"
    path.write_text(outline(options_schemas()).replace("domain:", "domain: satellite", 1), encoding="utf-8")
    assert load_recipe(path, ["name=x"]).pretrain.steps == "auto"


def test_every_key_of_the_schema_has_a_meaning_or_a_plain_name():
    plain = {"domain", "seed", "optimiser", "on_collapse"}
    for name, block in json_schema()["$defs"].items():
        if name in {"ArmSpec", "Primary", "Evaluate"}:
            continue
        for key, field in block["properties"].items():
            assert field.get("description") or key in plain, f"{name}.{key}"


def test_every_auto_says_what_decides_it():
    recipe = Recipe(domain="satellite", name="auto")
    told = [line.strip() for line in explained(to_yaml(recipe)).splitlines() if ": auto" in line and not line.startswith("name")]
    assert len(told) > 15 and "size: auto  # from the images' short side, 32 to 224 (volumes: to 96)" in told
    assert all(line.partition("  # ")[2] for line in told), told
    assert yaml.safe_load(explained(to_yaml(recipe))) == recipe.model_dump(mode="json")


def test_the_schema_knows_the_options_of_the_objective_named():
    """By a validator that is not pydantic; where no objective is named, simclr's options may be given."""
    validator = jsonschema.Draft202012Validator(labelfree.recipe_schema())

    def faults(**pretrain):
        return [error.message for error in validator.iter_errors({"domain": "satellite", "pretrain": pretrain})]

    assert not faults(objective="dino", options={"prototypes": 512, "momentum": "auto"})
    assert not faults(options={"temperature": 0.1})
    assert not faults(objective="an objective of one's own", options={"anything": 1})
    assert faults(objective="dino", options={"temperature": 0.1})
    assert faults(objective="dino", options={"prototypes": 1})
    assert faults(options={"temperature": 0})
    assert faults(options={"prototypes": 512})


def test_the_outline_lists_every_option_of_every_objective():
    listed = outline(options_schemas())
    for name in objective_names():
        of_it = listed.partition(f"    # of {name}:\n")[2].partition("    # of ")[0]
        assert all(f"    #   {key}: " in of_it for key in objective_options(name)), name
    assert "    #   temperature: 0.2  # a number above 0 or auto\n" in listed
