"""Weights that timm publishes are arms and starts of a run: shown photographs or all channels, without a network where they are on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from labelfree_satellite import Satellite
from torch.testing import assert_close

import labelfree
from labelfree.backbones.weight_card import card_beside
from labelfree.domain import Channel, Fingerprint
from labelfree.errors import RecipeError
from labelfree.pipeline.arm_encoders import Arms
from labelfree.pipeline.network_encoders import Networks
from labelfree.pipeline.recipe_checks import check
from labelfree.pipeline.starts import Starts
from labelfree.progress import Silent
from labelfree.recipe import ArmSpec, BackboneSettings, Evaluate, Primary, Recipe
from labelfree.recipe_file import load_recipe, to_yaml
from tests.offline_weights import by_hand, no_network, published
from tests.small_runs import folder_of, run_on, table

VIT, CNN = "test_vit.r160_in1k", "test_resnet.r160_in1k"
BANDS = (Channel("B02", "blue", 492), Channel("B03", "green", 560), Channel("B04", "red", 665), Channel("B08", "nir", 833))
FOUNDATION = f"{{name: foundation, backbone: {VIT}, weights: published}}"
# The ImageNet weights of the recipe's own network may be in a package, or not.
WITHOUT_IMAGENET = [
    "backbone.name=test_resnet", "backbone.init=random",
    "evaluate.arms=[random, {name: dinov2, backbone: vit_small_patch14_dinov2.lvd142m, weights: published}]",
    "evaluate.primary={arm: random, against: dinov2, protocol: linear, budget: 5, metric: accuracy}",
]  # fmt: skip


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_network(tmp_path, monkeypatch)


def spec(weights: str = "published", backbone: str = VIT) -> ArmSpec:
    return ArmSpec(name="foundation", weights=weights, backbone=backbone)  # type: ignore[arg-type]


def arms(*specs: ArmSpec, bands: tuple[str, ...] = BANDS, sizes: tuple[int, ...] = (32,), own: str = "test_resnet") -> Arms:
    """The arms of a recipe over images that nobody reads."""
    n = len(bands)
    pool = Fingerprint(
        9, bands, "float32", "reflectance", (1.0,) * n, (0.0,) * n, (32, 32), (32, 32), (0.2,) * n, (0.1,) * n,
        low=(0.0,) * n, high=(1.0,) * n,
    )  # fmt: skip
    domain = Satellite()
    settings = BackboneSettings(name=own, init="random")
    evaluate = Evaluate(arms=["random", *specs], sizes=list(sizes), primary=Primary(arm="random", against="random"))
    recipe = Recipe(domain="satellite", backbone=settings, evaluate=evaluate)
    starts = Starts(settings, domain, pool, (1.0,) * n, (0.0,) * n)
    return Arms(recipe, SimpleNamespace(starts=starts, fingerprint=pool, domain=domain), Path("nowhere"))  # type: ignore[arg-type]


def test_it_sees_red_green_and_blue_as_its_weights_were_taught(tmp_path: Path) -> None:
    by_hand(VIT, published(VIT), tmp_path)
    made = arms(spec())
    _, encoder = made.encoders()
    net = encoder.network  # type: ignore[attr-defined]
    x = torch.rand(2, 4, 50, 50, generator=torch.Generator().manual_seed(0))
    shown = torch.nn.functional.interpolate(x[:, [2, 1, 0]] / 0.3, (32, 32), mode="bicubic", antialias=True)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (net.mean, net.std))
    with torch.inference_mode():
        expected = net.net((shown - mean) / std)
    assert_close(encoder.embed(x, 32), expected, atol=1e-5, rtol=1e-4)
    assert encoder.backbone == VIT and not made.notes


def test_all_channels_are_read_where_it_is_asked_to_or_nothing_can_be_shown(tmp_path: Path) -> None:
    state = published(CNN)
    by_hand(CNN, state, tmp_path)
    inflated = arms(spec("published-inflated", CNN)).encoders()[1]
    stem = inflated.network.net.state_dict()[inflated.network.stem]  # type: ignore[attr-defined]
    kernel = state[inflated.network.stem]  # type: ignore[attr-defined]
    assert_close(stem[:, :3], kernel[:, [2, 1, 0]] * 3 / 4)
    assert_close(stem[:, 3], kernel.mean(1) * 3 / 4)
    radar = arms(spec(backbone=CNN), bands=(Channel("VV"), Channel("VH")))
    encoder = radar.encoders()[1]
    assert encoder.network.channels == 2  # type: ignore[attr-defined]
    (note,) = radar.notes
    assert note.startswith("foundation reads all channels, its first layer fitted to them: no channels are called red, green and blue")


def test_any_input_size_that_a_comparison_wants(tmp_path: Path) -> None:
    by_hand(VIT, published(VIT), tmp_path)
    _, encoder = arms(spec(), sizes=(32, 50, 96)).encoders()
    for size in (32, 50, 96):
        assert encoder.embed(torch.rand(1, 4, 64, 64), size).isfinite().all()


def test_the_weights_of_one_network_read_in_two_ways_are_not_taken_for_each_other(tmp_path: Path) -> None:
    """ImageNet's own arm resizes linearly, for every network."""
    by_hand(VIT, published(VIT), tmp_path)
    made = arms(spec(), own="test_vit")
    _, as_published = made.encoders()
    linear = Networks(made.inputs.starts, (32,)).photographic("imagenet", 32)
    assert not isinstance(linear, str) and linear.digest != as_published.digest
    x = torch.rand(2, 4, 50, 50)
    assert (linear.embed(x, 32) - as_published.embed(x, 32)).abs().max() > 1e-3


def test_a_recipe_keeps_the_words_and_makes_paths_of_files(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    text = (
        "domain: satellite\nbackbone: {name: test_vit, init: test_vit.r160_in1k}\nevaluate:\n"
        f"  arms: [imagenet, {FOUNDATION}, {{name: wide, backbone: {VIT}, weights: published-inflated}}, {{name: file, weights: a.pth}}]\n"
        "  primary: {arm: foundation, against: imagenet}\n"
    )
    file.write_text(text)
    recipe = load_recipe(file)
    _, first, second, third = recipe.evaluate.arms
    assert recipe.backbone.init == VIT
    assert (first.weights, second.weights, third.weights) == ("published", "published-inflated", tmp_path / "a.pth")  # type: ignore[union-attr]
    file.write_text(to_yaml(recipe))
    assert load_recipe(file) == recipe
    assert load_recipe(file, ["backbone.init=weights.pth"]).backbone.init == str(Path.cwd() / "weights.pth")
    file.write_text(text.replace(f"backbone: {VIT}, weights: published-inflated", "weights: published-inflated"))
    with pytest.raises(RecipeError, match=r"mine\.yaml:3: evaluate\.arms: wide: weights: published-inflated needs backbone, the name"):
        load_recipe(file)


def test_a_recipe_is_checked_offline_and_a_run_says_what_is_missing(call: Callable[..., SimpleNamespace], tmp_path: Path) -> None:
    place = tmp_path / "torch" / "hub" / "checkpoints" / "vit_small_patch14_dinov2.lvd142m.safetensors"
    way = f"bring model.safetensors of timm/vit_small_patch14_dinov2.lvd142m on huggingface.co, and put it here as {place}"
    said = call("recipe", "check", "satellite_published", *WITHOUT_IMAGENET)
    assert said.code == 0 and way in said.out + said.err and "fine; it will claim random against dinov2" in said.out
    with pytest.raises(RecipeError) as told:
        labelfree.run("satellite_published", WITHOUT_IMAGENET, tmp_path / "run", say=Silent())
    assert str(told.value) == (
        f"evaluate.arms: dinov2: the weights of vit_small_patch14_dinov2.lvd142m are not on this machine (HF_HUB_OFFLINE is set); {way}."
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("backbone", "fault"),
    [
        ("test_vit.nobody", r"^evaluate\.arms: foundation: timm publishes no weights 'nobody' of test_vit; it has .*test_vit\.r160_in1k"),
        ("test_vitt", r"^evaluate\.arms: foundation: no network is called 'test_vitt'; did you mean test_vit"),
        ("test_vit4", r"^evaluate\.arms: foundation: timm has no published weights for test_vit4"),
    ],
)
def test_a_name_that_nobody_publishes_is_a_fault_of_the_arm(backbone: str, fault: str) -> None:
    evaluate = Evaluate(arms=["random", spec(backbone=backbone)], primary=Primary(arm="random", against="foundation"))
    recipe = Recipe(domain="satellite", backbone=BackboneSettings(name="test_resnet", init="random"), evaluate=evaluate)
    for tell in (None, lambda sentence: None):
        with pytest.raises(RecipeError, match=fault):
            check(recipe, tell=tell)


@pytest.mark.slow  # a pretraining and a comparison with published weights
def test_a_run_compares_with_it_and_a_pretraining_continues_from_it(tmp_path: Path) -> None:
    """Two pretraining steps from published weights, then three arms, one of them of another architecture; some ten seconds."""
    by_hand(VIT, published(VIT), tmp_path)
    by_hand(CNN, published(CNN), tmp_path)
    primary = "evaluate.primary={arm: imagenet+domain, against: foundation, protocol: linear, budget: 2, metric: accuracy}"
    arms = f"evaluate.arms=[statistics, imagenet+domain, {FOUNDATION}]"
    run = run_on(folder_of(tmp_path / "pictures"), tmp_path / "run", f"backbone.init={CNN}", arms, primary)
    rows = table(run.folder / "results.csv")
    assert {row["arm"]: row["backbone"] for row in rows} == {"statistics": "", "imagenet+domain": "test_resnet", "foundation": VIT}
    card = card_beside(run.folder / "backbone.safetensors")
    assert card is not None and card.init == CNN and f"continued from {CNN}: apache-2.0" in card.licence
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert f"weights published as {VIT}" in page and f"different architecture: {VIT}, not test_resnet" in page
    assert f"imagenet+domain starts from {CNN} (backbone.init)." in page
