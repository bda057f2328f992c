"""`labelfree plan` on small folders: what it finds is what is there, and the recipe follows from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rasterio.transform import from_origin

import labelfree
from labelfree.domain import Row, Sample
from labelfree.errors import DataError, LeakError, RecipeError
from labelfree.planning import recognition, volumes_or_slices
from labelfree.planning.volumes import NARROW
from tests.data.fake_domain import PillowDomain
from tests.planning.folders import pictures, planned, rasters, table, told
from tests.satellite.files import write_tif

NAMES = [f"{i:02d}.tif" for i in range(24)]
PNGS = [f"{i:02d}.png" for i in range(24)]


def test_what_is_in_the_files_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    rasters(folder, NAMES, names=("red", "green", "blue", "nir"))
    (folder / "copy.tif").write_bytes((folder / NAMES[3]).read_bytes())
    said = told(planned(folder))
    for fact in (
        f"{folder}: 25 images (25 .tif)",
        "domain: satellite (it has coordinates (EPSG:32632))",
        "of 25 images looked at",
        "4 channels: red, green, blue, nir",
        "stored as uint16, 0 to 4,095; 12 of 16 bits in use",
        "16 x 16 pixels",
        "a pixel is 10 x 10 metre; coordinates in EPSG:32632",
        f"1 file is a copy of another, e.g. copy.tif of {NAMES[3]}",
        "splits: no split 25",
        "groups: none named; blocks on the ground stand in",
        "task: none",
    ):
        assert fact in said, fact


def test_a_look_is_a_few_images_and_never_of_dev_or_test(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, [f"{i:03d}.png" for i in range(100)], side=8)
    for i in range(0, 100, 5):  # every fifth is a test image, and broken: nobody may notice
        (folder / f"{i:03d}.png").write_bytes(b"no picture")
    table(folder / "splits.csv", "path,label,split", [(f"{i:03d}.png", "ab"[i % 2], "test" if i % 5 == 0 else "train") for i in range(100)])
    said = told(planned(folder, "satellite"))
    assert "of 64 images looked at" in said and "cannot be read" not in said
    assert "splits: test 20, train 80" in said


def test_without_labels_a_recipe_pretrains_and_says_so(tmp_path: Path) -> None:
    rasters(tmp_path / "mine", NAMES)
    proposal = planned(tmp_path / "mine")
    assert "compares nothing" in proposal.text and "evaluate" not in proposal.text
    assert proposal.recipe.data.root == tmp_path / "mine" and proposal.recipe.reader["bands"] is None
    assert "reader.bands=[…] with 4 names" in " ".join(proposal.text.replace("#", "").split())  # unnamed bands are asked for


def test_a_table_with_some_labels_is_cross_validated(tmp_path: Path) -> None:
    pictures(tmp_path / "mine", PNGS)
    labels = table(tmp_path / "labels.csv", "path,label,group", [(name, "ab"[i % 2], i // 4) for i, name in enumerate(PNGS[:16])])
    proposal = planned(tmp_path / "mine", "satellite", labels)
    assert proposal.recipe.data.labels == labels and proposal.recipe.data.holdout == "auto"
    assert proposal.recipe.evaluate.labels_per_class == [1, "all"] and proposal.recipe.evaluate.primary.budget == 1
    assert "16 images in 2 classes" in told(proposal) and "groups: 4 named" in told(proposal)
    assert proposal.recipe.evaluate.arms == ["statistics", "random", "imagenet", "imagenet+domain"]


@pytest.mark.parametrize(("images", "protocols"), [(48, ["knn", "linear", "propagate"]), (47, ["knn", "linear"])])
def test_where_most_images_have_no_label_they_are_learned_from_too(tmp_path: Path, images: int, protocols: list[str]) -> None:
    names = [f"{i:02}.png" for i in range(images)]
    pictures(tmp_path / "mine", names)
    labels = table(tmp_path / "labels.csv", "path,label", [(name, "ab"[i % 2]) for i, name in enumerate(names[:8])])
    proposal = planned(tmp_path / "mine", "satellite", labels)
    assert proposal.recipe.evaluate.protocols == protocols and proposal.recipe.evaluate.primary.protocol == "linear"
    assert ("5 times as many images to pretrain on as labels" in " ".join(proposal.text.replace("#", "").split())) == (images == 48)


def test_labels_are_looked_for_in_the_folder_too(tmp_path: Path) -> None:
    pictures(tmp_path / "mine", PNGS)
    table(tmp_path / "mine" / "marks.csv", "path,label", [(name, "ab"[i % 2]) for i, name in enumerate(PNGS[:16])])
    assert "marks.csv is not read; give it with --labels" in told(planned(tmp_path / "mine", "satellite"))
    assert planned(tmp_path / "mine", "satellite", Path("marks.csv")).recipe.data.labels == tmp_path / "mine" / "marks.csv"


@pytest.mark.parametrize("grouped", [False, True])
def test_where_nothing_is_left_to_pretrain_on_a_fifth_is_set_aside(tmp_path: Path, grouped: bool) -> None:
    pictures(tmp_path / "mine", PNGS)
    rows = [(name, "ab"[i % 2] if not grouped or i < 20 else "", f"site {i % 10}") for i, name in enumerate(PNGS)]
    proposal = planned(tmp_path / "mine", "satellite", table(tmp_path / "labels.csv", "path,label,group", rows))
    assert proposal.recipe.data.holdout == 0.2
    assert ("shares its group" if grouped else "every image is labelled") in proposal.text


def test_images_without_a_label_on_labelled_ground_are_none_to_pretrain_on(tmp_path: Path) -> None:
    rasters(tmp_path / "mine", NAMES, apart=0)
    table(tmp_path / "labels.csv", "path,label,group", [(name, "ab"[i % 2], f"site {i}") for i, name in enumerate(NAMES[:20])])
    assert planned(tmp_path / "mine", labels=tmp_path / "labels.csv").recipe.data.holdout == 0.2


def test_class_folders_set_a_fifth_aside(tmp_path: Path) -> None:
    pictures(tmp_path / "mine", [f"{'ab'[i % 2]}/{i}.png" for i in range(24)])
    proposal = planned(tmp_path / "mine", "satellite")
    assert proposal.recipe.data.holdout == 0.2 and "labels, by folder: 24 images in 2 classes" in told(proposal)


def test_a_dev_split_without_a_test_split_is_scored(tmp_path: Path) -> None:
    pictures(tmp_path / "mine", PNGS)
    table(
        tmp_path / "mine" / "splits.csv",
        "path,label,split",
        [(name, "ab"[i % 2], "dev" if i < 6 else "train") for i, name in enumerate(PNGS)],
    )
    assert planned(tmp_path / "mine", "satellite").recipe.evaluate.on == "dev"


def test_uneven_classes_are_scored_by_balanced_accuracy(tmp_path: Path) -> None:
    pictures(tmp_path / "mine", PNGS)
    rows = [(name, "rare" if i < 4 else "usual", "test" if i in (0, 5) else "train") for i, name in enumerate(PNGS)]
    table(tmp_path / "mine" / "splits.csv", "path,label,split", rows)
    proposal = planned(tmp_path / "mine", "satellite")
    assert proposal.recipe.evaluate.primary.metric == "balanced_accuracy" and "6.3 times the labels of the rarest" in proposal.text


def test_bands_that_nobody_names_are_compared_by_a_fitted_stem(tmp_path: Path) -> None:
    rasters(tmp_path / "mine", [f"{'ab'[i % 2]}/{i:02d}.tif" for i in range(24)], bands=5)
    evaluate = planned(tmp_path / "mine").recipe.evaluate
    assert "imagenet" not in evaluate.arms and evaluate.primary.against == "imagenet-inflated"


def test_named_bands_are_compared_with_every_imagenet_arm(tmp_path: Path) -> None:
    rasters(tmp_path / "mine", [f"{'ab'[i % 2]}/{i:02d}.tif" for i in range(24)], names=("nir", "red", "green", "blue"))
    arms = planned(tmp_path / "mine").recipe.evaluate.arms
    assert arms == ["statistics", "random", "imagenet", "imagenet+statistics", "imagenet-inflated", "imagenet+domain"]


def test_captions_are_counted(tmp_path: Path) -> None:
    pictures(tmp_path / "mine", PNGS)
    rows = [(name, "a field | a green field" if i % 2 else "a field") for i, name in enumerate(PNGS)]
    proposal = planned(tmp_path / "mine", "satellite", table(tmp_path / "texts.csv", "path,text", rows))
    assert "captions: 24 images with 36, 2 of them different" in told(proposal) and "task: retrieval" in told(proposal)


def test_a_few_broken_images_are_left_out_and_named(tmp_path: Path) -> None:
    rasters(tmp_path / "mine", NAMES)
    (tmp_path / "mine" / NAMES[4]).write_bytes(b"II*\0broken")
    proposal = planned(tmp_path / "mine")
    assert (proposal.recipe.data.on_error, proposal.recipe.data.max_skipped) == ("skip", 0.09)
    assert NAMES[4] in proposal.text and "1 cannot be read" in told(proposal)


def test_images_of_several_sizes_and_an_odd_path_are_fine(tmp_path: Path) -> None:
    folder = tmp_path / "my $images: # 'é' \"x\" \\n"
    pictures(folder, PNGS[:20], side=40)
    pictures(folder / "large", PNGS[:4], side=90)
    proposal = planned(folder, "satellite")
    assert "40 x 40 to 90 x 90 pixels, 2 sizes" in told(proposal) and "tiles of 40 pixels" in proposal.text
    assert proposal.recipe.data.root == folder


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda folder: None, DataError, "no such folder"),
        (lambda folder: folder.write_text("x"), DataError, "is a file; name its folder"),
        (lambda folder: folder.mkdir(), DataError, "holds no image that the satellite domain reads"),
        (
            lambda folder: pictures(folder, PNGS),
            RecipeError,
            r"do not tell which field .* --domain \(installed: inspection, medical, satellite",
        ),
        (lambda folder: pictures(folder, PNGS, gray=True), RecipeError, "do not tell which field"),
        (lambda folder: rasters(folder, NAMES, bands=12, placed=False), RecipeError, "do not tell which field"),
        (lambda folder: rasters(folder, ["a/x.tif", "b/x.tif", "b/y.tif", "b/z.tif"]), DataError, "'a' has 1 group"),
        (
            lambda folder: (rasters(folder, NAMES[:6]), rasters(folder, NAMES[6:12], bands=3)),
            DataError,
            "6 of 12 .* differ from the others",
        ),
    ],
)
def test_a_folder_that_no_recipe_could_be_told_for(tmp_path: Path, make, error, sentence: str) -> None:
    make(tmp_path / "eurosat")
    with pytest.raises(error, match=sentence):
        planned(tmp_path / "eurosat")


def test_every_missing_file_is_counted_and_three_are_named(tmp_path: Path) -> None:
    rasters(tmp_path / "mine", NAMES)
    rows = [(name, "ab"[i % 2]) for i, name in enumerate(NAMES)]
    labels = table(tmp_path / "labels.csv", "path,label", rows + [(f"gone{i}.tif", "a") for i in range(5)])
    with pytest.raises(DataError, match=r'5 of the 29 files .*: row 26: "gone0\.tif", .*, row 28: "gone2\.tif", …'):
        planned(tmp_path / "mine", labels=labels)
    masks = table(tmp_path / "masks.csv", "path,mask", [(name, f"masks/{name}") for name in NAMES[:2]])
    with pytest.raises(DataError, match=r"2 masks or annotations .* missing: 00\.tif: its mask masks/00\.tif"):
        planned(tmp_path / "mine", labels=masks)


def test_a_scored_image_in_the_pool_ends_it(tmp_path: Path) -> None:
    rasters(tmp_path / "mine", NAMES)
    (tmp_path / "mine" / NAMES[1]).write_bytes((tmp_path / "mine" / NAMES[20]).read_bytes())
    rows = [(name, "ab"[i % 2], "test" if i > 17 else "train") for i, name in enumerate(NAMES)]
    table(tmp_path / "mine" / "splits.csv", "path,label,split", rows)
    with pytest.raises(LeakError, match=r"01\.tif is also in test \(same file as 20\.tif\)"):
        planned(tmp_path / "mine")


def test_copies_that_disagree_are_told(tmp_path: Path) -> None:
    pictures(tmp_path / "mine", PNGS)
    for copy, first in ((1, 2), (3, 23)):
        (tmp_path / "mine" / PNGS[copy]).write_bytes((tmp_path / "mine" / PNGS[first]).read_bytes())
    rows = [(name, "ab"[i % 2], "dev" if i == 23 else "test" if i > 18 else "train") for i, name in enumerate(PNGS)]
    table(tmp_path / "mine" / "splits.csv", "path,label,split", rows)
    said = told(planned(tmp_path / "mine", "satellite"))  # a copy of a dev row is told, and does not stop a run on test
    assert "duplicates: 2 files are copies of another, e.g. 02.png of 01.png" in said
    assert "1 across splits, e.g. 23.png (dev) and 03.png (train)" in said and "1 with different labels, e.g. 01.png" in said


def test_labelled_copies_are_one_group_as_in_a_run(tmp_path: Path) -> None:
    pictures(tmp_path / "mine", PNGS)
    (tmp_path / "mine" / PNGS[0]).write_bytes((tmp_path / "mine" / PNGS[2]).read_bytes())
    rows = [(name, "rare" if i in (0, 2) else "usual") for i, name in enumerate(PNGS[:12])]
    with pytest.raises(DataError, match="'rare' has labels in one group of images only"):
        planned(tmp_path / "mine", "satellite", table(tmp_path / "labels.csv", "path,label", rows))


def test_types_that_a_scale_relates_are_told_apart(tmp_path: Path) -> None:
    pictures(tmp_path / "mine", PNGS[:20], gray=True)
    for i in range(4):
        deep = np.random.default_rng(i).integers(0, 2**14, (16, 16)).astype(np.uint16)
        Image.fromarray(deep).save(tmp_path / "mine" / f"deep{i}.png")
    said = told(planned(tmp_path / "mine", "satellite"))
    assert "stored as uint8, 0 to 255; 8 of 8 bits in use; unit: display, 0 to 1 (20 images)" in said
    assert "14 of 16 bits in use; unit: display, " in said


class Volumes(PillowDomain):
    """Pictures as volumes of two slices."""

    def read(self, row: Row) -> Sample:
        flat = super().read(row)
        return replace(flat, data=flat.data[:, None].expand(-1, 2, -1, -1))


def test_volumes_that_no_network_reads_are_refused_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path / "mine", PNGS)
    monkeypatch.setattr(recognition, "domain_with", lambda name, *settings: Volumes())
    monkeypatch.setattr(volumes_or_slices, "NARROW", replace(NARROW, name="nobody:made"))
    with pytest.raises(DataError, match=r"3 spatial axes, and no network for those can be made here \(nobody:made\)"):
        planned(tmp_path / "mine", "volumes")


def test_a_recipe_is_never_written_over_something(tmp_path: Path) -> None:
    rasters(tmp_path / "mine", NAMES)
    proposal = planned(tmp_path / "mine")
    (tmp_path / "there.yaml").write_text("mine")
    with pytest.raises(RecipeError, match="exists already"):
        proposal.write(tmp_path / "there.yaml")
    assert (tmp_path / "there.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("crs", "corner", "pixel", "pixels", "said", "size"),
    [
        ("EPSG:4674", (-47, -23), 1e-5, 1000, "1e-05 x 1e-05 degree, 1.11 x 1.03 metre on the ground; coordinates in EPSG:4674", "1 km"),
        ("EPSG:4807", (1, 52), 1e-4, 300, "0.0001 x 0.0001 grad, 10 x 6.87 metre on the ground", "2.56 km"),
        ("EPSG:2263", (1e6, 2e5), 1, 900, "1 x 1 US survey foot, 0.305 x 0.305 metre on the ground", "1 km"),
        ("EPSG:3857", (27e5, 84e5), 2, 400, "2 x 2 metre, 1 x 1 metre on the ground", "1 km"),
        ('LOCAL_CS["site",UNIT["metre",1]]', (0, 0), 10, 500, "10 x 10 metre; coordinates in LOCAL_CS", "2.56 km"),
        ('LOCAL_CS["site",UNIT["foot",0.3048]]', (0, 0), 10, 500, "10 x 10 foot, 3.05 x 3.05 metre on the ground", "1 km"),
    ],
)
@pytest.mark.parametrize("count", [48, 96], ids=["all looked at", "some looked at"])
def test_units_are_those_of_the_coordinate_system(
    crs: str, corner: tuple[float, float], pixel: float, pixels: int, said: str, size: str, count: int, tmp_path: Path
) -> None:
    """Chips of 16 pixels, `pixels` apart."""
    (folder := tmp_path / "mine").mkdir()
    for number in range(count):
        where = from_origin(corner[0] + number * pixels * pixel, corner[1], pixel, pixel)
        noise = np.random.default_rng(number).integers(0, 4096, (3, 16, 16)).astype("uint16")
        write_tif(folder / f"{number:02d}.tif", noise, placed=False, crs=crs, transform=where)
    labels = table(folder / "l.csv", "path,label", [(f"{n:02d}.tif", "ab"[n % 2]) for n in range(count - 8)])
    found = told(planned(folder, "satellite", labels))
    assert f"a pixel is {said}" in found
    assert (f"blocks of {size}" in found) and (count == 48) == (f"blocks of {size}" in found.split("task:")[1])


def test_chosen_labels_are_told_with_what_they_are_worth(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, [f"{i:02d}.png" for i in range(40)])
    chosen = [(f"{i:02d}.png", "ab"[i % 2], "", "typical") for i in range(8)]
    audit = [(f"{i:02d}.png", "ab"[i % 2], "test", "audit") for i in range(8, 18)]
    alone = table(tmp_path / "alone.csv", "path,label,split,chosen", chosen)
    assert "Indicative only: 8 of 8 labels were chosen (typical)" in told(planned(folder, "satellite", alone))
    both = planned(folder, "satellite", table(tmp_path / "both.csv", "path,label,split,chosen", [*chosen, *audit]))
    assert "Scored on 10 images drawn at random before labelling (audit) alone; the 8 chosen ones (typical) only train." in told(both)
    assert "Indicative" not in told(both)
    evaluate = both.recipe.evaluate
    assert (evaluate.on, evaluate.labels_per_class, evaluate.primary.budget) == ("test", [1, "all"], 1)
    blank = table(
        tmp_path / "select.csv", "path,split,chosen,reason", [(path, split, how, "") for path, _, split, how in [*chosen, *audit]]
    )
    waiting = planned(folder, "satellite", blank)
    assert "evaluate" not in waiting.text and "data.label_field" not in told(waiting)
    assert "No audit image has a label yet, so nothing is compared; all 10 stay out of the pretraining pool." in told(waiting)


def test_the_task_can_be_asked_where_labels_are_good_for_two(tmp_path: Path) -> None:
    pictures(tmp_path / "mine", PNGS)
    (tmp_path / "masks").mkdir()
    for name in PNGS[:8]:
        Image.fromarray(np.eye(16, dtype=np.uint8)).save(tmp_path / "masks" / name)
    rows = [(name, "ab"[i % 2], f"masks/{name}") for i, name in enumerate(PNGS[:8])]
    labels = table(tmp_path / "labels.csv", "path,label,mask", rows)
    usual = planned(tmp_path / "mine", "satellite", labels)
    assert "task: classification (evaluate.task=segmentation asks the other" in told(usual)
    asked = labelfree.plan(tmp_path / "mine", "satellite", labels, overrides=["evaluate.task=segmentation"])
    assert asked.recipe.evaluate.task == "segmentation" and asked.recipe.evaluate.primary.protocol == "frozen"
    assert "task: segmentation (evaluate.task=classification" in told(asked)
    with pytest.raises(RecipeError, match=r"^evaluate\.draws: only keys of data and reader, and evaluate\.task, change"):
        labelfree.plan(tmp_path / "mine", "satellite", labels, overrides=["evaluate.draws=3"])
