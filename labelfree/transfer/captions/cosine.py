"""The cosine of both towers, as they are (Radford et al. 2021, arXiv:2103.00020, section 3.1 and table 13)."""

from __future__ import annotations

import numpy as np

from labelfree.language.arm_towers import ArmTowers
from labelfree.transfer.captions.base import CaptionProtocol


class Cosine(CaptionProtocol):
    """Nothing is fitted: what is nearest in the shared space comes first."""

    name = "retrieval"
    words, title = "retrieval", "image and text retrieval"
    reading = "retrieval: images and captions are ordered by the cosine of their vectors, and nothing is fitted"
    method = (
        "Retrieval: every caption that is said of a scored image stands once in the gallery of texts, every scored image once in that of "
        "images. An image is answered right by any of its captions, a caption by any image that carries it. Ties count as the mean over "
        "their orders. Images are shown as large as in the pretraining. Intervals resample the images that ask; the galleries stand."
    )

    def place(self, towers: ArmTowers, features: np.ndarray, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        return towers.images(features), towers.texts(texts)
