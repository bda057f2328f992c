"""Sides in the names of labels: found in words, letters and languages, and not where a word only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelfree_medical.laterality import mirror, sides_named

SIDED = [
    ["left effusion", "right effusion"],
    ["L_kidney", "R_kidney", "liver"],
    ["kidney_left", "spleen"],
    ["kidneyLeft", "kidneyRight"],
    ["HippocampusL", "HippocampusR"],
    ["Left-Lateral-Ventricle"],
    ["ctx-lh-bankssts", "ctx-rh-bankssts"],
    ["LKIDNEY", "RKIDNEY"],
    ["lung_left_1", "lung_right_1"],
    ["LUL", "RUL", "RML"],
    ["L", "R"],
    ["OD", "OS"],
    ["links", "rechts"],
    ["Niere li.", "Niere re."],
    ["rein gauche", "rein droit"],
    ["pulmón izquierdo", "pulmón derecho"],
    ["Rene SX", "Rene DX"],
    ["vänster lunga", "höger lunga"],
    ["правая почка", "левая почка"],
    ["左肺", "右肺"],
    ["왼쪽 폐", "오른쪽 폐"],
    ["LEFT", "none"],
    ["leftlung", "rightlung"],
    ["hipright", "hipleft"],
    ["Linksherz", "Rechtsherz"],
]
UNSIDED = [
    ["normal", "pneumonia"],
    ["RBC", "WBC", "Platelets"],
    ["anterior", "posterior"],
    ["nucleus", "background"],
    ["L1", "L2", "L5", "S1"],
    ["R2", "R3"],
    ["upright", "supine"],
    ["cleft", "bright"],
    ["leftover", "brightness"],
    ["liver", "spleen", "lesion"],
    ["benign", "malignant"],
    ["0", "1"],
    ["LAD", "LCX"],
    ["osteoma", "odd"],
    [""],
    ["gd", "d"],
]


@pytest.mark.parametrize("names", SIDED, ids=str)
def test_sides_are_found_and_views_not_mirrored(names: list[str]) -> None:
    assert sides_named(names)
    answer = mirror(names)
    assert answer.value is False and "left and right" in answer.reason and f'"{sides_named(names)[0]}"' in answer.reason


@pytest.mark.parametrize("names", UNSIDED, ids=str)
def test_other_names_allow_it(names: list[str]) -> None:
    assert sides_named(names) == [] and mirror(names).value is True


def test_without_labels_nobody_knows() -> None:
    assert mirror([]).value is False and "no labels" in mirror([]).reason


def test_only_those_that_name_a_side_are_told() -> None:
    assert sides_named(["heart", "left lung", "right lung", "spine"]) == ["left lung", "right lung"]
    assert mirror(["heart", "left lung"]).reason.startswith('the label "left lung" names a side')
    many = mirror([f"{side} {part}" for side in ("left", "right") for part in ("eye", "ear")]).reason
    assert '"left eye", "left ear", … name sides' in many


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_names_are_taken(names: list[str]) -> None:
    assert set(sides_named(names)) <= set(names)
    assert mirror(names).reason


@given(
    st.sampled_from(["left", "Right", "LEFT", "links", "rechts"]), st.sampled_from([" ", "_", "-", ".", "/"]), st.text("abcxyz", min_size=1)
)
def test_a_side_is_found_on_either_side_of_a_word(side: str, gap: str, word: str) -> None:
    assert sides_named([f"{side}{gap}{word}", f"{word}{gap}{side}"]) == [f"{side}{gap}{word}", f"{word}{gap}{side}"]
