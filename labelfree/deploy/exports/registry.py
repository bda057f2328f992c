"""The program of each kind of head, found by what the head is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labelfree.deploy.box_heads import BoxesHead
from labelfree.deploy.exports.box_program import BoxProgram, OneStageProgram
from labelfree.deploy.exports.patch_program import PatchProgram
from labelfree.deploy.exports.programs import MapProgram, PooledProgram, Program, VectorProgram
from labelfree.deploy.exports.region_program import TwoStageProgram
from labelfree.deploy.loaded_head import LoadedHead, VectorHead
from labelfree.deploy.map_heads import MapsHead
from labelfree.deploy.patch_heads import PatchesHead
from labelfree.errors import DataError
from labelfree.transfer.boxes.detectors import FasterRcnn, Fcos, Retinanet

DETECTORS: dict[type, Callable[[BoxesHead], BoxProgram]] = {Fcos: OneStageProgram, Retinanet: OneStageProgram, FasterRcnn: TwoStageProgram}


def _of_boxes(head: BoxesHead) -> BoxProgram:
    return DETECTORS[type(head.head.detector)](head)


def _of_images(head: VectorHead) -> VectorProgram:
    return VectorProgram(head) if head.card.tile is None else PooledProgram(head, head.card.tile)


PROGRAMS: dict[type, Callable[[Any], Program]] = {
    VectorHead: _of_images, MapsHead: MapProgram, BoxesHead: _of_boxes, PatchesHead: PatchProgram,
}  # fmt: skip


def program_of(head: LoadedHead[Any]) -> Program:
    """The head as one module. Raises DataError for one that cannot be exported."""
    if type(head) not in PROGRAMS:
        raise DataError(f"{head.path}: heads of {head.card.task} are not exported; use `labelfree predict`.")
    return PROGRAMS[type(head)](head).eval().requires_grad_(False)
