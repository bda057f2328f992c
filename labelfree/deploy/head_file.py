"""A head as one file: the tensors of the head and of the network below it (safetensors), and its card as JSON in the file's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from labelfree.deploy.head_card import FORMAT, HeadCard, head_card_told
from labelfree.errors import DataError
from labelfree.training.files import call_with

CARD = "labelfree.head"  # the metadata's key
HEAD, PARTS = "head.", "encoder.{}."  # how names of tensors begin
RECOMMENDED = "recommended.safetensors"
FOLDER = "heads"  # of a run


def write_head(path: Path, card: HeadCard, head: Mapping[str, Tensor], parts: Sequence[Mapping[str, Tensor]]) -> Path:
    """Write `path` (.safetensors), whole or not at all. `head`: its tensors; `parts`: those of each part of the encoder."""
    from safetensors.torch import save_file

    tensors = {f"{HEAD}{name}": tensor for name, tensor in head.items()}
    for at, part in enumerate(parts):
        tensors |= {f"{PARTS.format(at)}{name}": tensor for name, tensor in part.items()}
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}  # layers may share theirs
    metadata = {"format": "pt", "task": card.task, "protocol": card.protocol, "classes": "\n".join(card.classes)}
    call_with(path, lambda part: save_file(plain, part, metadata={**metadata, CARD: json.dumps(card.told(), ensure_ascii=False)}))
    return path


def read_card(path: Path) -> HeadCard:
    """The card of a head's file. Raises DataError for a file that is none."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise DataError(f"{path}: no such head; name a file in RUN/{FOLDER}/, or a run folder.")
    try:
        with safe_open(path, "pt") as file:
            written = (file.metadata() or {}).get(CARD)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: not a head that this version of labelfree reads ({error}).") from error
    if written is None:
        raise DataError(f"{path}: holds no head (a network alone, perhaps); name a file in RUN/{FOLDER}/, or a run folder.")
    try:
        told = json.loads(written)
        if told.get("format", 0) > FORMAT:
            raise ValueError(f"its format is {told['format']}, this version reads up to {FORMAT}")
        return head_card_told(told)
    except (KeyError, TypeError, ValueError, DataError) as error:
        raise DataError(f"{path}: not a head that this version of labelfree reads ({error}).") from error


def read_tensors(path: Path, parts: int) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    """The tensors of a head's file: of the head, and of each of so many parts of its encoder."""
    from safetensors.torch import load_file

    tensors = load_file(path)

    def under(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

    return under(HEAD), [under(PARTS.format(at)) for at in range(parts)]


def find_head(given: str | Path) -> Path:
    """A head's file, or the recommended one of a run folder. Raises DataError where there is none."""
    path = Path(given).expanduser()
    if not path.is_dir():
        return path
    file = path / FOLDER / RECOMMENDED
    if not file.is_file():
        others = ", ".join(sorted(each.name for each in (path / FOLDER).glob("*.safetensors")))
        way = f"name one of {path / FOLDER}: {others}" if others else "name the folder of a finished comparison, or a head's file"
        raise DataError(f"{path}: holds no recommended head ({FOLDER}/{RECOMMENDED}); {way}.")
    return file
