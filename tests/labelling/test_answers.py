"""The table of answers: whatever is answered, taken back or written by hand in between, no line of anybody's is lost."""

from __future__ import annotations

import csv
import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelfree.data.label_tables import open_table, read_table
from labelfree.errors import DataError
from labelfree.labelling.answers import NOTHING, SKIPPED, UNSURE, Answer, Words, read_answers
from labelfree.labelling.table_file import AnswerTable, Meanwhile

PLAIN = Words(lambda cell: cell)
FOREST, PASTURE, WATER = (Answer(name) for name in ("forest", "pasture", "water"))
IMAGES = [f"{letter}.png" for letter in "abcdef"]


def table(folder: Path, words: Words = PLAIN) -> AnswerTable:
    return AnswerTable(folder / "labels.csv", words)


def lines(file: Path) -> list[dict[str, str]]:
    """The table as anything else reads it."""
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))


def test_an_answer_is_on_disk_when_it_returns(tmp_path):
    answers = table(tmp_path)
    assert answers.change("a.png", FOREST, NOTHING) is None
    answers.change("b.png", Answer("", SKIPPED), NOTHING)
    answers.change("c.png", Answer("", UNSURE), NOTHING)
    text = "path,label,state\na.png,forest,\nb.png,,skipped\nc.png,,unsure\n"
    assert answers.path.read_text() == text and answers.path.read_bytes().count(b"\r") == 0
    assert {record.path: record.label for record in read_table(answers.path)} == {"a.png": "forest", "b.png": None, "c.png": None}


def test_the_columns_of_the_chosen_rows_are_kept(tmp_path):
    extra = {"a.png": {"group": "g1", "split": "test", "chosen": "audit"}, "b.png": {"chosen": "typical"}}
    answers = table(tmp_path, Words(lambda cell: cell, extra=lambda name: extra[name], columns=("group", "split", "chosen")))
    answers.change("b.png", WATER, NOTHING)
    answers.change("a.png", FOREST, NOTHING)
    assert answers.path.read_text() == "path,label,group,split,chosen,state\nb.png,water,,,typical,\na.png,forest,g1,test,audit,\n"
    first = read_table(answers.path)[1]
    assert (first.group, first.split, first.chosen) == ("g1", "test", "audit")


FORMS = {
    "semicolons": b"image;class;seen by\r\na.png;forest;Ana\r\nb.png;;\r\n",
    "Excel": "sep=;\r\nimage;class;seen by\r\na.png;forest;Ana\r\nb.png;;\r\n".encode("utf-8-sig"),
    "tabs in UTF-16": "image\tclass\tseen by\na.png\tforest\tAna\nb.png\t\t\n".encode("utf-16"),
    "quotes": b'image,class,"seen by"\na.png,forest,"Ana, and ""Bo"""\nb.png,,\n',
    "blank lines": b"\nimage,class,seen by\na.png,forest,Ana\n\nb.png,,\n",
}


@pytest.mark.parametrize("raw", FORMS.values(), ids=FORMS)
def test_a_table_keeps_the_form_its_owner_gave_it(tmp_path, raw):
    file = tmp_path / "labels.csv"
    file.write_bytes(raw)
    before = read_answers(file, PLAIN).sheet
    answers = table(tmp_path)
    assert answers.answers() == {"a.png": FOREST, "b.png": NOTHING}
    answers.change("b.png", PASTURE, NOTHING)
    answers.change("c.png", WATER, NOTHING)
    after = read_answers(file, PLAIN).sheet
    assert (after.separator, after.encoding, after.newline, after.declared) == (
        before.separator, before.encoding, before.newline, before.declared,
    )  # fmt: skip
    assert after.header[:3] == ["image", "class", "seen by"] and [line[2] for line in after.lines if line][:2] == [before.lines[0][2], ""]
    assert {record.path: record.label for record in open_table(file).records} == {"a.png": "forest", "b.png": "pasture", "c.png": "water"}


def test_what_windows_wrote_becomes_utf_8(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_bytes("path,label\nstraße.png,wald\n".encode("cp1252"))
    table(tmp_path).change("b.png", Answer("水"), NOTHING)
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [(record.path, record.label) for record in read_table(file)] == [("straße.png", "wald"), ("b.png", "水")]


BROKEN = {
    "path,label\na.png,forest,more\n": r"row 2: 3 cells, the header has 2",
    'path,label\na.png,"forest\n': "opened and never closed",
    "path,label\na.png,forest\na.png,water\n": r'rows 2 and 3: both name "a.png"; keep one',
    "what,label\na.png,forest\n": "no column `path`",
    "path,label\n,forest\n": "row 2: no path",
    "path,label,state\na.png,forest,Bavaria\n": "`state` is 'Bavaria'",
}


@pytest.mark.parametrize(("text", "told"), BROKEN.items())
def test_a_broken_table_is_told_at_the_start_and_left_alone(tmp_path, text, told):
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=told):
        table(tmp_path)
    assert file.read_text() == text


@pytest.mark.parametrize("text", BROKEN)
def test_a_table_broken_by_hand_is_not_overwritten_and_no_answer_is_lost(tmp_path, text):
    answers = table(tmp_path)
    answers.change("a.png", FOREST, NOTHING)
    answers.path.write_text(text)
    answers.change("b.png", WATER, NOTHING)
    assert answers.path.read_text() == text and "labels.csv.waiting.jsonl" in answers.notice
    assert answers.answers() == {"a.png": FOREST, "b.png": WATER}

    with pytest.raises(DataError):  # a program started anew says what to mend, too
        table(tmp_path)
    answers.path.write_text("path,label\na.png,pasture\n")
    again = table(tmp_path)
    assert again.answers() == {"a.png": PASTURE, "b.png": WATER} == answers.answers()
    assert answers.notice == "" and not answers.waiting_file.exists()
    assert {record.path: record.label for record in read_table(answers.path)} == {"a.png": "pasture", "b.png": "water"}


def test_an_answer_that_waits_survives_a_line_that_was_cut_off(tmp_path):
    answers = table(tmp_path)
    answers.path.write_text("nothing,at all\n")
    answers.change("a.png", FOREST, NOTHING)
    with answers.waiting_file.open("a") as file:
        file.write('["b.png", ["wat')
    answers.change("c.png", WATER, NOTHING)
    answers.path.unlink()
    assert answers.answers() == {"a.png": FOREST, "c.png": WATER}


def test_a_file_that_cannot_be_replaced_waits_too(tmp_path, monkeypatch):
    """As on Windows while a spreadsheet has it open."""
    answers = table(tmp_path)
    answers.change("a.png", FOREST, NOTHING)
    replace = os.replace

    def refused(source, target):
        raise PermissionError(errno.EACCES, "in use by another program", str(target))

    monkeypatch.setattr(os, "replace", refused)
    answers.change("b.png", WATER, NOTHING)
    assert "may not be read or replaced; close it in other programs" in answers.notice and answers.answers()["b.png"] == WATER
    monkeypatch.setattr(os, "replace", replace)
    assert answers.answers() == {"a.png": FOREST, "b.png": WATER} and answers.notice == ""
    assert [line["path"] for line in lines(answers.path)] == ["a.png", "b.png"]


def test_a_header_changed_by_hand_hides_no_label(tmp_path):
    answers = table(tmp_path)
    answers.change("a.png", FOREST, NOTHING)
    text = answers.path.read_text()
    answers.path.write_text(text.replace("label", "kind"))
    answers.change("b.png", WATER, NOTHING)
    assert "its column of labels is gone or called otherwise; call it `label` again." in answers.notice
    assert answers.path.read_text() == text.replace("label", "kind") and answers.answers()["a.png"] == FOREST
    answers.path.write_text(text)
    assert answers.answers() == {"a.png": FOREST, "b.png": WATER} and answers.notice == ""


def test_a_folder_in_the_tables_place_is_told_and_answers_wait(tmp_path):
    answers = table(tmp_path)
    answers.change("a.png", FOREST, NOTHING)
    answers.path.rename(tmp_path / "away.csv")
    answers.path.mkdir()
    answers.change("b.png", WATER, NOTHING)
    assert answers.notice.startswith(f"{answers.path}: is a folder, where the table belongs; move it away. Until that is mended")
    answers.path.rmdir()
    (tmp_path / "away.csv").rename(answers.path)
    assert answers.answers() == {"a.png": FOREST, "b.png": WATER} and answers.notice == ""


def test_a_drive_that_is_taken_out_is_told_and_nothing_is_made_in_its_place(tmp_path):
    drive, away = tmp_path / "drive", tmp_path / "away"
    drive.mkdir()
    answers = table(drive)
    answers.change("a.png", FOREST, NOTHING)
    drive.rename(away)
    for act in (answers.answers, lambda: answers.change("b.png", WATER, NOTHING)):
        with pytest.raises(DataError, match=r"drive: is no longer there; put it back, then answer again"):
            act()
    assert not drive.exists()
    away.rename(drive)
    answers.change("b.png", WATER, NOTHING)
    assert answers.answers() == {"a.png": FOREST, "b.png": WATER} and answers.notice == ""


def test_a_full_disk_loses_nothing_and_is_no_answer(tmp_path, monkeypatch):
    answers = table(tmp_path)
    answers.change("a.png", FOREST, NOTHING)
    before = answers.path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="the disk is full; what was there before is intact"):
        answers.change("b.png", WATER, NOTHING)
    assert answers.path.read_bytes() == before and "b.png" not in answers.given


def test_what_was_changed_by_hand_counts(tmp_path):
    answers = table(tmp_path)
    answers.change("a.png", FOREST, NOTHING)
    answers.path.write_text("path,label,note\na.png,pasture,looked twice\nz.png,water,new\n")
    assert answers.answers() == {"a.png": PASTURE, "z.png": WATER}
    with pytest.raises(Meanwhile) as other:
        answers.change("a.png", WATER, FOREST)
    assert other.value.answer == PASTURE
    answers.change("a.png", WATER, PASTURE)
    answers.change("b.png", FOREST, NOTHING)
    assert [line["note"] for line in lines(answers.path)] == ["looked twice", "new", ""]


def test_lines_that_an_editor_overwrote_can_be_put_back(tmp_path):
    answers = table(tmp_path)
    answers.change("a.png", FOREST, NOTHING)
    stale = answers.path.read_bytes()  # what an editor has open
    answers.change("b.png", WATER, NOTHING)
    answers.path.write_bytes(stale)
    assert answers.lost() == {"b.png": WATER} and "lacks the line of an answer given here, such as b.png" in answers.notice
    answers.put_back()
    assert answers.answers() == {"a.png": FOREST, "b.png": WATER} and answers.notice == ""
    answers.path.unlink()
    assert set(answers.lost()) == {"a.png", "b.png"}


def test_taking_back_restores_what_was_there(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("path,label,note\na.png,,keep me\n")
    answers = table(tmp_path)
    before = {name: answers.change(name, FOREST, NOTHING) for name in ("a.png", "b.png")}
    assert before == {"a.png": NOTHING, "b.png": None}
    for name, was in before.items():
        answers.change(name, was, FOREST)
    assert lines(file) == [{"path": "a.png", "label": "", "note": "keep me", "state": ""}]


def test_a_line_with_a_note_of_a_persons_own_is_never_taken_away(tmp_path):
    answers = table(tmp_path)
    answers.change("a.png", FOREST, NOTHING)
    answers.path.write_text("path,label,state,note\na.png,forest,,mine\n")
    answers.change("a.png", None, FOREST)
    assert lines(answers.path) == [{"path": "a.png", "label": "", "state": "", "note": "mine"}]


def test_a_linked_table_stays_a_link(tmp_path):
    real = tmp_path / "elsewhere" / "real.csv"
    real.parent.mkdir()
    real.write_text("path,label\n")
    real.chmod(0o640)
    (tmp_path / "labels.csv").symlink_to(real)
    table(tmp_path).change("a.png", FOREST, NOTHING)
    assert (tmp_path / "labels.csv").is_symlink() and lines(real)[0]["label"] == "forest" and real.stat().st_mode & 0o777 == 0o640


def test_two_programs_on_one_table_lose_nothing(tmp_path):
    code = """
import sys
from pathlib import Path
from labelfree.labelling.answers import NOTHING, Answer, Words
from labelfree.labelling.table_file import AnswerTable
table = AnswerTable(Path(sys.argv[1]), Words(lambda cell: cell))
for number in range(40):
    table.change(f"{sys.argv[2]}-{number}.png", Answer(sys.argv[2]), NOTHING)
"""
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "labels.csv"), name]) for name in ("one", "two")]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    counted = [line["label"] for line in lines(tmp_path / "labels.csv")]
    assert (counted.count("one"), counted.count("two"), len(counted)) == (40, 40, 80)


Says = st.sampled_from([FOREST, PASTURE, WATER, Answer("", SKIPPED), Answer('a, "quoted"\u2028class')])
Steps = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.sampled_from(IMAGES), Says),
        st.tuples(st.just("undo")),
        st.tuples(st.just("hand"), st.sampled_from([*IMAGES, "by-hand.png"]), st.sampled_from(["forest", "mine", ""])),
        st.tuples(st.just("break")),
        st.tuples(st.just("mend")),
        st.tuples(st.just("restart")),
    ),
    max_size=25,
)


@given(Steps)
def test_no_sequence_of_answers_undo_and_hand_edits_loses_a_line(tmp_path_factory, steps):
    """Against a plain dictionary of what each image should say."""
    folder = tmp_path_factory.mktemp("steps")
    answers, history, sound = table(folder), [], b""
    truth: dict[str, Answer] = {}
    broken = False

    def by_hand(name: str, label: str) -> None:
        sheet = read_answers(answers.path, PLAIN)
        sheet.put(name, Answer(label))
        answers.path.write_bytes(sheet.sheet.written())

    for step in steps:
        if step[0] == "answer":
            _, name, said = step
            history.append((name, answers.change(name, said, truth.get(name, NOTHING)), said))
            truth[name] = said
        elif step[0] == "undo" and history:
            name, before, after = history.pop()
            if truth.get(name) == after:
                answers.change(name, before, after)
                truth.pop(name)
                truth |= {} if before is None else {name: before}
            else:
                with pytest.raises(Meanwhile):
                    answers.change(name, before, after)
        elif step[0] == "hand" and not broken:
            _, name, label = step
            by_hand(name, label)
            truth[name] = Answer(label)
        elif step[0] == "break" and not broken and answers.path.exists():
            sound, broken = answers.path.read_bytes(), True
            answers.path.write_text('path,label\na.png,"never closed\n')
        elif step[0] == "mend" and broken:
            answers.path.write_bytes(sound)
            broken = False
        elif step[0] == "restart" and not broken:
            answers, history = table(folder), []
        assert answers.answers() == truth
    if broken:
        answers.path.write_bytes(sound)
    assert answers.answers() == truth
    if truth:
        assert {record.path: record.label or "" for record in read_table(answers.path)} == {k: v.label for k, v in truth.items()}
