"""What a recipe may say is listed in words, from the schema alone."""

from __future__ import annotations

from labelfree.recipe_file import load_recipe
from labelfree.recipe_words import expected, fields_at, json_schema, outline


def test_words_say_range_and_alternatives():
    assert expected(("pretrain", "steps")) == "a whole number above 0 or auto"
    assert expected(("data", "max_skipped")) == "a number from 0 to 1"
    assert expected(("pretrain", "optimiser")) == "one of adamw, lars"
    assert expected(("evaluate", "sizes")) == "a list, each a whole number above 0 or auto"


def test_the_outline_lists_every_key():
    listed = outline()
    for section in fields_at(()):
        for key in fields_at((section,)):
            assert f"  {key}:" in listed, key


def test_the_outline_is_itself_a_recipe(tmp_path):
    path = tmp_path / "outline.yaml"
    path.write_text(outline().replace("domain:", "domain: satellite", 1), encoding="utf-8")
    assert load_recipe(path, ["name=x"]).pretrain.steps == "auto"


def test_every_key_of_the_schema_has_a_meaning_or_a_plain_name():
    plain = {"domain", "seed", "batch_size", "precision", "optimiser", "on_collapse", "lr", "weight_decay", "clip_grad"}
    for name, block in json_schema()["$defs"].items():
        if name in {"ArmSpec", "Primary", "Evaluate"}:
            continue
        for key, field in block["properties"].items():
            assert field.get("description") or key in plain, f"{name}.{key}"
