"""What channels of volumes are called: usual spellings of MR sequences and modalities, so that weights meet the channels they know."""

from __future__ import annotations

import re
from collections.abc import Sequence

SPELLINGS = {
    "t1": ("t1", "t1w", "t1n", "t1wi", "t1weighted", "mprage", "t1mprage"),
    "t1 with contrast": ("t1c", "t1ce", "t1gd", "t1post", "t1wce", "t1wgd", "t1cpost", "t1contrast", "cet1", "cet1w", "t1km"),
    "t2": ("t2", "t2w", "t2wi", "t2weighted", "t2tse", "t2fse"),
    "flair": ("flair", "t2f", "t2flair", "flairt2", "fluidattenuatedinversionrecovery"),
    "pd": ("pd", "pdw", "protondensity"),
    "diffusion": ("dwi", "diffusion", "trace", "hbv", "highb"),
    "adc": ("adc", "adcmap", "apparentdiffusioncoefficient"),
    "swi": ("swi", "swan", "t2star", "t2starw"),
    "ct": ("ct", "computedtomography", "cect", "ncct"),
    "pet": ("pt", "pet", "fdg", "fdgpet", "suv"),
    "mr": ("mr", "mri", "magneticresonance"),
}
KNOWN = {spelling: sequence for sequence, spellings in SPELLINGS.items() for spelling in spellings}
ANY = {"gray", "grey", "mr", "image", "volume", "channel1"}  # says nothing of what is shown, or only that it is some sequence


def sequence_of(channel: str) -> str:
    """What a channel shows: "T1w", "t1-weighted" and "MPRAGE" are t1. A name that nobody knows stands for itself, however it is spelled."""
    plain = re.sub(r"[^a-z0-9]", "", str(channel).lower().replace("*", "star"))
    return KNOWN.get(plain, plain)


def match_sequences(channels: Sequence[str], known: Sequence[str], once: bool = False) -> tuple[int | None, ...]:
    """Of each of `channels` the position among `known` ones of what shows the same; a channel spelled the same comes first.

    A single channel that says nothing of what it shows meets a single one. `once`: each known channel goes to one channel alone.
    """
    ours, theirs = [str(name).lower() for name in channels], [str(name).lower() for name in known]
    shown, sought = [sequence_of(name) for name in theirs], [sequence_of(name) for name in ours]
    if len(ours) == len(theirs) == 1 and ANY & {sought[0], shown[0]}:
        return (0,)
    matched = [theirs.index(name) if name in theirs else None for name in ours]
    taken = {at for at in matched if at is not None} if once else set[int]()
    for number, (at, sequence) in enumerate(zip(matched, sought, strict=True)):
        fits = [position for position, other in enumerate(shown) if other == sequence and position not in taken]
        if at is None and fits:
            matched[number] = fits[0]
            taken |= {fits[0]} if once else set()
    return tuple(matched)
