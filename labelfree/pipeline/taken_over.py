"""Networks that another run pretrained, taken over into a run that only compares, such as one with more labels."""

from __future__ import annotations

from pathlib import Path

from labelfree.errors import DataError
from labelfree.pipeline.folder import RunFolder
from labelfree.training.files import whole_file


def take_over(folder: RunFolder, source: Path) -> None:
    """Copy what the run in `source` pretrained, each with its card. Raises DataError where it pretrained nothing."""
    files = sorted((source / "backbones").glob("*.safetensors"))
    if not files:
        raise DataError(f"--weights {source}: holds no pretrained network (backbones/); name the folder of a run that pretrained.")
    for file in [*files, *source.glob("backbone*.safetensors")]:
        for each in (file, file.with_suffix(".json")):
            target = folder.path / each.relative_to(source)
            if each.is_file() and not target.is_file():
                with whole_file(target) as part:
                    part.write_bytes(each.read_bytes())
