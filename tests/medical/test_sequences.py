"""Channels of volumes meet by what they show, in whatever spelling."""

from __future__ import annotations

import pytest
import torch
from labelfree_medical import Medical
from torch.testing import assert_close

from labelfree.backbones.imagenet import fit_stem

BRATS, DECATHLON = ("t1n", "t1c", "t2w", "t2f"), ("FLAIR", "T1w", "t1gd", "T2w")


@pytest.mark.parametrize(
    "channels, known, expected",
    [
        (DECATHLON, BRATS, (3, 0, 1, 2)),
        (("T1", "FLAIR"), ("T1-weighted",), (0, None)),
        (("MPRAGE", "T1_post", "T2*"), ("t1", "t1ce", "t2"), (0, 1, None)),
        (("ADC", "DWI"), ("dwi", "adc"), (1, 0)),
        (("PT", "CT"), ("ct", "pet"), (1, 0)),
        (("CT",), ("T1",), (None,)),
        (("gray",), ("T1",), (0,)),
        (("T2",), ("MR",), (0,)),
        (("MRI",), ("CT",), (0,)),
        (("T1",), ("red", "green", "blue"), (None,)),
        (("channel_2", "channel_1"), ("channel_1", "channel_2"), (1, 0)),
        (("Kontrast-1",), ("kontrast_1", "t1"), (0,)),
    ],
)
def test_channels_meet_by_what_they_show(channels: tuple[str, ...], known: tuple[str, ...], expected: tuple[int | None, ...]) -> None:
    assert Medical().matches(channels, known) == expected


def test_a_known_channel_goes_to_the_one_that_is_spelled_alike() -> None:
    medical = Medical()
    assert medical.matches(("MPRAGE", "t1"), ("T1",)) == (0, 0)
    assert medical.matches(("MPRAGE", "t1"), ("T1",), once=True) == (None, 0)
    assert medical.matches(("MPRAGE", "T1w"), ("T1",), once=True) == (0, None)
    assert medical.matches(("t1", "t1w"), ("T1w", "t1n"), once=True) == (1, 0)


def test_weights_of_t1_start_t1_and_flair() -> None:
    """T1 by its own kernel, FLAIR by the mean of those that are known, so that activations keep their size."""
    kernel = torch.randn(4, 2, 3, 3, 3)  # of T2 and T1
    fitted = fit_stem(kernel, Medical().matches(("T1w", "FLAIR"), ("t2", "t1")))
    assert_close(fitted, torch.stack([kernel[:, 1], kernel.mean(1)], dim=1))
