"""Levels of CNNs, of ViTs and of pixels, all brought to the same strides."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from labelfree.transfer.boxes.strides import STRIDES, at_stride, frame_of, reduced, sources, strides_for

SHAPES = st.tuples(st.integers(20, 200), st.integers(20, 200))


def stages(shape: tuple[int, int], *strides: int) -> list[Tensor]:
    return [torch.full((1, 1, *(-(-side // stride) for side in shape)), float(stride)) for stride in strides]


@given(SHAPES)
def test_stages_of_a_cnn_go_to_their_own_strides(shape: tuple[int, int]) -> None:
    kept = reduced(stages(shape, 2, 4, 8, 16, 32), shape)
    assert [float(level.mean()) for level in kept][:3] == [4, 8, 16]
    if min(shape) >= 128:  # a stage of few cells is coarser or finer than it is called
        assert sources(kept, shape, (8, 16, 32)) == [1, 2, 3]
        assert sources(kept, shape, STRIDES) == [0, 1, 2, 3]


@given(SHAPES, st.sampled_from(STRIDES))
def test_every_level_comes_to_whole_cells_of_the_frame(shape: tuple[int, int], stride: int) -> None:
    frame = frame_of(shape)
    assert all(whole % 32 == 0 and 0 <= whole - side < 32 for whole, side in zip(frame, shape, strict=True))
    for level in reduced(stages(shape, 2, 4, 8, 16, 32), shape):
        brought = at_stride(level, stride, shape)
        assert tuple(brought.shape[2:]) == tuple(side // stride for side in frame)
        torch.testing.assert_close(brought, torch.full_like(brought, float(level.mean())))


def test_blocks_of_a_vit_follow_one_another() -> None:
    blocks = [torch.full((1, 2, 8, 8), float(at)) for at in range(4)]
    kept = reduced(blocks, (64, 64))
    assert sources(kept, (64, 64), STRIDES) == [0, 1, 2, 3]
    assert sources(kept, (64, 64), (8, 16, 32)) == [1, 2, 3]
    assert sources(kept[:2], (64, 64), (8, 16, 32)) == [0, 1, 1]


def test_statistics_of_pixels_join_every_level() -> None:
    pixels = torch.rand(2, 3, 64, 64)
    kept = reduced([pixels, *(level.expand(2, -1, -1, -1) for level in stages((64, 64), 2, 4, 8))], (64, 64))
    assert [tuple(level.shape[1:]) for level in kept] == [(4, 16, 16), (4, 8, 8)]
    torch.testing.assert_close(kept[1][:, 1:], pixels.unfold(2, 8, 8).unfold(3, 8, 8).mean((4, 5)))


def test_statistics_alone_are_averaged_over_cells() -> None:
    pixels = torch.rand(2, 3, 64, 96)
    kept = reduced([pixels], (64, 96))
    assert [tuple(level.shape[2:]) for level in kept] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    torch.testing.assert_close(kept[3], pixels.unfold(2, 32, 32).unfold(3, 32, 32).mean((4, 5)))


@pytest.mark.parametrize(("small", "strides"), [(0, (8, 16, 32)), (1, (8, 16, 32)), (2, STRIDES), (10, STRIDES)])
def test_small_boxes_ask_for_finer_cells(small: int, strides: tuple[int, ...]) -> None:
    assert strides_for(torch.tensor([12.0] * small + [16.0] * (10 - small))) == strides
