"""Captions of an image in one cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.table_cells import captions_in


@pytest.mark.parametrize(
    ("cell", "captions"),
    [
        ("a pier", ("a pier",)),
        ("a pier | a pier | two ships ", ("a pier", "a pier", "two ships")),
        ("either|or", ("either|or",)),
        ("a |  | b", ("a", "b")),
        ("", ()),
    ],
)
def test_captions_stand_apart_by_a_bar_between_blanks(cell: str, captions: tuple[str, ...]) -> None:
    assert captions_in(cell) == captions


@given(st.lists(st.text(st.characters(exclude_characters="|", exclude_categories=("Cc", "Zs", "Zl", "Zp", "Cs")), min_size=1), min_size=1))
def test_what_was_joined_comes_apart_again(captions: list[str]) -> None:
    assert captions_in(" | ".join(captions)) == tuple(captions)
