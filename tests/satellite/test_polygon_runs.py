"""A whole run on two dates of one place with polygons in a GeoPackage and no test set."""

from __future__ import annotations

import csv
from pathlib import Path

import geopandas
import numpy as np
import pytest
from shapely.geometry import box

import labelfree
from labelfree.errors import DataError
from labelfree.progress import Silent
from tests.satellite.files import write_tif

SPECTRA = {"maize": (400, 800, 600, 4000), "wheat": (600, 1000, 1200, 2500), "meadow": (300, 700, 400, 3200)}
PLOT = 40  # pixels
SMALL = [
    "data.labels=fields.gpkg", "data.label_field=crop", "data.date_field=seen", "data.positives=date", "reader.sensor=sentinel-2-l1c",
    "backbone.name=test_resnet",
    "backbone.init=random", "pretrain.steps=2", "pretrain.minutes=null", "pretrain.batch_size=8", "pretrain.options={hidden: 32}",
    "evaluate.arms=[statistics, random, domain]", "evaluate.labels_per_class=[1, 2]", "evaluate.draws=2", "evaluate.sizes=[32]",
    "evaluate.primary={arm: domain, against: random, protocol: linear, budget: 2, metric: accuracy}",
]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """16 x 16 plots of three crops on two dates, every fourth of them a polygon with a class and a date."""
    draw = np.random.default_rng(0)
    crops = np.arange(256).reshape(16, 16) % 3
    for day, light in (("20220401", 0.8), ("20220701", 1.0)):
        plots = np.array(list(SPECTRA.values()))[crops].transpose(2, 0, 1).repeat(PLOT, 1).repeat(PLOT, 2)
        image = plots * light * (1 + 0.15 * draw.standard_normal((1, *plots.shape[1:]))) + 30 * draw.standard_normal(plots.shape)
        write_tif(tmp_path / f"tile_{day}.tif", image.clip(0).astype(np.uint16), names=("B02", "B03", "B04", "B08"))
    chosen = [divmod(4 * n + n // 4 % 4, 16) for n in range(60)]
    corners = [(500_000 + 10 * (PLOT * j + 6), 5_300_000 - 10 * (PLOT * i + 6)) for i, j in chosen]
    table = {"crop": [list(SPECTRA)[crops[i, j]] for i, j in chosen], "seen": [("2022-04-09", "2022-06-30")[n % 2] for n in range(60)]}
    shapes = [box(x, y - 260, x + 260, y) for x, y in corners]
    geopandas.GeoDataFrame(table, geometry=shapes, crs=32632).to_crs(4326).to_file(tmp_path / "fields.gpkg")
    return tmp_path


@pytest.mark.slow
def test_polygons_on_two_dates_give_a_full_report(place: Path, tmp_path: Path) -> None:
    """Takes ten seconds or more: a whole run."""
    run = labelfree.run("satellite_dino", [f"data.root={place}", *SMALL], tmp_path / "run", say=Silent())
    assert run.report is not None and run.report.stat().st_size > 100_000
    with (run.folder / "splits.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    labelled, windows = [row for row in rows if row["label"]], [row for row in rows if not row["label"]]
    assert len(labelled) == 60 and {row["role"] for row in labelled} == {"train"}
    assert len({row["group"] for row in labelled}) >= 4  # spatial blocks
    assert {row["role"] for row in windows} == {"pool", "unused"}  # windows over labelled ground, on either date, are not learnt from
    kept = {row["path"].partition("#")[2] for row in windows if row["role"] == "pool"}
    left = {row["path"].partition("#")[2] for row in windows if row["role"] == "unused"}
    assert kept and left and not kept & left
    pairs = f"(data.positives=date): {len(kept) * 2:,} of {len(kept) * 2:,} have one, 1.0 on average."  # each window lies on both dates
    assert pairs in run.report.read_text(encoding="utf-8")
    with run.results.open(newline="") as stream:
        scores = [float(row["value"]) for row in csv.DictReader(stream) if row["arm"] == "statistics"]
    assert np.mean(scores) > 0.8  # spectra tell crops apart


def test_a_plan_for_polygons_runs_as_it_is_written(place: Path, tmp_path: Path) -> None:
    """Without the field that holds the class it says which there are."""
    with pytest.raises(DataError, match=r"say which field holds the class: data.label_field=… \(crop, seen\)"):
        labelfree.plan(place, labels="fields.gpkg", say=Silent())
    proposal = labelfree.plan(place, labels="fields.gpkg", label_field="crop", date_field="seen", out=tmp_path / "mine.yaml", say=Silent())
    told = "\n".join(proposal.lines())
    assert "labels, by shape: 60 images in 3 classes" in told and "scenes: 2, read as" in told and "domain: satellite (it has coord" in told
    data = labelfree.check_recipe(tmp_path / "mine.yaml").data
    assert (data.label_field, data.date_field, data.labels) == ("crop", "seen", place / "fields.gpkg")
    assert 'date_field: "seen"' in proposal.text and proposal.recipe.evaluate.primary.arm == "imagenet+domain"
