"""Tables as people really write them."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from labelfree.data.labels import read_table
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
    assert one.path == "a,b.png" and one.text == "a field, a road | a river"


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
