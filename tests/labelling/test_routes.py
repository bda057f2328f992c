"""What the page's server answers, and whom: asked over real HTTP."""

from __future__ import annotations

import io
import re
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from labelfree.data.label_tables import read_table
from labelfree.installed_domains import find_domain
from labelfree.labelling.classes import class_names
from labelfree.labelling.images import Folder
from labelfree.labelling.neighbours import InTheList
from labelfree.labelling.pictures import Pictures
from labelfree.labelling.routes import application
from labelfree.labelling.serving import bound, new_token, served
from labelfree.labelling.sitting import Sitting
from labelfree.labelling.table_file import AnswerTable
from labelfree.samples import Row
from tests.labelling.conftest import CLASSES, Site


@pytest.fixture
def site(folder: Path) -> Iterator[Site]:
    """The page of six pictures, the first two of one group."""
    domain = find_domain("satellite")
    rows = [Row(path.name, path, group="g" if path.name < "c" else None) for path in sorted(folder.glob("*.png"))]
    whole = Folder(folder, domain, rows)
    asked = whole.without_label()
    table = AnswerTable(folder / "labels.csv", whole.words(folder / "labels.csv", asked))
    groups = [image.extra["group"] for image in asked]
    sitting = Sitting(asked, [], class_names(CLASSES), table, InTheList(groups), "that")
    with bound(None) as listener, served(application(sitting, Pictures(domain), token := new_token()), listener, token) as address:
        yield Site(address)


def labels(folder: Path) -> dict[str, str | None]:
    return {record.path: record.label for record in read_table(folder / "labels.csv")}


def test_every_address_wants_the_token(site):
    port = site.address.split("/")[2]
    for address in (f"http://{port}/", f"http://{port}/{'x' * len(site.token)}/", f"http://{port}/{site.token[:-1]}/"):
        for path in ("", "page.js", "image/0", "view"):
            refused = site.get(path, address)
            assert refused.code == 403 and b"token" in refused.body and site.token.encode() not in refused.body
    assert site.get().code == site.get("page.js").code == site.get("image/0").code == 200


def test_answers_want_the_token_in_a_header_too(site, folder):
    """A form of another page can't set one."""
    assert site.post("view", token="").code == site.post("answer", token="wrong").code == 403
    assert not (folder / "labels.csv").exists()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.0.7", "[", "localhost@evil.example"]
)
def test_only_names_of_this_machine_are_answered(site, host):
    assert site.get(Host=host).code == 403
    assert site.get(Origin=f"http://{host}").code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1:1", "[::1]:8000"])
def test_a_tunnel_may_have_another_port(site, host):
    assert site.get(Host=host).code == 200


def test_nothing_from_elsewhere_is_loaded_or_kept(site):
    for path in ("", "page.css", "page.js", "stage.js", "classes.js", "image/0"):
        reply = site.get(path)
        assert reply.headers["Cache-Control"] == "no-store" and reply.headers["Referrer-Policy"] == "no-referrer"
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert path == "image/0" or not re.search(rb"https?:", reply.body)
    assert site.get("page.js").headers["Content-Type"].startswith("text/javascript")
    for hidden in ("../answers.py", "page/page.js", "..%2fanswers.py", "labels.csv", "page.html"):
        assert site.get(hidden).code == 404


def test_it_listens_on_this_machine_alone(site):
    import socket

    port = int(site.address.split(":")[2].split("/")[0])
    for family, *_, where in socket.getaddrinfo(socket.gethostname(), port, type=socket.SOCK_STREAM):
        if not str(where[0]).startswith("127.") and where[0] != "::1":
            with socket.socket(family, socket.SOCK_STREAM) as other, pytest.raises(OSError):
                other.settimeout(2)
                other.connect(where)


def test_an_image_comes_as_its_domain_previews_it(site, folder):
    whole, small = (Image.open(io.BytesIO(site.get(path).body)) for path in ("image/0", "image/0?small"))
    assert (whole.size, small.size, whole.format) == ((24, 16), (24, 16), "PNG")
    assert site.get("image/6").code == 409 and site.get("image/x").code == 404


def test_an_answer_is_on_disk_before_the_next_image_is_told(site, folder):
    first = site.post("view", {"window": "one"}).json
    assert first["image"]["at"] == 0 and [each["key"] for each in first["classes"]] == ["1", "2", "3"] and first["ahead"] == [1, 2]
    then = site.answer(0, "forest").json
    assert labels(folder) == {"a.png": "forest"} and then["image"]["at"] == 1
    assert then["told"] == "Saved: a.png is forest." and then["progress"]["words"] == "1 of 6"
    near = then["image"]["neighbours"]
    assert [(each["name"], each["said"], each["why"]) for each in near[:2]] == [
        ("a.png", "forest", "same group"), ("c.png", "not answered", "after it"),
    ]  # fmt: skip


def test_skipped_and_unsure_are_answers_that_can_be_gone_through_again(site, folder):
    site.answer(0, state="skipped")
    site.answer(1, state="unsure")
    for at in range(2, 6):
        last = site.answer(at, "water").json
    assert last["image"] is None and last["progress"]["aside"] == 2 and last["closing"] == "that"
    assert last["progress"]["counts"] == "water 4; 1 skipped, 1 unsure"
    assert site.post("view", {"aside": True}).json["image"]["name"] == "a.png"
    again = {
        "at": 0,
        "answer": {"label": "forest", "state": ""},
        "shown": {"label": "", "state": "skipped"},
        "window": "one",
        "aside": True,
    }
    assert site.post("answer", again).json["image"]["name"] == "b.png"
    assert labels(folder)["a.png"] == "forest" and labels(folder)["b.png"] is None


def test_two_windows_do_not_lose_each_others_answers(site, folder):
    site.answer(0, "forest", window="one")
    late = site.answer(0, "water", window="two").json  # it still showed the image without an answer
    assert late["image"]["at"] == 0 and "another answer: forest" in late["told"] and labels(folder)["a.png"] == "forest"
    assert site.answer(0, "forest", window="two").json["told"] == "a.png was forest already."
    assert site.answer(0, "water", shown=("forest", ""), window="two").json["image"]["at"] == 1
    refused = site.post("undo", {"window": "one"}).json
    assert "Not taken back" in refused["told"] and labels(folder)["a.png"] == "water"
    assert "Taken back" in site.post("undo", {"window": "two"}).json["told"] and labels(folder)["a.png"] == "forest"


def test_undo_goes_back_step_by_step_and_says_when_nothing_is_left(site, folder):
    for at, name in enumerate(("forest", "water", "pasture")):
        site.answer(at, name)
    assert [site.post("undo", {"window": "one"}).json["image"]["at"] for _ in range(3)] == [2, 1, 0]
    assert (folder / "labels.csv").read_text() == "path,label,group,state\n"
    assert "Nothing was answered" in site.post("undo", {"window": "one"}).json["told"]


def test_a_file_that_vanished_is_a_sentence_and_can_be_skipped(site, folder):
    (folder / "a.png").unlink()
    gone = site.get("image/0")
    assert gone.code == 409 and gone.body.decode() == f"{folder / 'a.png'}: is no longer there; put it back, or skip it."
    (folder / "b.png").write_bytes(b"no picture")
    assert site.get("image/1").code == 409 and b"b.png" in site.get("image/1").body
    refused = site.answer(0, "forest")
    assert refused.code == 409 and b"a.png is no longer there" in refused.body
    passed = site.answer(0, state="skipped").json
    assert passed["image"]["at"] == 1 and passed["progress"]["counts"] == "1 skipped" and "does not name it" in passed["told"]
    assert not (folder / "labels.csv").exists()  # a run would ask where the file is
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    assert site.get("image/0").code == 200
    assert site.answer(0, "forest", shown=("", "skipped")).json["image"]["at"] == 1 and labels(folder) == {"a.png": "forest"}


def test_a_table_broken_by_hand_is_told_and_goes_on(site, folder):
    site.answer(0, "forest")
    sound = (folder / "labels.csv").read_text()
    (folder / "labels.csv").write_text(sound + '"never closed\n')
    told = site.answer(1, "water").json
    assert "opened and never closed" in told["notice"] and told["image"]["at"] == 2
    (folder / "labels.csv").write_text(sound)
    assert site.post("view", {}).json["notice"] == "" and labels(folder) == {"a.png": "forest", "b.png": "water"}
    (folder / "labels.csv").write_text(sound)  # an editor saves what it had
    lost = site.post("view", {}).json
    assert lost["lost"] == 1 and "lacks the line of an answer" in lost["notice"]
    assert site.post("put-back", {"at": 2}).json["lost"] == 0 and labels(folder) == {"a.png": "forest", "b.png": "water"}


def test_a_class_written_by_hand_is_offered(site, folder):
    (folder / "labels.csv").write_text("path,label\nb.png,marsh\n")
    view = site.post("view", {}).json
    assert view["classes"][-1] == {"name": "marsh", "key": "4"} and site.answer(0, "marsh").code == 200


@pytest.mark.parametrize(
    "given", [b"", b"[]", b"{}", b'{"window": "w", "at": 0, "answer": {"label": "forest", "state": "skipped"}, "shown": {}}', b"\xff"]
)
def test_nonsense_is_refused_with_a_sentence(site, folder, given):
    refused = site.post("answer", given)
    assert refused.code == 400 and b"load it again" in refused.body and not (folder / "labels.csv").exists()
    assert site.answer(0, "no such class").code == site.answer(99, "forest").code == site.answer(-1, "forest").code == 409


def test_the_server_ends_with_its_page(folder):
    async def nothing(scope, receive, send): ...

    with bound(None) as listener, served(nothing, listener, "t") as address:
        pass
    with pytest.raises(urllib.error.URLError):
        Site(address).get()
