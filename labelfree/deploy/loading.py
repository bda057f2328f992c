"""A head's file becomes a head that answers: of whole images, of maps or of boxes, by what its protocol learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelfree.deploy.box_heads import BoxesHead
from labelfree.deploy.encoders import encoder_of
from labelfree.deploy.head_file import find_head, read_card, read_tensors
from labelfree.deploy.loaded_head import LoadedHead, VectorHead
from labelfree.deploy.map_heads import MapsHead
from labelfree.deploy.patch_heads import PatchesHead
from labelfree.errors import DataError, RecipeError
from labelfree.reader_settings import domain_with
from labelfree.transfer.protocols import Head
from labelfree.transfer.tasks.registry import find_task

KINDS: dict[str, type[LoadedHead[Any]]] = {
    "pooled": VectorHead, "words": VectorHead, "images": VectorHead, "pyramid": MapsHead, "boxes": BoxesHead, "patches": PatchesHead,
}  # fmt: skip


def load_head(given: str | Path) -> LoadedHead[Any]:
    """The head in a file, or the recommended one of a run folder. Raises DataError where there is none, or it cannot be made here."""
    path = find_head(given)
    card = read_card(path)
    tensors, parts = read_tensors(path, len(card.parts))
    try:
        domain = domain_with(card.images.domain, card.images.reader)
        protocol: Any = find_task(card.task).protocol(card.protocol)
        encoder = encoder_of(card, domain, parts)
        head = Head(protocol, tensors) if KINDS[protocol.needs] is VectorHead else _filled(protocol.head(card.config), tensors)
    except (DataError, RecipeError) as error:
        raise DataError(f"{path}: cannot be used here. {error}") from error
    return KINDS[protocol.needs](path, card, domain, encoder, head)


def _filled(head: Any, tensors: Any) -> Any:
    head.load_state_dict(tensors)
    return head.eval()
