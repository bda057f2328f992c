"""An exported head says what the head says: other sizes, batches, tiles and thresholds, in a process that has no labelfree.

torch takes five seconds of a free core for each export.
"""

from __future__ import annotations

import ast
import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from torch.testing import assert_close

import labelfree
from labelfree.backbones import build
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import resize
from labelfree.deploy.exports import export_folder, onnx_file
from labelfree.deploy.exports.programs import in_single
from labelfree.deploy.exports.registry import program_of
from labelfree.deploy.exports.resizing import Resize
from labelfree.deploy.head_card import HeadCard
from labelfree.deploy.head_file import write_head
from labelfree.deploy.loading import load_head
from labelfree.errors import DataError, RecipeError
from labelfree.progress import Silent
from labelfree.transfer.encoders import Concatenated, Encoder, NetworkEncoder, StatisticsEncoder
from labelfree.transfer.maps.decoders import decoder_of
from labelfree.transfer.network_inputs import NetworkInput, OfStored
from labelfree.transfer.protocols import Head
from labelfree.transfer.tasks.registry import find_task
from labelfree.transfer.tiles.pooled import in_tiles
from labelfree.transfer.tiles.tiling import tiles_of
from labelfree.views import PerChannel, PerImage
from tests.deploy.made_heads import by_image, map_head, network, scene, statistics
from tests.small_runs import folder_of, run_on

packages = pytest.mark.skipif(any(find_spec(name) is None for name in onnx_file.NEEDED), reason="the extra `export` is not installed")
CLASSES = ("dry", "wet", "wooded")
RGB = ("red", "green", "blue")
SCALE = (1 / 255,) * 3


def pictured(name: str = "test_resnet", size: int = 40, interpolation: str = "bilinear", order: Any = None) -> NetworkEncoder:
    """A network on pictures of 8 bits, whatever their size. `order`: of what it is shown, as of a weight file."""
    torch.manual_seed(3)
    channels = 3 if order is None else len(order)
    shown = NetworkInput(PerChannel((0.4,) * channels, (0.2,) * channels), order, interpolation=interpolation)
    return NetworkEncoder("random", build(name, channels), OfStored((1.0,) * 3, (0.0,) * 3, shown), (size,))


def vector_head(
    path: Path, encoder: Encoder, protocol: str = "linear", task: str = "classification", constant: bool = False, **changes: Any
) -> Path:
    """A head with drawn numbers that tells CLASSES apart in pictures of 8 bits; a `constant` one says dry and wooded of all."""
    draw, width = torch.Generator().manual_seed(5), sum(encoder.blocks)
    tensors = {"mean": torch.zeros(width), "blocks": torch.tensor(encoder.blocks)}
    if protocol == "knn":
        bank = torch.nn.functional.normalize(torch.randn(9, width, generator=draw), dim=1)
        tensors |= {"bank": bank, "vectors": torch.eye(3).repeat(3, 1), "neighbours": torch.tensor(4), "temperature": torch.tensor(0.07)}
    else:
        tensors |= {"std": torch.ones(width), "weight": 9 * torch.randn(3, width, generator=draw), "bias": torch.zeros(3)}
        if constant:
            tensors |= {"weight": torch.zeros(3, width), "bias": torch.tensor([2.0, -1.0, 3.0])}
    size = encoder.sizes[0] if encoder.sizes else 0
    images = WeightCard(
        encoder.backbone, RGB, "display", SCALE, (0.0,) * 3, (0.4,) * 3, (0.2,) * 3, size, domain="satellite", arm=encoder.arm,
        dtype="uint8", low=(0.0,) * 3, high=(1.0,) * 3,
    )  # fmt: skip
    parts = encoder.kept()
    card = HeadCard(task, protocol, CLASSES, images, (32, 48), tuple(part.told for part in parts), **changes)
    head = Head(find_task(task).protocol(protocol), tensors)  # type: ignore[arg-type]
    return write_head(path, card, dict(head.named_buffers()), [part.tensors for part in parts])


def pictures(folder: Path, *sizes: tuple[int, int]) -> list[Path]:
    folder.mkdir()
    files = []
    for at, (height, width) in enumerate(sizes):
        rows, columns = np.mgrid[:height, :width]
        waves = 120 + 60 * np.sin(rows / (3 + at)) + 50 * np.cos(columns / (5 + at))
        pixels = np.stack([waves, waves.T if height == width else 0.7 * waves, 200 - 0.5 * waves], -1).clip(0, 255).astype(np.uint8)
        files.append(folder / f"{at}.png")
        Image.fromarray(pixels).save(files[-1])
    return files


def exported(head: Path, out: Path, images: Any = ()) -> export_folder.Exported:
    return labelfree.export(head, out, images, say=Silent())


def asked(folder: Path, *words: str | Path) -> list[dict[str, str]]:
    """The script's table, from a process that sees no labelfree."""
    run = [sys.executable, str(folder / "infer_onnx.py"), *map(str, words)]
    free = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(run, capture_output=True, text=True, cwd=folder, env=free, check=True, timeout=120)
    return list(csv.DictReader(io.StringIO(done.stdout)))


SIZES = ((32, 48), (90, 61), (20, 200), (40, 40))


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, export_folder.Exported]:
    """A head on a CNN, and its export, made once: that takes five seconds. The pictures lie beside it."""
    root = tmp_path_factory.mktemp("cnn")
    head = vector_head(root / "head.safetensors", pictured())
    return head, exported(head, root / "out", pictures(root / "pictures", *SIZES))


lengths = st.integers(2, 90)


@settings(max_examples=60)
@given(st.tuples(lengths, lengths), st.tuples(lengths, lengths), st.sampled_from(["bilinear", "bicubic"]))
def test_resizing_in_a_graph_is_resizing_as_heads_do(before: tuple[int, int], after: tuple[int, int], interpolation: str) -> None:
    x = torch.randn(2, 3, *before, generator=torch.Generator().manual_seed(1))
    assert_close(Resize(after, interpolation)(x), resize(x, after, interpolation), atol=2e-4, rtol=1e-4)


def test_a_network_as_it_is_made_for_export_says_what_it_said(tmp_path: Path) -> None:
    """A ViT whose positions are resampled once for all; a CNN that lacks a channel, which is the mean there."""
    encoders = [pictured("test_vit", 50, "bicubic"), pictured("test_resnet", 40, order=(2, None, 0))]
    for at, encoder in enumerate(encoders):
        head = load_head(vector_head(tmp_path / f"{at}.safetensors", encoder))
        for size in ((48, 48), (70, 31), (20, 90)):
            pixels = torch.randint(0, 255, (2, 3, *size), generator=torch.Generator().manual_seed(at)).float()
            expected = head.head(head.encoder.embed(pixels / 255, head.size))
            assert_close(program_of(head)(pixels)[0], expected, atol=1e-5, rtol=1e-4)


@packages
def test_pictures_of_any_size_are_scored_as_by_the_head(cnn: tuple[Path, export_folder.Exported]) -> None:
    _scored_as_by_the_head(*cnn)


@packages
@pytest.mark.slow
@pytest.mark.parametrize(("name", "size", "interpolation", "protocol"), [
    ("test_vit", 50, "bicubic", "linear"), ("test_efficientnet", 64, "bilinear", "knn"),
])  # fmt: skip
def test_other_networks_and_heads_too(name: str, size: int, interpolation: str, protocol: str, tmp_path: Path) -> None:
    head = vector_head(tmp_path / "head.safetensors", pictured(name, size, interpolation), protocol)
    _scored_as_by_the_head(head, exported(head, tmp_path / "out", pictures(tmp_path / "pictures", *SIZES)))


def _scored_as_by_the_head(head: Path, made: export_folder.Exported) -> None:
    """Its pictures lie beside the head."""
    files = sorted((head.parent / "pictures").iterdir())
    assert made.images == made.decisions == made.same == len(SIZES) == len(files) and made.apart < 1e-4 and made.milliseconds > 0
    loaded = labelfree.load_head(head)
    rows = asked(made.folder, *files)
    for file, row in zip(files, rows, strict=True):
        said = loaded.predict(file)
        assert row["class"] == said.name
        assert [float(row[each]) for each in CLASSES] == pytest.approx(list(said.scores.values()), abs=1e-4)


@packages
@pytest.mark.parametrize("by_image", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_images_in_tiles_are_scored_as_by_the_head(by_image: bool, tmp_path: Path) -> None:
    """More tiles than go through at once, an image smaller than a tile, and a threshold: what calls of one image carry on is its own."""
    from labelfree.deploy.exports.infer_onnx import BATCH, Model

    files = pictures(tmp_path / "pictures", (90, 61), (20, 200), (24, 24), (10, 12))
    encoder = Concatenated("both", [pictured(size=24), StatisticsEncoder(3)])
    if by_image:
        shown = NetworkInput(PerImage())
        encoder = Concatenated("both", [NetworkEncoder("random", build("test_resnet", 3), OfStored((1.0,) * 3, (0.0,) * 3, shown), (24,))])
    tiled = in_tiles(encoder, 24)
    head = vector_head(tmp_path / "head.safetensors", tiled, threshold=0.5, alarm="wet")
    loaded = labelfree.load_head(head)
    assert loaded.card.tile == 24 and tiles_of((90, 61), (24, 24)) > BATCH
    made = exported(head, tmp_path / "out", files)
    assert made.images == made.decisions == made.same == 4 and made.apart < 1e-4
    rows, model = asked(tmp_path / "out", *files), Model(made.onnx)
    for file, row in zip(files, rows, strict=True):
        said = loaded.predict(file)
        assert row["class"] == said.name
        assert [float(row[each]) for each in CLASSES] == pytest.approx(list(said.scores.values()), abs=1e-4)
    pixels = np.array(Image.open(files[0])).transpose(2, 0, 1)[None]
    assert model.name(model.scores(pixels, 0.0)[1][0]) == "wet" != model.name(model.scores(pixels, 1.1)[1][0])  # type: ignore[index]


@packages
def test_numbers_of_pixels_alone_are_exported_too(tmp_path: Path) -> None:
    files = pictures(tmp_path / "pictures", (32, 48), (17, 33))
    made = exported(vector_head(tmp_path / "head.safetensors", StatisticsEncoder(3)), tmp_path / "out", files)
    assert made.same == 2 and not list((tmp_path / "out").glob("network*"))


@packages
def test_a_batch_is_answered_as_its_images_one_by_one(cnn: tuple[Path, export_folder.Exported]) -> None:
    from labelfree.deploy.exports.infer_onnx import Model

    model = Model(cnn[1].onnx)
    pixels = np.random.default_rng(0).integers(0, 255, (5, 3, 50, 37)).astype(np.float32)
    together, called = model.scores(pixels)
    alone = np.concatenate([model.scores(each[None])[0] for each in pixels])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert called is not None and called.tolist() == together.argmax(1).tolist()


@packages
def test_the_file_says_what_a_caller_must_know(cnn: tuple[Path, export_folder.Exported]) -> None:
    from labelfree.deploy.exports.infer_onnx import Model

    _, made = cnn
    model = Model(made.onnx)
    assert model.classes == list(CLASSES) and model.channels == list(RGB) and model.size == (32, 48)
    assert {name: model.told[name] for name in ("kind", "task", "unit", "dtype", "network")} == {
        "kind": "images", "task": "classification", "unit": "display", "dtype": "uint8", "network": "test_resnet",
    }  # fmt: skip
    assert model.told["scale"] == pytest.approx(SCALE)
    assert [file.name for file in made.files] == ["head.onnx", "infer_onnx.py", "network.safetensors", "head.pt2", "export.json"]
    assert all(file.is_file() for file in made.files)


@packages
def test_a_threshold_is_an_input_with_the_chosen_value_for_default(tmp_path: Path) -> None:
    from labelfree.deploy.exports.infer_onnx import Model

    files = pictures(tmp_path / "pictures", (32, 48), (40, 40), (90, 61), (33, 47))
    plain = labelfree.load_head(vector_head(tmp_path / "plain.safetensors", StatisticsEncoder(3)))
    chosen = sum(sorted(plain.predict(file).scores["wet"] for file in files)[1:3]) / 2  # called wet are two of the four
    head = vector_head(tmp_path / "head.safetensors", StatisticsEncoder(3), threshold=chosen, alarm="wet")
    made = exported(head, tmp_path / "out", files)
    model = Model(made.onnx)
    assert made.same == 4 and model.threshold == pytest.approx(chosen) and model.told["alarm"] == "wet"
    assert sum(row["class"] == "wet" for row in asked(made.folder, *files)) == 2
    assert all(row["class"] == "wet" for row in asked(made.folder, "--threshold", "0", *files))
    assert not any(row["class"] == "wet" for row in asked(made.folder, "--threshold", "1.1", *files))


@pytest.mark.parametrize("threshold", [0.3, 0.5, float(np.nextafter(1.0, 2.0)), float(np.float32(0.7)) + 1e-12])
def test_a_score_of_single_precision_reaches_both_thresholds_or_neither(threshold: float) -> None:
    inside = np.float32(in_single(threshold))
    for score in (inside, np.nextafter(inside, np.float32(0))):
        assert (score >= inside) == (float(score) >= threshold)


@packages
def test_an_image_may_be_called_by_several_classes(tmp_path: Path) -> None:
    files = pictures(tmp_path / "pictures", (32, 48), (40, 40), (90, 61))
    head = vector_head(tmp_path / "head.safetensors", StatisticsEncoder(3), task="multilabel", constant=True)
    made = exported(head, tmp_path / "out", files)
    loaded = labelfree.load_head(head)
    called = [row["class"] for row in asked(made.folder, *files)]
    assert made.same == 3 and called == [loaded.predict(file).name for file in files] == ["dry|wooded"] * 3


@packages
def test_the_network_alone_is_timms(cnn: tuple[Path, export_folder.Exported]) -> None:
    file = cnn[1].folder / "network.safetensors"
    with safe_open(file, "pt") as opened:
        told = opened.metadata()
    options = ast.literal_eval(told["options"])
    net = timm.create_model(told["architecture"], in_chans=int(told["in_chans"]), num_classes=0, checkpoint_path=str(file), **options)
    assert_close(net.state_dict(), pictured().network.net.state_dict(), rtol=0, atol=0)  # type: ignore[union-attr]


@packages
def test_the_program_of_torch_export_says_the_same(cnn: tuple[Path, export_folder.Exported]) -> None:
    head, made = cnn
    program = torch.export.load(made.folder / "head.pt2").module()
    pixels = torch.randint(0, 255, (3, 3, 61, 44)).float()
    assert_close(program(pixels)[0], program_of(load_head(head))(pixels)[0], atol=1e-6, rtol=1e-5)


@packages
@pytest.mark.parametrize(
    "encoder", [pytest.param(network, marks=pytest.mark.slow), statistics, by_image], ids=["network", "statistics", "by image"]
)
def test_scenes_are_mapped_in_tiles_as_by_the_head(encoder: Callable[[], Encoder], tmp_path: Path) -> None:
    head = map_head(tmp_path / "head.safetensors", encoder())
    files = []
    for at, size in enumerate([(64, 64), (150, 117), (40, 90)]):
        files.append(tmp_path / f"{at}.tif")
        np.save(tmp_path / f"{at}.npy", scene(files[-1], *size, seed=at))
    made = exported(head, tmp_path / "out", files)
    assert made.images == 3 and made.decisions == 64 * 64 + 150 * 117 + 40 * 90 and made.same > 0.999 * made.decisions
    asked(tmp_path / "out", "--out", tmp_path / "maps", *(file.with_suffix(".npy") for file in files))
    loaded = labelfree.load_head(head)
    for file in files:
        said, theirs = loaded.predict(file), np.array(Image.open(tmp_path / "maps" / f"{file.stem}.png"))
        assert (said.numbers == theirs).mean() > 0.999


@packages
@pytest.mark.slow
@pytest.mark.parametrize(("name", "decoder"), [("test_resnet", "unet"), ("test_resnet", "fpn"), ("test_vit", "dpt")])
def test_decoders_are_exported_too(name: str, decoder: str, tmp_path: Path) -> None:
    """Those that `frozen` and `finetune` train; ten seconds on a busy core are torch.export's."""
    pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(2)
    shown = NetworkInput(PerChannel((1000.0,) * 4, (500.0,) * 4))
    encoder = NetworkEncoder("random", build(name, 4), OfStored((1.0,) * 4, (0.0,) * 4, shown), (64,))
    levels = encoder.maps(torch.rand(1, 4, 64, 64) * 1000, None, (64, 64))
    head = map_head(tmp_path / "head.safetensors", encoder, decoder=decoder_of(levels, (64, 64), 3, decoder).eval())
    file = tmp_path / "scene.tif"
    scene(file, 100, 90)
    made = exported(head, tmp_path / "out", [file])
    assert made.images == 1 and made.same > 0.99 * made.decisions and made.apart < 1e-4


@pytest.mark.slow
@packages
def test_a_run_is_exported_and_tried_on_its_labelled_images(tmp_path: Path, call: Callable[..., SimpleNamespace]) -> None:
    run = run_on(folder_of(tmp_path / "pictures"), tmp_path / "run")
    said = call("export", str(run.folder), "--out", str(tmp_path / "out"))
    assert said.code == 0, said.err
    assert "On 24 labelled images scores are within" in said.err + said.out and "24 of 24 decisions the same" in said.err + said.out
    again = call("export", str(run.folder), "--out", str(tmp_path / "out"))
    assert again.code == 3 and "holds something else already" in again.err


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"^export: needs onnx, onnxscript, onnxruntime, which .* pip install 'labelfree\[export\]'\.$"):
        exported(tmp_path / "head.safetensors", tmp_path / "out")


@packages
def test_half_an_export_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(program: Any, card: HeadCard, onnx: Path, plain: Path) -> None:
        onnx.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(export_folder, "write_onnx", full)
    with pytest.raises(OSError, match="No space left"):
        exported(vector_head(tmp_path / "head.safetensors", pictured()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@packages
def test_what_says_otherwise_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from labelfree.deploy.exports.infer_onnx import Model

    true = Model.scores
    monkeypatch.setattr(Model, "scores", lambda model, pixels, threshold=None: (true(model, pixels)[0] + 0.01, true(model, pixels)[1]))
    files = pictures(tmp_path / "pictures", (32, 48))
    with pytest.raises(DataError, match=r"0\.png: the exported head says otherwise \(scores 0\.01 apart\), so it is not kept"):
        exported(vector_head(tmp_path / "head.safetensors", StatisticsEncoder(3)), tmp_path / "out", files)
    assert not (tmp_path / "out").exists()
