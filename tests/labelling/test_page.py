"""The page in a real Chromium, by keyboard alone: what a person sees, and what is on disk meanwhile.

About half a minute: a browser, and two programs that are started and killed.
"""

from __future__ import annotations

import csv
import random
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.labelling.browser import SHIFT, Page, pages
from tests.labelling.conftest import CLASSES, site_of

NAMES = CLASSES.split(",")
NARROW = (1280, 800, 2.0)  # a laptop's window at 200 %


@pytest.fixture(scope="module")
def window(tmp_path_factory) -> Iterator[Callable[[str], Page]]:
    with pages(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def table(folder: Path) -> dict[str, str]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return {line["path"]: line["label"] or line["state"] for line in csv.DictReader(file)}


def focused(page: Page) -> Any:
    return page.ask("document.activeElement.innerText || document.activeElement.id || document.activeElement.className")


@pytest.mark.slow
def test_forty_images_by_keys_with_the_server_killed_in_between(program, pictures, window, tmp_path):
    """Every answer that the page showed as saved is in the table, and nothing else."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    labels = tmp_path / "labels.csv"
    arguments = (pictures, "--domain", "satellite", "--classes", CLASSES, "--labels", labels)
    first = program(*arguments, "--port", port)
    page, draw, said = window(first.address), random.Random(0), {}

    def answer_all(until: int) -> None:
        while len(said) < until:
            name = page.text("#name")
            key = draw.choice("123s?")
            page.press(key)
            page.settled()
            said[name] = {"s": "skipped", "?": "unsure"}.get(key) or NAMES[int(key) - 1]
            assert page.text("#told") == f"Saved: {name} is {said[name]}."
            assert table(tmp_path) == said  # on disk before the next image shows

    answer_all(17)
    page.press("u")
    page.settled()
    taken_back = page.text("#name")
    assert page.text("#told") == f"Taken back: {taken_back} was {said.pop(taken_back)}." and table(tmp_path) == said
    answer_all(20)

    first.end(signal.SIGKILL)
    page.press("1")
    name = page.text("#name")
    assert f"not saved yet: {name} is forest" in page.until("document.getElementById('notice').innerText")
    assert page.text("#name") == name and table(tmp_path) == said  # nothing is shown as saved that is not

    second = program(*arguments)
    page = window(second.address)
    assert page.text("#name") == name and page.text("#progress").startswith("20 of 40")
    answer_all(40)
    page.until("document.title == 'Done'")
    assert "All 40 images have an answer." in page.text("#instead") and f"--labels {labels}" in page.text("#instead")
    assert page.problems == []
    second.end(signal.SIGINT)
    assert table(tmp_path) == said and len(said) == 40


def test_by_keyboard_alone_with_tab_and_enter(folder, window):
    """Who does not use single keys switches them off, and reaches everything that can be done."""
    with site_of(folder, CLASSES) as site:
        page = window(site.address)
        seen = []
        while "Keys" not in seen and len(seen) < 40:
            page.press("Tab")
            seen.append(focused(page))
            outline = page.ask(
                "getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth"
            )
            assert outline == "solid3px", seen[-1]
        assert {"1 forest", "2 pasture", "3 water", "s Skip", "? Unsure", "u Undo", "contrast", "brightness"} <= set(seen)
        page.press("Enter")  # opens the list of keys
        page.press("Tab")
        assert focused(page) == "keys"
        page.press(" ")
        page.press("1")
        page.settled()
        assert not (folder / "labels.csv").exists()
        page.ask("[...document.querySelectorAll('.classes button')][1].focus()")
        page.press("Enter")
        page.settled()
        assert table(folder) == {"a.png": "pasture"} and focused(page) == "2 pasture"  # the focus stays for the next
        assert page.problems == []


def test_the_image_is_zoomed_moved_and_lit_by_keys(folder, window):
    with site_of(folder, CLASSES) as site:
        page = window(site.address)
        page.size(1280, 800)
        box = "(() => { const b = document.getElementById('image').getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()"
        stage = "document.getElementById('stage').clientWidth"
        page.until("document.getElementById('image').getBoundingClientRect().width > 500")
        fitted, width = page.ask(box), page.ask(stage)
        assert fitted[2] <= width and fitted[2] / fitted[3] == pytest.approx(24 / 16)
        assert page.ask("document.getElementById('image').className") == "pixels"
        page.press("+")
        page.press("+")
        larger = page.ask(box)
        assert larger[2] == pytest.approx(fitted[2] * 1.25**2)
        page.press("ArrowRight", SHIFT)
        assert page.ask(box)[0] == pytest.approx(larger[0] - 60)
        page.press(".")
        page.press(":", SHIFT)
        assert page.ask("document.getElementById('image').style.filter") == "brightness(1.25) contrast(1.25)"
        page.press("0")
        assert page.ask(box) == pytest.approx(fitted) and page.ask("document.getElementById('image').style.filter").endswith("contrast(1)")
        page.press("ArrowRight")
        page.settled()
        assert page.text("#name") == "b.png" and not (folder / "labels.csv").exists()
        page.press("ArrowLeft")
        page.settled()
        assert page.text("#name") == "a.png"


@pytest.mark.parametrize("size", [(1280, 800, 1.0), NARROW, (640, 360, 2.0)], ids=str)
def test_nothing_is_cut_off_at_any_zoom(folder, window, size, tmp_path):
    classes = "a rather long name of a class that goes on,forest,pasture,water"
    with site_of(folder, classes) as site:
        page = window(site.address)
        page.size(*size)
        page.settled()
        wide, inner = page.ask("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= inner
        cut = "(e) => e.offsetParent && e.getBoundingClientRect().right > innerWidth + 1"
        cut = f"[...document.querySelectorAll('button, input, summary, p, h1')].filter({cut}).map((e) => e.outerHTML)"
        assert page.ask(cut) == []
        assert page.ask("document.getElementById('stage').clientHeight") >= 150
        page.picture(tmp_path / "page.png")
        assert Image.open(tmp_path / "page.png").size == size[:2]


def test_names_are_text_whatever_they_hold(tmp_path, window):
    nasty = "<img src=x onerror=alert(1)>.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / nasty)
    with site_of(tmp_path, ["<b>bold</b>", "水, \"q\" & 'r'"]) as site:
        page = window(site.address)
        assert (
            page.text("#name") == nasty
            and "<b>bold</b>" in page.text(".classes")
            and page.ask("document.querySelector('.classes b')") is None
        )
        page.press("2")
        page.settled()
        assert table(tmp_path) == {nasty: "水, \"q\" & 'r'"} and page.problems == []


def test_many_classes_have_letters_and_are_found_by_typing(folder, window):
    with site_of(folder, [f"kind {n:02d}" for n in range(40)]) as site:
        page = window(site.address)
        page.press("a")
        page.settled()
        assert table(folder) == {"a.png": "kind 09"}
        page.press("/")
        for letter in "39":
            page.press(letter)
        assert re.findall(r"kind \d+", page.text(".classes")) == ["kind 39"]
        page.press("Enter")
        page.settled()
        assert table(folder)["b.png"] == "kind 39"
        page.press("u")  # the field has let go of the keys
        page.settled()
        assert "b.png" not in table(folder)


def test_a_vanished_file_and_a_table_changed_by_hand_are_told(folder, window):
    with site_of(folder, CLASSES) as site:
        (folder / "a.png").unlink()
        page = window(site.address)
        assert page.text("#instead") == f"{folder / 'a.png'}: is no longer there; put it back, or skip it."
        page.press("1")
        assert page.text("#notice") == "a.png cannot be seen, so it has no class: skip it."
        page.press("s")
        page.settled()
        assert not (folder / "labels.csv").exists() and page.text("#progress") == "1 of 6"
        (folder / "labels.csv").write_text("path,label\nb.png,water\n")
        page.press("1")  # for b.png, which was open
        page.settled()
        assert "another answer: water" in page.text("#told") and page.text("#name") == "b.png"
        assert page.ask("document.querySelector('.classes [aria-pressed=true]').innerText").endswith("water")
        page.press("1")
        page.settled()
        assert table(folder)["b.png"] == "forest" and page.text("#name") == "c.png"

        stale = (folder / "labels.csv").read_bytes()
        page.press("2")
        page.settled()
        (folder / "labels.csv").write_bytes(stale)
        page.press("Home")
        page.settled()
        assert "lacks the line of an answer given here" in page.text("#notice")
        page.ask("document.querySelector('#notice button').click()")
        page.until("document.getElementById('notice').innerText == ''")
        assert table(folder)["c.png"] == "pasture"


def test_skipped_images_are_gone_through_again(folder, window):
    with site_of(folder, CLASSES) as site:
        page = window(site.address)
        for key in "1s2?33":
            page.press(key)
            page.settled()
        assert focused(page) == "Go through 2 skipped or unsure again"
        page.press("Enter")
        page.settled()
        assert page.text("#name") == "b.png"
        page.press("1")
        page.settled()
        page.press("2")
        page.settled()
        assert page.text("#name") == "Done" and set(table(folder).values()) <= set(NAMES)
