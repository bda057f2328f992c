"""The wheel is complete: it works in an empty folder, far from the checkout, in a Python that has never seen it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
pytestmark = pytest.mark.slow  # builds a wheel and a virtual environment


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", target, TOP]
    subprocess.run(command, check=True, timeout=300)
    (built,) = target.glob("labelfree-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Run a command of a fresh environment that sees this one's packages but not the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    (packages,) = folder.glob("Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # This environment's packages, without its editable install of labelfree: a plain .pth line does not read theirs.
    others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "others.pth").write_text("\n".join(others), encoding="utf-8")
    empty = tmp_path_factory.mktemp("empty")
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "LABELFREE_DATA"}}
    environment["LABELFREE_CACHE"] = str(tmp_path_factory.mktemp("cache"))

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [binaries / "python", *arguments]
        return subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, timeout=300)

    return call


def test_the_wheel_holds_the_packages_and_resources_and_nothing_generic(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "labelfree",
        "labelfree_inspection",
        "labelfree_medical",
        "labelfree_satellite",
    }
    for kind, suffix in (("recipes", ".yaml"), ("data_cards", ".md")):
        shipped = {Path(name).name for name in names if name.startswith(f"labelfree/_resources/{kind}/") and name.endswith(suffix)}
        assert shipped == {path.name for path in (TOP / kind).glob(f"*{suffix}")} and shipped


def test_the_page_of_labels_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        shipped = {Path(name).name for name in archive.namelist() if name.startswith("labelfree/labelling/page/")}
    assert shipped == {path.name for path in (TOP / "labelfree" / "labelling" / "page").iterdir()} and "page.html" in shipped


def test_it_is_the_wheel_that_is_tested(installed):
    assert str(TOP) not in installed("-c", "import labelfree; print(labelfree.__file__)").stdout


def test_recipes_and_cards_are_found_without_a_checkout(installed):
    checked = installed("-m", "labelfree.cli", "recipe", "check", "recipes/satellite_dino.yaml")
    assert checked.returncode == 0 and "fine" in checked.stdout, checked.stderr
    cards = installed("-c", "from labelfree.data.cards import card_names, find_card; print(*[find_card(n).name for n in card_names()])")
    assert "generated-satellite" in cards.stdout.split(), cards.stderr


def test_the_domain_is_found_and_can_make_its_sample(installed):
    made = installed("-m", "labelfree.cli", "data", "sample", "generated", "--domain", "satellite")
    assert made.returncode == 0, made.stderr
    shown = installed("-m", "labelfree.cli", "data", "show", "generated")
    assert shown.returncode == 0 and "classes" in shown.stdout, shown.stderr


OFFLINE = """
import socket, sys
def forbidden(*_, **__):
    raise AssertionError("something reached for the network")
socket.socket.connect = socket.socket.connect_ex = socket.socket.bind = socket.getaddrinfo = socket.create_connection = forbidden
from labelfree.cli import main
main(sys.argv[1:])
"""


def test_the_demo_runs_with_sockets_forbidden(installed):
    short = ["pretrain.steps=2", "pretrain.batch_size=8", "evaluate.labels_per_class=[1,5]", "evaluate.sizes=[32]"]
    done = installed("-c", OFFLINE, "demo", *short, "--out", "run")
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout
    again = installed("-c", OFFLINE, "report", "run")
    assert again.returncode == 0, again.stderr
