"""The asker of patches: a score for whole images, learned from normal ones alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from labelfree.data.space import gigabytes, limit_bytes
from labelfree.data.tiles import by
from labelfree.transfer.encoders import network_of
from labelfree.transfer.patches.base import PatchProtocol
from labelfree.transfer.patches.learning import LearnPatches
from labelfree.transfer.patches.memory import CANDIDATES, MOST, NUMBERS
from labelfree.transfer.patches.prediction import PredictedPatches
from labelfree.transfer.patches.tokens import PatchTokens
from labelfree.transfer.selection import INNER_FOLDS, Folds, inner_folds
from labelfree.transfer.setup import Setup
from labelfree.transfer.tiles.asking import TileAsker
from labelfree.transfer.tiles.base import Fitted
from labelfree.transfer.tiles.features import input_size
from labelfree.transfer.tiles.kept_tiles import KeptTiles


class PatchAsker(TileAsker[PatchProtocol]):
    """Of protocols of patches. What is kept of a tile are its patches alone; no mirror image is read, for nothing is trained."""

    def read(self, size: int) -> KeptTiles:
        """Of every tile, where half of the free disk holds them; the rest is computed when it is needed."""
        folder, tiling = self.folder / "features", self.tiles.tiling
        room = limit_bytes("auto", folder)
        kept = KeptTiles(self.encoder, self.tiles, size, folder, self.say, self.question.images, self.tokens(size), room=room)
        whole, every = len(tiling) * kept.each, np.arange(len(tiling))
        if len(kept.missing(0, every)):
            self.say.say(f"{self.encoder.arm}: {self._told(sum(kept.widths), whole, room)}")
            kept.read(every, every[:0])
        return kept

    def _told(self, width: int, whole: float, room: float) -> str:
        """What it costs, before it is paid."""
        tiling, candidates = self.tiles.tiling, min(CANDIDATES, NUMBERS // width)
        disk = (
            f"{gigabytes(whole)} on disk" if whole <= room else f"{gigabytes(room)} of {gigabytes(whole)} on disk, the rest anew when asked"
        )
        drawn, kept = gigabytes(4 * width * candidates), gigabytes(4 * width * MOST)
        return (
            f"patches of {len(tiling):,} tiles of {by(tiling.side)} pixels ({len(tiling.shapes):,} images), {width} numbers each: {disk}; "
            f"in memory at most {drawn} of {candidates:,} patches, of which {MOST:,} are kept ({kept})."
        )

    def tokens(self, size: int) -> PatchTokens:
        """What is read of levels at one input size."""
        shown = input_size(self.tiles.tiling.side, size)
        return PatchTokens(shown if isinstance(shown, tuple) else (shown,))

    def changed(self, levels: list[Tensor]) -> list[Tensor]:
        raise NotImplementedError("no protocol of patches trains a network along")

    def learn(self, protocol: PatchProtocol, size: int, rows: np.ndarray, seed: int, seen: np.ndarray | None = None) -> LearnPatches:
        return LearnPatches(
            network=network_of(self.encoder),
            maps=self.at(size),
            all_tiles=self.tiles,
            images=self.question.teaching(rows),
            width=self.question.targets.width,
            size=size,
            steps=None,
            seed=seed,
            seen=seen,
            plain=self._plain(size),
        )

    def predicted(self, fitted: Fitted[Any], size: int, rows: np.ndarray) -> PredictedPatches:
        return PredictedPatches(fitted, self.tiles, rows, self.levels_of(fitted, size))

    def choose(self, protocol: PatchProtocol, rows: np.ndarray, folds: Folds | None, seed: int) -> tuple[int, float | None]:
        """The recipe's first (`Protocol.one_size`)."""
        return self.sizes[0], None

    def apart(self, rows: np.ndarray, seed: int) -> Folds | None:
        """At most five folds of groups of normal images: each is scored by a head whose memory holds none of its patches."""
        return inner_folds(self.question.stratum_codes[rows], self.question.group_names[rows], seed)

    @classmethod
    def points(cls, setup: Setup, protocol: PatchProtocol) -> float:
        return cls._searched(setup) + INNER_FOLDS * setup.share_told_of(protocol)

    @staticmethod
    def _searched(setup: Setup) -> float:
        """Once: no size is searched."""
        return 1.0

    def _plain(self, size: int) -> tuple[bool, ...]:
        """Of each part of a patch whether it holds plain numbers of channels."""
        straight = np.zeros(1, bool)
        stored, measured = self.tiles.stored([0], straight)
        whole = {"whole": self.tiles.whole([0])} if self.encoder.by_image else {}
        side = self.tiles.tiling.side
        return PatchTokens.plain(self.encoder.maps(stored, measured, input_size(side, size), **whole), side)
