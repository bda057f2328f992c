"""What identifies by its form or by the files' own word is hidden in sentences, tables, recipes and in the headers of weight files."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from labelfree.domain import IdentifyingForm
from labelfree.errors import RecipeError
from labelfree.pipeline.pretrained_on import _taken_from
from labelfree.reporting import Anonymiser, conceal, share_copy, write_report
from labelfree.reporting.anonymise import IDENTIFYING, SALTED
from labelfree.reporting.names_within import NamesWithin
from tests.reporting.made import make_run

UID = "2.25.72403744934860067225496978460057314"
FORMS = (IdentifyingForm(r"\bP-\d{4}\b(?!-test)"), IdentifyingForm(r"\w+~\w+", separator="~"))
anonymiser = Anonymiser(b"salt", forms=FORMS)


@pytest.mark.parametrize("sentence", ["case {}: a slice is missing.", "{}", "({}), and others", "'{}' of 3"])
@pytest.mark.parametrize("name", ["P-4711", "ANNA~HOLZ"])
def test_what_has_a_form_of_the_domain_is_hidden(sentence: str, name: str) -> None:
    shown = anonymiser.text(sentence.format(name))
    assert name not in shown and SALTED.search(shown)[0] == anonymiser.text(name)  # type: ignore[index]  # always alike


@pytest.mark.parametrize("sentence", ["P-47112", "P-4711-test is the phantom", "ANNA HOLZ", f"series {UID}, DOE^JOHN, 19700123"])
def test_what_the_domain_leaves_out_and_forms_of_other_domains_stay(sentence: str) -> None:
    assert anonymiser.text(sentence) == sentence == Anonymiser(b"salt").text(sentence)


def test_a_name_of_a_form_is_hidden_where_it_stands_alone_in_json_and_a_count_is_not() -> None:
    told = Anonymiser(b"salt", forms=[IdentifyingForm(r"\b19\d{6}\b")]).value({"born": "19700123", "n": "12345678", "steps": 19700123})
    assert SALTED.fullmatch(told.pop("born")) and told == {"n": "12345678", "steps": 19700123}


def test_a_copy_is_made_only_where_the_domain_can_say_what_identifies(run: Path, tmp_path: Path) -> None:
    share_copy(run, tmp_path / "copy")
    for folder in (run, tmp_path / "copy"):
        recipe = folder / "recipe.yaml"
        recipe.write_text(recipe.read_text().replace("domain: medical", "domain: retina"))
    with pytest.raises(RecipeError, match="'retina' is not installed"):
        share_copy(run, tmp_path / "another")
    assert not (tmp_path / "another").exists()
    write_report(tmp_path / "copy", share=True)  # names are hidden in it already


@given(st.lists(st.text("ab/.1 ", min_size=1, max_size=7), max_size=8), st.text("ab/.1 \\", max_size=40))
def test_names_are_found_as_by_looking_for_each(names: list[str], text: str) -> None:
    assert NamesWithin(names).of(text) == [n for n in dict.fromkeys(names) if n in text or n.replace("/", "\\") in text]


def test_names_of_many_slices_do_not_make_it_slow() -> None:
    many = NamesWithin(
        f"patient-{number // 400:04d}/series-{number // 200:04d}/IM{number:06d}.dcm#~{number % 200}" for number in range(200_000)
    )
    started = time.perf_counter()
    for number in range(2000):
        assert many.of(f"arm imagenet+domain at {number} labels a class") == []
    assert time.perf_counter() - started < 2  # looking for each takes two minutes


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose resolved recipe holds a root, and whose owner keeps the words of its files."""
    told = {"domain": "medical", "data": {"root": "/mnt/nas-zqx/exports"}, "pool": {"dir": str(tmp_path / "pools")}}
    folder = make_run(tmp_path / "run", recipe=told)
    (folder / "private").mkdir(exist_ok=True)
    (folder / "private" / "asked.yaml").write_text((folder / "recipe.yaml").read_text())
    (folder / "private" / IDENTIFYING).write_text("ACC-ZQX-99\nZQX General Hospital\nHOLZ^ANNA\n4711\n", encoding="utf-8")
    notes = [
        "Visit ACC-ZQX-99 has no side.",
        "From ZQX General Hospital.",
        "HOLZ, Anna is there twice",
        "patient 4711: 12 slices",
        "47110 voxels",
    ]
    (folder / "notes.json").write_text(json.dumps(notes))
    return folder


def test_what_the_files_call_their_images_is_hidden(run: Path, tmp_path: Path) -> None:
    share_copy(run, tmp_path / "out")
    notes = json.loads((tmp_path / "out" / "notes.json").read_text())
    assert notes[4] == "47110 voxels"
    assert not any(name in SALTED.sub("", note) for note in notes[:4] for name in ("ZQX", "HOLZ", "4711"))
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8").split("<script")[0]
    assert not any(name in page for name in ("ACC-ZQX", "General Hospital", "HOLZ"))


def test_a_folder_whose_recipe_is_hidden_already_is_hidden_by_its_owners_words(run: Path) -> None:
    conceal(run)
    salted = Anonymiser.of(run).row("a.tif")
    command = "labelfree evaluate mine.yaml data.root=/mnt/nas-zqx/exports"
    (run / "environment.json").write_text(json.dumps({"command": command, "python": "3.11.9"}))  # as a comparison in that folder writes it
    assert yaml.safe_load((run / "recipe.yaml").read_text())["data"]["root"] == "<data.root>"
    conceal(run)
    assert "zqx" not in (run / "environment.json").read_text()
    assert Anonymiser.of(run).row("a.tif") == salted  # by the data set's own secret, and not a new one


def test_the_head_of_a_weight_file_is_hidden_and_its_tensors_are_not(run: Path, tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 5), "b": torch.arange(7, dtype=torch.int64), "c": torch.zeros(0), "d": torch.randn(2).bfloat16()}
    card = {
        "reader": {"series": UID},
        "init": "/mnt/nas-zqx/exports/best.safetensors",
        "mean": [0.1234567890123, 2.0],
        "classes": ["Forest"],
    }
    told = {"format": "pt", "task": "classification", "labelfree.head": json.dumps(card, ensure_ascii=False)}
    (run / "heads").mkdir(exist_ok=True)
    save_file(tensors, run / "heads" / "mine.safetensors", metadata=told)
    save_file(tensors, run / "heads" / "plain.safetensors")
    save_file(tensors, run / "heads" / "open.safetensors", metadata={"format": "pt", "card": json.dumps({"mean": [0.1], "arm": "domain"})})
    share_copy(run, tmp_path / "out")
    for name in ("mine", "plain", "open"):
        copied = load_file(tmp_path / "out" / "heads" / f"{name}.safetensors")
        assert copied.keys() == tensors.keys() and all(torch.equal(copied[key], tensors[key]) for key in tensors)
    raw = (tmp_path / "out" / "heads" / "mine.safetensors").read_bytes()
    assert UID.encode() not in raw and b"zqx" not in raw
    with safe_open(tmp_path / "out" / "heads" / "mine.safetensors", "pt") as file:
        shown = json.loads(file.metadata()["labelfree.head"])
        assert file.metadata()["format"] == "pt"
    assert shown["mean"] == card["mean"] and shown["classes"] == ["Forest"] and SALTED.fullmatch(shown["reader"]["series"])
    with (
        safe_open(tmp_path / "out" / "heads" / "open.safetensors", "pt") as file,
        safe_open(run / "heads" / "open.safetensors", "pt") as own,
    ):
        assert file.metadata() == own.metadata()


def test_whose_networks_were_taken_over_is_hidden_and_still_known(run: Path, tmp_path: Path) -> None:
    """A leak check asks what they were pretrained on."""
    source = tmp_path / "run-zqx"
    source.mkdir()
    state = {
        "status": "finished",
        "recipe": "0",
        "commands": [f"labelfree evaluate --weights {source}"],
        "stages": {"weights": str(source)},
    }
    (run / "state.json").write_text(json.dumps(state))
    for _ in range(2):
        conceal(run)
        assert "zqx" not in (run / "state.json").read_text()
        assert _taken_from(run) == source
    share_copy(run, tmp_path / "out")
    assert _taken_from(tmp_path / "out") is None
