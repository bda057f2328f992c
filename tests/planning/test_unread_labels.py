"""Annotations that lie among images and are not read: told by what they hold, with what to type, by `plan` and `data check`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

import labelfree
from labelfree.progress import Silent
from tests.planning.folders import pictures, planned, table, told, voc

PNGS = [f"{i:02d}.png" for i in range(24)]


def cvat(folder: Path) -> str:
    shapes = [f'<image id="{i}" name="{name}" width="16" height="16"><box label="pit" xtl="1" ytl="1" xbr="6" ybr="6"/></image>'
              for i, name in enumerate(PNGS[:8])]  # fmt: skip
    (folder / "my labels.xml").write_text(f"<annotations><version>1.1</version>{''.join(shapes)}</annotations>")
    return "my labels.xml"


def coco(folder: Path) -> str:
    (folder / "out").mkdir()
    boxes = [{"id": at + 1, "image_id": at, "category_id": 1, "bbox": [1, 1, 6, 6], "area": 36, "iscrowd": 0} for at in range(8)]
    images = [{"id": at, "file_name": name, "width": 16, "height": 16} for at, name in enumerate(PNGS[:8])]
    (folder / "out" / "export.json").write_text(
        json.dumps({"images": images, "categories": [{"id": 1, "name": "pit"}], "annotations": boxes})
    )
    return "out/export.json"


def label_studio(folder: Path) -> str:
    value = {"x": 10, "y": 10, "width": 30, "height": 30, "rectanglelabels": ["pit"]}
    result = {"type": "rectanglelabels", "original_width": 16, "original_height": 16, "value": value, "from_name": "l", "to_name": "i"}
    tasks = [{"id": at, "data": {"image": name}, "annotations": [{"result": [result]}]} for at, name in enumerate(PNGS[:8])]
    (folder / "project.json").write_text(json.dumps(tasks))
    return "project.json"


def labelme(folder: Path) -> str:
    for name in PNGS[:8]:
        shape = {"label": "pit", "shape_type": "rectangle", "points": [[1, 1], [6, 6]]}
        about = {"shapes": [shape], "imagePath": name, "imageHeight": 16, "imageWidth": 16, "imageData": None}
        (folder / f"{name[:2]}.json").write_text(json.dumps(about))
    return str(folder)


def pascal(folder: Path) -> str:
    for name in PNGS[:8]:
        voc(folder / "drawn" / f"{name[:2]}.xml", ("pit", 1, 1, 5, 5))
    return "drawn"


def yolo(folder: Path) -> str:
    (folder / "txt").mkdir()
    (folder / "txt" / "classes.txt").write_text("pit\n")
    for name in PNGS[:8]:
        (folder / "txt" / f"{name[:2]}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    return "txt"


@pytest.mark.parametrize("written", [cvat, coco, label_studio, labelme, pascal, yolo])
def test_annotations_are_told_with_what_to_type(written: Callable[[Path], str], tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, PNGS)
    name = written(folder)
    [line] = [line for line in told(planned(folder, "satellite")).splitlines() if "is not read" in line]
    typed = shlex.split(line.partition(" with ")[2])
    assert typed == ["--labels", name]
    assert planned(folder, "satellite", Path(typed[1])).recipe.evaluate.task == "detection"
    [said] = [line for line in labelfree.check_data(folder, domain="satellite", say=Silent()).lines() if "is not read" in line]
    typed = shlex.split(said.partition(" with ")[2])
    seen = labelfree.check_data(folder, typed, "satellite", say=Silent())
    assert any("objects: pit 8" in line for line in seen.lines()) and not any("is not read" in line for line in seen.lines())


def test_other_files_and_those_that_are_read_are_not_told(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, PNGS)
    (folder / "about.json").write_text('{"images": "of a camera"}')
    (folder / "broken.json").write_text("{")
    (folder / "settings.xml").write_text("<settings/>")
    (folder / "notes.txt").write_text("12 of 24 looked at\n")
    assert "is not read" not in told(planned(folder, "satellite"))
    cvat(folder)
    table(folder / "splits.csv", "path,label", [(name, "ab"[at % 2]) for at, name in enumerate(PNGS)])
    assert "is not read" not in told(planned(folder, "satellite"))


def test_tables_in_other_forms_and_a_folder_deeper_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    pictures(folder, PNGS)
    (folder / "split").mkdir()
    table(folder / "split" / "one.csv", "path,label", [(f"../{name}", "ab"[at % 2]) for at, name in enumerate(PNGS)])
    (folder / "found.tsv").write_text("path\tlabel\n" + "".join(f"{name}\tx\n" for name in PNGS))
    (folder / "Prüfung.csv").write_text(
        "Datei;Ergebnis\n" + "".join(f"{name};{'io' if at % 2 else 'nio'}\n" for at, name in enumerate(PNGS))
    )
    (folder / "runs.csv").write_text("ImageId,EncodedPixels\n" + "".join(f"{name},1 3\n" for name in PNGS))
    (folder / "weather.csv").write_text("day;rain\n1;2\n")
    said = [line.strip() for line in told(planned(folder, "satellite")).splitlines() if "not read" in line]
    assert "split/one.csv is not read; give it with --labels split/one.csv if it holds the labels" in said
    assert "found.tsv is not read; give it with --labels found.tsv if it holds the labels" in said
    (check,) = [line for line in said if line.startswith("Prüfung.csv names images and is not read: no column `path`")]
    assert "`Datei` names images, so call it `path`, and `Ergebnis` may hold the classes" in check
    assert any(line.startswith("runs.csv names images and is not read: its column `EncodedPixels` holds run lengths") for line in said)
    assert len(said) == 4
