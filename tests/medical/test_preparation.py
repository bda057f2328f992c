"""Preparation keeps every voxel in its place: nibabel, SciPy, MONAI and torch are the witnesses."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from labelfree_medical.amounts import physical, with_one_scale
from labelfree_medical.colours import in_colour, in_gray
from labelfree_medical.foreground import MARGIN, foreground_box
from labelfree_medical.orientation import upright_volume
from labelfree_medical.planes import axis_across, slice_of
from labelfree_medical.preparation import Preparation
from labelfree_medical.resampling import Axis, with_spacing
from labelfree_medical.stored import Stored
from nibabel.processing import resample_from_to
from PIL import Image
from scipy import ndimage

from labelfree.errors import DataError

TURN = np.array([[np.cos(0.2), -np.sin(0.2), 0], [np.sin(0.2), np.cos(0.2), 0], [0, 0, 1]])
ORDERS = list(permutations(range(3)))


def affine_of(order: tuple[int, ...], signs: tuple[int, ...], steps: tuple[float, ...] = (0.8, 1.2, 3.0)) -> np.ndarray:
    """An oblique volume whose axes lie in any order and direction."""
    affine = np.eye(4)
    affine[:3, :3] = (TURN * steps * signs)[:, list(order)]
    affine[:3, 3] = 12.0, -7.0, 30.0
    return affine


def volume(shape: tuple[int, ...] = (6, 7, 5), affine: np.ndarray | None = None, dtype: str = "int16", **more: Any) -> Stored:
    affine = affine_of((0, 1, 2), (1, 1, 1)) if affine is None else affine
    data = np.random.default_rng(0).integers(-100, 100, (2, *shape)).astype(dtype)
    spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0))
    return Stored(data, ("a", "b"), (1.0, 1.0), (0.0, 0.0), "HU", affine, spacing, **more)


def world(stored: Stored) -> np.ndarray:
    """(*spatial, 3): where every voxel lies."""
    assert stored.affine is not None
    index = np.stack(np.meshgrid(*map(np.arange, stored.data.shape[1:]), indexing="ij"), -1)
    return np.asarray(index @ stored.affine[:3, :3].T + stored.affine[:3, 3])


def told(stored: Stored) -> dict[tuple[float, ...], float]:
    """The value at each place, whatever the order of axes."""
    places = np.round(world(stored), 3).reshape(-1, 3)
    return dict(zip(map(tuple, places.tolist()), stored.data[0].ravel().tolist(), strict=True))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_turning_moves_no_voxel_and_agrees_with_nibabel(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    stored = volume(affine=affine_of(order, signs), measured=np.random.default_rng(1).random((6, 7, 5)) > 0.3)
    turned, mask = upright_volume(stored, stored.data[0])
    witness = nibabel.as_closest_canonical(nibabel.Nifti1Image(stored.data[0], stored.affine))
    assert np.array_equal(turned.data[0], np.asarray(witness.dataobj)) and np.allclose(turned.affine, witness.affine)
    assert nibabel.aff2axcodes(turned.affine) == ("R", "A", "S") and mask is not None and np.array_equal(mask, turned.data[0])
    assert turned.spacing is not None and np.allclose(turned.spacing, np.linalg.norm(turned.affine[:3, :3], axis=0))
    assert turned.measured is not None and stored.measured is not None
    assert told(replace(turned, data=turned.measured[None])) == told(replace(stored, data=stored.measured[None]))
    assert told(turned) == told(stored)


def test_a_slice_with_a_scale_of_its_own_keeps_its_amounts() -> None:
    stored = replace(volume(), scale=(tuple(range(1, 7)), (1.0,) * 6), offset=((0.0,) * 6, (5.0,) * 6))
    turned = upright_volume(replace(stored, affine=affine_of((2, 0, 1), (-1, 1, 1))))[0]
    assert np.array_equal(np.sort(physical(turned).ravel()), np.sort(physical(stored).ravel()))
    assert np.array_equal(physical(stored)[0, 3], stored.data[0, 3] * 4.0)


def test_one_scale_is_left_alone() -> None:
    stored = volume()
    assert with_one_scale(stored) is stored


@pytest.mark.parametrize("wanted", [(0.5, 0.6, 1.5), (0.8, 1.0, 1.0), (None, 0.7, None)])
def test_finer_grids_agree_with_scipy_and_nibabel(wanted: tuple[float | None, ...]) -> None:
    stored = volume(dtype="float32")
    finer, mask = with_spacing(stored, wanted, stored.data[0].astype("int16"))
    assert finer.affine is not None and stored.affine is not None and finer.spacing is not None and mask is not None
    back = np.linalg.inv(stored.affine) @ finer.affine
    shape = finer.data.shape[1:]
    by_scipy = ndimage.affine_transform(stored.data[0], back[:3, :3], back[:3, 3], shape, order=1, mode="nearest")
    assert np.allclose(finer.data[0], by_scipy, atol=1e-3)
    image = nibabel.Nifti1Image(stored.data[0], stored.affine)
    assert np.allclose(finer.data[0], resample_from_to(image, (shape, finer.affine), order=1, mode="nearest").dataobj, atol=1e-3)
    nearest = ndimage.affine_transform(stored.data[0], back[:3, :3], back[:3, 3], shape, order=0, mode="nearest")
    assert np.mean(mask == nearest) > 0.95  # the rest lies halfway between two, where either is right
    assert all(want is None or np.isclose(step, want) for step, want in zip(finer.spacing, wanted, strict=True))
    assert np.allclose(finer.spacing, np.linalg.norm(finer.affine[:3, :3], axis=0))


@pytest.mark.slow  # it may take 15 seconds: MONAI's import is most of it; torch is the quick witness below
def test_monai_finds_the_same_on_the_same_grid() -> None:
    from monai.data import MetaTensor
    from monai.transforms import SpatialResample

    stored = volume(dtype="float32")
    finer = with_spacing(stored, (0.5, 0.6, 1.5))[0]
    moved = SpatialResample(mode="bilinear", padding_mode="border")(
        MetaTensor(torch.from_numpy(stored.data), affine=torch.tensor(stored.affine)), torch.tensor(finer.affine), finer.data.shape[1:]
    )
    assert np.allclose(finer.data, moved.numpy(), atol=1e-2)


@pytest.mark.parametrize("size", [3, 5, 10])
def test_coarser_grids_average_as_torch_does(size: int) -> None:
    stored = volume((30, 20, 1), np.diag([1.0, 1.0, 1.0, 1.0]), dtype="float32")
    coarser = with_spacing(stored, (30 / size, 20 / size, None))[0]
    witness = torch.nn.functional.interpolate(
        torch.from_numpy(stored.data[..., 0])[None], size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )
    assert np.allclose(coarser.data[..., 0], witness[0].numpy(), atol=1e-3)


@pytest.mark.parametrize(("step", "said"), [(2.5, False), (10.0, True)])
def test_reading_much_coarser_than_stored_is_said(step: float, said: bool) -> None:
    stored = volume((30, 20, 10), np.diag([1.0, 1.0, 1.0, 1.0]))
    notes = with_spacing(stored, (step,) * 3)[0].notes
    assert len(notes) == said and all("10 x 10 x 10 mm a voxel" in note and "reader.spacing" in note for note in notes)


@given(st.integers(1, 40), st.floats(0.2, 8.0))
def test_weights_add_to_one_and_the_middle_stays(size: int, step: float) -> None:
    axis = Axis(size, max(1, round(size / step)), step)
    _, weights = axis.taps()
    assert np.allclose(weights.sum(axis=1), 1)
    assert np.isclose(axis.positions().mean(), (size - 1) / 2)


@settings(deadline=None)
@given(st.sampled_from(ORDERS), st.tuples(*[st.sampled_from((1, -1))] * 3), st.floats(0.4, 5.0))
def test_turning_and_resampling_change_places(order: tuple[int, ...], signs: tuple[int, ...], step: float) -> None:
    stored = volume(affine=affine_of(order, signs), dtype="float32")
    first = with_spacing(upright_volume(stored)[0], (step,) * 3)[0]
    last = upright_volume(with_spacing(stored, (step,) * 3)[0])[0]
    assert first.data.shape == last.data.shape
    assert np.allclose(first.data, last.data, atol=1e-3) and np.allclose(first.affine, last.affine, atol=1e-5)


@settings(deadline=None)
@given(st.floats(0.3, 6.0), st.integers(0, 100))
def test_what_was_not_measured_changes_nothing(step: float, seed: int) -> None:
    measured = np.random.default_rng(seed).random((6, 7, 5)) > 0.4
    measured[0, 0, 0] = True
    stored = volume(dtype="float32", measured=measured)
    other = replace(stored, data=np.where(measured, stored.data, -3024).astype("float32"))
    steps = Preparation(crop="foreground", spacing=step)
    one, two = steps.apply(stored)[0], steps.apply(other)[0]
    assert one.measured is not None and np.array_equal(one.measured, two.measured)  # type: ignore[arg-type]
    assert np.allclose(one.data[:, one.measured], two.data[:, one.measured], atol=1e-4)


def test_whole_numbers_stay_whole_and_constants_constant() -> None:
    stored = replace(volume(), data=np.full((2, 6, 7, 5), -1000, dtype="int16"))
    coarser = with_spacing(stored, (2.0, 2.0, 2.0))[0]
    assert coarser.data.dtype == np.int16 and (coarser.data == -1000).all()


def test_spacing_needs_to_be_known() -> None:
    picture = Stored(np.zeros((1, 8, 8), dtype="uint8"), ("gray",), (1.0,), (0.0,), "display")
    with pytest.raises(DataError, match=r"a\.png: no file says how large its pixels are"):
        Preparation(spacing=1.0).apply(picture, called="a.png")
    with pytest.raises(DataError, match=r"a\.nii: has 3 axes and reader\.spacing 2 numbers"):
        Preparation(spacing=(1.0, 1.0)).apply(volume(), called="a.nii")
    assert Preparation().apply(picture)[0].data.shape == (1, 8, 8)


def test_the_box_around_the_patient_leaves_the_air_out() -> None:
    data = np.random.default_rng(0).integers(-1024, -990, (1, 30, 30, 20)).astype("int16")
    data[0, 10:20, 8:25, 5:15] = 40
    stored = replace(volume((30, 30, 20)), data=data, channels=("a",), scale=(1.0,), offset=(0.0,))
    box = foreground_box(stored)
    assert box == (slice(10 - MARGIN, 20 + MARGIN), slice(8 - MARGIN, 25 + MARGIN), slice(5 - MARGIN, 15 + MARGIN))
    prepared, mask = Preparation(crop="foreground", orientation="stored").apply(stored, (data[0] == 40).astype("int16"))
    assert mask is not None and np.array_equal(mask == 1, prepared.data[0] == 40)
    assert told(prepared).items() <= told(stored).items()
    assert foreground_box(replace(stored, measured=np.zeros(data.shape[1:], dtype=bool))) == (slice(0, 30), slice(0, 30), slice(0, 20))
    assert foreground_box(replace(stored, data=0 * data)) == (slice(0, 30), slice(0, 30), slice(0, 20))


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("order", ORDERS[::2])
def test_slices_lie_where_their_voxels_lie(plane: Any, order: tuple[int, ...]) -> None:
    stored = volume(affine=affine_of(order, (1, -1, -1)), measured=np.ones((6, 7, 5), dtype=bool))
    places = told(stored)
    depth, count = upright_volume(stored)[0].data.shape[1 + axis_across(upright_volume(stored)[0], plane)], 0
    for number in range(depth):
        cut, mask = slice_of(stored, plane, number, stored.data[0])
        assert mask is not None and np.array_equal(mask, cut.data[0])
        assert cut.affine is not None and cut.measured is not None and cut.measured.shape == cut.data.shape[1:]
        _, rows, columns = cut.data.shape
        for row, column in product(range(rows), range(columns)):
            place = cut.affine @ [row, column, 0, 1]
            assert places[tuple(np.round(place[:3], 3))] == cut.data[0, row, column]
            count += 1
        assert cut.spacing is not None and np.allclose(cut.spacing, np.linalg.norm(cut.affine[:3, :2], axis=0))
    assert count == stored.data[0].size
    assert cut.affine is not None
    down, along = cut.affine[:3, 0], cut.affine[:3, 1]
    assert np.argmax(np.abs(down)) == (1 if plane == "axial" else 2) and down[np.argmax(np.abs(down))] < 0
    assert np.argmax(np.abs(along)) == (1 if plane == "sagittal" else 0) and along[np.argmax(np.abs(along))] < 0


def test_a_slice_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match=r"a\.nii: has 5 axial slices, none of number 5"):
        slice_of(volume(), "axial", 5, called="a.nii")


def test_a_frame_is_turned_and_resampled_as_its_image_is() -> None:
    stored = volume(affine=affine_of((2, 0, 1), (-1, 1, -1)))
    frame = replace(stored, data=stored.data[:0], channels=(), scale=(), offset=())
    for steps in (Preparation(), Preparation(spacing=0.7), Preparation(spacing=(2.0, None, 5.0))):
        prepared, turned = steps.apply(stored)[0], steps.apply(frame)[0]
        assert turned.data.shape == (0, *prepared.data.shape[1:]) and np.array_equal(turned.affine, prepared.affine)  # type: ignore[arg-type]


def test_what_nothing_places_is_cut_by_the_order_of_its_axes() -> None:
    stored = replace(volume(), affine=None)  # x, y, z as NIfTI and NRRD hold them
    data = stored.data[0]
    witness = {"axial": data[:, :, 1].T, "coronal": data[:, 1].T[::-1], "sagittal": data[1].T[::-1]}
    pages = replace(stored, data=stored.data.transpose(0, 3, 2, 1), spacing=stored.spacing and stored.spacing[::-1], axes="zyx")
    for plane, expected in witness.items():
        for form, mask in ((stored, data), (pages, data.transpose(2, 1, 0))):
            cut, part = slice_of(form, plane, 1, mask)  # type: ignore[arg-type]
            assert np.array_equal(cut.data[0], expected) and part is not None and np.array_equal(part, expected) and cut.affine is None
            assert (
                stored.spacing is not None
                and cut.spacing
                == {
                    "axial": (stored.spacing[1], stored.spacing[0]),
                    "coronal": (stored.spacing[2], stored.spacing[0]),
                    "sagittal": (stored.spacing[2], stored.spacing[1]),
                }[plane]
            )


def test_prepared_arrays_can_become_tensors() -> None:
    prepared = Preparation().apply(volume(affine=affine_of((2, 0, 1), (-1, -1, 1))))[0]
    assert torch.from_numpy(prepared.data).shape == prepared.data.shape


def test_gray_and_coloured_pictures_come_to_the_same_channels() -> None:
    data = np.random.default_rng(0).integers(0, 256, (3, 9, 8)).astype("uint8")
    colours = Stored(data, ("red", "green", "blue"), (1 / 255,) * 3, (0.0,) * 3, "display")
    gray = in_gray(colours)
    witness = np.array(Image.fromarray(data.transpose(1, 2, 0)).convert("L"))
    assert gray.channels == ("gray",) and np.abs(gray.data[0].astype(int) - witness).max() <= 1
    back = in_colour(gray)
    assert (
        back.channels == colours.channels
        and back.scale == colours.scale
        and in_colour(colours) is colours
        and in_gray(gray).channels == ("gray",)
    )
    assert np.array_equal(in_gray(back).data, gray.data)  # equal channels are that gray exactly
    assert in_gray(replace(gray, channels=("CR",))).channels == ("gray",)  # as DICOM calls a film's
    for colour, count in (("gray", 1), ("rgb", 3), ("stored", 3)):
        assert len(Preparation(colour=colour).apply(colours)[0].data) == count  # type: ignore[arg-type]
