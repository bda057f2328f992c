"""Classes as a person types them: what a table could not hold is refused with a sentence."""

from __future__ import annotations

import pytest

from labelfree.errors import RecipeError
from labelfree.labelling.classes import COMMANDS, class_names, keys_of


def test_names_stand_apart_by_commas_and_those_of_the_table_follow():
    assert class_names("pasture, forest", ["water", "forest"]) == ("pasture", "forest", "water")
    assert class_names('"forest, dense",<b>&amp;</b>,水') == ("forest, dense", "<b>&amp;</b>", "水")
    assert class_names([0, 10]) == ("0", "10")  # as a notebook has them
    assert class_names(["a,b", "c"]) == ("a,b", "c") and class_names("", ["x", "y"]) == ("x", "y")
    assert class_names("caf\u00e9,tea", ["cafe\u0301".replace("e\u0301", "\u00e9")]) == ("café", "tea")


@pytest.mark.parametrize(
    ("given", "told"),
    {
        "": "at least two",
        "forest": "at least two",
        "forest,,water": "class 2 of 3 has no name",
        "forest,water,forest": "forest is named twice",
        "forest,Forest": "differ in capitals alone",
        "forest,NA": "'NA' would not be read back",
        "1.0,2.0": "'1.0' would not be read back",
        "a\tb,c": "would not be read back",
        '"forest,water': "opened and never closed",
    }.items(),
)
def test_what_cannot_be_asked_is_told(given, told):
    with pytest.raises(RecipeError, match=told):
        class_names(given)


def test_a_class_that_the_table_writes_otherwise_is_told():
    with pytest.raises(RecipeError, match="Forest and forest differ in capitals"):
        class_names("forest,water", ["Forest"])


def test_each_class_has_a_key_of_its_own_that_is_no_command():
    keys = keys_of([str(n) for n in range(50)])
    assert keys[:11] == [*"123456789", "a", "b"] and len(keys) == 50
    given = [key for key in keys if key]
    assert len(given) == 33 == len(set(given)) and not set(given) & {*COMMANDS, "0"}
