"""Words below pictures: letters of any script that a font at hand has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelfree.reporting import lettering
from labelfree.reporting.contact_sheet import Caption, save_contact_sheets
from labelfree.reporting.lettering import at_hand, composed, font_for


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


def test_where_no_font_has_all_letters_the_one_that_lacks_fewest_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lettering.at_hand.cache_clear()
    monkeypatch.setattr(lettering, "FONTS", ())
    monkeypatch.setattr(lettering, "find_spec", lambda name: None)
    assert font_for("мост", 12) is at_hand(12)[0] and len(at_hand(12)) == 1
    assert below(tmp_path / "a.png", Caption("мост", "мост")).any()  # boxes are better than nothing
    lettering.at_hand.cache_clear()


def test_control_characters_are_not_drawn() -> None:
    assert composed("a\x1b[31mb\x07\nc") == "a[31mb\nc"


@pytest.mark.parametrize("letter", ["森", "w", "я"])
def test_lines_stay_below_their_picture(letter: str, tmp_path: Path) -> None:
    seen = below(tmp_path / "a.png", Caption("a", letter * 200), Caption("b", ""))
    assert not seen[:, 14 + 180 : 14 + 180 + 12].any()
