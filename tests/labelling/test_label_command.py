"""`labelfree label` as a person starts and leaves it: what it asks about, and one sentence for each thing that is wrong."""

from __future__ import annotations

import asyncio
import csv
import io
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelfree
from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import LoadedBackbone
from labelfree.cli import main
from labelfree.data.label_tables import read_table
from labelfree.labelling.asking import prepared
from labelfree.progress import Console, Silent
from tests.labelling.conftest import CLASSES, Site, site_of

TOYS = Path(__file__).parents[1] / "plugins" / "toy_volumes"


def names(site: Site) -> list[str]:
    """The images in the order in which they are asked about, by walking through them."""
    total = site.post("view", {}).json["total"]
    return [site.post("view", {"at": at}).json["image"]["name"] for at in range(total)]


@pytest.mark.slow  # test_page.py kills and goes on as well
def test_leaving_and_coming_back_goes_on(program, folder):
    first = program(folder, "--domain", "satellite", "--classes", CLASSES)
    site = Site(first.address)
    assert names(site) == [f"{name}.png" for name in "abcdef"]
    site.answer(0, "forest")
    site.answer(1, state="unsure")
    code, out = first.end(signal.SIGINT)
    assert code == 0 and "Leave with Ctrl-C: every answer is on disk." in out
    assert out.endswith(f"{folder / 'labels.csv'}: 2 of 6 images have an answer.\nGo on with the same command.\n")

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    second = program(folder, "--domain", "satellite", "--classes", CLASSES, "--port", port)
    assert second.address.startswith(f"http://127.0.0.1:{port}/")
    site = Site(second.address)
    assert site.post("view", {}).json["image"]["name"] == "c.png"
    for at in range(2, 6):
        site.answer(at, "water")
    code, out = second.end(signal.SIGTERM)
    plan = f"labelfree plan {folder} --domain satellite --labels {folder / 'labels.csv'} --out with-labels.yaml"
    run = f"Next: {plan} && labelfree run with-labels.yaml\n"
    assert code == 0 and "6 of 6 images" in out and out.endswith(run)


def test_chosen_rows_come_in_their_order_with_their_columns(folder, tmp_path):
    chosen = tmp_path / "chosen" / "select.csv"
    chosen.parent.mkdir()
    chosen.write_text(
        "path,group,split,chosen,reason\nd.png,g1,,typical,dense\na.png,,test,audit,drawn\ngone.png,,,typical,dense\nb.png,,,typical,dense\n"
    )
    with site_of(folder, CLASSES, rows=chosen) as site:
        assert names(site) == ["d.png", "a.png", "gone.png", "b.png"]
        assert site.post("view", {"at": 1}).json["image"]["chosen"] == "audit"
        assert site.get("image/2").code == 409 and b"is no longer there" in site.get("image/2").body
        for at, label in enumerate(("forest", "water")):
            site.answer(at, label)
        assert site.answer(2, state="skipped").json["image"]["at"] == 3
        site.answer(3, state="skipped")
    assert (folder / "labels.csv").read_text() == (
        "path,label,group,split,chosen,state\nd.png,forest,g1,,typical,\na.png,water,,test,audit,\nb.png,,,,typical,skipped\n"
    )


def test_a_table_as_people_keep_it_is_gone_on_with(folder, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text(f"Image;Class;Note\r\n{folder / 'b.png'};forest;sure\r\nc;;look again\r\n", newline="")
    with site_of(folder, "water", labels=table) as site:
        view = site.post("view", {}).json
        assert view["image"]["name"] == "a.png" and [each["name"] for each in view["classes"]] == ["water", "forest"]
        site.answer(2, "water")
        site.answer(0, "forest")
    lines = list(csv.DictReader(io.StringIO(table.read_text(), newline=""), delimiter=";"))
    assert [(Path(line["Image"]).name, line["Class"], line["Note"]) for line in lines] == [
        ("b.png", "forest", "sure"), ("c", "water", "look again"), ("a.png", "forest", ""),
    ]  # fmt: skip
    rows = labelfree.show_data(folder, [f"data.labels={table}"], "satellite").manifest.labelled
    assert {row.id: row.label for row in rows} == {"a.png": "forest", "b.png": "forest", "c.png": "water"}


def test_two_servers_on_one_table_lose_nothing(folder):
    with site_of(folder, CLASSES) as one, site_of(folder, CLASSES) as two:
        one.answer(0, "forest")
        two.answer(1, "water")
        late = two.answer(0, "water").json
        assert "another answer: forest" in late["told"] and late["image"]["answer"] == {"label": "forest", "state": ""}
        assert one.post("view", {}).json["image"]["name"] == "c.png"
    assert {record.path: record.label for record in read_table(folder / "labels.csv")} == {"a.png": "forest", "b.png": "water"}


def test_images_of_13_bands_and_16_bits_are_shown_in_the_colours_of_their_sensor(tmp_path):
    import rasterio

    bands = np.random.default_rng(0).integers(0, 5000, (13, 32, 32), dtype=np.uint16)
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", width=32, height=32, count=13, dtype="uint16") as file:
        file.write(bands)
    names = [f"B{n:02d}" for n in range(1, 13)] + ["B8A"]
    with site_of(tmp_path, CLASSES, ["reader.sensor=sentinel-2-l1c", f"reader.bands=[{','.join(names)}]"]) as site:
        shown = Image.open(io.BytesIO(site.get("image/0").body))
    assert shown.mode == "RGB" and shown.size == (32, 32)
    for channel, band in zip(shown.split(), (3, 2, 1), strict=True):  # B04, B03, B02
        assert np.corrcoef(np.asarray(channel).ravel(), bands[band].ravel())[0, 1] > 0.99


def test_channels_that_nobody_named_are_told_and_shown_without_colours(tmp_path, capsys):
    import rasterio

    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", width=8, height=8, count=4, dtype="uint16") as file:
        file.write(np.arange(256, dtype=np.uint16).reshape(4, 8, 8))
    prepared(tmp_path, CLASSES, None, tmp_path / "labels.csv", "satellite", None, (), Console())
    assert "so images have no colours; say it with reader.bands" in capsys.readouterr().out


def test_volumes_are_shown_as_their_domain_previews_them(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(TOYS)
    volumes = labelfree.sample_data(tmp_path / "volumes", "toy_volumes")
    (volumes / "splits.csv").unlink()
    with site_of(volumes, "ball,rod", ["data.class_folders=false"], domain="toy_volumes") as site:
        assert Image.open(io.BytesIO(site.get("image/0").body)).mode == "RGB"
        assert site.answer(0, "ball").json["image"]["at"] == 1


def test_neighbours_are_those_most_alike(tmp_path):
    """A red picture's labelled neighbour is the red one, wherever it stands in the list."""
    for number in range(8):
        colour = (200 + number, 10, 20) if number % 2 else (10, 20, 200 + number)
        Image.new("RGB", (32, 32), colour).save(tmp_path / f"{number}.png")
    sample = labelfree.read(tmp_path / "0.png", "satellite")
    fields = {"channels": sample.channels, "unit": sample.unit, "scale": sample.scale, "offset": sample.offset, "size": 32}
    card = WeightCard(architecture="resnet10t", mean=(0.5,) * 3, std=(0.25,) * 3, dtype="uint8", low=(0,) * 3, high=(1,) * 3, **fields)
    with site_of(tmp_path, "red,blue", encoder=LoadedBackbone(build("resnet10t", 3), card)) as site:
        site.answer(0, "blue")
        site.answer(1, "red")
        end = time.monotonic() + 60
        while (view := site.post("view", {"at": 7}).json["image"])["neighbours_note"] and time.monotonic() < end:
            time.sleep(0.1)
    assert [(each["name"], each["said"]) for each in view["neighbours"]] == [("1.png", "red"), ("0.png", "blue")]
    assert view["neighbours"][0]["why"].startswith("likeness 1.00")


WRONG = {
    ("--classes", CLASSES, "--port", "BUSY"): (2, "--port: BUSY is in use; give another, or leave it out."),
    ("--classes", CLASSES, "--port", "70000"): (2, "--port: 70000 is no port"),
    (): (2, "--classes: name the classes to choose from, at least two"),
    ("--classes", "a,,b"): (2, "--classes: class 2 of 3 has no name"),
    ("--classes", CLASSES, "--rows", "nowhere.csv"): (3, "nowhere.csv: does not exist (--rows)"),
    ("--classes", CLASSES, "--rows", "."): (3, ".: is a folder (--rows); name the table in it."),
    ("--classes", CLASSES, "--labels", "broken.csv"): (3, "broken.csv row 2: a quote"),
    ("--classes", CLASSES, "--labels", "bare.csv"): (3, "bare.csv: its first line names an image already; put a line `path,label`"),
    ("--classes", CLASSES, "--labels", "no/l.csv"): (3, "does not exist; make it, or name another table"),
    ("--classes", CLASSES, "--labels", "l.parquet"): (3, "answers are written as CSV"),
    ("--classes", CLASSES, "reader.sensr=x"): (2, "sensr"),
    ("--classes", CLASSES, "--weights", "nowhere.safetensors"): (3, "nowhere.safetensors"),
}


@pytest.mark.parametrize(("arguments", "told"), WRONG.items())
def test_what_is_wrong_is_one_sentence(folder, tmp_path, monkeypatch, capsys, arguments, told):
    (tmp_path / "broken.csv").write_text('path,label\na.png,"forest\n')
    (tmp_path / "bare.csv").write_text("a.png,forest\nb.png,water\n")
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as busy, pytest.raises(SystemExit) as left:
        port = str(busy.getsockname()[1])
        main(["label", str(folder), "--domain", "satellite", *(port if word == "BUSY" else word for word in arguments), "--no-browser"])
    said = capsys.readouterr()
    assert (left.value.code, said.err.count("\n"), said.out) == (told[0], 1, "") and told[1].replace("BUSY", port) in said.err
    assert not list(folder.glob("labels*"))


def test_a_folder_that_is_not_there_or_has_labels_already_is_told(folder, tmp_path, capsys):
    for name, label in zip("abcdef", ("x", "y") * 3, strict=True):
        (folder / label).mkdir(exist_ok=True)
        shutil.move(folder / f"{name}.png", folder / label)
    for place, sentence in {
        folder: "every image has a label already; name those to ask about with --rows",
        tmp_path / "nowhere": "nowhere: does not exist",
    }.items():
        with pytest.raises(SystemExit) as left:
            main(["label", str(place), "--domain", "satellite", "--classes", CLASSES, "--no-browser"])
        assert left.value.code == 3 and sentence in capsys.readouterr().err


def test_without_what_serves_the_page_it_says_what_to_install(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "starlette", None)  # as where it is not installed
    with pytest.raises(SystemExit) as left:
        main(["label", str(folder), "--classes", CLASSES])
    said = capsys.readouterr().err
    assert left.value.code == 1 and said == "starlette is not installed, which the page needs: pip install 'labelfree[label]'\n"


def test_in_a_notebook_it_returns_the_table_and_can_be_called_again(folder, monkeypatch):
    """A notebook runs within an event loop of its own; interrupting the cell is what ends the waiting."""
    said: list[str] = []

    class Kept(Silent):
        def say(self, sentence):
            said.append(sentence)

    def interrupted():
        site = Site(next(line for line in reversed(said) if line.startswith("Open ")).split()[1])
        site.answer(site.post("view", {}).json["image"]["at"], "water")

    monkeypatch.setattr("labelfree.labelling.asking.wait", interrupted)
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 5 10.0.0.2 22")

    async def cell():
        return [labelfree.label(folder, CLASSES.split(","), domain="satellite", say=Kept()) for _ in range(2)]

    assert asyncio.run(cell()) == [folder / "labels.csv"] * 2
    assert [record.path for record in read_table(folder / "labels.csv")] == ["a.png", "b.png"]
    assert any("ssh -L" in line and ":127.0.0.1:" in line for line in said) and f"{folder / 'labels.csv'}: 2 of 6" in said[-2]


def test_ctrl_c_right_after_the_address_is_told_leaves_as_later(folder):
    class Hasty(Silent):
        def say(self, sentence):
            if sentence.startswith("Open "):
                raise KeyboardInterrupt

    assert labelfree.label(folder, CLASSES.split(","), domain="satellite", say=Hasty()) == folder / "labels.csv"
