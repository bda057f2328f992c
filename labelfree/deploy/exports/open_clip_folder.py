"""Both towers of a weight file for open_clip: one folder that it loads by itself, or its text tower, and the image tower beside it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from labelfree.backbones.photographs import OfPhotographs, of_photographs
from labelfree.backbones.weights import RUN_FILE, save
from labelfree.deploy.output_folder import require_empty
from labelfree.domain import sides
from labelfree.errors import DataError, RecipeError
from labelfree.language import load_towers
from labelfree.language.loading import Towers
from labelfree.language.open_clip_layout import CONFIG, WEIGHTS, Layout, whole, words_alone
from labelfree.language.tokens import OfEncoder
from labelfree.progress import Progress
from labelfree.training.files import call_with, write_json

BESIDE, PROJECTION, SUMMARY = "image_tower", "projection.safetensors", "export.json"
MOST_APART = 1e-3  # of unit vectors
SAID = ("a photograph", "two of them, and a third one", "nothing at all")
TRIED = 4  # pictures


@dataclass(frozen=True)
class OpenClipFolder:
    """What was written. `joined`: the image tower is in the model, too; else `why` not, and it lies in `image_tower`, with its card.

    `apart`: how far open_clip's vectors of some texts, and of random pictures where the image tower is in, are from the towers' at most.
    """

    folder: Path
    files: tuple[Path, ...]
    joined: bool
    why: str
    apart: float


def export_towers(weights: Path, out: Path, say: Progress) -> OpenClipFolder:
    """Write both towers of a run folder or a weight file into the new or empty folder `out`.

    Raises RecipeError without open_clip, DataError for weights without a text tower, for one that open_clip cannot hold, and where it
    says something else of what it is shown.
    """
    _require_open_clip()
    towers = load_towers(weights)
    require_empty(out)
    try:
        layout, why = whole(towers), ""
    except DataError as error:
        why = str(error)
        try:
            layout = words_alone(towers.side)
        except DataError as error:
            raise DataError(f"{weights}: {error}; there is no layout for it.") from error
    out.mkdir(parents=True, exist_ok=True)
    try:
        files = [*_written(layout, out), *([] if not why else _beside(towers, out / BESIDE))]
        apart = _apart(towers, layout, out, pictures=not why)
        if apart > MOST_APART:
            raise DataError(f"{weights}: open_clip's vectors are up to {apart:.2g} from its own, so the export is not kept.")
    except BaseException:  # half an export is none
        shutil.rmtree(out)
        raise
    told = OpenClipFolder(out, (*files, out / SUMMARY), not why, why, apart)
    facts = {key: value for key, value in asdict(told).items() if key not in ("folder", "files")}
    card = towers.backbone.card
    versions = {name: version(name) for name in ("torch", "timm", "open_clip_torch")}
    own = {"network": card.architecture, "licence": card.licence, "size": card.size}
    write_json(out / SUMMARY, {**facts, **own, "shown": layout.size if told.joined else card.size, "versions": versions})
    for sentence in _sentences(told, towers, layout):
        say.say(sentence)
    return told


def _require_open_clip() -> None:
    try:
        import open_clip  # noqa: F401
    except ImportError as error:
        raise RecipeError("--format open_clip: needs open_clip, which is not installed: pip install 'labelfree[language]'.") from error


def _written(layout: Layout, out: Path) -> list[Path]:
    from safetensors.torch import save_file

    write_json(out / CONFIG, layout.config)
    call_with(out / WEIGHTS, lambda part: save_file(layout.state, part, metadata={"format": "pt"}))
    own = [] if layout.tokenizer is None else _tokenizer_files(layout.tokenizer, out)
    return [out / CONFIG, out / WEIGHTS, *own]


def _tokenizer_files(tokenizer: OfEncoder, out: Path) -> list[Path]:
    """A tokenizer of the model's own, as transformers finds it in the folder."""
    from tokenizers import Tokenizer as Fast
    from transformers import PreTrainedTokenizerFast

    fast = Fast.from_str(tokenizer.told)
    PreTrainedTokenizerFast(tokenizer_object=fast, pad_token=fast.id_to_token(tokenizer.padding)).save_pretrained(out)
    return [out / name for name in ("tokenizer.json", "tokenizer_config.json")]


def _beside(towers: Towers, folder: Path) -> list[Path]:
    """The image tower as its own weight file with its card, and what projects its vectors into the shared space."""
    from safetensors.torch import save_file

    file = save(towers.backbone.backbone, towers.backbone.card, folder / RUN_FILE)
    weight = towers.side.of_images.weight.detach().cpu().contiguous().clone()
    call_with(folder / PROJECTION, lambda part: save_file({"weight": weight}, part, metadata={"format": "pt"}))
    return [file, file.with_suffix(".json"), folder / PROJECTION]


@torch.inference_mode()
def _apart(towers: Towers, layout: Layout, out: Path, pictures: bool) -> float:
    """The largest difference of a number of a unit vector: open_clip's, loaded from `out` as anybody would, and the towers'."""
    import open_clip

    try:
        model = open_clip.create_model(f"local-dir:{out}").eval()
        numbers = open_clip.get_tokenizer(f"local-dir:{out}")(list(SAID))
        found = [(model.encode_text(numbers, normalize=True), towers.embed_texts(SAID))]
        if pictures:
            shape = sides(layout.size, 2)
            stored = torch.randint(0, 256, (TRIED, 3, *shape), generator=torch.Generator().manual_seed(0)).float()
            seen = of_photographs(towers.backbone.card)
            theirs = model.encode_image(_normalised(stored / 255, seen), normalize=True)
            found.append((theirs, towers.embed(_physical(stored, seen, towers), layout.size)))
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        raise DataError(f"{out}: open_clip does not take these towers ({str(error).splitlines()[0]}).") from error
    return max(float((theirs - ours).abs().max()) for theirs, ours in found)


def _normalised(shown: Tensor, seen: OfPhotographs) -> Tensor:
    mean, std = (torch.tensor(numbers).view(1, -1, 1, 1) for numbers in (seen.mean, seen.std))
    return (shown - mean) / std


def _physical(stored: Tensor, seen: OfPhotographs, towers: Towers) -> Tensor:
    """Red, green and blue as stored, in the card's channels and unit."""
    card = towers.backbone.card
    placed = torch.empty_like(stored)
    placed[:, list(seen.order)] = stored
    scale, offset = (torch.tensor(numbers).view(1, -1, 1, 1) for numbers in (card.scale, card.offset))
    return placed * scale + offset


def _sentences(told: OpenClipFolder, towers: Towers, layout: Layout) -> list[str]:
    card = towers.backbone.card
    of = f"{TRIED} random pictures and " if told.joined else ""
    lines = [f"open_clip's vectors of {of}{len(SAID)} texts are within {told.apart:.1g} of the towers'."]
    if not told.joined:
        lines.append(f"The image tower is not in it, for {told.why}; it lies in {told.folder / BESIDE} with its card (docs/export.md).")
    elif layout.size != card.size:
        lines.append(
            f"open_clip shows it images of {layout.size} pixels, for which timm makes its positions; it was taught at {card.size}."
        )
    load: Any = f"open_clip.create_model_and_transforms('local-dir:{told.folder}')"
    return [*lines, f"{told.folder}: {load} loads it."]
