"""How a weight file sees a photograph: red, green and blue from 0, black, to 1, white, as other programs hand pictures over."""

from __future__ import annotations

from dataclasses import dataclass

from labelfree.backbones.weight_card import WeightCard
from labelfree.errors import DataError
from labelfree.views.normalise import BitDepth, PerChannel

COLOURS = ("red", "green", "blue")
WHITE = 255  # of a picture of 8 bits


@dataclass(frozen=True)
class OfPhotographs:
    """`order`: where red, green and blue stand among the card's channels. `mean`, `std`: of each of the three, of numbers from 0 to 1."""

    order: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def of_photographs(card: WeightCard) -> OfPhotographs:
    """What a card's normalisation is of pictures of 8 bits. Raises DataError with why it has none."""
    roles = [channel.role or str(channel) for channel in card.known]
    if sorted(roles) != sorted(COLOURS) or card.dims != 2:
        axes = "" if card.dims == 2 else " of volumes"
        raise DataError(
            f"it reads {len(roles)} channel{'s' * (len(roles) > 1)}{axes} ({', '.join(card.channels)}), not red, green and blue"
        )
    order = tuple(roles.index(colour) for colour in COLOURS)
    normalise = card.normalise
    if isinstance(normalise, BitDepth):
        return OfPhotographs(order, (0.5,) * 3, (0.5,) * 3)
    if not isinstance(normalise, PerChannel):
        raise DataError(f"its normalisation ({normalise.kind}) is not one mean and one deviation of each channel")
    if card.dtype != "uint8":
        raise DataError(f"it was taught by {card.unit} stored as {card.dtype or 'nobody says what'}, not by pictures of 8 bits")
    means, stds = normalise.mean.tolist(), normalise.std.tolist()
    mean = tuple((means[at] - card.offset[at]) / (WHITE * card.scale[at]) for at in order)
    return OfPhotographs(order, mean, tuple(stds[at] / (WHITE * card.scale[at]) for at in order))
