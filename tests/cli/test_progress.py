"""Work says where it stands, on a terminal, in a pipe and in the log."""

from __future__ import annotations

import io
import re

import pytest

from labelfree.progress import Console, Silent, duration


def test_plain_lines_have_rate_and_time_left():
    stream = io.StringIO()
    console = Console(stream=stream, every=0)
    assert list(console.track("abcd", "reading")) == list("abcd")
    lines = stream.getvalue().splitlines()
    assert re.fullmatch(r"reading: 1/4, \S+ ?\S*, .+ left", lines[0])
    assert re.fullmatch(r"reading: 4/4, \S+ ?\S*, took 0 s", lines[-1]) and len(lines) == 4


def test_lines_come_no_more_often_than_asked():
    stream = io.StringIO()
    for _ in Console(stream=stream, every=60).track(1000, "training"):
        pass
    assert len(stream.getvalue().splitlines()) == 1


def test_a_count_can_be_advanced_by_hand_and_noted(tmp_path):
    console = Console(stream=io.StringIO(), log=tmp_path / "log.txt")
    with console.track(10, "training") as bar:
        bar.advance(4, note="loss 0.5")
        assert bar.line().startswith("training: 4/10") and bar.line().endswith("loss 0.5")


def test_the_log_keeps_sentences_and_last_states(tmp_path):
    for live in (False, True):
        log = tmp_path / f"{live}.txt"
        console = Console(log, stream=io.StringIO(), live=live)
        console.say("The pool has 7 images.")
        for _ in console.track(range(3), "reading"):
            console.say("one")
        kept = log.read_text(encoding="utf-8")
        assert "The pool has 7 images." in kept and "reading: 3/3" in kept and kept.count("one") == 3
        assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in kept.splitlines())


def test_bars_are_drawn_on_a_terminal_and_closed_after_an_error():
    stream = io.StringIO()
    console = Console(stream=stream, live=True)
    with pytest.raises(ValueError), console.track(5, "[red]brackets") as bar:
        bar.advance()
        raise ValueError
    assert console.bars is None and "brackets" in stream.getvalue()


def test_bars_may_nest():
    console = Console(stream=io.StringIO(), live=True)
    for _ in console.track(2, "outer"):
        for _ in console.track(2, "inner"):
            pass
        assert console.bars is not None
    assert console.bars is None


def test_a_line_that_the_terminal_cannot_encode_is_not_the_end():
    raw = io.BytesIO()
    console = Console(stream=io.TextIOWrapper(raw, encoding="ascii"))
    console.say("Größe × 2")
    assert raw.getvalue() == b"Gr??e ? 2\n" or raw.getvalue() == b"Gr??e ? 2\r\n"


def test_silence_still_counts(capsys):
    assert list(Silent().track([1, 2], "x")) == [1, 2] and list(Silent().track(2, "x")) == [0, 1]
    Silent().say("nothing")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("seconds", "told"), [(4.4, "4 s"), (89, "89 s"), (120, "2 min"), (11100, "3 h 5 min")])
def test_durations_in_words(seconds, told):
    assert duration(seconds) == told
