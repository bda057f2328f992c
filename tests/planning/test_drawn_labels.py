"""What `labelfree plan` makes of masks and boxes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rasterio.transform import from_origin

from tests.planning.folders import pictures, planned, rasters, table, told, voc
from tests.satellite.files import write_tif

NAMES = [f"{i:02d}.tif" for i in range(24)]
PNGS = [f"{i:02d}.png" for i in range(24)]


def test_masks_make_segmentation(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, PNGS)
    mask = np.zeros((16, 16), dtype=np.uint8)
    mask[:4] = 3
    for name in PNGS[:8]:
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "masks" / name)
    labels = table(tmp_path / "labels.csv", "path,mask", [(name, f"masks/{name}") for name in PNGS[:8]])
    proposal = planned(folder, "satellite", labels)
    shares = "3 in 8 (25.0% of the pixels), background in 8 (75.0% of the pixels)"
    assert "task: segmentation" in told(proposal) and shares in told(proposal)
    evaluate = proposal.recipe.evaluate
    assert (evaluate.task, evaluate.protocols, evaluate.minutes) == ("segmentation", ["linear", "frozen"], 30)
    assert (evaluate.primary.protocol, evaluate.primary.metric) == ("frozen", "dice")
    assert "not built yet" not in proposal.text


def test_masks_are_looked_at_on_the_grid_of_their_images(tmp_path: Path) -> None:
    """Images have coordinates: a mask with its own is placed by them, whatever its size; one without must be as large as its image."""
    folder = tmp_path / "mine"
    rasters(folder, NAMES)
    (tmp_path / "masks").mkdir()
    for at, name in enumerate(NAMES[:8]):
        fine = np.zeros((1, 40, 40), np.uint8)
        fine[0, :, :16] = 3  # 5 m a pixel: the image's first 8 columns, of its 16
        where = {"crs": "EPSG:32632", "transform": from_origin(500_000 + 2000 * at, 5_300_000, 5, 5)}
        write_tif(tmp_path / "masks" / name, fine, placed=False, **(where if at else {}))
    labels = table(tmp_path / "labels.csv", "path,mask", [(name, f"masks/{name}") for name in NAMES[:8]])
    said = told(planned(folder, "satellite", labels))
    assert "of 7 read: 3 in 7 (50.0% of the pixels), background in 7 (50.0% of the pixels)" in said
    [fault] = [line for line in said.splitlines() if "1 fault found" in line]
    assert f"{tmp_path / 'masks' / NAMES[0]}: 40 x 40 pixels" in fault and "has 16 x 16" in fault


def test_masks_beside_classes_are_another_question(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, PNGS)
    (tmp_path / "masks").mkdir()
    for name in PNGS[:8]:
        Image.fromarray(np.eye(16, dtype=np.uint8)).save(tmp_path / "masks" / name)
    rows = [(name, f"masks/{name}", "ab"[at % 2]) for at, name in enumerate(PNGS[:8])]
    proposal = planned(folder, "satellite", table(tmp_path / "labels.csv", "path,mask,label", rows))
    assert "classification into 2 classes" in proposal.text and proposal.recipe.evaluate.task == "auto"
    said = " ".join(proposal.text.replace("\n#", "").split())
    other = "`labelfree plan … evaluate.task=segmentation` writes a recipe that compares by them."
    assert f"There are masks or outlines too; {other}" in said


def test_where_every_image_has_a_mask_a_fifth_is_set_aside(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, PNGS)
    (tmp_path / "masks").mkdir()
    for name in PNGS:
        Image.fromarray(np.eye(16, dtype=np.uint8)).save(tmp_path / "masks" / name)
    proposal = planned(folder, "satellite", table(tmp_path / "labels.csv", "path,mask", [(name, f"masks/{name}") for name in PNGS]))
    assert proposal.recipe.data.holdout == 0.2 and not proposal.recipe.data.pretrain_on_labelled
    assert f"of {len(PNGS)} labelled images are set aside as test" in told(proposal)


def test_where_every_image_has_boxes_a_fifth_is_set_aside_and_detection_compared(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, PNGS)
    for name in PNGS:
        voc(folder / "xml" / f"{name[:2]}.xml", ("ship", 1, 1, 5, 5))
    rows = [(name, f"xml/{name[:2]}.xml") for name in PNGS]
    proposal = planned(folder, "satellite", table(tmp_path / "labels.csv", "path,boxes", rows))
    asked = proposal.recipe.evaluate
    assert not proposal.recipe.data.pretrain_on_labelled and proposal.recipe.data.holdout == 0.2
    assert (asked.task, asked.protocols, asked.primary.metric) == ("detection", ["frozen"], "map")
    assert "detection of 'ship'" in proposal.text and asked.minutes is not None


def test_a_coco_file_of_boxes_that_lists_negatives_is_planned_as_detection(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, PNGS)
    proposal = planned(folder, "satellite", boxes_on_every_second(folder, 16))
    assert "task: detection\n" in f"{told(proposal)}\n" and "8 negative" in told(proposal)
    assert proposal.recipe.evaluate.task == "detection" and proposal.recipe.evaluate.primary.budget == 5
    assert proposal.recipe.evaluate.max_false_alarms == 0.2 and "8 without objects are listed" in proposal.text


def test_where_every_listed_image_shows_an_object_no_threshold_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, PNGS)
    rows = [(name, f"{voc(folder / 'xml' / f'{name[:2]}.xml', ('ship', 1, 1, 5, 5)).relative_to(folder)}") for name in PNGS[:8]]
    proposal = planned(folder, "satellite", table(tmp_path / "labels.csv", "path,boxes", rows))
    assert proposal.recipe.evaluate.task == "detection" and proposal.recipe.evaluate.max_false_alarms is None


@pytest.mark.parametrize("tasks", ["segmentation", "anomaly"])
def test_another_task_by_smoothed_masks_is_suggested_with_what_it_needs(tmp_path: Path, tasks: str) -> None:
    """What is printed is typed, by a shell, and the recipe that comes of it is one."""
    folder = tmp_path / "mine"
    pictures(folder, PNGS, side=48)
    (tmp_path / "masks").mkdir()
    disc = np.hypot(*np.mgrid[-12:12, -12:12]) < 6
    for at, name in enumerate(PNGS[:16]):
        shown = Image.fromarray((disc * 255 * (at % 2)).astype(np.uint8)).resize((48, 48), Image.Resampling.BILINEAR)
        shown.save(tmp_path / "masks" / name)
    cells = [("good", "") if at % 2 == 0 else ("dent", f"masks/{name}") for at, name in enumerate(PNGS[:16])]
    labels = table(tmp_path / "labels.csv", "path,label,mask", [(name, *both) for name, both in zip(PNGS, cells, strict=False)])
    text = " ".join(planned(folder, "satellite", labels).text.replace("#", " ").split())
    [typed] = re.findall(rf"`labelfree plan … (evaluate\.task={tasks}.*?)` writes", text)
    assert "data.classes=" in typed
    again = planned(folder, "satellite", labels, overrides=shlex.split(typed))
    assert again.recipe.evaluate.task == tasks and again.recipe.data.classes == {">127": "foreground"}


def boxes_on_every_second(folder: Path, count: int) -> Path:
    """A COCO file of the first images in the folder, every second of which shows nothing."""
    about = {
        "images": [{"id": at, "file_name": name, "width": 16, "height": 16} for at, name in enumerate(PNGS[:count])],
        "categories": [{"id": 1, "name": "ship"}],
        "annotations": [
            {"id": at + 1, "image_id": at, "category_id": 1, "bbox": [1, 1, 6, 6], "area": 36, "iscrowd": 0} for at in range(0, count, 2)
        ],
    }
    (folder / "coco.json").write_text(json.dumps(about))
    return folder / "coco.json"


def test_boxes_and_images_without_any_are_two_classes_where_a_person_asks_for_classes(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, PNGS)
    file = boxes_on_every_second(folder, 16)
    asked = planned(folder, "satellite", file, overrides=["evaluate.task=classification"])
    assert "told apart by whether anything is wrong: 8 normal, 8 anomalous" in told(asked)
    assert "task: classification (evaluate.task=detection asks" in told(asked) and "task: classification\n" in asked.text
    assert asked.recipe.evaluate.primary.budget == 1 and "classification into 2 classes" in asked.text
    alone = told(planned(folder, "satellite", file))
    assert "8 good, 8 not good" in alone and "evaluate.task=classification tells them apart" in alone


def test_objects_are_counted_and_a_label_column_goes_first(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, PNGS)
    for i in range(8):
        voc(folder / "xml" / f"{i:02d}.xml", ("ship", 1, 1, 5, 5), *([("plane", 2, 2, 2, 6)] if i == 3 else []))
    rows = [(name, f"xml/{name[:2]}.xml") for name in PNGS[:8]]
    alone = planned(folder, "satellite", table(tmp_path / "boxes.csv", "path,boxes", rows))
    assert "objects in 8 images to learn from: ship 8 in 8; 0 negative" in told(alone)
    assert "1 fault found, the first:" in told(alone) and "03.xml: object 2 (plane) has no area" in told(alone)
    assert "task: detection" in told(alone) and alone.recipe.evaluate.task == "detection"
    both = planned(
        folder, "satellite", table(tmp_path / "both.csv", "path,boxes,label", [(*row, "ab"[i % 2]) for i, row in enumerate(rows)])
    )
    assert "task: classification" in told(both) and "There are boxes too" in both.text and both.recipe.evaluate.primary.budget == 1
