"""Words below pictures: letters of any script that a font at hand has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelfree.reporting import lettering
from labelfree.reporting.contact_sheet import Caption, save_contact_sheets
from labelfree.reporting.lettering import at_hand, composed, font_for, wrapped


def below(path: Path, *captions: Caption) -> np.ndarray:
    """What is written on a sheet of as many pictures, (H, W) bool."""
    save_contact_sheets(path, [np.full((8, 8, 3), 255, np.uint8)] * len(captions), captions)
    return np.array(Image.open(path).convert("L")) < 200


def test_plain_letters_are_pillow_s_own() -> None:
    assert font_for("a bridge, 12 m", 12) is at_hand(12)[0]


@pytest.mark.parametrize("text", ["Brücke über die Straße", "ñandú", "река и мост", "ποτάμι"])
def test_a_letter_that_pillow_s_own_font_lacks_is_taken_from_another(text: str) -> None:
    """matplotlib, which the peers of the tests bring along, has DejaVu Sans."""
    font = font_for(text, 12)
    lacking = bytes(font.getmask(lettering.NO_CHARACTER))
    assert all(bytes(font.getmask(letter)) != lacking for letter in text if not letter.isspace())


def test_words_differ_on_a_sheet_and_boxes_would_not(tmp_path: Path) -> None:
    one, other = (below(tmp_path / f"{at}.png", Caption("a.png", text)) for at, text in enumerate(["мост", "река"]))
    assert (one != other).any()


def test_decomposed_accents_look_like_composed_ones(tmp_path: Path) -> None:
    one, other = (below(tmp_path / f"{at}.png", Caption(f"{name}.png", name)) for at, name in enumerate(["\u00fcber", "u\u0308ber"]))
    np.testing.assert_array_equal(one, other)


@pytest.fixture
def pillow_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without fonts."""
    monkeypatch.setattr(lettering, "FONTS", ())
    monkeypatch.setattr(lettering, "find_spec", lambda name: None)
    at_hand.cache_clear()
    yield
    at_hand.cache_clear()


@pytest.mark.usefixtures("pillow_alone")
def test_where_no_font_has_all_letters_the_one_that_lacks_fewest_is_taken(tmp_path: Path) -> None:
    assert font_for("мост", 12) is at_hand(12)[0] and len(at_hand(12)) == 1
    assert below(tmp_path / "a.png", Caption("мост", "мост")).any()  # boxes are better than nothing


def test_control_characters_are_not_drawn_and_spaces_are_plain() -> None:
    assert composed("a\x1b[31mb\x07\nc\u2029d 12\u00a0km") == "a[31mb c d 12 km"


@pytest.mark.parametrize("text", ["", "\n", "я\nb", "я\u2029b", "a" * 2_000_000])
def test_any_text_is_drawn(text: str, tmp_path: Path) -> None:
    assert below(tmp_path / "a.png", Caption(text, text)).any() == bool(text.strip())


@pytest.mark.parametrize(
    "text", ["森" * 200, "w" * 200, "я" * 200, "a bridge over a river near " + "MWMW" * 20, "bridge 森林 river 河流 " * 20, "w " * 200]
)
def test_lines_stay_below_their_picture(text: str, tmp_path: Path) -> None:
    seen = below(tmp_path / "a.png", Caption("a", text), Caption("b", ""))
    assert not seen[:, 14 + 180 : 14 + 180 + 12].any()


def test_lines_break_between_words_and_say_what_is_left_out() -> None:
    font = at_hand(12)[0]
    assert wrapped("a bridge over a river", font, 60, 9) == ["a bridge", "over a", "river"]
    assert wrapped("a bridge over a river", font, 60, 2) == ["a bridge", "over a …"]
    assert wrapped("", font, 60, 3) == []
    lines = wrapped("a river " * 30, font, 60, 3)
    assert len(lines) == 3 and all(font.getlength(line) <= 60 for line in lines) and lines[-1].endswith("…")
