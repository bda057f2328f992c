"""XML from strangers, parsed with a guard: annotations of a download, metadata out of an archive."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers import expat

from labelfree.errors import DataError

MOST_BYTES = 2**24  # annotations and metadata take a few hundred thousand
DEEPEST = 200  # elements within each other


class _Refused(Exception):
    """What the guard found."""


def parse_xml(raw: bytes, source: Path | str, most: int = MOST_BYTES) -> Element:
    """The root element; tags in a namespace are written {namespace}tag.

    `raw` may be cut off behind `most` bytes. Raises `DataError` naming `source` where it is no XML, larger, nested beyond reason, or
    defines entities or a document type of its own: a few of these unfold to gigabytes, or name files of this machine.
    """
    if len(raw) > most:
        raise DataError(f"{source}: is XML of more than {most // 2**20} MiB, which no such file needs; export it again.")
    builder, parser, depth = TreeBuilder(), expat.ParserCreate(namespace_separator="}"), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise _Refused(f"holds XML elements more than {DEEPEST} deep")
        builder.start(_full(tag), {_full(name): value for name, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_full(tag))

    def doctype(name: str, system: str | None, public: str | None, internal: int) -> None:
        if internal or system or public:
            raise _Refused("defines XML entities or a document type")

    def refuse(*declared: object) -> NoReturn:
        raise _Refused("defines XML entities")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, builder.data
    parser.StartDoctypeDeclHandler, parser.EntityDeclHandler, parser.ExternalEntityRefHandler = doctype, refuse, refuse
    try:
        parser.Parse(raw, True)
        return builder.close()
    except _Refused as refusal:
        raise DataError(f"{source}: {refusal}, which no such file needs; save it without.") from None
    except (expat.ExpatError, ParseError, ValueError, LookupError, AssertionError) as error:
        raise DataError(f"{source}: is no XML ({error}); export or fetch it again.") from error


def _full(name: str) -> str:
    return "{" + name if "}" in name else name
