"""Both towers of a weight file, ready to be asked: images and captions as unit vectors of one space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import torch
import torch.nn.functional as F
from torch import Tensor

from labelfree.backbones.weights import LoadedBackbone, backbone_file, load
from labelfree.domain import Sample, Size
from labelfree.errors import RecipeError
from labelfree.installed_domains import domain_class
from labelfree.language.prompts import TEMPLATES, Prompts, read_templates, templates_of
from labelfree.language.reading import load_text_side, require_taught_beside
from labelfree.language.towers import TextSide

FEWEST = 2  # classes that can be told apart


class Towers:
    """An image tower that knows its channels, unit and normalisation, and a text tower that knows its tokenizer.

    They work on the GPU where there is one, and answer on the host. The logit of an image and a caption is scale * cosine + bias.
    """

    def __init__(self, backbone: LoadedBackbone, side: TextSide) -> None:
        self.backbone, self.side = backbone, side.to(backbone.device)
        self.scale, self.bias = float(side.scale), float(side.bias)

    @property
    def dim(self) -> int:
        """Width of the shared space."""
        return self.side.of_images.out_features

    @torch.inference_mode()
    def embed(self, images: Sample | Tensor | Sequence[Sample] | Iterable[Sample], size: Size | None = None) -> Tensor:
        """Images as unit vectors (N, dim); what may be given, and what is refused, is as in `LoadedBackbone.embed`."""
        return self.project(self.backbone.embed(images, size))

    @torch.inference_mode()
    def project(self, pooled: Tensor) -> Tensor:
        """What the backbone gave for images, (N, its width), as unit vectors (N, dim)."""
        return F.normalize(self.side.images(pooled.to(self.backbone.device)).float(), dim=-1).cpu()

    def embed_texts(self, captions: Sequence[str]) -> Tensor:
        """Captions as unit vectors (N, dim)."""
        return self.side.embed(captions)

    def classify(
        self,
        images: Sample | Tensor | Sequence[Sample] | Iterable[Sample],
        classes: Sequence[str] | Mapping[str, str | Sequence[str]],
        prompts: Sequence[str] | str | Path | None = None,
        size: Size | None = None,
    ) -> pa.Table:
        """Which of `classes` each image shows, asked for in words: a row an image, its name, the class called, and a score of every class.

        `classes`: names, or names with one or more ways to say them. `prompts`: templates with `{}`, or a text file of them; None: those
        of the domain that the weights are of. The scores of an image sum to 1: softmax of the cosines times the objective's scale. They
        compare the classes named, so one of them is called even where none is shown. Raises RecipeError for templates or classes that
        are none.
        """
        asked = Prompts.of(classes, self._templates(prompts), _worded(classes))
        kept = images if isinstance(images, Tensor | Sample) else list(images)
        found = self.embed(kept, size)
        vectors = torch.from_numpy(asked.vectors(list(asked.words), lambda said: self.embed_texts(said).numpy()))
        scores = (self.scale * found @ vectors.T).softmax(1)
        called = [list(asked.words)[at] for at in scores.argmax(1).tolist()]
        columns = {name: pa.array(column.numpy()) for name, column in zip(asked.words, scores.T, strict=True)}
        return pa.table({"image": _names(kept, len(found)), "called": called, **columns})

    def _templates(self, prompts: Sequence[str] | str | Path | None) -> Sequence[str]:
        if prompts is None:
            file = getattr(domain_class(self.backbone.card.domain), "prompts", None) if self.backbone.card.domain else None
            return TEMPLATES if file is None else read_templates(Path(file), f"prompts of {self.backbone.card.domain}")
        if isinstance(prompts, str | Path):
            return read_templates(Path(prompts).expanduser(), "prompts")
        return templates_of(prompts)


def _worded(classes: Sequence[str] | Mapping[str, str | Sequence[str]]) -> dict[str, list[str]]:
    """Of classes that come with words these. Raises RecipeError where there are too few classes, one stands twice, or is no column."""
    if isinstance(classes, str) or len(classes) < FEWEST or len(set(classes)) < len(classes):
        raise RecipeError("classes: name two or more, each once, such as ['river', 'forest'].")
    if taken := {"image", "called"} & set(classes):
        raise RecipeError(f"classes: {min(taken)!r} is a column of the table already; name the class otherwise and say it by its words.")
    if not isinstance(classes, Mapping):
        return {}
    return {name: [said] if isinstance(said, str) else list(said) for name, said in classes.items()}


def _names(images: Sample | Tensor | Sequence[Sample], count: int) -> list[str]:
    """Where images come from, or their numbers where they do not say it."""
    sources = [images.source] if isinstance(images, Sample) else [] if isinstance(images, Tensor) else [each.source for each in images]
    return [source or str(at) for at, source in enumerate(sources)] or list(map(str, range(count)))


def load_towers(path: str | Path) -> Towers:
    """Both towers of a weight file, or of a run's folder. Raises DataError where a file is missing, is broken or has no text tower."""
    weights = backbone_file(Path(path).expanduser())
    side = load_text_side(weights)
    backbone = load(weights)
    require_taught_beside(side, backbone.dim, weights)
    return Towers(backbone, side)
