"""A head for other programs, as a folder: ONNX, what runs it, the plain network, and what was found when it was tried."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from labelfree.deploy.exports.labelled_images import trial_images
from labelfree.deploy.exports.onnx_file import NEEDED, Captured, require_packages, write_onnx
from labelfree.deploy.exports.programs import Program, parts
from labelfree.deploy.exports.registry import program_of
from labelfree.deploy.loaded_head import LoadedHead
from labelfree.deploy.loading import load_head
from labelfree.deploy.output_folder import require_empty
from labelfree.progress import Progress
from labelfree.recipe_file import Overrides
from labelfree.training.files import call_with, write_json
from labelfree.transfer.encoders import NetworkEncoder

ONNX, PLAIN, SCRIPT, SUMMARY = "head.onnx", "head.pt2", "infer_onnx.py", "export.json"
NETWORK = "network{}.safetensors"  # behind a number where a head has several


@dataclass(frozen=True)
class Exported:
    """What was written. `files`: the ONNX first. `milliseconds`: of one image of the usual size, or of one tile, by onnxruntime here.

    `images`: on so many it was tried; `apart`: how far its scores are from the head's at most; of `decisions` so many are the `same`.
    """

    folder: Path
    files: tuple[Path, ...]
    milliseconds: float
    images: int
    apart: float
    decisions: int
    same: int

    @property
    def onnx(self) -> Path:
        return self.files[0]


def export_head(
    head: str | Path | LoadedHead[Any], out: Path, images: Sequence[str | Path], overrides: Overrides, say: Progress
) -> Exported:
    """Write `head` into the new or empty folder `out`, and try it on `images`: default the labelled ones of the run that it lies in.

    Raises RecipeError where a package is missing, DataError for a head that cannot be exported, or that says something else there.
    """
    require_packages()
    loaded = head if isinstance(head, LoadedHead) else load_head(head)
    require_empty(out)
    program, trial = program_of(loaded), trial_images(loaded, images, overrides, out, say.say)
    out.mkdir(parents=True, exist_ok=True)
    try:
        captured = write_onnx(program, loaded.card, out / ONNX, out / PLAIN)
        return _tried(loaded, program, captured, trial, out, say)
    except BaseException:  # half an export is none
        shutil.rmtree(out)
        raise


def _tried(loaded: LoadedHead[Any], program: Program, captured: Captured, trial: Any, out: Path, say: Progress) -> Exported:
    from labelfree.deploy.exports.infer_onnx import Model
    from labelfree.deploy.exports.trial import milliseconds, tried

    model, card = Model(captured.onnx), loaded.card
    found = tried(model, loaded, say.track(trial.samples(), "trying the export", len(trial.rows)))
    usual = program.example()[0][:1, :, : program.shape[0], : program.shape[1]].numpy()
    took = milliseconds(lambda pixels: model.run(pixels, **model.about(pixels[0], 1)), usual)
    files = [captured.onnx, Path(shutil.copyfile(Path(__file__).with_name("infer_onnx.py"), out / SCRIPT))]
    networks = [part.network for part in parts(loaded) if isinstance(part, NetworkEncoder)]
    files += [_network(network, card, out / NETWORK.format(f"-{at}" if at else "")) for at, network in enumerate(networks)]
    files += [captured.program] if captured.program else []
    told = Exported(out, (*files, out / SUMMARY), took, found.images, found.apart, found.decisions, found.same)
    facts = {key: value for key, value in asdict(told).items() if key not in ("folder", "files")} | {"note": captured.why}
    versions = {name: version(name) for name in ("torch", "timm", *NEEDED)}
    size = list(program.shape)
    write_json(out / SUMMARY, {"head": loaded.path.name, "task": card.task, "size": size, **facts, "versions": versions})
    for sentence in _sentences(told, captured, program, trial.words):
        say.say(sentence)
    return told


def _network(part: Any, card: Any, path: Path) -> Path:
    """The network's tensors under its own names, as timm's `checkpoint_path` takes them; what makes it is in the metadata."""
    from safetensors.torch import save_file

    told = {"architecture": part.name, "in_chans": str(part.channels), "options": repr(part.options), "licence": card.licence}
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in part.net.state_dict().items()}
    call_with(path, lambda file: save_file(tensors, file, metadata={"format": "pt", **told}))
    return path


def _sentences(told: Exported, captured: Captured, program: Program, words: str) -> list[str]:
    """What a person is told, the last one where it lies."""
    height, width = program.shape
    one = "image" if program.moves else "tile"
    checked = "It was not tried on any image: name labelled ones behind the head."
    if told.images:
        ties = "" if told.same == told.decisions else "; the others are ties"
        equal = f"scores are within {told.apart:.1g} of the head's"
        checked = f"On {told.images:,} {words} {equal}, {told.same:,} of {told.decisions:,} {program.decisions} the same{ties}."
    time = f"One {one} of {height} x {width} pixels takes {told.milliseconds:.3g} ms here (onnxruntime, processor)."
    beside = ", ".join(file.name for file in told.files[1:])
    return [checked, time, *([captured.why] if captured.why else []), f"{told.onnx}: beside it {beside}."]
