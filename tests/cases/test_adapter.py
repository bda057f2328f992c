"""The adapter itself, on a case made up here: a right expectation is met, and every check can fail."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from tests.cases.case import cases_on_disk, load_case
from tests.cases.checks import CHECKS, Done, judge
from tests.cases.steps import Outcome, Workplace, as_typed, carry_out, in_this_process, needs_a_process

FINGERPRINT = {"count": 12, "channels": ["red", "nir"], "unit": "display", "smallest": [32, 32], "largest": [32, 32], "mean": [0.2, 0.4]}
SPLITS = """path,label,group,split,role
a.tif,maize,g1,,pool+train
b.tif,maize,g1,,train
c.tif,wheat,,,train
d.tif,,,,unused
"""
PLACES = {"a.tif": [10.0, 60.0], "b.tif": [10.018, 60.0], "c.tif": [10.0, 61.0]}  # a and b: 0.018 degrees at 60 north, 1,001 m
PIXELS = np.stack([np.full((16, 16), 7.0), np.arange(256.0).reshape(16, 16)])

# key -> what is right of the outcomes below, then what is not
EXPECTED = {
    "exit": [{"typed": [0, 3]}, {"typed": [0]}],
    "limit": [{"typed": 5}, {"typed": 1}],
    "says": [{"typed": [r"\b12 IMAGES in", "fault"]}, {"typed": ["12 images", "13 images"]}],
    "names": [{"typed": ["chip_0.tif"]}, {"typed": ["chip_0.tif", "chip_1.tif"]}, {"typed": ["hip_0.tif"]}],
    "never": [{"any": ["masks"], "typed": ["13"]}, {"any": ["12 images in"]}, {"typed": ["FAULT"]}],
    "pool": [
        {"typed": {"count": 12, "bands": 2, "channels": ["red", "nir"], "unit": "display", "size": 32, "from": {}}},
        {"typed": {"count": [10, 12], "mean": [0.201, 0.4], "std": [0.1, 0.3], "tolerance": [0.002, 0.002]}},
        {"typed": {"count": 11}},
        {"typed": {"count": [13, 20]}},
        {"typed": {"bands": 3}},
        {"typed": {"channels": ["nir", "red"]}},
        {"typed": {"unit": "reflectance"}},
        {"typed": {"size": 64}},
        {"typed": {"mean": [0.201, 0.4], "tolerance": [0.0002, 0.0002]}},
        {"typed": {"std": [0.1], "tolerance": [1.0]}},
        {"elsewhere": {"count": 12}},
    ],
    "roles": [
        {"typed": {"train": 3, "pool": 1, "pool+train": 1, "unused": ["d.tif"]}},
        {"typed": {"train": 2}},
        {"typed": {"unused": ["c.tif"]}},
        {"typed": {"unused": []}},
    ],
    "groups": [
        {"typed": {"together": [["a.tif", "b.tif"]], "count": [2, 2], "within": 1010}},
        {"typed": {"together": [["c.tif", "d.tif"]]}},
        {"typed": {"together": [["a.tif", "no.tif"]]}},
        {"typed": {"count": [3, 4]}},
        {"typed": {"within": 990}},
    ],
    "survey": [
        {"survey": {"images": 3, "labels": {"maize": 2}, "unlabelled": 1, "channels": ["red", "nir"], "middles": {"maize": [7, 70]}}},
        {"survey": {"images": 2}},
        {"survey": {"labels": {"maize": 3}}},
        {"survey": {"unlabelled": 0}},
        {"survey": {"channels": ["red"]}},
        {"survey": {"middles": {"maize": [0, 6]}}},
        {"elsewhere": {"images": 3}},
    ],
    "read": [
        {"read": {"a.tif": {"shape": [2, 16, 16], "mean": [7, 127.5], "min": [7, 0], "max": [7, 255]}}},
        {"read": {"a.tif": {"mean": [7, 127], "tolerance": 0.01}}},
        {"read": {"a.tif": {"shape": [1, 16, 16]}}},
        {"read": {"a.tif": {"mean": [7, 127]}}},
        {"read": {"a.tif": {"min": [7, 1]}}},
        {"read": {"a.tif": {"max": [7, 254]}}},
        {"read": {"a.tif": {"max": [7]}}},
    ],
    "embed": [
        {"embed": {"alike": [["a.tif", "b.tif"]], "refused": ["d.tif"]}},
        {"embed": {"alike": [["a.tif", "c.tif"]]}},
        {"embed": {"alike": [["a.tif", "d.tif"]]}},
        {"embed": {"alike": [["a.tif", "nan.tif"]]}},
        {"embed": {"refused": ["a.tif"]}},
    ],
    "same": [[["one.bin", "copy.bin"]], [["one.bin", "other.bin"]], [["one.bin", "absent.bin"]]],
}  # fmt: skip
RIGHT = {("pool", 1), ("read", 1)}  # besides the first of each key


@pytest.fixture
def case(tmp_path):
    """Writes a case of these expectations and gives it as it is loaded."""

    def write(steps=("typed", "elsewhere", "survey", "read", "embed"), accept=(), **expected):
        folder = tmp_path / "made-up"
        (folder / "data").mkdir(parents=True, exist_ok=True)
        typed = [step if isinstance(step, dict) else {"as": step, "type": "labelfree --version"} for step in steps]
        stored = {"case": "made-up", "kind": "made up", "steps": typed, "places": PLACES, "accept": list(accept), **expected}
        (folder / "expect.json").write_text(json.dumps(stored))
        return load_case(folder, "satellite", CHECKS)

    return write


@pytest.fixture
def done(tmp_path):
    """The case carried out: one command that refused `chip_0.tif`, and three steps of Python."""

    def carried_out(case, said="12 images\n  in DATA/chip_0.tif: a fault."):
        place = Workplace.of(case, tmp_path / "work")
        (place.run / "fingerprint.json").write_text(json.dumps({**FINGERPRINT, "std": [0.1, 0.3]}))
        (place.run / "splits.csv").write_text(SPLITS)
        for name in ("one", "copy", "other"):
            (place.run / f"{name}.bin").write_bytes(b"other" if name == "other" else b"one")
        rows = [SimpleNamespace(id="a", label="maize"), SimpleNamespace(id="b", label="maize"), SimpleNamespace(id="d", label=None)]
        pixels = SimpleNamespace(physical=lambda: SimpleNamespace(numpy=lambda: PIXELS))
        first = SimpleNamespace(channels=("red", "nir"))
        found = SimpleNamespace(manifest=SimpleNamespace(rows=rows), first=first, domain=SimpleNamespace(read=lambda row: pixels))
        vectors = {"a.tif": [1.0, 0.0], "b.tif": [2.0, 0.01], "c.tif": [1.0, 1.0], "nan.tif": [np.nan, 0.0]}
        embedded = {name: np.array(vector) for name, vector in vectors.items()} | {"d.tif": "d.tif: 3 channels, 2 are known."}
        outcomes = {
            "typed": Outcome(3, said, 2.0, place.run),
            "elsewhere": Outcome(0, "", 0.1),
            "survey": Outcome(0, "", 0.1, found=found),
            "read": Outcome(0, "", 0.1, found={"a.tif": PIXELS}),
            "embed": Outcome(0, "", 0.1, found=embedded),
        }
        return Done(case, place, outcomes)

    return carried_out


def test_every_check_is_tried_here():
    assert EXPECTED.keys() == CHECKS.keys()


@pytest.mark.parametrize(("key", "i"), [(key, i) for key, tries in EXPECTED.items() for i in range(len(tries))])
def test_a_check_passes_what_is_right_and_tells_what_is_not(key, i, case, done):
    told = judge(done(case(**{key: EXPECTED[key][i]})))
    if i == 0 or (key, i) in RIGHT:
        assert told == ""
    else:
        assert f"  - {key}: " in told and "exit code 3" in told and "chip_0.tif: a fault." in told


def test_another_outcome_replaces_whole_keys(case, done):
    other = {"why": "it is refused", "exit": {"typed": [3]}, "says": {}}
    wrong = {"exit": {"typed": [0]}, "says": {"typed": ["done"]}, "never": {"any": ["masks"]}}
    assert judge(done(case(accept=[other], **wrong))) == ""


def test_what_the_other_outcome_keeps_is_still_checked(case, done):
    told = judge(done(case(accept=[{"why": "it is refused", "exit": {"typed": [3]}}], exit={"typed": [0]}, says={"typed": ["done"]})))
    assert "[expect.json]" in told and "or [it is refused]\n  - says" in told and told.count("  - exit") == 1


@pytest.mark.parametrize("said", ["Traceback (most recent call last):", "KeyError: this is a fault of labelfree: run again"])
def test_a_traceback_is_wrong_whether_asked_or_not(said, case, done):
    assert "never: `typed` says" in judge(done(case(), said))


@pytest.mark.parametrize("expected", [{"bogus": {}}, {"exit": {"untyped": [0]}}])
def test_a_key_that_nothing_checks_is_an_error(expected, case):
    for everything in (expected, {"accept": [{"why": "so", **expected}]}):
        with pytest.raises(ValueError, match="bogus|untyped"):
            case(**everything)


@pytest.mark.parametrize("key", ["pool", "groups"])
def test_a_key_inside_a_key_that_nothing_checks_is_an_error(key, case, done):
    with pytest.raises(ValueError, match="bogus"):
        judge(done(case(**{key: {"typed": {"bogus": 1}}})))


@pytest.mark.parametrize("step", [{"type": "rm -r x"}, {"type": "labelfree doctor", "do": {"verb": "kill"}}, {"note": "x"}])
def test_a_step_that_is_not_understood_is_an_error(step, case, tmp_path):
    made = case(steps=[{"as": "typed", **step}])
    with pytest.raises(ValueError, match=r"labelfree|understood"):
        carry_out(made, Workplace.of(made, tmp_path / "work"), in_this_process)


def test_a_command_gives_here_what_it_gives_in_a_process_of_its_own(case, tmp_path):
    made = case(steps=[{"as": "typed", "type": "labelfree data show DATA/absent --domain satellite"}])
    here = carry_out(made, Workplace.of(made, tmp_path / "here"), in_this_process)["typed"]
    there = carry_out(made, Workplace.of(made, tmp_path / "there"), as_typed)["typed"]
    assert (here.code, here.text) == (there.code, there.text) and "DATA/absent" in here.text


def test_a_process_ends_at_its_limit_and_when_it_is_to_be_killed():
    assert as_typed(["doctor"], 0.0, lambda: False)[0] != 0
    assert as_typed(["doctor"], None, lambda: True)[0] != 0


def test_a_case_that_kills_a_command_needs_a_process(case):
    killed = {"as": "typed", "type": "labelfree pretrain RECIPE --out RUN/first", "do": {"verb": "kill", "when": "checkpoints/*"}}
    assert needs_a_process(case(steps=[killed])) and not needs_a_process(case())


def test_a_step_of_python_copies_and_says_why_it_is_refused(case, tmp_path):
    copy = {"as": "copy", "python": "…", "do": {"verb": "copy", "from": "DATA", "to": "RUN/second/data"}}
    refused = {"as": "refused", "python": "…", "do": {"verb": "read", "files": ["absent.tif"]}}
    made = case(steps=[copy, refused])
    place = Workplace.of(made, tmp_path / "work")
    outcomes = carry_out(made, place, in_this_process)
    assert outcomes["copy"].code == 0 and (place.run / "second" / "data").is_dir()
    assert outcomes["refused"].code == 3 and "DATA/absent.tif" in outcomes["refused"].text and outcomes["refused"].found is None


def test_cases_are_looked_for_where_the_variable_says(tmp_path, monkeypatch, case):
    monkeypatch.delenv("LABELFREE_CASES", raising=False)
    assert [mark.name for entry in cases_on_disk("satellite") for mark in entry.marks] == ["skip"]
    case()
    monkeypatch.setenv("LABELFREE_CASES", str(tmp_path.parent))
    assert [entry.id for entry in cases_on_disk(tmp_path.name)] == ["made-up"]
    with pytest.raises(FileNotFoundError, match="holds no case"):
        cases_on_disk("absent")
