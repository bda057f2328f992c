"""A program as files: what torch.export captures of it, and ONNX with all that a caller must know in its metadata."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from labelfree.backbones.weight_card import WeightCard
from labelfree.deploy.exports.programs import KNOWN, PIXELS, SO_FAR, THRESHOLD, TILES, WHOLE, Program
from labelfree.deploy.head_card import HeadCard
from labelfree.domain import KnowsLevels
from labelfree.errors import DataError, RecipeError
from labelfree.foreign_logs import quieter
from labelfree.reader_settings import domain_with
from labelfree.training.files import call_with

NEEDED = ("onnx", "onnxscript", "onnxruntime")
TALKATIVE = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")
LONGEST = 2**16  # pixels along a side
MOST_BYTES = 2**31  # of a file of ONNX with its weights inside


@dataclass(frozen=True)
class Captured:
    """What was written of a program. `program`: whether torch.export's own file is among it, else `why` not."""

    onnx: Path
    program: Path | None
    why: str = ""


def require_packages() -> None:
    """Raises RecipeError where a package that exporting needs is not installed."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise RecipeError(f"export: needs {', '.join(missing)}, which is not installed: pip install 'labelfree[export]'.")


def write_onnx(program: Program, card: HeadCard, onnx: Path, plain: Path) -> Captured:
    """Write `onnx`, and `plain` (.pt2) where torch.export takes the network. Raises DataError where neither way leads to ONNX."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in program.state_dict().values())
    if size > MOST_BYTES:
        raise DataError(f"{onnx}: the network has {size / 2**30:.1f} GB of weights, and a file of ONNX holds 2; distil a smaller one.")
    with quieter(TALKATIVE, logging.CRITICAL), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            exported = torch.export.export(program, program.example(), dynamic_shapes=_dynamic(program))
            _forget_places(exported)
            made = torch.onnx.export(
                exported, dynamo=True, input_names=list(program.inputs), output_names=list(program.outputs), verbose=False
            )
            assert made is not None
            call_with(onnx, lambda part: made.save(part, external_data=False))
            call_with(plain, lambda part: torch.export.save(exported, part))
            captured = Captured(onnx, plain)
        except Exception as error:  # whatever a network of anybody's does in torch.export
            captured = _traced(program, onnx, _first_line(error))
    _tell(onnx, program, card)
    return captured


def _forget_places(exported: torch.export.ExportedProgram) -> None:
    """Leave out where on this machine each step's code lies, which the files would keep: folders have people's names."""
    for module in exported.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)


def _traced(program: Program, onnx: Path, why: str) -> Captured:
    """By the older exporter, which follows one call of the network."""
    names = list(program.inputs)
    axes = {name: {0: "batch"} for name in (*set(names) - {THRESHOLD, SO_FAR, TILES}, *program.outputs)} if program.batched else {}
    if program.moves:
        axes[PIXELS] |= {2: "height", 3: "width"}
    try:
        call_with(
            onnx,
            lambda part: torch.onnx.export(
                program, program.example(), str(part), dynamo=False, opset_version=18,
                input_names=names, output_names=list(program.outputs), dynamic_axes=axes,
            ),
        )  # fmt: skip
    except Exception as error:
        raise DataError(f"{onnx}: this network cannot be written as ONNX ({why}; then {_first_line(error)}).") from error
    return Captured(onnx, None, f"torch.export does not take this network ({why}), so there is no .pt2 file.")


def _dynamic(program: Program) -> tuple[Any, ...]:
    Dim = torch.export.Dim
    sides = {2: Dim("height", min=2, max=LONGEST), 3: Dim("width", min=2, max=LONGEST)} if program.moves else {}
    batch = {0: Dim("batch", min=1, max=LONGEST)} if program.batched else {}
    shapes = {PIXELS: {**batch, **sides}, WHOLE: batch, KNOWN: batch, THRESHOLD: None, SO_FAR: None, TILES: None}
    return tuple(shapes[name] for name in program.inputs)


def metadata(program: Program, card: HeadCard) -> dict[str, str]:
    """What a caller must know, as text: lists are JSON."""
    images = card.images
    told: dict[str, Any] = {
        "kind": program.kind,
        "task": card.task,
        "classes": list(card.classes),
        "channels": list(images.channels),
        "unit": images.unit,
        "dtype": images.dtype,
        "scale": list(images.scale),
        "offset": list(images.offset),
        "size": list(program.shape),
        "arm": card.arm,
        "network": images.architecture,
        "licence": card.licence,
        "made_by": f"labelfree {card.version}",
        "recipe": images.recipe,
        "data": images.data,
    }
    told |= _levels(images)
    told |= {} if program.default is None else {THRESHOLD: program.default}
    told |= {"alarm": card.alarm} if card.alarm else {}
    return {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for name, value in told.items()}


def _levels(images: WeightCard) -> dict[str, float]:
    """The `largest` whole number that files of such images hold, and the `step` between two, where their domain knows."""
    domain = domain_with(images.domain, images.reader)
    levels = domain.levels(images.unit) if isinstance(domain, KnowsLevels) else None
    if levels is None or len(set(images.scale)) > 1 or any(images.offset):
        return {}
    return {"largest": round(levels.largest / images.scale[0], 6), "step": levels.step}


def _tell(path: Path, program: Program, card: HeadCard) -> None:
    """Put metadata into the file, and the threshold's default: an input that has an initializer of its name may be left out."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    onnx.helper.set_model_props(model, metadata(program, card))
    if program.threshold is not None:
        default = torch.tensor(program.threshold, dtype=torch.float32).numpy()
        model.graph.initializer.append(numpy_helper.from_array(default, THRESHOLD))
    program.finish(model.graph)
    onnx.checker.check_model(model)
    call_with(path, lambda part: onnx.save(model, str(part)))


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:200]}" if text else type(error).__name__
