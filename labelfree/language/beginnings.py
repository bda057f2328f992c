"""What a text side begins with: a fresh tower by its size, an encoder in a folder, or the text side of a weight file."""

from __future__ import annotations

from pathlib import Path

from labelfree.errors import RecipeError
from labelfree.language.reading import load_text_side, text_file
from labelfree.language.text_towers import SIZES, text_tower
from labelfree.language.tokens import Tokenizer
from labelfree.language.towers import TextSide
from labelfree.weight_names import FILES, backbone_file


def taught_file(name: str) -> Path | None:
    """The weight file, or that of a run's folder, whose text side `name` means; None for a size, and for a folder with an encoder.

    Raises RecipeError for a weight file that has no text side.
    """
    if name in SIZES:
        return None
    weights = backbone_file(Path(name).expanduser())
    if text_file(weights).is_file() and weights.is_file():
        return weights
    if weights.is_file() or (weights.suffix in FILES and not Path(name).expanduser().is_dir()):
        raise RecipeError(
            f"pretrain.options.text: {name} has no text tower beside it ({text_file(weights).name}); name a weight file of a run that "
            "learnt from captions, or what `labelfree convert --as open_clip` makes."
        )
    return None


def side_begun(name: str, dim: int, out: int) -> TextSide:
    """The text side beside a backbone of width `dim`. Of a weight file it is the one that was taught, in its own space whatever `out`
    says; its projection of images begins anew where that was beside a backbone of another width.

    Raises RecipeError for a name that means nothing, DataError for a broken file.
    """
    file = taught_file(name)
    if file is None:
        return TextSide(dim, text_tower(name), out)
    taught = load_text_side(file).train().requires_grad_(True)
    if taught.of_images.in_features == dim:
        return taught
    side = TextSide(dim, taught.tower, taught.of_texts.out_features)
    side.of_texts.load_state_dict(taught.of_texts.state_dict())
    return side


def tokenizer_of(name: str) -> Tokenizer:
    """What makes numbers of captions for the tower that `name` means. Raises as `side_begun`."""
    file = taught_file(name)
    return text_tower(name).tokenizer if file is None else load_text_side(file).tower.tokenizer
