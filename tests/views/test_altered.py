"""Altered views: which of them, where in the order of a view, and that whoever does not ask for them gets the views of ever."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from labelfree.errors import RecipeError
from labelfree.views import Augmentation, Blotches, CutPaste, Dihedral, Noise, PerChannel, ResizedCrop, SharedGain, ViewPipeline
from labelfree.views.pipeline import Drawn
from tests.views.ops import seeded

SIZES = (24, 12)


def pipeline(**ops: Sequence) -> ViewPipeline:
    given = {"geometry": [Dihedral()], "physics": [SharedGain(0.3)], "global_scale": (0.4, 1.0), **ops}
    return ViewPipeline(Augmentation(**given), PerChannel([100.0] * 2, [50.0] * 2), [1.0] * 2, [0.0] * 2)


def pictures(n: int = 6) -> Tensor:
    return torch.randint(0, 200, (n, 2, 32, 32), generator=seeded(0)).to(torch.uint16)


def test_all_global_views_but_the_first_are_altered_each_in_its_way() -> None:
    made = list(pipeline(physics=[]).multi_crop(pictures(), (4, 2), SIZES, seeded(1), altered=True))
    assert len(made) == 6
    where = [view.altered for view in made[:4]]
    assert all(one is not None and one.shape == (6, 24, 24) for one in where) and all(view.altered is None for view in made[4:])
    assert not where[0].any() and all(one.flatten(1).any(1).float().mean() > 0.8 for one in where[1:])  # a scar may miss all middles
    joined = Drawn.joined(made[:4])
    assert joined.altered is not None and torch.equal(joined.altered.unflatten(0, (4, 6))[2], where[2]) and joined.measured is None


def test_the_first_view_is_the_one_without_alterations() -> None:
    views = pipeline()
    plain = next(views.multi_crop(pictures(), (2, 0), SIZES, seeded(1)))
    asked = next(views.multi_crop(pictures(), (2, 0), SIZES, seeded(1), altered=True))
    assert torch.equal(plain.normal, asked.normal) and plain.altered is None


def test_anomalies_stand_in_the_light_and_the_noise_of_their_image() -> None:
    """They come after geometry and before physics: what is pasted is a copy of pixels, and then gets its gain and its grain."""
    steps: list[str] = []

    class Said(CutPaste):
        def apply(self, x: Tensor, params: object) -> Tensor:  # type: ignore[override]
            steps.append("anomaly")
            return super().apply(x, params)  # type: ignore[arg-type]

    class Turned(Dihedral):
        def apply(self, x: Tensor, params: Tensor) -> Tensor:  # type: ignore[override]
            steps.append("geometry")
            return super().apply(x, params)

    class Grain(Noise):
        def apply(self, x: Tensor, params: object) -> Tensor:  # type: ignore[override]
            steps.append("physics")
            return super().apply(x, params)  # type: ignore[arg-type]

    asked = pipeline(geometry=[Turned()], physics=[Grain()], anomalies=[Said(p=1.0)])
    list(asked.multi_crop(pictures(), (2, 0), SIZES, seeded(0), altered=True))
    assert steps == ["geometry", "physics", "geometry", "anomaly", "physics"]


def test_nothing_is_altered_where_there_is_no_measurement() -> None:
    measured = torch.ones(6, 32, 32, dtype=torch.bool)
    measured[:, :, 16:] = False
    still = pipeline(geometry=[], physics=[], global_scale=(1.0, 1.0), ratio=(1.0, 1.0), anomalies=[Blotches((0.3, 0.3), p=1.0)])
    (_, second) = still.multi_crop(pictures(), (2, 0), (32, 32), seeded(0), measured=(measured, None), altered=True)
    assert second.altered is not None and second.altered[:, :, :16].any() and not second.altered[:, :, 16:].any()
    assert not second.normal[:, :, :, 16:].any()


def test_more_ways_than_there_are_is_a_sentence() -> None:
    with pytest.raises(RecipeError, match=r"^pretrain\.options\.kinds: these views can be altered in 3 ways, not in 4\.$"):
        next(pipeline().multi_crop(pictures(), (5, 0), SIZES, seeded(0), altered=True))


def test_crops_are_where_they_were_drawn() -> None:
    """A draw of the crop replayed on what is altered: `altered` is on the grid of the view, not of the image."""
    only = pipeline(geometry=[], physics=[], anomalies=[CutPaste(gain=0.0, p=1.0)])
    first, second = only.multi_crop(pictures(), (2, 0), SIZES, seeded(4), altered=True)
    crop, draws = ResizedCrop(24, (0.4, 1.0)), seeded(4)
    places = [crop.draw(6, draws), crop.draw(6, draws)]
    assert torch.equal(first.physical, crop.apply(pictures().float(), places[0]))
    unchanged = crop.apply(pictures().float(), places[1])
    assert second.altered is not None
    assert torch.equal(second.physical.where(~second.altered[:, None], 0.0), unchanged.where(~second.altered[:, None], 0.0))
