"""The generated sample: repeatable, readable, split by scene, and said to be generated."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from labelfree_satellite import Satellite, generated_patches
from PIL import Image

from labelfree.data.manifest import load_manifest
from labelfree.data.table_cells import captions_in
from labelfree.domain import Row, Window
from labelfree.errors import DataError
from labelfree.recipe import Data


@pytest.fixture(scope="module", params=["", "rgb"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample of the same kind: fewer scenes."""
    directory = tmp_path_factory.mktemp("generated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generated_patches, "SPLITS", {"pretrain": 2, "train": 2, "dev": 1, "test": 1})
        Satellite().generate(directory, seed=3, variant=request.param)
    return directory


def table(directory: Path) -> list[dict[str, str]]:
    with (directory / "splits.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_same_seed_same_files(made: Path, tmp_path: Path) -> None:
    variant = "rgb" if (made / table(made)[0]["path"]).suffix == ".png" else ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generated_patches, "SPLITS", {"pretrain": 1})
        for seed, name in ((3, "same"), (4, "other")):
            Satellite().generate(tmp_path / name, seed=seed, variant=variant)
    for row in table(tmp_path / "same"):
        for key in ("path", "mask", "boxes"):
            assert (tmp_path / "same" / row[key]).read_bytes() == (made / row[key]).read_bytes()
    path = table(made)[0]["path"]
    assert (tmp_path / "other" / path).read_bytes() != (made / path).read_bytes()


def test_scenes_never_straddle_splits_and_every_class_is_in_each(made: Path) -> None:
    splits = defaultdict(set)
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for row in table(made):
        splits[row["group"]].add(row["split"])
        labels[row["split"]][row["label"]] += 1
    assert all(len(found) == 1 for found in splits.values())
    assert set(labels) == {"pretrain", "train", "dev", "test"} and all(len(found) == 8 for found in labels.values())


def test_captions_say_what_a_patch_shows(made: Path) -> None:
    said = [(row["label"], captions_in(row["text"])) for row in table(made)]
    assert all(len(captions) == 3 and f"image of {label} " in captions[1] for label, captions in said)
    assert len({captions for _, captions in said}) > len(said) / 2
    for row, (_, captions) in zip(table(made), said, strict=True):
        boxes = len(list(ElementTree.parse(made / row["boxes"]).iter("bndbox")))
        assert captions[2].startswith(f"{('no', 'one', 'two', 'three')[boxes]} bright hall")


def test_images_masks_and_boxes_belong_together(made: Path) -> None:
    covers = list(generated_patches.COVERS)
    halls = 0
    for row in table(made):
        mask = np.asarray(Image.open(made / row["mask"]))
        sample = Satellite(sensor="sentinel-2-l1c").read(Row(row["path"], made / row["path"]))
        assert mask.shape == sample.data.shape[1:] == (64, 64)
        assert (mask == covers.index(row["label"]) + 1).mean() > 0.6, "a label names most of its patch"
        for box in ElementTree.parse(made / row["boxes"]).iter("bndbox"):
            left, top, right, bottom = (int(box.findtext(key) or -1) for key in ("xmin", "ymin", "xmax", "ymax"))
            assert 0 <= left < right <= 64 and 0 <= top < bottom <= 64
            halls += 1
    assert halls > 10


def test_places_do_not_overlap_and_bands_say_their_names(made: Path) -> None:
    domain = Satellite(sensor="sentinel-2-l1c")
    samples = [domain.read(Row(row["path"], made / row["path"])) for row in table(made)]
    if samples[0].unit == "display":
        assert samples[0].channels == ("B04", "B03", "B02")  # what red, green and blue are on the sensor given
        return
    assert samples[0].channels == generated_patches.BANDS and samples[0].channels[-1] == "B8A"
    assert samples[0].data.dtype == torch.uint16 and samples[0].unit == "reflectance"
    assert len({(sample.crs, sample.bounds) for sample in samples}) == len(samples)
    forest = [s.physical().mean((1, 2)) for s, row in zip(samples, table(made), strict=True) if row["label"] == "forest"]
    red, nir = (torch.stack(forest).mean(0)[generated_patches.BANDS.index(band)] for band in ("B04", "B08"))
    assert (nir - red) / (nir + red) > 0.3


def test_it_says_that_it_is_generated(made: Path) -> None:
    assert "GENERATED" in (made / "GENERATED.txt").read_text(encoding="utf-8")


def test_unknown_variants_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="variant 'sar'"):
        Satellite().generate(tmp_path, variant="sar")


@pytest.mark.slow
def test_scenes_of_one_place_on_two_dates_with_polygons(tmp_path: Path) -> None:
    """Takes ten seconds on a slow machine: four hundred patches are drawn."""
    domain = Satellite(sensor="sentinel-2-l1c")
    domain.generate(tmp_path, variant="scenes")
    manifest = load_manifest(Data(root=tmp_path, labels=tmp_path / "fields.gpkg", label_field="cover", date_field="seen"), domain)
    labelled = [row for row in manifest.rows if row.label]
    assert len(labelled) == 64 and len(manifest.classes) == 8 and {row.path.stem for row in labelled} == {"tile_20220410", "tile_20220720"}
    assert len(manifest.rows) == 64 + 2 * 14 * 14 and {row.window.size for row in manifest.rows if row.window} == {(64, 64)}
    green = [domain.read(Row("x", tmp_path / f"tile_{day}.tif", window=Window((0, 0), (896, 896)))) for day in ("20220410", "20220720")]
    ndvi = [float(domain.derived(s.physical()[None], s.channels, s.unit)[0, 0].mean()) for s in green]
    assert ndvi[1] > ndvi[0] + 0.05, "summer is no greener than spring"
