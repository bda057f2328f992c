"""XML from strangers: what unfolds, names files or never ends is refused in one sentence."""

from __future__ import annotations

import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from labelfree.data.label_formats.xml_text import read_xml
from labelfree.data.safe_xml import parse_xml
from labelfree.errors import DataError

LAUGHS = "<!DOCTYPE a [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {b} '{('&' + a + ';') * 10}'>" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
QUADRATIC = "<!DOCTYPE a [<!ENTITY a '" + "x" * 50_000 + "'>]><a>" + "&a;" * 50_000 + "</a>"


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS + "]><a>&i;</a>",
        QUADRATIC,
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM 'http://x.example/a.dtd'><a/>",
        "<!DOCTYPE a PUBLIC '-//X//Y' 'a.dtd'><a/>",
        "<!DOCTYPE a [<!ENTITY % x SYSTEM 'file:///etc/passwd'> %x;]><a/>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])  # a look at the bytes alone misses the second
def test_entities_and_document_types_are_refused(text: str, encoding: str) -> None:
    started = time.perf_counter()
    with pytest.raises(DataError, match=r"^a\.xml: defines XML entities.*, which no such file needs; save it without\.$"):
        parse_xml(text.encode(encoding), "a.xml")
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    "text", ["", "no", "<a><b></a>", "<a/><b/>", "<a>\x00</a>", "<?xml version='1.0' encoding='klingon'?><a/>", "<a>&y;</a>"]
)
def test_what_is_no_xml_is_named(text: str) -> None:
    with pytest.raises(DataError, match=r"^a\.xml: is no XML"):
        parse_xml(text.encode(), "a.xml")


def test_depth_and_size_are_bounded() -> None:
    with pytest.raises(DataError, match="elements more than 200 deep"):
        parse_xml(b"<a>" * 100_000, "a.xml")
    with pytest.raises(DataError, match=r"a\.xml: is XML of more than"):
        parse_xml(b"<a>" + b" " * 200 + b"</a>", "a.xml", most=100)


@pytest.mark.parametrize(
    "text",
    ["<a b='1'>x<c>y</c>z</a>", "<?xml version='1.0'?><!DOCTYPE a><a/>", "<n:a xmlns:n='http://x' n:q='1'><n:b>ü &amp; &#65;</n:b></n:a>"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_other_xml_is_read_as_the_standard_parser_reads_it(text: str, encoding: str) -> None:
    raw = text.encode(encoding)
    assert ElementTree.tostring(parse_xml(raw, "a.xml")) == ElementTree.tostring(ElementTree.fromstring(raw))


def test_boxes_are_guarded(tmp_path: Path) -> None:
    (tmp_path / "1.xml").write_text(QUADRATIC, encoding="utf-16")
    with pytest.raises(DataError, match=r"1\.xml: defines XML entities"):
        read_xml(tmp_path / "1.xml")
