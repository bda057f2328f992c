"""Tables as people really write them."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from labelfree.data.label_tables import open_table, read_table
from labelfree.errors import DataError


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    file = folder / "labels.csv"
    file.write_bytes(text.encode(encoding))
    return file


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_separator_encoding_and_line_ends_do_not_matter(tmp_path: Path, separator: str, encoding: str, newline: str) -> None:
    lines = ["path,label,group", "a.png,Grünland,1", "b.png,,2", "", "c.png,Wald,"]
    (one, two, three) = read_table(table(tmp_path, newline.join(lines).replace(",", separator), encoding))
    assert (one.path, one.label, one.group, one.number) == ("a.png", "Grünland", "1", 2)
    assert (two.label, two.group) == (None, "2")
    assert (three.label, three.group) == ("Wald", None)


def test_quoted_cells_keep_separators(tmp_path: Path) -> None:
    (one,) = read_table(table(tmp_path, 'path,text\n"a,b.png","a field, a road | a river"\n'))
    assert one.path == "a,b.png" and one.captions == ("a field, a road", "a river")


@pytest.mark.parametrize("header", ["image,class", "File, Class ", "filename,label", "path,label,filename", "filename,label,path"])
def test_harmless_synonyms(tmp_path: Path, header: str) -> None:
    cells = {"image": "a.png", "file": "a.png", "filename": "a.png", "path": "a.png", "class": "x", "label": "x"}
    if "path" in header:
        cells["filename"] = "something else"
    row = ",".join(cells[name.strip().lower()] for name in header.split(","))
    (one,) = read_table(table(tmp_path, f"{header}\n{row}\n"))
    assert (one.path, one.label) == ("a.png", "x")


def test_split_words(tmp_path: Path) -> None:
    rows = read_table(table(tmp_path, "path,split\na,Train\nb,val\nc,TEST\nd,unlabeled\ne,\n"))
    assert [row.split for row in rows] == ["train", "dev", "test", "pretrain", ""]


def test_parquet_reads_as_csv_does(tmp_path: Path) -> None:
    file = tmp_path / "labels.parquet"
    columns = {"path": ["a.png", "b.png", "c.png"], "label": [1.0, None, float("nan")], "group": [7, 8, None]}
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
    assert [(row.path, row.label, row.group) for row in read_table(file)] == [
        ("a.png", "1", "7"),
        ("b.png", None, "8"),
        ("c.png", None, None),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,label\na,b\n", "no column `path`"),
        ("path,label\n", "no rows"),
        ("path,label\na.png,x\n,y\n", "row 3: no path"),
        ("path,split\na.png,maybe\n", "row 2: split 'maybe'"),
        ("path,label\na.png,x,oops\n", "row 2: 3 cells"),
        ("", "no column `path`"),
    ],
)
def test_faults_name_file_and_row(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match="labels.csv") as error:
        read_table(table(tmp_path, text))
    assert said in str(error.value)


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path)
    (tmp_path / "labels.csv").write_bytes(b"PK\x03\x04" + bytes(300))
    with pytest.raises(DataError, match="save it as CSV"):
        read_table(tmp_path / "labels.csv")
    (tmp_path / "x.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match="not a Parquet table"):
        read_table(tmp_path / "x.parquet")


HEADERS = [
    "image_path,class_name", "Image Path,Class Name", "imagePath,className", "filepath,category", "img,target", "file_name,category_name",
    "image_id,y", "IMG_PATH,LABELS", "image-name,class-label", "Unnamed: 0,filename,class", ",image,label",
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS)
def test_names_that_other_tools_give_columns(tmp_path: Path, header: str) -> None:
    before = "7," if header.count(",") == 2 else ""
    (one,) = read_table(table(tmp_path, f"{header}\n{before}a.png,forest\n"))
    assert (one.path, one.label) == ("a.png", "forest")


def test_of_several_columns_the_most_telling_is_read_and_said(tmp_path: Path) -> None:
    found = open_table(table(tmp_path, "image_id,file_name,class_id,class_name\n7,a.png,0,forest\n"))
    assert (found.records[0].path, found.records[0].label) == ("a.png", "forest")
    assert found.notes == (
        "labels.csv: `file_name` is read as path, not `image_id`.", "labels.csv: `class_name` is read as label, not `class_id`.",
    )  # fmt: skip


def test_coordinates_are_no_labels_and_a_set_is_a_split_only_with_its_words(tmp_path: Path) -> None:
    (one,) = read_table(table(tmp_path, "path,x,y,set\na.png,1,2,A\n"))
    assert (one.label, one.split) == (None, "")
    (two,) = read_table(table(tmp_path, "path,subset\na.png,val\n"))
    assert two.split == "dev"


def test_where_no_column_can_be_told_the_likely_ones_are_proposed(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.png").touch()
    with pytest.raises(DataError) as error:
        read_table(table(tmp_path, "id,photo,art,area\n1,a.png,wood,3\n2,b.png,wood,4\n3,c.png,lake,5\n4,d.png,lake,6\n"))
    said = str(error.value)
    assert "no column `path` (found: id, photo, art, area)" in said and "`path`" in said and "`label`" in said
    assert "`photo` names images, so call it `path`" in said and "`art` may hold the classes, so call it `label`" in said


def test_a_column_of_classes_that_nothing_names_is_told(tmp_path: Path) -> None:
    file = table(tmp_path, "path,art\na.png,wood\nb.png,lake\nc.png,wood\nd.png,lake\n")
    assert open_table(file).notes == ("labels.csv: no column `label`; `art` may hold the classes: say data.label_field=art.",)
    assert [row.label for row in open_table(file, label="art").records] == ["wood", "lake", "wood", "lake"]
    with pytest.raises(DataError, match=r"data.label_field: labels.csv has no column 'atr'; did you mean art\?"):
        open_table(file, label="atr")


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_line_for_excel_names_the_separator(tmp_path: Path, first: str, encoding: str) -> None:
    (one,) = read_table(table(tmp_path, f"{first}\r\npath;label\r\na,b.png;x\r\n", encoding))
    assert (one.path, one.label, one.number) == ("a,b.png", "x", 2)


def test_row_names_of_r_and_empty_cells_at_the_end(tmp_path: Path) -> None:
    assert [row.path for row in read_table(table(tmp_path, '"path","label"\n"1","a.png","x"\n"2","b.png","y"\n'))] == ["a.png", "b.png"]
    assert [row.label for row in read_table(table(tmp_path, "path,label\na.png,x,,\nb.png,y,\n"))] == ["x", "y"]


@pytest.mark.parametrize("word", ["NA", "NaN", "nan", "N/A", "null", "NULL", "None", "<NA>", "#N/A", "-", "", "  ", '"NA"', " NA "])
def test_words_for_missing_values_are_no_class(tmp_path: Path, word: str) -> None:
    found = open_table(table(tmp_path, f"path,label,group\na.png,x,{word}\nb.png,{word},{word}\nc.png,{word},g\n"))
    assert [(row.label, row.group) for row in found.records] == [("x", None), (None, None), (None, "g")]
    shown = word.strip(' "')
    notes = (f"labels.csv: {shown} stands for a missing label in 2 rows; rename what is a class.",) if shown else ()
    assert found.notes == notes


def test_names_are_stripped_and_none_may_be_a_class(tmp_path: Path) -> None:
    rows = read_table(table(tmp_path, 'path,label,group,split\na.png,"maize ", g , train \nb.png, maize,g,\nc.png,none,"g ",\n'))
    assert [(row.label, row.group, row.split) for row in rows] == [("maize", "g", "train"), ("maize", "g", ""), ("none", "g", "")]


@pytest.mark.parametrize(
    "cells, names",
    [
        (["0.0", "1.0", ""], ["0", "1", None]), (["0", "1.0", "NA"], ["0", "1", None]), (["0.5", "1.0"], ["0.5", "1.0"]),
        (["1", "2"], ["1", "2"]), (["01", "02"], ["01", "02"]), (["1.0", "forest"], ["1.0", "forest"]), (["-1.0", "2."], ["-1", "2"]),
        (["True", "False"], ["True", "False"]),
    ],
)  # fmt: skip
def test_whole_numbers_stay_whole(tmp_path: Path, cells: list[str], names: list[str | None]) -> None:
    rows = read_table(table(tmp_path, "path,label\n" + "".join(f"{i}.png,{cell}\n" for i, cell in enumerate(cells))))
    assert [row.label for row in rows] == names


def test_parquet_knows_missing_words_and_blanks_too(tmp_path: Path) -> None:
    columns = {
        "image_path": ["a.png", "b.png", "c.png", "d.png"],
        "class_name": ["maize ", "NA", " ", None],
        "split": ["train", "NaN", None, ""],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet")
    found = open_table(tmp_path / "x.parquet")
    assert [(row.label, row.split) for row in found.records] == [("maize", "train"), (None, ""), (None, ""), (None, "")]
    assert found.notes == ("x.parquet: NA stands for a missing label in 1 row; rename what is a class.",)


def test_labels_that_are_all_missing_are_told(tmp_path: Path) -> None:
    assert open_table(table(tmp_path, "path,class_name\na.png,\nb.png,\n")).notes == (
        "labels.csv: `class_name` is empty in all 2 rows, so no image has a label.",
    )


@pytest.mark.parametrize("name", ["labels.json", "labels.csv.gz", "labels.xlsx", "labels.docx", "labels.h5"])
def test_other_files_are_told_what_is_accepted(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04" if name[-1] == "x" else b'{"images": []}')
    with pytest.raises(DataError, match=r"CSV or Parquet table with the columns `path` and `label`, or a vector file \(GeoPackage"):
        read_table(tmp_path / name)


def test_a_quote_that_is_never_closed_swallows_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'labels.csv row 3: a quote \("\) is opened and never closed'):
        read_table(table(tmp_path, 'path,label\na.png,x\nb.png,"y\nc.png,z\n'))
    (one,) = read_table(table(tmp_path, 'path,text\na.png,"a "quoted" word"\n'))
    assert one.path == "a.png"


def test_names_that_look_the_same_are_one(tmp_path: Path) -> None:
    text = "path,label\na.png,W\u00e4lder\nb.png,Wa\u0308lder\nc.png,W\u00e4lder\u200b\nd.png,W\u00e4lder\u00a0\n"
    assert {row.label for row in read_table(table(tmp_path, text))} == {"W\u00e4lder"}


def test_names_of_digits_are_kept_as_they_are(tmp_path: Path) -> None:
    assert [row.label for row in read_table(table(tmp_path, "path,label\na.png,007\nb.png,7.0\nc.png,7\n"))] == ["007", "7.0", "7"]


def test_blank_lines_above_the_header_count_as_rows_alone(tmp_path: Path) -> None:
    assert read_table(table(tmp_path, "\n\npath,label\na.png,x\n"))[0].number == 4


def test_a_table_without_a_header_is_asked_for_one(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"its first line names an image already; put a line `path,label`"):
        read_table(table(tmp_path, "a.png,x\nb.png,y\n"))


def test_a_column_that_may_group_is_told(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("path;label;Charge\n" + "".join(f"{number}.png;x;C{number // 3}\n" for number in range(6)), encoding="utf-8")
    said = "labels.csv: no column `group`; `Charge` may say which images belong together: call it `group` then."
    assert open_table(file).notes == (said,)
    file.write_text("path;label;Charge\n" + "".join(f"{number}.png;x;C{number}\n" for number in range(6)), encoding="utf-8")
    assert open_table(file).notes == ()  # each its own: a number of the image


def test_run_lengths_are_refused_with_a_way_out(tmp_path: Path) -> None:
    file = tmp_path / "train.csv"
    file.write_text("ImageId,ClassId,EncodedPixels\na.png,1,3 5\na.png,2,9 4\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train\.csv: its column `EncodedPixels` holds run lengths of masks.*export COCO"):
        open_table(file)
