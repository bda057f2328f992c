"""Questions beside a manifest: what is written comes through, what is broken is named by its row, and nothing is quoted."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelfree
from labelfree.data.questions import with_questions, write_questions
from labelfree.errors import DataError
from labelfree.samples import Row

SECRET = "xylophonist"
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30).map(str.strip).filter(bool)


def rows(root: Path, *names: str) -> list[Row]:
    return [Row(name, root / name) for name in names or ("a.png", "b/c.png")]


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_any_text_comes_through(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]) -> None:
    root = tmp_path_factory.mktemp("asked")
    file = write_questions(root, [("a.png", pairs)])
    (first, second) = with_questions(file, rows(root), root).rows
    assert list(first.questions) == pairs and second.questions == ()


def test_broken_rows_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = [
        ("image", "question", "answer", "by"),
        ("a.png", f"Is there a {SECRET}, or not?", "yes", "me"),
        ("a.png", "How many?", " ", "me"),
        ("a.png", "", SECRET, "me"),
        ("", "What?", "this", "me"),
        ("nowhere.png", f"{SECRET}?", "no", "me"),
        ("c.png", 'Which "one"?\nsay', "that", "me"),
    ]
    with (tmp_path / "q.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(lines)
    asked = with_questions(tmp_path / "q.csv", rows(tmp_path), tmp_path)
    assert [len(row.questions) for row in asked.rows] == [1, 1] and asked.rows[1].questions[0][0] == 'Which "one"?\nsay'
    assert asked.notes[0] == "q.csv: 2 questions of 2 images, 2 different answers; 1 have no answer and are left out."
    assert [fault.partition(":")[0] for fault in asked.faults] == ["q.csv row 4", "q.csv row 5", "q.csv row 6"]
    assert SECRET not in " ".join((*asked.notes, *asked.faults))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("path,question\na.png,What?\n", "has no column 'answer'; a table of questions has the columns path, question, answer"),
        ("path,question,answer\na.png,Red, or blue?,red\n", r"q.csv row 2: 4 cells, the header has 3; quote cells that hold ','"),
        ('path,question,answer\na.png,"What?,red\n', "a quote .* is opened and never closed"),
        ("path,question,answer\nz.png,What?,red\n", "asks nothing of any image under .*: q.csv row 2: there is no such image"),
    ],
)
def test_what_is_no_table_of_questions_is_said(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "q.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=why):
        with_questions(tmp_path / "q.csv", rows(tmp_path), tmp_path)
    with pytest.raises(DataError, match="data.questions: .* cannot be read"):
        with_questions(tmp_path / "none.csv", rows(tmp_path), tmp_path)


def test_a_check_of_the_data_reads_those_beside_the_images_too(pictures: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(pictures, tmp_path / "images"))
    file = write_questions(root, [("00.png", [("Red?", "no")]), ("nowhere.png", [("Red?", "yes")])])
    assert labelfree.check_data(root, domain="satellite").faults == [
        "questions.csv row 3: there is no such image; correct its name, or bring the image."
    ]
    file.write_text("from,subject\nme,hello\n")
    checked = labelfree.check_data(root, domain="satellite")
    (fault,) = labelfree.check_data(root, ["evaluate.task=vqa"], domain="satellite").faults
    assert "has no column 'path'" in fault
    assert checked.faults == [] and "has no column 'path' and 'question' and 'answer'" in checked.notes[0]
