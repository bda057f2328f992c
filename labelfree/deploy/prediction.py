"""What a head says of images, written as people of the field open it: a table, a map of each image, or boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelfree.deploy.box_heads import BoxesHead
from labelfree.deploy.class_maps import write_maps
from labelfree.deploy.found_boxes import write_boxes
from labelfree.deploy.input_images import input_images
from labelfree.deploy.judged_images import write_judged
from labelfree.deploy.loaded_head import LoadedHead, VectorHead
from labelfree.deploy.loading import load_head
from labelfree.deploy.map_heads import MapsHead
from labelfree.deploy.output_folder import open_output
from labelfree.deploy.patch_heads import PatchesHead
from labelfree.deploy.tables import write_table
from labelfree.errors import Interrupted
from labelfree.progress import Progress
from labelfree.recipe_file import Overrides

WRITERS: dict[type[LoadedHead[Any]], Callable[..., tuple[list[Path], dict[str, Any]]]] = {
    VectorHead: write_table, MapsHead: write_maps, BoxesHead: write_boxes, PatchesHead: write_judged,
}  # fmt: skip


@dataclass(frozen=True)
class Predictions:
    """What was written. `files`: the first is the one to open. `images`: how many were predicted; `skipped`: how many could not be."""

    folder: Path
    files: tuple[Path, ...]
    images: int
    skipped: int = 0


def predict_images(
    head: str | Path | LoadedHead[Any],
    inputs: Sequence[str | Path],
    out: Path,
    region: Path | None,
    vector: Path | None,
    overrides: Overrides,
    say: Progress,
) -> Predictions:
    """Write what `head` says of `inputs` into the folder `out`, one image after the other; what is there already is not done again.

    Raises DataError for images that the head does not take, and an output folder that holds something else; Interrupted where it was
    stopped: the same call goes on.
    """
    loaded = head if isinstance(head, LoadedHead) else load_head(head)
    settings = {
        "overrides": [str(each) for each in (overrides.items() if hasattr(overrides, "items") else overrides)],
        **{name: None if path is None else path.absolute().as_posix() for name, path in (("region", region), ("vector", vector))},
    }
    images = input_images(inputs, loaded.card, overrides, out, say.say)
    folder = open_output(out, loaded.path, inputs, settings)
    if folder.finished:
        say.say(f"{out}: all predictions are there already.")
        files, facts = folder.files, {"images": len(images.rows)}
    else:
        try:
            files, facts = WRITERS[type(loaded)](loaded, images, out, say, region=region, vector=vector)
        except KeyboardInterrupt:
            raise Interrupted(f"Stopped; what was predicted is in {out}. The same command goes on.") from None
        folder.finish(files, facts)
    done = Predictions(out, tuple(files), facts["images"], facts.get("skipped", 0))
    left_out = f", {done.skipped:,} left out" if done.skipped else ""
    say.say(f"{files[0] if len(files) == 1 or vector else out}: {done.images:,} image{'s' * (done.images != 1)}{left_out}.")
    return done
