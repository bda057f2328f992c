"""Transforms of albumentations as views of labelled tiles: pixels, masks and boxes as the package itself moves them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from labelfree.domain import Fingerprint
from labelfree.errors import DataError, RecipeError
from labelfree.installed_domains import find_domain
from labelfree.pipeline.own_views import own_tile_views
from labelfree.pipeline.starts import Starts
from labelfree.recipe import BackboneSettings
from labelfree.training.randomness import generator
from labelfree.views import Augmentation, Dihedral
from labelfree.views.from_albumentations import FromAlbumentations
from tests.transfer.tiles.test_views import views

albumentations = pytest.importorskip("albumentations")
SCALE, OFFSET = (1 / 255, 1 / 255, 2 / 255), (0.0, -0.5, 0.0)
PICTURES = Fingerprint(9, ("red", "green", "blue"), "uint8", "display", SCALE, OFFSET, (40, 56), (40, 56), (0.5,) * 3, (0.2,) * 3)


def transforms() -> dict[str, object]:
    return {
        "flip": albumentations.HorizontalFlip(p=0.5),
        "affine": albumentations.Affine(rotate=(-40, 40), translate_percent=(-0.2, 0.2), p=1),
        "elastic": albumentations.ElasticTransform(p=1),
        "light": albumentations.RandomBrightnessContrast(p=1),
        "several": albumentations.Compose([albumentations.GaussNoise(p=1), albumentations.D4(p=1), albumentations.CLAHE(p=0.5)]),
    }


@pytest.mark.parametrize("name", ["flip", "affine", "elastic", "light", "several"])
def test_pixels_masks_and_boxes_are_what_albumentations_makes_of_them_together(name: str) -> None:
    random, corners = np.random.default_rng(0), [[3.0, 4.0, 20.0, 30.0], [30.0, 2.0, 40.0, 12.0]]
    images = random.integers(0, 256, (4, 3, 40, 40)).astype(np.uint8)
    masks = random.integers(0, 4, (4, 40, 40))
    op = FromAlbumentations(transforms()[name], SCALE, OFFSET).on((40, 40))
    seeds = op.draw(4, generator(3))
    scale, offset = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (SCALE, OFFSET))
    seen = op.apply(torch.from_numpy(images).float() * scale + offset, seeds)
    posed = op.apply(torch.from_numpy(masks)[:, None], seeds)[:, 0]
    boxes = op.apply_boxes([torch.tensor(corners)] * 4, (40, 40), seeds)
    for row, seed in enumerate(seeds):
        op.joint.set_random_seed(seed)
        both = op.joint(
            image=images[row].transpose(1, 2, 0), mask=(masks[row] + 1).astype(np.uint8), bboxes=np.array(corners), position=[0, 1]
        )
        back = ((seen[row] - offset[0]) / scale[0]).round().byte().numpy()
        np.testing.assert_array_equal(back, both["image"].transpose(2, 0, 1))
        np.testing.assert_array_equal(posed[row].numpy(), both["mask"].astype(int) - 1)
        kept = {int(at): box for at, box in zip(both["position"], both["bboxes"], strict=True)}
        for at, box in enumerate(boxes[row].tolist()):
            assert box == pytest.approx(list(kept.get(at, np.zeros(4))), abs=1e-3)
    assert torch.equal(op.apply(torch.from_numpy(masks)[:, None], seeds)[:, 0], posed)  # a draw repeats


def test_what_a_transform_moves_in_is_unknown_and_not_measured() -> None:
    moved = FromAlbumentations(albumentations.Affine(translate_px={"x": 10, "y": 0}, p=1), SCALE, OFFSET)
    mask = torch.full((1, 1, 40, 56), 2)
    assert (moved.apply(mask, [0])[..., :9] == -1).all() and (moved.apply(mask, [0])[..., 11:] == 2).all()
    measured = moved.apply(mask > 0, [0])
    assert measured.dtype == torch.bool and not measured[..., :9].any() and measured[..., 11:].all()


def test_what_would_part_pixels_from_labels_is_refused() -> None:
    with pytest.raises(DataError, match="RandomSizedBBoxSafeCrop.*depends on the boxes"):
        FromAlbumentations(albumentations.RandomSizedBBoxSafeCrop(40, 56), SCALE, OFFSET).on((40, 56))
    with pytest.raises(DataError, match="56 x 40 to 20 x 20 pixels"):
        FromAlbumentations(albumentations.RandomCrop(20, 20), SCALE, OFFSET).on((40, 56))
    with pytest.raises(DataError, match="up to 254"):
        FromAlbumentations(albumentations.D4(), SCALE, OFFSET).apply(torch.full((1, 1, 4, 4), 255), [0])


def test_a_recipe_names_it_and_labelled_tiles_go_through_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_tile_views.py").write_text(
        "import albumentations\nfrom labelfree.views import Dihedral\n"
        "def transform():\n    return albumentations.HorizontalFlip(p=1)\n"
        "def op():\n    return Dihedral((-1,), transpose=False)\n"
        "def number():\n    return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    starts = Starts(BackboneSettings(), find_domain("satellite"), PICTURES, SCALE, OFFSET)
    op = own_tile_views("my_tile_views:transform", starts)
    tile = torch.arange(4 * 6).view(1, 4, 6)
    drawn = views((4, 6), Augmentation(labelled=[op]).labelled).draw(1, generator(0))
    assert torch.equal(drawn.masks(tile), tile.flip(-1))
    assert isinstance(own_tile_views("my_tile_views:op", starts), Dihedral)
    wide = replace(starts, fingerprint=replace(PICTURES, dtype="uint16"))
    for name, of, said in (
        ("my_tile_views:transform", wide, "3 channels of uint16"),
        ("my_tile_views:number", starts, "gives int"),
        ("my_tile_views:none", starts, "has no none"),
        ("no_such_module:it", starts, "cannot be imported"),
        ("transform", starts, "names no function"),
    ):
        with pytest.raises(RecipeError, match=f"evaluate.tile_views: .*{said}"):
            own_tile_views(name, of)


def test_boxes_that_another_op_moved_out_stay_gone() -> None:
    flipped = FromAlbumentations(albumentations.HorizontalFlip(p=1), SCALE, OFFSET)
    (boxes,) = flipped.apply_boxes([torch.tensor([[0.0, 9, 0, 9], [4, 4, 10, 10]])], (32, 40), [0])
    assert boxes.tolist() == [[0, 0, 0, 0], [30, 4, 36, 10]]
