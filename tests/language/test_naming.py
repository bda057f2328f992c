"""Whether captions name a class: whole words, any case, singular or plural, apart or as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.language.naming import Named, Namer

WORDS = st.sampled_from(["a", "field", "beside", "the", "riverside", "port", "airports", "grassy", "house", "two"])


@pytest.mark.parametrize(
    ("saying", "caption", "named"),
    [
        ("church", "Two CHURCHES, a road.", True),
        ("church", "a churchyard", False),
        ("baseball field", "several baseball fields here", True),
        ("baseball field", "a field beside a baseball", False),
        ("baseball field", "base ball fields", True),
        ("denseresidential", "a dense residential area", True),
        ("storage tanks", "one storage tank", True),
        ("bus", "buses", True),
        ("city", "cities", True),
        ("house", "houses", True),
        ("port", "an airport", False),
        ("port", "airports and transport", False),
        ("no finding", "No finding.", True),
        ("no finding", "no new finding", False),
        ("hafen", "Ein Hafen ⛵", True),
        ("gas", "a gasometer", False),
        ("grass", "glass", False),
        ("机场", "这是一个机场。", True),
        ("空港", "港の空", False),
        ("สนามบิน", "ภาพถ่ายของสนามบินใหญ่", True),
        ("étang", "un e\u0301tang", True),
    ],
)
def test_words_name_a_class(saying: str, caption: str, named: bool) -> None:
    assert Namer({"it": [saying]}).named(caption) == ({"it"} if named else set())


def test_any_way_to_say_it_counts_and_one_word_may_name_several() -> None:
    namer = Namer({"Port": ["port", "harbour"], "Town": ["town"], "PortTown": ["port town"]})
    assert namer.named("the harbours") == {"Port"}
    assert namer.named("a port town") == {"Port", "Town", "PortTown"}


def test_captions_and_images_are_counted() -> None:
    said = [("a port", "ports"), ("a port", "a town"), (), ("nothing",)]
    assert Namer({"Port": ["port"], "Town": ["town"], "Lake": ["lake"]}).count(said) == {
        "Port": Named(3, 2),
        "Town": Named(1, 1),
        "Lake": Named(0, 0),
    }


@given(st.lists(WORDS), st.lists(WORDS))
def test_a_class_is_found_where_it_stands_and_nowhere_else(before: list[str], after: list[str]) -> None:
    namer = Namer({"it": ["power plant"]})
    assert namer.named(" ".join([*before, "Power", "plants,", *after])) == {"it"}
    assert namer.named(" ".join(["power", *before, "x", *after, "plant"])) == set()
