"""Files of labels that are sound but for a few places, and any content at all: each gives a listing, is of no format, or is one sentence.

Never another exception, never a hang, and whatever is taken lies within its picture.
"""

from __future__ import annotations

import base64
import copy
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from labelfree.data.label_formats.sources import listing_of
from labelfree.errors import DataError
from tests.label_formats.folders import brushed, coco, label_studio, labelme, picture, placed, voc, written

MANY = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
NUMBERS = st.sampled_from(
    [0, 1, -1, 2.5, 7, 40, 100, 1e7, -1e9, 1e18, 10**400, 1e308, float("nan"), float("inf"), -float("inf"), True, 2**31, 2**32]
)
TEXTS = st.sampled_from(
    [
        "",
        " ",
        "a.png",
        "x/a.png",
        "pit",
        "1",
        "rectangle",
        "mask",
        "circle",
        "line",
        "brushlabels",
        "http://[",
        "\ud800",
        "\x00",
        "é",
        "7,5",
    ]
) | st.text(max_size=4)
ATOMS = st.none() | st.booleans() | NUMBERS | TEXTS
ANY = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8)
GONE = object()

BRUSH = np.pad(np.ones((4, 6), bool), ((10, 66), (20, 74)))
STAIN = io.BytesIO()
Image.fromarray(np.full((4, 6), 255, np.uint8)).save(STAIN, "PNG")
BOX = [10, 10, 20, 15]
SQUARE = [10.0, 10.0, 30.0, 10.0, 30.0, 30.0, 10.0, 30.0]
RUN_LENGTHS = {"size": [80, 100], "counts": [100, 40, 7860]}
JSONS = [
    coco(
        [{"file_name": "a.png"}, {"file_name": "x/a.png"}],
        [
            {"bbox": BOX, "segmentation": [SQUARE, SQUARE]},
            {"bbox": [1, 20, 1, 40], "segmentation": RUN_LENGTHS, "image_id": 2},
            {"segmentation": {"size": [80, 100], "counts": "T3X1de7"}, "iscrowd": 1, "category_id": 2},
        ],
    ),
    labelme(
        [
            {"label": "pit", "shape_type": "rectangle", "points": [[10, 10], [20, 30]], "group_id": 1},
            {"label": "pit", "shape_type": "polygon", "points": [[10, 10], [20, 30], [5, 30]], "group_id": 1},
            {"label": "pit", "shape_type": "circle", "points": [[10, 10], [20, 30]]},
            {"label": "pit", "shape_type": "mask", "points": [[10, 10], [15, 13]], "mask": base64.b64encode(STAIN.getvalue()).decode()},
            {"label": "edge", "shape_type": "linestrip", "points": [[10, 10], [20, 30]]},
        ],
        image="c.png",
        flags={"good": True},
    ),
    label_studio(
        [
            {"type": "rectanglelabels", "value": {"x": 10, "y": 10, "width": 5, "height": 5, "rotation": 20, "rectanglelabels": ["pit"]}},
            {"type": "polygonlabels", "value": {"points": [[1, 1], [9, 1], [9, 9]], "polygonlabels": ["pit"]}},
            {"type": "ellipselabels", "value": {"x": 30, "y": 30, "radiusX": 5, "radiusY": 5, "ellipselabels": ["pit"]}},
            {"type": "brushlabels", "value": {"rle": brushed(BRUSH), "brushlabels": ["pit"]}},
            {"type": "rectangle", "id": "r", "value": {"x": 10, "y": 10, "width": 5, "height": 5}},
            {"type": "labels", "id": "r", "value": {"x": 10, "y": 10, "width": 5, "height": 5, "labels": ["pit"]}},
            {"type": "keypointlabels", "value": {"x": 10, "y": 10, "keypointlabels": ["pit"]}},
            {"type": "choices", "value": {"choices": ["good"]}},
        ]
    ),
]
CVAT = """<annotations><meta><task><start_frame>0</start_frame><stop_frame>2</stop_frame><labels><label><name>pit</name></label></labels>
<original_size><width>100</width><height>80</height></original_size></task></meta>
<image id="0" name="x/a.png" width="100" height="80"><box label="pit" xtl="10" ytl="10" xbr="30" ybr="20" rotation="10"/>
<polygon label="pit" points="10,10;20,10;20,20"/><ellipse label="pit" cx="20" cy="20" rx="5" ry="4" rotation="3"/>
<mask label="pit" left="5" top="6" width="4" height="3" rle="2, 4, 6"/><polyline label="edge" points="1,1;2,2"/><tag label="good"/></image>
<track id="1" label="pit"><box frame="1" outside="0" keyframe="1" xtl="10" ytl="10" xbr="30" ybr="20"/>
<box frame="2" outside="1" xtl="10" ytl="10" xbr="30" ybr="20"/></track></annotations>"""
XMLS = [CVAT, voc([("pit", 10, 10, 20, 30), ("scratch", 1, 1, 100, 80)], "c.png")]
XML_TEXTS = st.sampled_from(
    ["0", "1", "-1", "12.5", "40", "1e9", "1e400", "nan", "inf", "", "x", "1_0", "٣", "9" * 30, "1,1;2", "0,4", "2,10", ";", ","]
)
ROWS = ["0 0.5 0.5 0.2 0.2", "1 0.1 0.1 0.3 0.1 0.3 0.3 0.1 0.3"]
TABLE = [["path", "label", "xmin", "ymin", "xmax", "ymax"], ["a.png", "pit", "10", "10", "30", "20"], ["c.png", "", "", "", "", ""]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return picture(tmp_path_factory.mktemp("any"), *PICTURES)


PICTURES = ("a.png", "x/a.png", "c.png", "frame_000001.png")


def objects_of(source: Path, root: Path) -> int:
    """How many objects are read, and drawn as pixels. The only exception that may come is one sentence that names the file."""
    try:
        listing = listing_of(source, root)
    except DataError as error:
        assert "\n" not in str(error) and source.name in str(error)
        return 0
    if listing is None:
        return 0
    found = placed(listing, root, [root / name for name in PICTURES], root)
    for image in found.images.values():
        assert image.state == "objects" or not (image.objects or image.ignored)
        image.pixels(), image.ignored_mask()
        for each in image.objects:
            x0, y0, x1, y1 = each.box
            assert 0 <= x0 < x1 <= 100 and 0 <= y0 < y1 <= 80
    return found.counts.total()


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values within a value stand."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, within in inside:
        yield (*at, key)
        yield from places(within, (*at, key))


@st.composite
def spoilt(draw: st.DrawFn, documents: list[Any]) -> Any:
    """A sound document of which up to three values are others, or gone."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, 3))):
        every = list(places(document))
        if not every:
            break
        *above, key = draw(st.sampled_from(every))
        within, new = document, draw(st.just(GONE) | NUMBERS | ANY)
        for step in above:
            within = within[step]
        if new is GONE:
            del within[key]
        else:
            within[key] = new
    return document


@st.composite
def spoilt_xml(draw: st.DrawFn) -> str:
    """A sound file of which up to three attributes, texts or tags are others, or gone."""
    tree = ElementTree.fromstring(draw(st.sampled_from(XMLS)))
    for _ in range(draw(st.integers(1, 3))):
        node = draw(st.sampled_from(list(tree.iter())))
        how = draw(st.sampled_from(["attribute", "text", "tag", "gone"]))
        if how == "attribute" and node.attrib:
            node.set(draw(st.sampled_from(sorted(node.attrib))), draw(XML_TEXTS))
        elif how == "tag" and node is not tree:
            node.tag = draw(st.sampled_from(["box", "mask", "polygon", "object", "image", "track", "odd", "size"]))
        elif how == "gone" and len(node):
            node.remove(draw(st.sampled_from(list(node))))
        else:
            node.text = draw(XML_TEXTS)
    return ElementTree.tostring(tree, "unicode")


@pytest.mark.parametrize(("content", "objects"), [*zip(JSONS, (2, 3, 5), strict=True), *zip(XMLS, (5, 2), strict=True)])
def test_unspoilt_they_hold_objects(root: Path, content: Any, objects: int) -> None:
    assert objects_of(written(root, "c.xml" if isinstance(content, str) else "c.json", content), root) == objects


@MANY
@given(spoilt(JSONS))
def test_a_few_other_values_in_json(root: Path, content: Any) -> None:
    objects_of(written(root, "c.json", content), root)


@MANY
@given(spoilt_xml())
def test_a_few_other_values_in_xml(root: Path, content: str) -> None:
    objects_of(written(root, "c.xml", content), root)


@MANY
@given(st.lists(XML_TEXTS, max_size=9).map(" ".join) | st.sampled_from(ROWS) | st.text(max_size=12), ANY)
def test_any_row_and_names_of_yolo(root: Path, row: str, names: Any) -> None:
    text = root / "a.txt"
    text.write_bytes("\n".join([ROWS[0], row]).encode("utf-8", "surrogatepass"))
    assert objects_of(written(root, "data.yaml", json.dumps({"names": ["pit", "scratch"], "train": ".", "path": "/elsewhere"})), root) >= 1
    objects_of(written(root, "data.yaml", json.dumps({"names": names, "train": ".", "kpt_shape": names})), root)
    text.unlink()


@MANY
@given(
    st.integers(0, 2),
    st.integers(0, 5),
    XML_TEXTS | st.sampled_from(["NA", '"', "1,5", "width", "x"]) | st.text(max_size=5),
    st.sampled_from(",;\t"),
)
def test_any_cell_of_a_table(root: Path, row: int, column: int, cell: str, separator: str) -> None:
    lines = copy.deepcopy(TABLE)
    lines[row][column] = cell
    (root / "c.csv").write_bytes("\n".join(separator.join(cells) for cells in lines).encode("utf-8", "surrogatepass"))
    objects_of(root / "c.csv", root)


CUTS: dict[str, Callable[[], str]] = {
    "c.json": lambda: json.dumps(JSONS[0]),
    "c.xml": lambda: CVAT,
    "c.csv": lambda: "\n".join(map(",".join, TABLE)),
}


@MANY
@given(st.text(max_size=60) | st.binary(max_size=60) | ANY.map(json.dumps))
def test_any_content_at_all(root: Path, content: str | bytes) -> None:
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    for name in ("c.json", "c.xml", "c.yaml", "c.csv"):
        (root / name).write_bytes(raw)
        objects_of(root / name, root)
        (root / name).unlink()


@pytest.mark.parametrize("name", sorted(CUTS))
def test_files_cut_off_anywhere(root: Path, name: str) -> None:
    whole = CUTS[name]()
    for end in range(0, len(whole), 7):
        objects_of(written(root, name, whole[:end]), root)
