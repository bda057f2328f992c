"""Gray and coloured pictures in one set, and pictures for networks and people."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from labelfree_inspection import Inspection
from labelfree_inspection.files.picture import COLOURS, GRAY
from PIL import Image

import labelfree
from labelfree.domain import KnowsFrames, KnowsKinds, ReadsScenes, Recognises, Row, Sample, Settles, Unites


def gray_and_coloured(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(draw.integers(0, 256, (24, 32), dtype=np.uint8)).save(folder / f"gray_{number}.png")
        Image.fromarray(draw.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(folder / f"rgb_{number}.png")
    return folder


def test_a_mixed_set_is_united_as_colours(tmp_path: Path) -> None:
    plan = labelfree.plan(gray_and_coloured(tmp_path), "inspection")
    assert plan.recipe.reader["colour"] == "rgb" and "4 of 8 images looked at are gray" in plan.text


def test_both_ways_of_uniting(tmp_path: Path) -> None:
    root = gray_and_coloured(tmp_path)
    gray, rgb = (Row(name, root / name) for name in ("gray_0.png", "rgb_0.png"))
    for colour, channels in (("rgb", COLOURS), ("gray", GRAY)):
        assert {Inspection(colour=colour).read(row).channels for row in (gray, rgb)} == {channels}
    light = Inspection(colour="gray").read(rgb).data[0].numpy()
    assert np.abs(light.astype(int) - np.array(Image.open(rgb.path).convert("L"))).max() <= 1  # Pillow rounds down


@pytest.mark.parametrize(("colour", "channels"), [("auto", GRAY), ("stored", COLOURS), ("gray", GRAY), ("rgb", COLOURS)])
def test_gray_stored_as_colours(tmp_path: Path, colour: str, channels: tuple[str, ...]) -> None:
    gray = np.random.default_rng(0).integers(0, 65536, (50, 60)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.stack([gray] * 3, -1)))
    sample = Inspection(colour=colour).read(Row("a", tmp_path / "a.png"))
    assert sample.channels == channels and all(np.array_equal(channel, gray) for channel in sample.data.numpy())
    assert bool(sample.notes) is (colour == "auto")


def test_one_pixel_of_colour_is_seen(tmp_path: Path) -> None:
    gray = np.random.default_rng(0).integers(0, 250, (300, 200)).astype(np.uint8)
    data = np.stack([gray] * 3, -1)
    data[297, 3, 2] += 1
    Image.fromarray(data).save(tmp_path / "a.png")
    assert Inspection().read(Row("a", tmp_path / "a.png")).channels == COLOURS


def test_networks_are_shown_levels_on_the_scale_of_the_depth() -> None:
    x = torch.tensor([0.0, 4095.0, 1000.0, 2047.5]).view(1, 1, 2, 2)
    shown = Inspection(depth=12).render(x, GRAY, "grey levels")
    assert shown is not None and shown.shape == (1, 3, 2, 2) and torch.allclose(shown, (x / 4095).expand(-1, 3, -1, -1))
    upper = Inspection(depth=12, shift=4).render(16 * x, GRAY, "grey levels")
    assert upper is not None and torch.allclose(upper, shown)
    byte = Inspection().render(x, GRAY, "of 255")
    assert byte is not None and torch.allclose(byte, (x / 255).expand(-1, 3, -1, -1))
    assert Inspection().render(x.expand(-1, 2, -1, -1), ("left", "right"), "of 255") is None


def test_heights_are_stretched_by_what_is_measured() -> None:
    x = torch.linspace(5, 6, 400).view(1, 1, 20, 20).repeat(2, 1, 1, 1)
    x[1] *= 100
    x[:, :, 0] = -9999
    measured = torch.ones(2, 20, 20, dtype=torch.bool)
    measured[:, 0] = False
    shown = Inspection().render(x, ("height",), "stored", measured)
    assert shown is not None
    inside = shown[:, :, 1:]
    assert inside.amin() > -0.05 and inside.amax() < 1.05 and torch.allclose(inside[0], inside[1], atol=1e-3)


@pytest.mark.parametrize(
    ("channels", "unit", "data"),
    [
        (GRAY, "of 255", torch.arange(48, dtype=torch.uint8).view(1, 6, 8)),
        (COLOURS, "grey levels", torch.arange(144).view(3, 6, 8).to(torch.uint16)),
        (("page 1", "page 2"), "stored", torch.arange(96, dtype=torch.float32).view(2, 6, 8)),
    ],
)
def test_a_preview_of_anything(channels: tuple[str, ...], unit: str, data: torch.Tensor) -> None:
    measured = torch.ones(6, 8, dtype=torch.bool)
    measured[0] = False
    ones, zeros = (1.0,) * len(channels), (0.0,) * len(channels)
    shown = Inspection().preview(Sample(data, channels, ones, zeros, unit, measured=measured))
    assert shown.shape == (6, 8, 3) and shown.dtype == np.uint8 and not shown[0].any() and shown[1:].any()


def test_what_the_domain_answers() -> None:
    domain = Inspection()
    for protocol in (KnowsFrames, KnowsKinds, ReadsScenes, Recognises, Settles, Unites):
        assert isinstance(domain, protocol)
    assert domain.rgb(GRAY) == (0, 0, 0) and domain.rgb(("Blue", "green", "red")) == (2, 1, 0) and domain.rgb(("left", "right")) is None
    assert domain.matches(("Gray", "red"), ("red", "gray")) == (1, 0) and domain.matches(("height",), GRAY) == (None,)
    assert "reader.channels" in domain.missing(("page 1", "page 2"))[0] and domain.missing(GRAY) == []
    assert all(finding.state == "ok" for finding in domain.diagnose())
