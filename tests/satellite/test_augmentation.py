"""Views of the ground: physics in the unit of the images, and what is left out when."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from labelfree_satellite import Satellite
from labelfree_satellite.augmentation import Clouds, Haze, Only
from torch.testing import assert_close

from labelfree.domain import Fingerprint
from labelfree.errors import DataError
from labelfree.views import ChannelDrop, PerChannel, SharedGain, ViewOp, ViewPipeline
from tests.satellite.files import SENTINEL
from tests.views.ops import assert_sound, name, seeded, smooth_field


def fingerprint(channels: tuple[str, ...], unit: str = "reflectance", side: int = 64, dtype: str = "uint16") -> Fingerprint:
    n, shape = len(channels), (side, side)
    return Fingerprint(100, channels, dtype, unit, (1e-4,) * n, (0.0,) * n, shape, shape, (0.15,) * n, (0.05,) * n)


def domain_ops() -> list[ViewOp]:
    return [Haze([443, 560, 665, 842, 1610], p=1.0), Clouds([True] * 5, p=1.0), Only(SharedGain(), [True, True, False, True, True])]


def kinds(ops: object) -> list[str]:
    return [type(op.op if isinstance(op, Only) else op).__name__ for op in ops]  # type: ignore[attr-defined]


@pytest.mark.parametrize("op", domain_ops(), ids=name)
def test_deterministic_unclipped_and_different_for_each_sample(op: ViewOp) -> None:
    x = smooth_field(1, 5, 32, 32).expand(8, -1, -1, -1).contiguous()
    assert_sound(op, x)


@pytest.mark.parametrize("op", domain_ops(), ids=name)
def test_integers_are_refused(op: ViewOp) -> None:
    with pytest.raises(DataError, match="floating-point physical units"):
        op(torch.ones(2, 5, 8, 8, dtype=torch.int16), seeded(0))


def test_nothing_happens_at_no_strength() -> None:
    x = smooth_field(4, 2, 16, 16)
    assert torch.equal(Haze([443, 842], (0.0, 0.0), p=1.0)(x, seeded(0)), x)
    assert_close(Clouds([True, True], depth=(0.0, 0.0), p=1.0)(x, seeded(0)), x)


def test_haze_falls_with_the_fourth_power_of_the_wavelength() -> None:
    added = Haze([450, 900], (0.05, 0.05), p=1.0)(torch.zeros(3, 2, 4, 4), seeded(0))
    assert_close(added[:, 0], torch.full((3, 4, 4), 0.05))
    assert_close(added[:, 0] / added[:, 1], torch.full((3, 4, 4), 16.0))


@settings(max_examples=20, deadline=None)
@given(cover=st.floats(0.1, 0.5), seed=st.integers(0, 2**31))
def test_clouds_cover_what_they_say_and_shadows_darken(cover: float, seed: int) -> None:
    clouds = Clouds([True, False], white=0.6, cover=(cover, cover), depth=(1.0, 1.0), p=1.0)
    x = torch.full((6, 2, 32, 32), 0.2)
    params = clouds.draw(6, seeded(seed))
    out = clouds.apply(x, params)
    assert torch.equal(out[:, 1], x[:, 1]), "a thermal band was touched"
    for one, shadow in zip(out[:, 0], params.shadow, strict=True):
        assert (one <= 0.2 + 1e-6).all() if shadow else (one >= 0.2 - 1e-6).all()
        half = 0.1 if shadow else 0.4
        assert ((one < half) if shadow else (one > half)).float().mean() == pytest.approx(cover, abs=0.02)


def test_gain_leaves_kelvin_alone() -> None:
    x = torch.full((4, 2, 4, 4), 290.0)
    out = Only(SharedGain(0.2), [True, False])(x, seeded(0))
    assert torch.equal(out[:, 1], x[:, 1]) and not torch.allclose(out[:, 0], x[:, 0])


def test_thirteen_bands_get_every_op() -> None:
    ops = Satellite(sensor="sentinel-2-l1c").augment(fingerprint(SENTINEL))
    assert kinds(ops.geometry) == ["Dihedral"] and kinds(ops.late) == ["ChannelDrop"]
    assert kinds(ops.physics) == ["SharedGain", "ChannelGain", "Haze", "Clouds", "Noise", "LowResolution", "Blur"]


def test_unnamed_bands_go_without_what_needs_wavelengths() -> None:
    ops = Satellite().augment(fingerprint(tuple(f"band_{k}" for k in range(1, 14)), "stored"))
    assert {"Haze", "Clouds"}.isdisjoint(kinds(ops.physics)) and "SharedGain" in kinds(ops.physics)


def test_few_bands_are_never_dropped() -> None:
    assert Satellite().augment(fingerprint(("red", "green", "blue"), "display")).late == []
    assert Satellite(sensor="naip").augment(fingerprint(("red", "green", "blue", "nir"), "display")).late == []
    assert isinstance(Satellite().augment(fingerprint(("coastal", "blue", "green", "red", "nir"))).late[0], ChannelDrop)


def test_small_tiles_are_cropped_less() -> None:
    small, large = (Satellite().augment(fingerprint(("red", "green", "blue"), "display", side)).global_scale for side in (64, 224))
    assert small[0] > large[0] == 0.2


@pytest.mark.parametrize("unit", ["reflectance", "display", "stored"])
def test_views_keep_their_image_recognisable_in_every_unit(unit: str) -> None:
    """Noise and haze have the strength meant, whatever the numbers are: a view without crop stays close to its image."""
    size = {"reflectance": 1.0, "display": 1 / 0.3, "stored": 1e4}[unit]
    ground = 0.15 + 0.05 * smooth_field(32, 3, 64, 64)
    mark = replace(fingerprint(("blue", "green", "red"), unit), mean=(0.15 * size,) * 3, std=(0.05 * size,) * 3)
    ops = replace(Satellite().augment(mark), geometry=[])
    pipeline = ViewPipeline(ops, PerChannel(mark.mean, mark.std), (1.0,) * 3, (0.0,) * 3)
    views = pipeline.view(ground * size, 64, (1.0, 1.0), seeded(0))
    pairs = torch.stack(
        [torch.corrcoef(torch.stack([view.flatten(), truth.flatten()]))[0, 1] for view, truth in zip(views, ground, strict=True)]
    )
    assert pairs.median() > 0.7 and views.std() < 3


def test_plan_never_upscales() -> None:
    for side, size, local in ((64, 64, 32), (128, 128, 64), (224, 224, 96), (500, 224, 96), (20, 32, 32)):
        plan = Satellite().plan(fingerprint(("red", "green", "blue"), "display", side))
        assert (plan["pretrain.size"].value, plan["pretrain.local_size"].value) == (size, local)
        assert all(default.reason for default in plan.values())


def test_radar_gets_offsets_in_decibel_and_neither_light_nor_air() -> None:
    domain = Satellite(sensor="sentinel-1-grd")
    found = domain.augment(fingerprint(("VV", "VH"), unit="dB", dtype="float32"))
    assert kinds(found.physics) == ["SharedOffset", "ChannelOffset", "Noise", "LowResolution"]
    x = torch.full((64, 2, 8, 8), -12.0)
    out = found.physics[0](x, seeded(0))
    assert out.std() > 0.2 and (out - x).abs().max() <= 1.0
    assert domain.rgb(("VV", "VH")) is None and domain.missing(("VV", "VH")) == []
