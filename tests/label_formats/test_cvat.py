"""CVAT's XML for images and for video: shapes by hand-computed corners, brushes against a slow reference, tracks frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from labelfree.data.label_formats.sources import listing_of
from labelfree.errors import DataError
from tests.label_formats.folders import boxes, cvat, picture, read, written


def found(root: Path, content: str, *pictures: str) -> Any:
    return read(written(root, "annotations.xml", content), picture(root, *(pictures or ("a.png",))))


def by_rows(pixels: np.ndarray) -> str:
    """Lengths of runs outside and inside in turn along the rows, one pixel after the other."""
    lengths, inside = [0], False
    for pixel in pixels.reshape(-1):
        if bool(pixel) is not inside:
            inside = not inside
            lengths.append(0)
        lengths[-1] += 1
    return ", ".join(map(str, lengths))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st_numpy.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.integers(0, 91), st.integers(0, 71))
def test_a_brush_lies_at_its_place(tmp_path: Path, pixels: np.ndarray, left: int, top: int) -> None:
    down, across = pixels.shape
    shape = f'<mask label="pit" left="{left}" top="{top}" width="{across}" height="{down}" rle="{by_rows(pixels)}"/>'
    got = found(tmp_path, cvat(shape)).images["a.png"]
    if not pixels.any():
        assert got.unused == ("shape 1 (mask pit) holds no pixel",)
        return
    right = np.zeros((80, 100), bool)
    right[top : top + down, left : left + across] = pixels
    assert np.array_equal(got.objects[0].mask(80, 100), right)


def test_rotated_boxes_become_enclosing_ones(tmp_path: Path) -> None:
    """A box of 20 x 10 about its middle (50, 40), clockwise; at 30 degrees it is 20 cos 30 + 10 sin 30 wide, 20 sin 30 + 10 cos 30 high."""
    turned = '<box label="pit" xtl="40" ytl="35" xbr="60" ybr="45" rotation="{}"/>'
    assert boxes(found(tmp_path, cvat(turned.format(90))).images["a.png"]) == [("pit", 45, 30, 55, 50)]
    assert boxes(found(tmp_path, cvat(turned.format(-90))).images["a.png"]) == [("pit", 45, 30, 55, 50)]
    wide, high = 20 * np.cos(np.pi / 6) + 5, 10 + 10 * np.cos(np.pi / 6)
    ((_, *box),) = boxes(found(tmp_path, cvat(turned.format(30))).images["a.png"])
    assert np.allclose(box, [50 - wide / 2, 40 - high / 2, 50 + wide / 2, 40 + high / 2])


def test_a_rotated_ellipse_has_its_box(tmp_path: Path) -> None:
    """Half the width is the root of (a cos t)^2 + (b sin t)^2."""
    ((_, *box),) = boxes(found(tmp_path, cvat('<ellipse label="pit" cx="50" cy="40" rx="20" ry="10" rotation="30"/>')).images["a.png"])
    half, rise = np.hypot(20 * np.cos(np.pi / 6), 5), np.hypot(10, 10 * np.cos(np.pi / 6))
    assert np.allclose(box, [50 - half, 40 - rise, 50 + half, 40 + rise], atol=0.05)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ('<box label="pit" xtl="30" ytl="10" xbr="10" ybr="20"/>', "shape 1 (box pit) has its corners swapped"),
        ('<box label="pit" xtl="10" ytl="10" xbr="10" ybr="20"/>', "shape 1 (box pit) has no area"),
        ('<box label="pit" xtl="10" ytl="10" xbr="x" ybr="20"/>', "shape 1 (box pit) has no number as xbr"),
        ('<box label="pit" xtl="110" ytl="10" xbr="120" ybr="20"/>', "shape 1 (box pit) lies wholly outside its image"),
        ('<box xtl="10" ytl="10" xbr="30" ybr="20"/>', "shape 1 (box) has no label"),
        ('<polygon label="pit" points="1,1;5,5"/>', "shape 1 (polygon pit) has 2 corners, three are the least"),
        ('<polygon label="pit" points="1,1;5,5;9,9"/>', "shape 1 (polygon pit) has no area"),
        ('<polygon label="pit" points="1,1;5;9,9"/>', "shape 1 (polygon pit) has points that are not pairs of numbers"),
        ('<ellipse label="pit" cx="50" cy="40" rx="-20" ry="10"/>', "shape 1 (ellipse pit) has a negative size"),
        ('<mask label="pit" left="1" top="1" width="2" height="2" rle="1, 2"/>', "has run lengths of 3 pixels for a box of 2 x 2"),
        ('<mask label="pit" left="1" top="1" width="2" height="2" rle="1, x"/>', "has run lengths that are not whole numbers"),
        ('<mask label="pit" left="99" top="1" width="2" height="2" rle="0, 4"/>', "leaves its image of 100 x 80 pixels"),
        ('<box label="pit" xtl="10" ytl="10" xbr="30" ybr="20" rotation="abc"/>', "shape 1 (box pit) has no number as rotation"),
        ('<ellipse label="pit" cx="50" cy="40" rx="20" ry="10" rotation=""/>', "shape 1 (ellipse pit) has no number as rotation"),
        ('<blob label="pit"/>', "shape 1 (blob pit) is of a kind that is not read"),
    ],
)
def test_a_faulty_shape_is_named_and_left_out(tmp_path: Path, shape: str, sentence: str) -> None:
    sound = '<box label="stain" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    got = found(tmp_path, cvat(shape + sound))
    assert len(got.faults) == 1 and sentence in got.faults[0] and got.faults[0].startswith("annotations.xml: image 0 (a.png): shape 1")
    assert boxes(got.images["a.png"]) == [("stain", 1, 1, 9, 9)]


@pytest.mark.parametrize("kind", ["polyline", "points", "skeleton", "cuboid"])
def test_what_encloses_nothing_is_named_and_no_negative(tmp_path: Path, kind: str) -> None:
    got = found(tmp_path, cvat(f'<{kind} label="edge" points="1,1;50,1;50,50"><points label="tip" points="1,1"/></{kind}>'))
    assert got.notes == (f"1 line or point encloses nothing and is not used (a.png, shape 1 ({kind} edge)).",)
    assert (got.images["a.png"].state, got.images["a.png"].objects, got.faults) == ("objects", (), ())


def test_states_of_images(tmp_path: Path) -> None:
    content = """<annotations><image id="0" name="a.png" width="100" height="80"><box label="pit" xtl="1" ytl="1" xbr="9" ybr="9"/></image>
    <image id="1" name="b.png" width="100" height="80"/>
    <image id="2" name="c.png" width="100" height="80"><tag label="good"/></image></annotations>"""
    got = found(tmp_path, content, "a.png", "b.png", "c.png", "d.png")
    assert [image.state for image in got.images.values()] == ["objects", "negative", "objects", "unlabelled"]
    assert got.images["c.png"].labels == ("good",) and got.classes == ("pit",)


def test_an_image_listed_twice_is_one_sentence(tmp_path: Path) -> None:
    content = '<annotations><image id="0" name="a.png"/><image id="1" name="a.png"/></annotations>'
    with pytest.raises(DataError, match=r"annotations\.xml: lists an image twice"):
        listing_of(written(tmp_path, "annotations.xml", content), tmp_path)


HEAD = """<meta><{kind}><start_frame>{start}</start_frame><stop_frame>{stop}</stop_frame><frame_filter>{step}</frame_filter>
<labels><label><name>car</name></label><label><name>bus</name></label></labels></{kind}>
<original_size><width>100</width><height>80</height></original_size></meta>"""


def film(tracks: str, kind: str = "task", start: int = 0, stop: int = 5, step: str = "") -> str:
    return f"<annotations>{HEAD.format(kind=kind, start=start, stop=stop, step=step)}{tracks}</annotations>"


def shape(frame: int, outside: int = 0, keyframe: int = 1, x: int = 10) -> str:
    return f'<box frame="{frame}" outside="{outside}" keyframe="{keyframe}" xtl="{x}" ytl="10" xbr="{x + 20}" ybr="20"/>'


FRAMES = tuple(f"frames/frame_{number:06d}.png" for number in range(8))


@pytest.mark.parametrize("kind", ["task", "job"])
def test_tracks_are_frames_until_they_go_outside(tmp_path: Path, kind: str) -> None:
    """Shapes between key frames are written out and count; frames of the task that nobody drew on are negatives, later ones unlabelled."""
    tracks = (
        f'<track id="0" label="car">{shape(0)}{shape(1, keyframe=0, x=11)}{shape(2, x=12)}{shape(3, outside=1)}</track>'
        f'<track id="1" label="bus">{shape(2, x=50)}{shape(3, outside=1, x=50)}{shape(4, x=52)}{shape(5, outside=1)}</track>'
    )
    got = found(tmp_path, film(tracks, kind), *FRAMES)
    drawn = {int(name[13:19]): boxes(image) for name, image in got.images.items() if image.objects}
    assert drawn == {
        0: [("car", 10, 10, 30, 20)],
        1: [("car", 11, 10, 31, 20)],
        2: [("bus", 50, 10, 70, 20), ("car", 12, 10, 32, 20)],
        4: [("bus", 52, 10, 72, 20)],
    }
    assert [got.images[name].state for name in FRAMES] == [*["objects"] * 3, "negative", "objects", "negative", *["unlabelled"] * 2]
    assert got.faults == () and got.classes == ("bus", "car")


def test_frames_that_were_not_taken_out_of_the_film(tmp_path: Path) -> None:
    """Missing frames are a fault only where something is drawn on them; of a thinned film only frames with shapes are sure."""
    got = found(tmp_path, film(f'<track id="0" label="car">{shape(0)}{shape(1)}</track>', stop=1000), FRAMES[0], FRAMES[5])
    assert got.faults == ("annotations.xml: frame 1: there is no such image; correct its name, or bring the image.",)
    assert [image.state for image in got.images.values()] == ["objects", "negative"]
    got = found(tmp_path, film(f'<track id="0" label="car">{shape(0)}</track>', step="step=5"), FRAMES[0], FRAMES[5])
    assert [image.state for image in got.images.values()] == ["objects", "unlabelled"]


@pytest.mark.parametrize(("start", "stop"), [(0, 10**12), (5, 1), (-3, 2)])
def test_a_head_beyond_reason_is_no_hang(tmp_path: Path, start: int, stop: int) -> None:
    got = found(tmp_path, film(f'<track id="0" label="car">{shape(0)}</track>', start=start, stop=stop), *FRAMES[:1])
    assert got.images[FRAMES[0]].state == "objects" and got.faults == ()


GAP = "track 0 (car) has no shape here and is not outside; correct or remove what is faulty, it is left out."


def test_frames_between_shapes_that_were_not_written_out_are_no_negatives(tmp_path: Path) -> None:
    """Key frames alone: nobody knows where the object is between them."""
    got = found(tmp_path, film(f'<track id="0" label="car">{shape(4)}{shape(0)}{shape(5, outside=1)}</track>'), *FRAMES)
    assert got.faults == (
        "annotations.xml: track 0 (car) has no shape on frames 1 to 3 and is not outside there; export it again with all its shapes, or "
        "end it before.",
        *(f"annotations.xml: frame {number}: {GAP}" for number in (1, 2, 3)),
    )
    assert [got.images[name].state for name in FRAMES] == [*["objects"] * 5, "negative", *["unlabelled"] * 2]
    assert all(got.images[FRAMES[number]].ignored_mask().all() for number in (1, 2, 3))


def test_gaps_of_tracks_overlap_and_those_of_a_thinned_film_are_counted_in_its_steps(tmp_path: Path) -> None:
    tracks = (
        f'<track id="0" label="car">{shape(0)}{shape(3)}{shape(4, outside=1)}</track><track id="1" label="car">{shape(1)}{shape(5)}</track>'
    )
    got = found(tmp_path, film(tracks), *FRAMES)
    assert [fault for fault in got.faults if "end it" in fault] == [
        f"annotations.xml: track {track} (car) has no shape on {frames} and is not outside there; export it again with all its shapes, or "
        "end it before."
        for track, frames in ((0, "frames 1 to 2"), (1, "frames 2 to 4"))
    ]
    assert [len(image.unused) for image in got.images.values()] == [0, 1, 1, 1, 1, 0, 0, 0]
    sound = f'<track id="0" label="car">{shape(0)}{shape(5)}{shape(10)}</track>'
    assert listing_of(written(tmp_path, "annotations.xml", film(sound, step="step=5")), tmp_path).faults == []  # type: ignore[union-attr]


def test_a_gap_beyond_reason_is_no_hang(tmp_path: Path) -> None:
    got = found(tmp_path, film(f'<track id="0" label="car">{shape(0)}{shape(10**12)}</track>'), FRAMES[0])
    assert "has no shape on frames 1 to 999999999999 and" in got.faults[0]


def test_faulty_tracks_are_named(tmp_path: Path) -> None:
    bad = '<track id="4" label="car"><box frame="0" outside="0" xtl="30" ytl="10" xbr="20" ybr="20"/></track>'
    got = found(tmp_path, film(bad), FRAMES[0])
    assert "annotations.xml: frame 0: track 4 (box car) has its corners swapped" in got.faults[0]
    line = '<track id="4" label="car"><polyline frame="0" outside="0" points="1,1;5,5"/></track>'
    assert found(tmp_path, film(line), FRAMES[0]).images[FRAMES[0]].lines == 1
    with pytest.raises(DataError, match=r"track 4 has a shape without the number of its frame"):
        found(tmp_path, film('<track id="4" label="car"><box frame="x"/></track>'), FRAMES[0])
    with pytest.raises(DataError, match="holds the videos of several tasks"):
        found(tmp_path, f"<annotations><meta><project><tasks><task/><task/></tasks></project></meta>{bad}</annotations>", FRAMES[0])
