"""Tables with one object a row: headers of other tools, numbers as spreadsheets write them, rows without a box."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from labelfree.data.label_formats.sources import listing_of
from labelfree.errors import DataError
from tests.label_formats.folders import boxes, picture, read, written


def found(root: Path, text: str, name: str = "boxes.csv") -> Any:
    return read(written(root, name, text), picture(root, "a.png", "b.png", "c.png"))


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("path,label,xmin,ymin,xmax,ymax", "a.png,pit,10,20,40,60"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "a.png,100,80,pit,10,20,40,60"),  # TensorFlow's
        ("image_path,xmin,ymin,xmax,ymax,label", "deep/a.jpg,10,20,40,60,pit"),  # DeepForest's
        ("file,x1,y1,x2,y2,class_name", "a.png,10,20,40,60,pit"),
        ("image,x0,y0,x1,y1,category", "a.png,10,20,40,60,pit"),
        ("img,left,top,right,bottom,label", "a.png,10,20,40,60,pit"),
        ("path,label,x,y,width,height", "a.png,pit,10,20,30,40"),
        (
            "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height",
            "pit,10,20,30,40,a.png,100,80",
        ),  # MakeSense's
        ("filename,width,height,x,y,w,h,label", "a.png,100,80,10,20,30,40,pit"),  # the first two are the picture's
        ("Path,Label,X Min,Y Min,X Max,Y Max", "a.png,pit,10,20,40,60"),
        ("path;label;xmin;ymin;xmax;ymax", "a.png;pit;10,0;20,00;40,0;60"),
        ("path\tlabel\txmin\tymin\txmax\tymax", "a.png\tpit\t10,0\t20\t40\t60"),
        ("path,label,score,xmax,ymax,xmin,ymin", "a.png,pit,,40,60,10,20"),
        ("path,label,xmin,ymin,xmax,ymax", '"a.png","pit"," 10 ","2e1","40.0","60"'),
    ],
)
def test_headers_of_other_tools(tmp_path: Path, header: str, row: str) -> None:
    got = found(tmp_path, f"{header}\n{row}\n")
    assert (boxes(got.images["a.png"]), got.faults) == ([("pit", 10, 20, 40, 60)], ())
    assert got.notes[0].startswith("boxes.csv: one object a row, boxes in the columns ")


def test_commas_are_decimal_where_semicolons_part_cells(tmp_path: Path) -> None:
    got = found(tmp_path, "path;label;xmin;ymin;xmax;ymax\na.png;pit;10,5;20;40,25;60\n")
    assert boxes(got.images["a.png"]) == [("pit", 10.5, 20, 40.25, 60)]
    got = found(tmp_path, 'path,label,xmin,ymin,xmax,ymax\na.png,pit,"10,5",20,40,60\n')
    assert "boxes.csv row 2 (a.png): row 2 (pit) has '10,5' where a number is meant" in got.faults[0]
    got = found(tmp_path, "path;label;xmin;ymin;xmax;ymax\na.png;pit;10,5;20.5;40;60\n")  # both in one table: not guessed
    assert "row 2 (pit) has '10,5' where a number is meant" in got.faults[0]


@pytest.mark.parametrize("empty", ["a.png,,,,,", "a.png,NA,NA,NA,NA,NA", "a.png,nan,nan,nan,nan,nan", "a.png", "a.png,, , , ,"])
def test_a_row_without_a_box_says_that_the_image_was_looked_at(tmp_path: Path, empty: str) -> None:
    got = found(tmp_path, f"path,label,xmin,ymin,xmax,ymax\n{empty}\nb.png,pit,1,1,9,9\n,,,,,\n")
    assert [image.state for image in got.images.values()] == ["negative", "objects", "unlabelled"] and got.faults == ()


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("a.png,pit,30,10,10,20", "row 3 (pit) has its corners swapped (or a negative size)"),
        ("a.png,pit,10,10,10,20", "row 3 (pit) has no area"),
        ("a.png,pit,110,10,120,20", "row 3 (pit) lies wholly outside its image"),
        ("a.png,pit,10,10,20,", "row 3 (pit) has '' where a number is meant"),
        ("a.png,pit,10,x,20,20", "row 3 (pit) has 'x' where a number is meant"),
        ("a.png,pit,10,inf,20,20", "row 3 (pit) has 'inf' where a number is meant"),
        ("a.png,,10,10,20,20", "row 3 has a box and no class"),
        ("a.png,pit,,,,", "row 3 (pit) has no box"),
    ],
)
def test_a_faulty_row_is_named_and_left_out(tmp_path: Path, row: str, sentence: str) -> None:
    got = found(tmp_path, f"path,label,xmin,ymin,xmax,ymax\na.png,stain,1,1,9,9\n{row}\n")
    assert got.faults == (f"boxes.csv row 2 (a.png): {sentence}; correct or remove what is faulty, it is left out.",)
    assert boxes(got.images["a.png"]) == [("stain", 1, 1, 9, 9)]


def test_a_negative_width_is_named(tmp_path: Path) -> None:
    got = found(tmp_path, "path,label,x,y,width,height\na.png,pit,30,10,-10,20\n")
    assert "row 2 (pit) has its corners swapped (or a negative size)" in got.faults[0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "path,xmin,ymin,xmax,ymax\na.png,1,1,9,9\n",
            "has columns of boxes and no column `label`; a table of objects has the columns path,",
        ),
        ("label,xmin,ymin,xmax,ymax\npit,1,1,9,9\n", "has columns of boxes and no column `path`; a table of objects has the columns path,"),
        ("path,label,xmin,ymin,xmax,ymax\n", "has a header and no rows."),
        ("path,label,xmin,ymin,xmax,ymax\n,pit,1,1,9,9\n", "row 2: no path."),
        ("path,label,xmin,ymin,xmax,ymax\na.png,pit,0.1,0.1,0.5,1\n", "its boxes lie within one pixel, as if in shares of the picture's"),
        ("path,label,x,y,w,h\na.png,pit,0.1,0.1,0.5,0.7\n", "its boxes lie within one pixel, as if in shares of the picture's"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=rf"boxes\.csv:? {re.escape(sentence)}"):
        listing_of(written(tmp_path, "boxes.csv", text), tmp_path)


def test_a_table_of_labels_is_none_of_objects(tmp_path: Path) -> None:
    for header in ("path,label", "path,label,x,y", "path,label,width,height", "path,mask", "path,label,xmin,xmax"):
        assert listing_of(written(tmp_path, "labels.csv", f"{header}\n"), tmp_path) is None


def test_the_size_and_split_of_an_image_are_read(tmp_path: Path) -> None:
    header = "filename,width,height,class,xmin,ymin,xmax,ymax,split"
    got = found(tmp_path, f"{header}\na.png,50,40,pit,1,1,9,9,train\nb.png,100,80,pit,1,1,9,9,Test\nc.png,,,pit,1,1,9,9,\n")
    assert got.faults[0].startswith("boxes.csv row 2 (a.png): is listed with 50 x 40 pixels, a.png has 100 x 80")
    assert [image.split for image in got.images.values()] == ["train", "test", ""]


HEADER = "path,label,xmin,ymin,xmax,ymax"


def test_a_split_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^boxes\.csv row 3: split 'tset' is none of pretrain, train, dev, test \(or empty\)\.$"):
        found(tmp_path, f"{HEADER},split\na.png,pit,1,1,9,9,train\na.png,pit,1,1,9,9,Tset\n")


@pytest.mark.parametrize(
    ("columns", "first", "second", "said"),
    [
        ("split", "train", "test", "split test, and row 2 says train"),
        ("group", "north", "south", "group south, and row 2 says north"),
        ("width,height", "100,80", "80,100", "size 80 x 100, and row 2 says 100 x 80"),
    ],
)
def test_a_second_word_on_one_image_is_a_fault(tmp_path: Path, columns: str, first: str, second: str, said: str) -> None:
    """Told once an image; what stands first holds, and the objects do."""
    rows = [f"a.png,pit,{corner},1,20,20,{words}" for corner, words in enumerate((first, second, second, "," * columns.count(",")))]
    got = found(
        tmp_path, "\n".join([f"{HEADER},{columns}", *rows, f"b.png,pit,1,1,9,9,{second if columns != 'width,height' else ','}", ""])
    )
    assert got.faults == (f"boxes.csv row 3 (a.png): {said}; an image has one, give it the same.",)
    assert got.counts == {"pit": 5}
    if columns == "split":
        assert (got.images["a.png"].split, got.images["b.png"].split) == ("train", "test")


def test_what_one_row_says_of_an_image_holds_for_all(tmp_path: Path) -> None:
    file = written(tmp_path, "boxes.csv", f"{HEADER},split,group\na.png,pit,1,1,9,9,,\na.png,pit,1,1,9,9,val,north\n")
    listing = listing_of(file, tmp_path)
    assert listing is not None and listing.faults == []
    assert [(image.split, image.group) for image in listing.images] == [("dev", "north")]


def test_the_column_of_classes_that_its_owner_names(tmp_path: Path) -> None:
    file = written(tmp_path, "boxes.csv", f"{HEADER},Damage Kind\na.png,x,1,1,9,9,pit\n")
    for label, classes in ((None, ("x",)), ("Damage Kind", ("pit",)), ("label", ("x",))):
        listing = listing_of(file, tmp_path, label)
        assert listing is not None and listing.classes == classes
    with pytest.raises(DataError, match=r"^data\.label_field: boxes\.csv has no column 'damage'; "):
        listing_of(file, tmp_path, "damage")


def test_a_parquet_table_is_read_as_its_csv_would_be(tmp_path: Path) -> None:
    import pandas

    table = {"path": ["a.png", "a.png", "b.png"], "label": ["pit", "rust", None], "xmin": [10.5, 1, None], "ymin": [20, 2, None],
             "xmax": [40, 3, None], "ymax": [60.25, 4, None], "split": ["train", "train", "dev"]}  # fmt: skip
    frame = pandas.DataFrame(table)
    (tmp_path / "one").mkdir(), (tmp_path / "two").mkdir()
    csv = found(tmp_path / "one", frame.to_csv(index=False))
    frame.to_parquet(picture(tmp_path / "two", "a.png", "b.png", "c.png") / "boxes.parquet")
    parquet = read(tmp_path / "two" / "boxes.parquet", tmp_path / "two")
    assert boxes(parquet.images["a.png"]) == boxes(csv.images["a.png"]) == [("pit", 10.5, 20, 40, 60.25), ("rust", 1, 2, 3, 4)]
    assert parquet.states == csv.states == {"objects": 1, "negative": 1, "unlabelled": 1} and not parquet.faults
    assert parquet.images["b.png"].split == "dev"


def test_a_parquet_table_without_boxes_is_a_table_of_labels(tmp_path: Path) -> None:
    import pandas

    pandas.DataFrame({"path": ["a.png"], "label": ["pit"]}).to_parquet(tmp_path / "labels.parquet")
    assert listing_of(tmp_path / "labels.parquet", tmp_path) is None
