"""The network whose features images are chosen by: a run's, a weight file's, or ImageNet's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import RUN_FILE, card_of
from labelfree.errors import DataError
from labelfree.recipe import PoolSettings
from labelfree.recipe_file import load_recipe

IMAGENET = "imagenet"


@dataclass(frozen=True)
class Weights:
    """`file` and `card`: None for ImageNet's own. `pool`: how the run that left them keeps its images, which are found again by it."""

    file: Path | None = None
    card: WeightCard | None = None
    pool: PoolSettings | None = None

    @property
    def name(self) -> str:
        """As progress calls it."""
        return IMAGENET if self.file is None else self.file.parent.name if self.file.name == RUN_FILE else self.file.stem

    def reader(self, domain: str | None) -> dict[str, Any]:
        """How the images they learnt from were read, where that is the field's reader, or nobody named another field."""
        return dict(self.card.reader) if self.card is not None and domain in (None, self.card.domain) else {}


def find_weights(given: str | Path) -> Weights:
    """Of a run folder, a weight file with its card, or "imagenet". Raises DataError where there is none."""
    if str(given) == IMAGENET and not Path(given).exists():
        return Weights()
    path = Path(given).expanduser()
    if not path.exists():
        raise DataError(f"--weights {given}: no such run folder or weight file; {IMAGENET} takes the published ones.")
    if not path.is_dir():
        return Weights(path, card_of(path))
    file = path / RUN_FILE
    if not file.is_file():
        raise DataError(f"--weights {given}: holds no {RUN_FILE}; name the folder of a finished pretraining, a weight file, or {IMAGENET}.")
    kept = load_recipe(path).pool if (path / "recipe.yaml").is_file() else None
    return Weights(file, card_of(file), kept)
