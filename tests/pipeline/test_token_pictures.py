"""What networks see: the same images for every arm, colours of the whole set, attention where there is any; and no scored image."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from labelfree.backbones import build
from labelfree.data.pool import at_even_steps
from labelfree.domain import Row, Sample, find_domain
from labelfree.pipeline.token_pictures import IMAGES, SET, Canvas, looked_at, show_tokens
from labelfree.transfer.encoders import Concatenated, NetworkEncoder, StatisticsEncoder

VIT = {"depth": 1, "embed_dim": 32, "num_heads": 4, "patch_size": 4}


class FakePool:
    """Images by entry, counted as they are asked for."""

    scale, offset = (1.0,) * 3, (0.0,) * 3

    def __init__(self, count: int, side: int = 32) -> None:
        self.images = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))
        self.asked: set[int] = set()
        self.rows = [Row(str(number), Path()) for number in range(count)]

    def __getitem__(self, entry: int) -> Tensor:
        self.asked.add(entry)
        return self.images[entry]

    def measured(self, entries: list[int]) -> None:
        return None

    def sample(self, entry: int) -> int:
        return entry


def network(arm: str, seed: int = 0, name: str = "vit_tiny_patch16_224", **options: Any) -> NetworkEncoder:
    torch.manual_seed(seed)
    return NetworkEncoder(arm, build(name, 3, options=options), lambda stored, size, measured: stored, (32,), seed)


def shown(tmp_path: Path, encoders: list[Any], entries: np.ndarray, pool: FakePool) -> dict[str, Any]:
    domain = SimpleNamespace(preview=lambda entry: (255 * pool.images[entry]).byte().permute(1, 2, 0).numpy())
    inputs: Any = SimpleNamespace(entries=entries, pool=pool, images=None, domain=domain)
    setup: Any = SimpleNamespace(sizes_of=lambda encoder: (32,))
    show_tokens(encoders, setup, inputs, SimpleNamespace(path=tmp_path))  # type: ignore[arg-type]
    index = tmp_path / "pictures" / "tokens.json"
    return json.loads(index.read_text()) if index.is_file() else {}


def test_a_transformer_and_a_cnn_are_shown_the_same_images(tmp_path: Path) -> None:
    pool, entries = FakePool(200), np.arange(50, 150)
    kept = shown(tmp_path, [network("imagenet", name="tf_efficientnet_lite0"), network("domain", **VIT)], entries, pool)
    assert pool.asked == set(at_even_steps(entries, SET))  # nothing but what was pretrained on
    (cnn,), (vit, heads) = kept["imagenet"], kept["domain"]
    assert cnn["columns"] == ["image", "colours", "clusters", "cut"]
    assert vit["columns"] == [*cnn["columns"], "attention"] and heads["columns"] == ["1", "2", "3", "4"]
    grids = [np.asarray(Image.open(tmp_path / "pictures" / each["file"])) for each in (cnn, vit)]
    assert (grids[0][:, :96] == grids[1][:, :96]).all()  # the column of images
    assert (grids[0][:, 100:196] != grids[1][:, 100:196]).any()
    assert all(each["images"] == IMAGES for each in (cnn, vit, heads))


class Cubes(nn.Module):
    """A network of volumes that looks at one cell of four a side, where they are brightest."""

    def pyramid(self, x: Tensor) -> list[Tensor]:
        return [F.avg_pool3d(torch.cat([x, x**2, x.sin()], 1), [side // 4 for side in x.shape[2:]])]

    def attention(self, x: Tensor) -> Tensor:
        cells = F.max_pool3d(x, [side // 4 for side in x.shape[2:]])
        return (cells == cells.amax((2, 3, 4), keepdim=True)).float().expand(-1, 2, -1, -1, -1)


def volume(number: int) -> Sample:
    """Noise, one bright cell near the middle, slices of 3 mm."""
    data = torch.rand(1, 16, 20, 8, generator=torch.Generator().manual_seed(number))
    data[0, 8:12, 10:15, 4:6] = 9.0
    return Sample(data, ("mr",), (1.0,), (0.0,), "stored", spacing=(1.0, 1.0, 3.0))


class FakeVolumes(FakePool):
    scale, offset = (1.0,), (0.0,)

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.samples = [volume(number) for number in range(count)]
        self.images = torch.stack([sample.data for sample in self.samples])

    def sample(self, entry: int) -> Sample:  # type: ignore[override]
        return self.samples[entry]


def test_where_a_network_looks_in_a_volume_is_drawn_on_its_three_planes(tmp_path: Path) -> None:
    pytest.importorskip("labelfree_medical")
    domain, pool = find_domain("medical"), FakeVolumes(6)
    encoder = NetworkEncoder("domain", Cubes(), lambda stored, size, measured: stored, (16,), 0)  # type: ignore[arg-type]
    inputs: Any = SimpleNamespace(entries=np.arange(6), pool=pool, images=None, domain=domain)
    setup: Any = SimpleNamespace(sizes_of=lambda encoder: (16,))
    show_tokens([encoder], setup, inputs, SimpleNamespace(path=tmp_path))  # type: ignore[arg-type]
    seen, heads = json.loads((tmp_path / "pictures" / "tokens.json").read_text())["domain"]
    assert seen["columns"] == ["image", "colours", "clusters", "cut", "attention"] and heads["columns"] == ["1", "2"]

    canvas = Canvas(domain, pool.samples[0], (16, 20, 8))
    looks = Cubes().attention(pool.images[:1])[0, :1]
    drawn = canvas.painted(255 * looks)[..., 0]
    assert canvas.image.shape == (*drawn.shape, 3) == (24, 16 + 16 + 20, 3)  # axial, coronal and sagittal, one pixel a millimetre
    bright = canvas.image[..., 0] > 200
    assert drawn[bright].mean() > 70 and drawn[~bright].mean() < 20  # linear between the middles of cells


def test_a_run_without_a_pool_or_a_network_has_no_such_pictures(tmp_path: Path) -> None:
    assert shown(tmp_path, [network("imagenet", **VIT)], np.array([], int), FakePool(3)) == {}
    assert shown(tmp_path, [StatisticsEncoder(3)], np.arange(3), FakePool(3)) == {}


def test_a_few_images_are_enough(tmp_path: Path) -> None:
    assert shown(tmp_path, [network("imagenet", **VIT)], np.array([1]), FakePool(3))["imagenet"][0]["images"] == 1


def test_pretrained_networks_and_imagenets_are_looked_at_once() -> None:
    statistics = StatisticsEncoder(3)
    arms = [statistics, network("random", **VIT), network("imagenet", **VIT), network("imagenet+domain", 0, **VIT)]
    arms += [
        network("imagenet+domain", 1, **VIT),
        network("mine.safetensors", **VIT),
        Concatenated("imagenet+statistics", [arms[2], statistics]),
    ]
    assert [(each.arm, each.seed) for each in looked_at(arms)] == [("imagenet", 0), ("imagenet+domain", 0), ("mine.safetensors", 0)]
    assert [each.arm for each in looked_at([network("random", **VIT), network("domain", **VIT)])] == ["random", "domain"]


@pytest.mark.parametrize(("count", "steps", "found"), [(10, 3, [0, 4, 9]), (2, 5, [0, 1]), (4, 1, [0])])
def test_entries_are_taken_at_even_steps(count: int, steps: int, found: list[int]) -> None:
    assert at_even_steps(np.arange(count), steps) == found
