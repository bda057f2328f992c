"""Several domains beside each other: files tell which one reads them, a sentence asks where they do not, a broken one harms none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

import labelfree
from labelfree.errors import DataError, RecipeError
from labelfree.installed_domains import broken_domains, sound_domains
from labelfree.progress import Silent
from labelfree.recipe_file import change, load_recipe
from labelfree.recipe_words import json_schema, outline
from tests.data.fake_domain import write
from tests.domains.installing import BROKEN, PLAIN, install, thermal

ALL = {"broken": ("Broken", BROKEN), "plain": ("Plain", PLAIN), "thermal": ("Thermal", thermal())}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = install(tmp_path / "site", ALL)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in ALL:
        sys.modules.pop(f"{name}_domain", None)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder of frames of the thermal camera."""
    draw = np.random.default_rng(0)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(6):
        np.save(folder / f"{number}.npy", draw.integers(29000, 31000, (32, 32), dtype=np.uint16))
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of pictures, which one domain alone reads and none recognises."""
    for number in range(6):
        write(tmp_path / "pictures" / f"{number}.png", np.full((32, 32, 3), 40 * number))
    return tmp_path / "pictures"


def test_the_pages_domain_is_short() -> None:
    assert len([line for line in thermal().splitlines() if line.strip()]) <= 40


def test_a_domain_that_cannot_be_imported_takes_no_other_with_it(installed: Path) -> None:
    assert sound_domains() == ["inspection", "medical", "plain", "satellite", "thermal"] and list(broken_domains()) == ["broken"]
    [finding] = [each for each in labelfree.doctor() if each.what == "domains"]
    assert (
        finding.state == "warning"
        and "inspection, medical, plain, satellite, thermal" in finding.fact
        and "its library is not here" in finding.fact
    )
    assert "GeoTIFF" in {each.what for each in labelfree.doctor()}
    with pytest.raises(RecipeError, match="domain: 'broken' is installed and cannot be imported"):
        labelfree.read("x.npy", "broken")


def test_a_file_tells_who_reads_it(installed: Path, frames: Path, pictures: Path) -> None:
    frame = labelfree.read(frames / "0.npy")
    assert (frame.unit, frame.channels) == ("kelvin", ("heat",)) and 289 < float(frame.physical().mean()) < 311
    assert labelfree.read(frames / "0.npy", kelvin=0.02).scale == (0.02,)  # a key that one domain alone knows
    assert labelfree.read(pictures / "0.png", "satellite").unit == "display"
    with pytest.raises(DataError, match="nowhere.npy"):
        labelfree.read(frames / "nowhere.npy")


def test_a_file_that_two_read_and_none_knows_asks(installed: Path, tmp_path: Path, pictures: Path) -> None:
    twice = tmp_path / "a.png"
    twice.write_bytes((pictures / "0.png").read_bytes().ljust(4000, b"\0"))  # bytes for the one, a picture for the other
    with pytest.raises(
        RecipeError, match=r"a\.png: the files do not tell which field.*--domain \(installed: broken, inspection, medical, plain, "
    ):
        labelfree.read(twice)
    assert labelfree.read(twice, "plain", width=8).data.shape == (1, 500, 8)


def test_a_folder_tells_who_reads_it(installed: Path, frames: Path, pictures: Path) -> None:
    assert labelfree.show_data(frames).domain.name == "thermal"
    checked = labelfree.check_data(frames, ["reader.kelvin=0.02"])
    assert checked.faults == [] and checked.first is not None and checked.first.scale == (0.02,)
    with pytest.raises(RecipeError, match="do not tell which field"):
        labelfree.show_data(pictures)
    assert labelfree.plan(frames).recipe.domain == "thermal"
    proposed = labelfree.plan(frames, overrides=["reader.kelvin=0.02"])
    assert proposed.recipe.reader == {"kelvin": 0.02} and yaml.safe_load(proposed.text)["reader"] == {"kelvin": 0.02}


def test_a_sample_is_asked_for_by_name(installed: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"with --domain \(installed: broken, inspection, medical, plain, satellite, thermal\)"):
        labelfree.sample_data(tmp_path / "some")
    assert len(list(labelfree.sample_data(tmp_path / "some", "thermal").iterdir())) == 8


def test_weights_are_asked_of_every_domain_that_knows_any(installed: Path, tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(RecipeError, match=r"NoSuch_Weights"):
        labelfree.convert(tmp_path / "x.pth", "NoSuch_Weights.X")
    with pytest.raises(RecipeError, match="thermal knows no published weights"):
        labelfree.convert(tmp_path / "x.pth", "ResNet50_Weights.SENTINEL2_ALL_MOCO", domain="thermal")


def test_a_domain_that_cannot_read_is_found_wrong_by_the_doctor(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from labelfree_satellite import Satellite

    monkeypatch.setattr(Satellite, "diagnose", staticmethod(lambda: 1 // 0))
    [finding] = [each for each in labelfree.doctor() if each.what == "satellite"]
    assert finding.state == "wrong" and "ZeroDivisionError" in finding.fact


def test_keys_of_each_reader_are_checked_with_line_and_nearest_key(installed: Path, tmp_path: Path) -> None:
    def told(text: str) -> str:
        (tmp_path / "mine.yaml").write_text(text)
        with pytest.raises(RecipeError) as error:
            load_recipe(tmp_path / "mine.yaml")
        return str(error.value).removeprefix(f"{tmp_path}/")

    assert told("domain: thermal\nreader:\n  kelvn: 1") == "mine.yaml:3: reader.kelvn is not a key; did you mean reader.kelvin?"
    assert told("domain: thermal\nreader:\n  kelvin: 0") == "mine.yaml:3: reader.kelvin must be a number above 0, not 0."
    assert told("domain: plain\nreader:\n  zzz: 0") == "mine.yaml:3: reader.zzz is not a key; reader knows width, gain, sensor."
    assert told("domain: thermal\ndata:\n  bands: [a]").startswith("mine.yaml:3: data.bands is not a key; reader knows kelvin")
    recipe = change(load_recipe("satellite_dino", ["domain=plain", "data.card=null"]), {"reader.gain": 2.0})
    assert recipe.reader == {"width": None, "gain": 2.0, "sensor": None}


def test_the_schema_knows_the_keys_of_each(installed: Path) -> None:
    schema = json_schema()
    rules = {rule["if"]["properties"]["domain"]["const"]: rule["then"]["properties"]["reader"]["$ref"] for rule in schema["allOf"]}
    keys = {name: set(schema["$defs"][reference.rsplit("/", 1)[1]]["properties"]) for name, reference in rules.items()}
    assert keys["thermal"] == {"kelvin"} and keys["plain"] == {"width", "gain", "sensor"} and "bands" in keys["satellite"]
    assert "#   kelvin: 0.01  # a number above 0; kelvin that one count stands for" in outline({})


def test_a_cards_further_keys_are_those_of_its_domain(installed: Path, frames: Path, tmp_path: Path) -> None:
    card = "---\nname: mine\ndomain: thermal\nlicence: CC0\ncitation: me\n{more}---\n# Mine\n"
    (tmp_path / "mine.md").write_text(card.format(more="kelvin: 0.05\n"))
    of_card = [f"data.card={tmp_path / 'mine.md'}", f"data.root={frames}"]
    assert labelfree.show_data(str(tmp_path / "mine.md"), of_card[1:]).first.scale == (0.05,)
    assert labelfree.show_data(frames, [*of_card[:1], "reader.kelvin=0.01"]).first.scale == (0.01,)  # typed, though it is the default
    (tmp_path / "mine.md").write_text(card.format(more="kelvn: 0.05\n"))
    with pytest.raises(DataError, match=r"mine\.md: kelvn is not a key; did you mean reader\.kelvin"):
        labelfree.show_data(frames, of_card[:1])


def test_a_demo_is_a_domains_own(installed: Path) -> None:
    from labelfree.installed_domains import demo_recipe

    assert demo_recipe(None, pytest.fail) == "satellite_dino"
    with pytest.raises(RecipeError, match="--domain: thermal has no demo; those that do: satellite"):
        labelfree.demo(domain="thermal")


def test_the_commands_need_no_domain_where_the_files_tell(
    installed: Path, frames: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., SimpleNamespace]
) -> None:
    monkeypatch.chdir(frames.parent)
    checked = call("data", "check", str(frames), "reader.kelvn=1")
    assert checked.code == 2 and "reader.kelvn is not a key; did you mean reader.kelvin?" in checked.err
    checked = call("data", "check", str(frames))
    assert (checked.code, "6 images read, no faults found" in checked.out) == (0, True), checked.err
    planned = call("plan", str(frames))
    assert planned.code == 0 and yaml.safe_load(planned.out)["domain"] == "thermal", planned.err
    asked = call("data", "sample", "generated")
    assert asked.code == 2 and "--domain (installed: broken, inspection, medical, plain, satellite, thermal)" in asked.err


def test_a_third_partys_images_are_pretrained_on_and_embedded(installed: Path, frames: Path, tmp_path: Path) -> None:
    """Ten seconds: a whole pretraining of two steps, written to disk and read back."""
    (tmp_path / "mine.yaml").write_text(
        f"domain: thermal\ndata: {{root: {frames}}}\nreader: {{kelvin: 0.02}}\nbackbone: {{name: test_resnet, init: random}}\n"
        "pretrain: {steps: 2, batch_size: 4, size: 32}\nevaluate: {arms: [domain, random], primary: {arm: domain, against: random}}\n"
    )
    run = labelfree.pretrain(tmp_path / "mine.yaml", (), tmp_path / "run", say=Silent())
    card = labelfree.load(run.folder).card
    assert (card.domain, card.reader, card.channels, card.unit) == ("thermal", {"kelvin": 0.02}, ("heat",), "kelvin")
    assert labelfree.embed(run.folder, [frames / "0.npy", frames / "1.npy"]).shape[0] == 2  # read as the card says
