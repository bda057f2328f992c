"""A checkout that nobody installed, made importable: its packages, wheels from a folder, and the entry points that pyproject.toml names."""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
WHEELS = ("pydantic", "pydantic_core", "annotated_types", "typing_inspection")  # beside torch, torchvision, timm, lightning, safetensors
LOGGERS = ("tensorboard", "tensorboardX")  # one of them, which Lightning writes its logs with; tensorboardX, with protobuf, is small


def make_importable(wheels: Path | None) -> None:
    """Put the checkout, its entry points and what lies in `wheels` on this process's path, and on that of processes it starts."""
    made = Path(tempfile.mkdtemp(prefix="labelfree-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    paths = [TOP, TOP / "domains", _entry_points(made)]
    if wheels is not None:
        paths.append(_unpacked(wheels, made / "wheels"))
    sys.path[:0] = map(str, paths)
    os.environ["PYTHONPATH"] = os.pathsep.join([*map(str, paths), *filter(None, [os.environ.get("PYTHONPATH")])])
    importlib.invalidate_caches()


def missing() -> list[str]:
    """Packages that labelfree's pretraining needs and this machine lacks."""
    needed = ("torch", "torchvision", "timm", "lightning", "safetensors", "numpy", *WHEELS)
    lacking = [name for name in needed if importlib.util.find_spec(name) is None]
    return lacking + ([] if any(map(importlib.util.find_spec, LOGGERS)) else ["tensorboardX"])


def _entry_points(folder: Path) -> Path:
    """What an installation would have written, so that objectives are found as ever."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    told = folder / "labelfree-0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: labelfree\nVersion: 0\n", encoding="utf-8")
    points = project["entry-points"]
    groups = ("\n".join([f"[{group}]", *(f"{name} = {place}" for name, place in points[group].items())]) for group in points)
    (told / "entry_points.txt").write_text("\n\n".join(groups) + "\n", encoding="utf-8")
    return folder


def _unpacked(wheels: Path, folder: Path) -> Path:
    """The wheels' contents; the folder itself where it holds none."""
    files = sorted(wheels.glob("*.whl"))
    for file in files:
        with zipfile.ZipFile(file) as wheel:
            wheel.extractall(folder)
    return folder if files else wheels
