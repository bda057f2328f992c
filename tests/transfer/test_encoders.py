import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelfree.domain import to_physical
from labelfree.errors import RecipeError
from labelfree.progress import Silent
from labelfree.transfer.arms import ARMS, arm_kind, is_baseline
from labelfree.transfer.encoders import Concatenated, NetworkEncoder, OneNetwork, StatisticsEncoder
from labelfree.transfer.features import extract, extracted, safe_name


class Ragged:
    """Images of several sizes, as a pool holds them."""

    scale, offset, uniform = (0.5, 0.5), (1.0, 0.0), False

    def __init__(self, count: int) -> None:
        generator = torch.Generator().manual_seed(0)
        shapes = [(2, 8, 8), (2, 6, 9), (2, 8, 8), (2, 5, 5)] * count
        self.images = [torch.randint(0, 200, shape, generator=generator, dtype=torch.uint8) for shape in shapes]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, entry: int) -> Tensor:
        return self.images[entry]

    def measured(self, entries: Sequence[int]) -> None:
        return None


class Net(nn.Module):
    dim, name = 2, "net"

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))
        self.calls = 0

    def embed(self, x: Tensor) -> Tensor:
        assert not self.training
        self.calls += 1
        return x.mean((2, 3)) * self.gain


def resized(stored: Tensor, size: int, measured: Tensor | None = None) -> Tensor:
    return nn.functional.interpolate(stored.float(), size=(size, size))


def test_ragged_images_come_back_in_the_order_asked_for() -> None:
    pool = Ragged(3)
    order = [5, 0, 3, 2, 1]
    features = NetworkEncoder("imagenet", Net(), resized, [4, 8]).features(pool, order, 4)
    one_by_one = [2 * resized(pool[entry][None], 4).mean((2, 3))[0].numpy() for entry in order]
    np.testing.assert_allclose(features, np.stack(one_by_one), rtol=1e-6)


def test_statistics_are_in_physical_units() -> None:
    pool = Ragged(1)
    features = StatisticsEncoder(2).features(pool, [1])
    pixels = pool[1].numpy().astype(np.float64).reshape(2, -1) * 0.5 + np.array([[1.0], [0.0]])
    np.testing.assert_allclose(features[0], [*pixels.mean(1), *pixels.std(1)], rtol=1e-5)


def test_features_are_kept_and_parts_are_shared(tmp_path: Path) -> None:
    pool, net = Ragged(2), Net()
    imagenet = NetworkEncoder("imagenet", net, resized, [4])
    both = Concatenated("imagenet+statistics", [imagenet, StatisticsEncoder(2)])
    assert (both.blocks, both.sizes, both.backbone) == ((2, 4), (4,), "net")
    first = extract(imagenet, pool, 4, tmp_path, Silent())
    calls = net.calls
    together = extract(both, pool, 4, tmp_path, Silent())
    assert net.calls == calls
    np.testing.assert_array_equal(together[:, :2], first)
    np.testing.assert_array_equal(together, both.features(pool, range(len(pool)), 4))
    assert not list(tmp_path.glob(".*"))


def test_features_written_batch_by_batch_are_those_of_one_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, encoder = Ragged(3), NetworkEncoder("imagenet", Net(), resized, [4])
    monkeypatch.setattr("labelfree.transfer.features.BATCH", 5)
    file = extracted(encoder, pool, 4, tmp_path, Silent())
    features = np.load(file, mmap_mode="r", allow_pickle=False)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, encoder.features(pool, range(12), 4))
    assert extracted(encoder, pool, 4, tmp_path, Silent()) == file and len(list(tmp_path.iterdir())) == 1


def test_other_weights_have_other_features(tmp_path: Path) -> None:
    pool, other = Ragged(1), Net()
    nn.init.constant_(other.gain, 5.0)
    one, two = (extract(NetworkEncoder("domain", net, resized, [4]), pool, 4, tmp_path, Silent()) for net in (Net(), other))
    np.testing.assert_allclose(two, 2.5 * one, rtol=1e-6)


def test_names_that_no_file_system_takes() -> None:
    assert safe_name("imagenet+domain") == "imagenet+domain"
    assert safe_name("a/b") != safe_name("a:b")
    assert not set(safe_name("a/b:c é")) & set("/:é ")


def test_arms_of_the_protocol() -> None:
    assert set(ARMS) == {"statistics", "random", "imagenet", "imagenet+statistics", "imagenet-inflated", "domain", "imagenet+domain"}
    assert [name for name in ARMS if is_baseline(name)] == ["imagenet", "imagenet+statistics", "imagenet-inflated"]
    assert [kind.name for kind in ARMS.values() if kind.pretrained] == ["domain", "imagenet+domain"]
    assert not is_baseline("my own weights")
    with pytest.raises(RecipeError, match="imagenett"):
        arm_kind("imagenett")


def test_statistics_of_what_a_domain_derives() -> None:
    pool = Ragged(1)

    def ratio(x: Tensor) -> Tensor:
        return x[:, :1] / (x[:, 1:2] + 1)

    plain, more = StatisticsEncoder(2), StatisticsEncoder(2, ratio, 1)
    assert more.blocks == (6,) and more.digest != plain.digest
    found, physical = more.features(pool, [1]), to_physical(pool[1][None], pool.scale, pool.offset)
    assert found[0, 2] == pytest.approx(float(ratio(physical).mean()), rel=1e-5)


def test_features_are_those_of_weights_and_of_how_images_are_read(tmp_path: Path) -> None:
    pool, net = Ragged(1), Net()
    one, same, other = (NetworkEncoder("random", net, resized, [4], reads=reads) for reads in ("mean 1", "mean 1", "mean 2"))
    assert one.digest == same.digest != other.digest
    extract(one, pool, 4, tmp_path, Silent())
    extract(other, pool, 4, tmp_path, Silent())
    assert len(list(tmp_path.iterdir())) == 2


def test_one_network_is_held_at_a_time_and_made_when_it_is_asked_for(tmp_path: Path) -> None:
    """Arm by arm, as a comparison asks: each is made once, and features that are on disk need none."""
    made: list[str] = []
    alive: list[weakref.ref[nn.Module]] = []
    held = OneNetwork()

    def maker(name: str) -> Callable[[], nn.Module]:
        def make() -> nn.Module:
            made.append(name)
            assert not any(network() for network in alive), "two networks at once"
            network = Net()
            alive.append(weakref.ref(network))
            return network

        return make

    pool = Ragged(1)
    encoders = [NetworkEncoder(name, maker(name), resized, [4, 8], name="net", reads=name, held=held) for name in ("random", "domain")]
    assert made == []
    for encoder in encoders:
        for size in encoder.sizes:
            extract(encoder, pool, size, tmp_path, Silent())
        assert encoder.blocks == (2,)
    assert made == ["random", "domain"]
    for encoder in encoders:
        extract(encoder, pool, 4, tmp_path, Silent())
        assert encoder.blocks == (2,)
    assert made == ["random", "domain"]
