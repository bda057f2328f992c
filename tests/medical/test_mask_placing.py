"""Masks are placed on their image's grid by space, as nibabel and SimpleITK place them, and refused where they miss it."""

from __future__ import annotations

from pathlib import Path

import nibabel
import nibabel.processing
import nrrd
import numpy as np
import pytest
import SimpleITK
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from labelfree_medical.masks.grids import Grid
from labelfree_medical.masks.mask_files import open_mask
from labelfree_medical.masks.placing import NumberedVoxels, placed
from labelfree_medical.stored import Axes

from labelfree.domain import IGNORE
from labelfree.errors import DataError
from tests.medical.mask_files import SLANTED, STRAIGHT, itk_image, write_nifti

SIZE = (8, 9, 6)
MASK = Path("masks/a.nii.gz")


def numbers(size: tuple[int, ...] = SIZE) -> np.ndarray:
    """Every voxel may show another class than its neighbours."""
    return np.random.default_rng(0).integers(0, 7, size).astype(np.int32)


def on(image: Grid, mask: np.ndarray, affine: np.ndarray, **more: object) -> np.ndarray:
    return placed(MASK, NumberedVoxels(mask, Grid(mask.shape, affine)), image, "images/a.nii.gz", **more)  # type: ignore[arg-type]


def reordered(mask: np.ndarray, affine: np.ndarray, axes: tuple[int, ...], flips: tuple[bool, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The same mask in the same place, stored in another order of axes and directions (nibabel's own)."""
    orientation = np.array([[axis, -1 if flip else 1] for axis, flip in zip(axes, flips, strict=True)])
    turned = nibabel.Nifti1Image(mask, affine).as_reoriented(orientation)  # type: ignore[no-untyped-call]
    return np.asarray(turned.dataobj), turned.affine


orders = st.permutations(range(3)).map(tuple)
flips = st.tuples(st.booleans(), st.booleans(), st.booleans())


@given(orders, flips, st.sampled_from([STRAIGHT, SLANTED]))
def test_the_order_and_direction_of_axes_say_nothing_of_place(axes: tuple[int, ...], flip: tuple[bool, ...], affine: np.ndarray) -> None:
    stored, theirs = reordered(numbers(), affine, axes, flip)
    assert np.array_equal(on(Grid(SIZE, affine), stored, theirs), numbers())


@given(orders, flips, st.sampled_from([1, 3, 5]))
def test_a_finer_grid_gives_the_class_at_each_centre(axes: tuple[int, ...], flip: tuple[bool, ...], times: int) -> None:
    finer = numbers((SIZE[0] * times, SIZE[1] * times, SIZE[2]))
    corner = (1 / times - 1) / 2  # of the first voxel's centre, in the image's voxels: both cover the same space
    affine = STRAIGHT @ np.array([[1 / times, 0, 0, corner], [0, 1 / times, 0, corner], [0, 0, 1, 0], [0, 0, 0, 1]])
    stored, theirs = reordered(finer, affine, axes, flip)
    assert np.array_equal(on(Grid(SIZE, STRAIGHT), stored, theirs), finer[times // 2 :: times, times // 2 :: times])


@pytest.mark.parametrize("degrees", [3, 10, 27])  # none puts a centre on an edge between voxels
def test_a_turned_grid_is_sampled_as_nibabel_and_simpleitk_do(degrees: float) -> None:
    turn = np.eye(4)
    angle = np.radians(degrees)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    middle = np.eye(4)
    middle[:3, 3] = (STRAIGHT @ [4, 4, 3, 1])[:3]
    affine = middle @ turn @ np.linalg.inv(middle) @ STRAIGHT
    mask = numbers() + 1
    ours = on(Grid(SIZE, STRAIGHT), mask, affine)

    image = nibabel.Nifti1Image(mask, affine)  # type: ignore[no-untyped-call]
    theirs = nibabel.processing.resample_from_to(image, (SIZE, STRAIGHT), order=0, cval=IGNORE)  # type: ignore[no-untyped-call]
    within = np.asarray(theirs.dataobj) != IGNORE  # scipy knows nothing beyond the centre of the last voxel
    assert np.array_equal(ours[within], np.asarray(theirs.dataobj)[within]) and within.mean() > 0.4

    resampled = SimpleITK.Resample(
        itk_image(mask, affine), itk_image(mask, STRAIGHT), SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor, IGNORE
    )
    assert np.array_equal(ours, SimpleITK.GetArrayFromImage(resampled).transpose(2, 1, 0))


def test_the_last_digits_of_an_affine_are_no_other_place() -> None:
    assert np.array_equal(on(Grid(SIZE, STRAIGHT), numbers(), STRAIGHT + 1e-5), numbers())


def test_a_slice_and_a_crop_of_an_image_take_their_part() -> None:
    whole = Grid(SIZE, STRAIGHT)
    crop = STRAIGHT.copy()
    crop[:3, 3] = (STRAIGHT @ [2, 3, 1, 1])[:3]
    assert np.array_equal(on(Grid((4, 5, 3), crop), numbers(), STRAIGHT, whole=whole), numbers()[2:6, 3:8, 1:4])
    rows_and_columns = STRAIGHT[:, [2, 1, 0, 3]].copy()  # a slice's own axes: from slice to slice, down, across
    rows_and_columns[:3, 3] = (STRAIGHT @ [0, 0, 4, 1])[:3]
    assert np.array_equal(on(Grid((9, 8), rows_and_columns), numbers(), STRAIGHT, whole=whole), numbers()[:, :, 4].T)


def moved(x: float = 0, y: float = 0, z: float = 0) -> np.ndarray:
    affine = STRAIGHT.copy()
    affine[:3, 3] += [x, y, z]
    return affine


def test_a_mask_elsewhere_is_refused_naming_both_and_the_way() -> None:
    with pytest.raises(
        DataError, match=r"a\.nii\.gz: lies 500 mm beside its image images/a\.nii\.gz; save the mask on the grid of its image"
    ):
        on(Grid(SIZE, STRAIGHT), numbers(), moved(y=500))


def test_a_mask_that_ends_within_its_image_is_refused_with_both_sizes() -> None:
    with pytest.raises(DataError, match=r"covers 83% .* lies 2 mm off \(8 x 9 x 5 voxels, the image has 8 x 9 x 6\)"):
        on(Grid(SIZE, STRAIGHT), numbers((8, 9, 5)), moved(z=3))


def test_a_mask_of_its_image_s_size_with_a_forgotten_affine_is_told() -> None:
    with pytest.raises(DataError, match="its affine is the identity, as scripts write where they forget the image's"):
        on(Grid(SIZE, STRAIGHT), numbers(), np.eye(4))


def test_a_singular_affine_is_named() -> None:
    with pytest.raises(DataError, match="its affine is singular"):
        on(Grid(SIZE, STRAIGHT), numbers(), np.diag([1.0, 0, 1, 1]))


def test_what_lies_outside_a_turned_mask_is_unknown_and_outside_a_cropped_one_background() -> None:
    corner = NumberedVoxels(np.ones((2, 2, 2), np.int32), Grid((2, 2, 2), STRAIGHT), cropped=True)
    assert placed(MASK, corner, Grid(SIZE, STRAIGHT), "a").sum() == 8
    beside = NumberedVoxels(np.ones((2, 2, 2), np.int32), Grid((2, 2, 2), moved(x=100)), cropped=True)
    with pytest.raises(DataError, match="beside its image a"):
        placed(MASK, beside, Grid(SIZE, STRAIGHT), "a")
    empty = NumberedVoxels(np.zeros((2, 2, 2), np.int32), Grid((2, 2, 2), moved(x=100)), cropped=True)
    assert not placed(MASK, empty, Grid(SIZE, STRAIGHT), "a").any()


@pytest.mark.parametrize(("theirs", "ours"), [(None, None), (None, STRAIGHT), (STRAIGHT, None)])
def test_without_coordinates_only_equal_sizes_fit(theirs: np.ndarray | None, ours: np.ndarray | None) -> None:
    fits = NumberedVoxels(numbers(), Grid(SIZE, theirs))
    assert np.array_equal(placed(MASK, fits, Grid(SIZE, ours), "a"), numbers())
    with pytest.raises(DataError, match="8 x 9 x 6 voxels, its image a has 8 x 9 x 7"):
        placed(MASK, fits, Grid((8, 9, 7), ours), "a")


@pytest.mark.parametrize("axes", ["xyz", "zyx"])
def test_kinds_of_file_that_store_axes_alike_lie_voxel_by_voxel_at_any_size(axes: Axes) -> None:
    cube = numbers((5, 5, 5))
    bare, image = NumberedVoxels(cube, Grid(cube.shape, None, axes)), Grid(cube.shape, STRAIGHT, axes)
    assert np.array_equal(placed(MASK, bare, image, "a"), cube)


@pytest.mark.parametrize(("theirs", "ours"), [("xyz", "zyx"), ("zyx", "xyz")])
def test_opposite_orders_of_axes_are_never_guessed(theirs: Axes, ours: Axes) -> None:
    for equal in ((5, 5, 5), (5, 7, 5)):
        bare = NumberedVoxels(numbers(equal), Grid(equal, None, theirs))
        with pytest.raises(DataError, match=rf"stand as {', '.join(theirs)} and those .* a as {', '.join(ours)}.* save the mask as NIfTI"):
            placed(MASK, bare, Grid(equal, STRAIGHT, ours), "a")
    told = NumberedVoxels(numbers(), Grid(SIZE, None, theirs))  # the mask fits one way alone
    assert np.array_equal(placed(MASK, told, Grid(SIZE, STRAIGHT, ours), "a"), numbers())


def test_files_say_in_which_order_their_axes_stand(tmp_path: Path) -> None:
    cube = numbers((5, 5, 5))
    np.save(tmp_path / "a.npy", cube)
    tifffile.imwrite(tmp_path / "a.tif", cube.astype(np.uint8))
    write_nifti(tmp_path / "a.nii", cube, None)
    nrrd.write(str(tmp_path / "a.nrrd"), cube)
    for name, axes in (("a.npy", "zyx"), ("a.tif", "zyx"), ("a.nii", "xyz"), ("a.nrrd", "xyz")):
        mask = open_mask(tmp_path / name, 3)
        assert mask.grid.axes == axes and np.array_equal(mask.numbers, cube), name


def test_a_mask_without_coordinates_lies_on_the_image_as_it_is_stored() -> None:
    flipped = STRAIGHT @ np.array([[-1, 0, 0, 7], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    bare = NumberedVoxels(numbers(), Grid(SIZE))
    assert np.array_equal(placed(MASK, bare, Grid(SIZE, flipped), "a", Grid(SIZE, STRAIGHT)), numbers()[::-1])


def test_a_volume_s_file_as_the_mask_of_a_square_picture_is_refused() -> None:
    square, oblong = np.ones((8, 8, 1), np.int32), numbers((9, 8, 1))
    with pytest.raises(DataError, match="nobody knows which axis is the rows"):
        on(Grid((8, 8)), square, STRAIGHT)
    assert np.array_equal(on(Grid((8, 9)), oblong, STRAIGHT), oblong[:, :, 0].T)
