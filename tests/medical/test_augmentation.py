"""Views of patients: what is used, what is left out by default, and the physics of each op."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from labelfree_medical.augmentation import augmentation
from labelfree_medical.mr_artefacts import GhostDraw, Ghosting, Spike, SpikeDraw
from labelfree_medical.window_jitter import WindowDraw, WindowJitter
from torch.testing import assert_close

from labelfree.domain import ARBITRARY, Fingerprint
from labelfree.errors import DataError
from labelfree.views import Affine, Augmentation, Blur, Dihedral, LowResolution, PerChannel, ValueWindow, ViewOp, ViewPipeline
from tests.views.ops import assert_sound, name, seeded, smooth_field

FILM, SMALL, VOLUME, THICK = (256, 256), (28, 28), (48, 64, 64), (24, 128, 128)


def fingerprint(shape: tuple[int, ...], unit: str, spacing: tuple[float, ...] | None = None, channels: int = 1) -> Fingerprint:
    mean, std = ((-300.0,), (400.0,)) if unit == "HU" else ((0.5,), (0.2,))
    names = tuple(f"channel_{k}" for k in range(channels))
    ones, zeros = (1.0,) * channels, (0.0,) * channels
    return Fingerprint(100, names, "int16", unit, ones, zeros, shape, shape, mean * channels, std * channels, spacing)


FOUND = {
    "films": augmentation(fingerprint(FILM, "display"), "DX"),
    "small films": augmentation(fingerprint(SMALL, "display")),
    "colour pictures": augmentation(fingerprint(FILM, "display", channels=3)),
    "CT slices": augmentation(fingerprint(FILM, "HU", (0.8, 0.8)), "CT", (-160, 240)),
    "CT": augmentation(fingerprint(VOLUME, "HU", (1.0, 1.0, 1.0)), "CT"),
    "thick CT": augmentation(fingerprint(THICK, "HU", (5.0, 0.8, 0.8)), "CT", (-1000, 400)),
    "MR": augmentation(fingerprint(VOLUME, "stored", (1.2, 1.0, 1.0)), "MR"),
    "MR slices": augmentation(fingerprint(FILM, "stored", (1.0, 1.0)), "MR"),
    "volumes that say nothing": augmentation(fingerprint(VOLUME, "stored")),
    "PET": augmentation(fingerprint(VOLUME, "SUV", (3.0, 4.0, 4.0)), "PT"),
}


def ops(views: Augmentation) -> list[ViewOp]:
    return [*views.geometry, *views.physics, *views.late]


def kinds(views: Augmentation) -> set[str]:
    return {name(op) for op in ops(views)}


def domain_ops() -> list[ViewOp]:
    return [Ghosting(p=1.0), Spike(p=1.0), WindowJitter(-3.0, 3.0, shift=0.5, p=1.0)]


def test_each_kind_gets_what_changes_between_two_of_its_images() -> None:
    film = {"Dihedral", "Affine", "Contrast", "Gamma", "Noise", "Blur", "LowResolution"}
    assert kinds(FOUND["films"]) == film and kinds(FOUND["small films"]) == film - {"Blur", "LowResolution"}
    assert {"WindowJitter", "Noise"} <= kinds(FOUND["CT"]) and {"WindowJitter"} <= kinds(FOUND["CT slices"])
    scanner = {"BiasField", "Ghosting", "Spike"}
    assert all(scanner <= kinds(FOUND[mr]) for mr in ("MR", "MR slices", "volumes that say nothing"))
    assert all(scanner.isdisjoint(kinds(FOUND[other])) for other in ("films", "CT", "thick CT", "PET", "CT slices"))


@pytest.mark.parametrize("views", FOUND.values(), ids=FOUND)
def test_nothing_that_is_avoided_is_there(views: Augmentation) -> None:
    """No solarise, posterise, hue or channel of its own gain; no grayscale; nothing erased or dropped; no turn by a quarter."""
    used = {"Dihedral", "Affine", "Contrast", "Gamma", "Noise", "Blur", "LowResolution", "WindowJitter", "BiasField", "Ghosting", "Spike"}
    assert kinds(views) <= used
    for op in views.geometry:
        assert not isinstance(op, Dihedral) or (not op.transpose and op.axes == (views.sideways,))
        assert not isinstance(op, Affine) or op.degrees <= 15
    assert views.global_scale[0] >= 0.5 and views.local_scale[0] >= 0.2 and views.overlap >= 0.5


def test_volumes_that_say_nothing_are_no_mr_where_numbers_lie_below_nothing() -> None:
    for unit in (ARBITRARY, "stored"):
        saved = replace(fingerprint(VOLUME, unit, (1.0, 1.0, 1.0)), low=(-1024.0,), high=(3071.0,))
        assert {"BiasField", "Ghosting", "Spike"}.isdisjoint(kinds(augmentation(saved)))
        assert "BiasField" in kinds(augmentation(replace(saved, low=(0.0,))))


def test_hounsfield_units_are_bent_by_no_curve() -> None:
    assert all({"Gamma", "Contrast", "BiasField"}.isdisjoint(kinds(FOUND[ct])) for ct in ("CT", "thick CT", "CT slices"))


def one(views: Augmentation, kind: type) -> list[ViewOp]:
    return [op for op in ops(views) if isinstance(op, kind)]


def test_blurs_are_as_wide_in_millimetres_and_slices_get_thicker_only_where_they_are_thin() -> None:
    [blur] = one(FOUND["thick CT"], Blur)
    assert blur.shares == (0.8 / 5.0, 1.0, 1.0)
    everywhere, thicker = one(FOUND["thick CT"], LowResolution)
    assert everywhere.axes is None and thicker.axes == (-2, -1) and thicker.factor[1] == 3.0
    assert one(FOUND["CT"], LowResolution)[1].axes == (-3, -2, -1)
    assert [op.axes for op in one(FOUND["films"], LowResolution)] == [None]


def test_ghosts_of_volumes_come_along_any_axis() -> None:
    assert one(FOUND["MR"], Ghosting)[0].axes == (-3, -2, -1) and one(FOUND["MR slices"], Ghosting)[0].axes == (-2, -1)


def planes(views: Augmentation) -> set[tuple[int, int]]:
    return {plane for op in views.geometry if isinstance(op, Affine) for plane in op.planes}


def test_no_turn_crosses_axes_that_differ() -> None:
    assert planes(FOUND["CT"]) == {(-3, -2), (-3, -1), (-2, -1)} == planes(FOUND["PET"])
    assert planes(FOUND["thick CT"]) == {(-2, -1)}, "thick slices are turned into each other"
    assert planes(FOUND["volumes that say nothing"]) == {(-2, -1)}
    assert planes(FOUND["films"]) == {(-2, -1)}
    assert planes(augmentation(fingerprint(FILM, "HU", (5.0, 0.7)), "CT")) == set(), "a slice across thick ones is turned"


def test_flips_are_left_to_right_and_can_be_taken_out() -> None:
    assert "Dihedral" not in kinds(augmentation(fingerprint(FILM, "HU", (1.0, 1.0)), "CT", sideways=None)), "a sagittal slice is flipped"
    [flip, *_] = augmentation(fingerprint(VOLUME, "HU", (1.0, 1.0, 1.0)), "CT", sideways=-3).geometry
    assert isinstance(flip, Dihedral) and flip.axes == (-3,)
    for views in FOUND.values():
        assert "Dihedral" in kinds(views) and "Dihedral" not in kinds(views.unmirrored())


@pytest.mark.parametrize("op", domain_ops(), ids=name)
@pytest.mark.parametrize("shape", [(32, 32), (24, 15), (17, 20, 16)], ids=str)
def test_deterministic_unclipped_and_different_for_each_sample(op: ViewOp, shape: tuple[int, ...]) -> None:
    x = smooth_field(1, 3, *shape).expand(8, -1, *(-1 for _ in shape)).contiguous()
    assert_sound(op, x)


@pytest.mark.parametrize("op", domain_ops(), ids=name)
def test_integers_are_refused(op: ViewOp) -> None:
    with pytest.raises(DataError, match="floating-point physical units"):
        op(torch.ones(2, 5, 16, 16, dtype=torch.int16), seeded(0))


@pytest.mark.parametrize(
    "op", [Ghosting((0.0, 0.0), p=1.0), Spike((0.0, 0.0), p=1.0), WindowJitter(0, 1, 0.0, (1.0, 1.0), p=1.0)], ids=name
)
def test_no_strength_is_identity(op: ViewOp) -> None:
    x = smooth_field(4, 2, 16, 16)
    assert_close(op(x, seeded(0)), x, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("axis", [-1, -2, -3])
def test_ghosts_equal_those_of_a_whole_fourier_transform(axis: int) -> None:
    x = smooth_field(3, 2, 16, 30, 24)
    axes = (-1, -2, -3)
    draw = GhostDraw(torch.tensor([0.2, 0.0, 0.5]), torch.tensor([2, 3, 5]), torch.full((3,), axes.index(axis)))
    out = Ghosting(axes=axes).apply(x, draw)
    for row, (strength, ghosts) in enumerate(zip(draw.strength.tolist(), draw.ghosts.tolist(), strict=True)):
        lines = np.fft.fft(x[row].double().numpy(), axis=axis)
        number = np.abs(np.fft.fftfreq(x.shape[axis], 1 / x.shape[axis])).round()
        weaker = np.where((number % ghosts == 0) & (number > 0.02 * x.shape[axis]), 1 - strength, 1.0)
        lines *= weaker.reshape([-1 if place == axis % 4 else 1 for place in range(4)])
        np.testing.assert_allclose(out[row].numpy(), np.fft.ifft(lines, axis=axis).real, atol=1e-5)
    assert_close(out.mean((2, 3, 4)), x.mean((2, 3, 4)), rtol=0, atol=1e-5)


def test_a_bright_spot_has_as_many_ghosts_as_asked() -> None:
    x = torch.zeros(1, 1, 8, 60)
    x[..., 10] = 1
    out = Ghosting().apply(x, GhostDraw(torch.tensor([0.5]), torch.tensor([4]), torch.tensor([0])))
    ghosts = (out[0, 0, 0] < -0.05).nonzero().flatten().tolist()
    assert ghosts == [25, 40, 55], "a quarter of the side apart, around the edge"


def test_a_spike_is_one_point_of_the_fourier_transform_and_as_high_as_asked() -> None:
    x = smooth_field(4, 2, 20, 30) * torch.tensor([1.0, 5.0]).view(1, 2, 1, 1)
    op = Spike((0.3, 0.3), p=1.0)
    added = op(x, seeded(3)) - x
    for sample in added:
        for channel, spread in zip(sample, (1.0, 5.0), strict=True):
            heights = torch.fft.fft2(channel).abs().flatten().sort(descending=True).values / channel.numel()
            assert heights[2] < 1e-5 * spread and heights[0] > 1e-3
    assert_close(added.abs().amax((2, 3)), torch.tensor([0.3, 1.5]).expand(4, 2), rtol=0.1, atol=0)  # crests lie between pixels
    flat = SpikeDraw(torch.tensor([0.3]), torch.zeros(1, 3), torch.zeros(1))
    assert (op.apply(x[:1], flat) - x[:1]).isfinite().all()


def test_a_spike_is_the_wave_that_monai_adds() -> None:
    """MONAI sets one point of k-space; what that adds to the image is a wave along one direction, as ours is."""
    transforms = pytest.importorskip("monai.transforms", reason="MONAI belongs to the extra `medical`", exc_type=ImportError)
    x, cycles = smooth_field(1, 1, 16, 20, 24), (2, -3, 4)
    middle = [side // 2 for side in x.shape[2:]]
    spike = transforms.KSpaceSpikeNoise(loc=tuple(m + c for m, c in zip(middle, cycles, strict=True)), k_intensity=9.0)
    theirs = torch.as_tensor(np.asarray(spike(x[0]))) - x[0]
    wave = torch.tensor(
        [[(c - 0.25 * np.sign(c)) / m if axis == 2 else c / m for axis, (c, m) in enumerate(zip(cycles, middle, strict=True))]]
    )
    ours = Spike().apply(x, SpikeDraw(torch.tensor([0.3]), wave.float(), torch.zeros(1)))[0] - x[0]
    peaks = [each.double().sub(each.double().mean()) for each in (theirs[0], ours[0])]
    strongest = [set(torch.fft.fftn(each).abs().flatten().topk(2).indices.tolist()) for each in peaks]
    assert strongest[0] == strongest[1]
    share = torch.fft.fftn(peaks[1]).abs().square().flatten()
    assert share.topk(2).values.sum() > 0.999 * share.sum()


def test_a_spike_leaves_the_mean() -> None:
    x = smooth_field(6, 1, 16, 20, 24)
    assert_close(Spike(p=1.0)(x, seeded(0)).mean((2, 3, 4)), x.mean((2, 3, 4)), rtol=0, atol=1e-4)


@pytest.mark.parametrize("op", [Ghosting(p=1.0), Spike(p=1.0)], ids=name)
def test_what_is_not_measured_changes_nothing(op: ViewOp) -> None:
    mask = torch.ones(3, 24, 24, dtype=torch.bool)
    mask[:, :7] = False
    x, params = smooth_field(3, 2, 24, 24), op.draw(3, seeded(2))
    low, high = (op.apply_measured(torch.where(mask[:, None], x, filling), params, mask) for filling in (-3024.0, 100.0))
    assert torch.equal(low * mask[:, None], high * mask[:, None])


def test_jitter_shows_what_another_window_would() -> None:
    """Normalised by the usual window, the view equals the image normalised by the window that was drawn."""
    hounsfield = smooth_field(3, 1, 16, 16) * 300
    draw = WindowDraw(torch.tensor([20.0, -30.0, 0.0]), torch.tensor([0.8, 1.25, 1.0]))
    views = ValueWindow(-160, 240)(WindowJitter(-160, 240).apply(hounsfield, draw))
    for row, (shift, width) in enumerate(zip(draw.shift.tolist(), draw.width.tolist(), strict=True)):
        turned = ValueWindow(40 + shift - 200 * width, 40 + shift + 200 * width)(hounsfield[row])
        assert_close(views[row], turned, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", FOUND)
def test_views_keep_their_image_recognisable(kind: str) -> None:
    """A view without crop or turn stays close to its image, whatever its numbers are."""
    views = replace(FOUND[kind], geometry=[])
    channels = 3 if kind == "colour pictures" else 1
    shape = (24, 24, 24) if kind in ("CT", "thick CT", "MR", "PET", "volumes that say nothing") else (64, 64)
    middle, spread = (-300.0, 400.0) if "CT" in kind else (0.5, 0.2)
    x = smooth_field(16, channels, *shape) * spread + middle
    pipeline = ViewPipeline(replace(views), PerChannel([middle] * channels, [spread] * channels), [1.0] * channels, [0.0] * channels)
    out = pipeline.view(x, shape, (1.0, 1.0), seeded(0))
    alike = torch.stack([torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1] for a, b in zip(out, x, strict=True)])
    assert alike.median() > 0.9 and alike.min() > 0.5 and out.std() < 3
