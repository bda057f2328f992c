"""What `auto` becomes, for any number of images: within bounds, monotone, and a warm-up that is shorter than the run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from labelfree.domain import Default, Fingerprint
from labelfree.errors import RecipeError
from labelfree.objectives.options import Count, options_model
from labelfree.objectives.registry import objective_class, objective_names, objective_options, options_schemas
from labelfree.pipeline.pretraining_plans import plan_of, reasons, recipe_values
from labelfree.planning import auto_values
from labelfree.planning.auto_values import Network, Resolved, resolve_pretrain
from labelfree.recipe import Pretrain, Recipe

NAMES = objective_names()
IMAGES = st.integers(1, 10**6)
NETWORKS = st.builds(Network, dim=st.sampled_from([128, 384, 1280]), transformer=st.booleans(), continues=st.booleans())
CONTINUING = Network(dim=1280, transformer=False, continues=True)


def of(objective: str, images: int, network: Network = CONTINUING, seconds: float | None = None, **settings: Any) -> Resolved:
    side = Fingerprint(images, ("r",), "uint8", "dn", (1.0,), (0.0,), (64, 64), (64, 64), (0.0,), (1.0,))
    return resolve_pretrain(Pretrain(objective=objective, **settings), images, side, {}, network, seconds)


@given(objective=st.sampled_from(NAMES), images=IMAGES, network=NETWORKS, minutes=st.floats(0.1, 1000), seconds=st.floats(0.001, 60))
def test_every_value_is_within_bounds(objective: str, images: int, network: Network, minutes: float, seconds: float) -> None:
    found = of(objective, images, network, seconds, minutes=minutes)
    assert 8 <= found["batch_size"] <= 512
    assert 10 <= found["steps"] <= 100_000
    assert found["steps"] == 10 or found["steps"] * seconds <= 60 * minutes * (1 + 1e-6)
    assert 1e-6 < found["lr"] < 0.5 and 0 <= found["weight_decay"] <= 0.1
    assert 0 <= found["head_only"] <= 0.1 and 0 < found["warmup"] <= 0.1
    plan = plan_of(Recipe(domain="satellite", pretrain=Pretrain(objective=objective)), found, 0)
    assert plan.warmup + plan.head_only < plan.steps
    assert 1 <= plan.check_every <= plan.steps
    options = found.options
    assert options.keys() == objective_options(objective).keys()
    assert 0.9 <= options.get("momentum", 0.9) <= options.get("final_momentum", 1.0) <= 1.0
    assert 0.02 <= options.get("teacher_temperature", 0.02) <= 0.04 < options.get("student_temperature", 0.1)
    assert min(1024, 32 * found["batch_size"] if objective == "dinov2" else 1024) <= options.get("prototypes", 1024) <= 65_536
    assert options.get("queue", 0) <= max(images, found["batch_size"])
    assert options.get("freeze_prototypes", 0.0) * found["steps"] <= 1250 + 1e-6


@given(objective=st.sampled_from(NAMES), pair=st.tuples(IMAGES, IMAGES), network=NETWORKS)
def test_more_images_never_get_less(objective: str, pair: tuple[int, int], network: Network) -> None:
    few, many = (of(objective, images, network) for images in sorted(pair))
    for key in ("batch_size", "steps"):
        assert few[key] <= many[key], key
    for key in ("prototypes", "teacher_temperature", "momentum"):
        if key in few.options:
            assert few.options[key] <= many.options[key], key
    if few["batch_size"] == many["batch_size"] and "queue" in few.options:
        assert few.options["queue"] <= many.options["queue"]
    for key in ("warmup", "head_only"):  # shares of the run: longer in steps, never as a share
        assert few[key] * few["steps"] <= many[key] * many["steps"] + 1e-6, key
        assert few[key] >= many[key], key


@given(objective=st.sampled_from(NAMES), images=IMAGES, seconds=st.tuples(st.floats(0.01, 60), st.floats(0.01, 60)))
def test_what_changes_the_time_of_a_step_does_not_depend_on_that_time(objective: str, images: int, seconds: tuple[float, float]) -> None:
    first, second = (of(objective, images, seconds=each, minutes=10) for each in seconds)
    free = {"steps", "warmup", "head_only", "check_every", "options.momentum", "options.final_momentum", "options.freeze_prototypes"}
    assert {k: v for k, v in first.values.items() if k not in free} == {k: v for k, v in second.values.items() if k not in free}


def test_minutes_cap_the_passes_and_steps_alike() -> None:
    assert of("simclr", 8_000, seconds=1.0, minutes=5)["steps"] == 300
    assert of("simclr", 500, seconds=0.1, minutes=60)["steps"] == 1_000  # 100 passes or 1,000 steps, whichever is more
    assert of("simclr", 500, seconds=1.0, minutes=5, steps=200)["steps"] == 200
    capped = of("simclr", 500, seconds=1.0, minutes=5, steps=2_000)
    assert capped["steps"] == 300 and "as timed on this machine" in capped.reasons["steps"]


def test_a_cap_that_bites_on_steps_that_were_given_is_told_as_a_cap() -> None:
    capped = of("simclr", 500, seconds=5.0, minutes=1, steps=300)
    assert capped["steps"] == 12 and capped.reasons["steps"].startswith("pretrain.minutes=1 caps pretrain.steps=300 at 12: ")
    assert "caps" not in of("simclr", 500, seconds=0.1, minutes=1, steps=300).reasons["steps"]


def test_the_head_only_start_takes_less_of_the_minutes() -> None:
    side = Fingerprint(8_000, ("r",), "uint8", "dn", (1.0,), (0.0,), (64, 64), (64, 64), (0.0,), (1.0,))

    def steps(minutes: float, **settings: Any) -> int:
        return int(resolve_pretrain(Pretrain(minutes=minutes, **settings), 10**6, side, {}, CONTINUING, 1.0, 0.2)["steps"])

    assert steps(46) == 3_000  # 300 at 0.2 s, 2,700 at 1 s
    assert steps(46, head_only=0.5) == 4_600 and steps(46, head_only=0.0) == 2_760
    assert steps(500) == 30_800  # 1,000 at 0.2 s, which is the most that the start takes, 29,800 at 1 s


@pytest.mark.parametrize("objective", [name for name in NAMES if objective_class(name).fewest > 1])
def test_a_batch_that_cannot_teach_is_refused_and_auto_never_takes_it(objective: str) -> None:
    with pytest.raises(RecipeError, match=r"^pretrain\.batch_size: .* at least 2\.$"):
        of(objective, 500, batch_size=1)
    assert of(objective, 2)["batch_size"] >= objective_class(objective).fewest


def test_rates_belong_to_their_optimiser() -> None:
    random = Network(1280, False, False)
    assert of("simsiam", 8_000, random)["optimiser"] == "sgd" and of("simsiam", 8_000, random)["lr"] == pytest.approx(0.025)
    with_adamw = of("simsiam", 8_000, random, optimiser="adamw")
    assert with_adamw["lr"] == pytest.approx(1e-3) and with_adamw["weight_decay"] == 0.04
    assert of("simsiam", 8_000)["optimiser"] == "adamw" and of("simsiam", 8_000)["lr"] == pytest.approx(2e-4)
    assert of("simclr", 8_000, random, optimiser="lars")["lr"] == pytest.approx(0.15)
    assert of("simclr", 8_000, optimiser="lars")["lr"] == pytest.approx(0.03)  # from weights a fifth, as AdamW's
    decays = {name: of("simclr", 8_000, optimiser=name)["weight_decay"] for name in ("adamw", "sgd", "lars")}
    assert decays == {"adamw": 0.04, "sgd": 1e-4, "lars": 1e-6}  # coupled decay is as large as the rate would make it
    assert of("simclr", 8_000, batch_size=512)["lr"] == pytest.approx(4e-4)
    assert of("simclr", 8_000, network=Network(1280, False, False))["lr"] == pytest.approx(1e-3)


def test_the_recipe_comes_before_the_domain_and_the_domain_before_the_rules() -> None:
    side = Fingerprint(100, ("r",), "uint8", "dn", (1.0,), (0.0,), (64, 64), (64, 64), (0.0,), (1.0,))
    suggested = {"pretrain.size": Default(96, "the domain knows"), "pretrain.local_size": Default(48, "the domain knows")}
    found = resolve_pretrain(Pretrain(size=32, options={"temperature": 0.5}), 100, side, suggested, CONTINUING)
    assert (found["size"], found["local_size"], found.options["temperature"]) == (32, 48, 0.5)
    assert found.reasons["options.temperature"] == "the recipe says so"


def test_auto_may_stand_for_every_key_and_option() -> None:
    everywhere = Pretrain.model_validate(dict.fromkeys(Pretrain.model_fields, "auto"))
    assert everywhere == Pretrain()
    assert of("dino", 8_000, options={"prototypes": "auto"}).options == of("dino", 8_000).options
    with pytest.raises(RecipeError, match=r"did you mean pretrain\.options\.prototypes"):
        of("dino", 8_000, options={"prototype": "auto"})


def test_every_value_is_told_with_its_reason_and_comes_back_in_the_recipes_words() -> None:
    found = of("dino", 8_000, seconds=2.0, minutes=5)
    lines = reasons("domain", found)
    for key in found.values:
        assert sum(f"pretrain.{key} = " in line or f"{key.removeprefix('options.')} " in line for line in lines) >= 1, key
    assert any("pretrain.options.prototypes = 1024 (8,000 images fill no more)" in line for line in lines)
    plan = plan_of(Recipe(domain="satellite", pretrain=Pretrain(objective="dino")), found, 0)
    again = Pretrain.model_validate({**Pretrain(objective="dino").model_dump(), **recipe_values(plan)})
    assert again.options == found.options and again.steps == 150 and again.warmup == pytest.approx(0.1)


@pytest.mark.parametrize(
    "objective, options, sentence",
    [
        ("simclr", {"temperature": 0}, "pretrain.options.temperature must be a number above 0 or auto, not 0; its default is 0.2."),
        ("moco", {"momentum": 1.5}, "pretrain.options.momentum must be a number from 0 to 1 or auto, not 1.5; its default is 0.99."),
        ("dino", {"prototypes": 1}, "pretrain.options.prototypes must be a whole number from 2 or auto, not 1; its default is 1024."),
        ("dino", {"local_crops": -1}, "pretrain.options.local_crops must be a whole number from 0 or auto, not -1; its default is 4."),
        ("dinov2", {"koleo": float("nan")}, "pretrain.options.koleo must be a number from 0 or auto, not nan; its default is 0.1."),
        (
            "dinov2",
            {"least_masked": 0.6},
            "pretrain.options.least_masked: 0.6 is more than pretrain.options.most_masked, 0.5; swap them.",
        ),
        ("dinov2", {"exports": 1}, "pretrain.options.exports must be one of student, teacher or auto, not 1; its default is 'student'."),
        (
            "moco",
            {"queue": 4096},
            "pretrain.options.queue: 4,096 keys of 500 images hold every image more than once, as its own negative; "
            "take at most 500, better half of that, or auto.",
        ),
    ],
)
def test_values_that_cannot_be_are_one_sentence(objective: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecipeError) as refused:
        of(objective, 500, options=options)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("name", NAMES)
def test_every_option_with_a_number_has_a_range(name: str) -> None:
    for key, schema in options_schemas()[name]["properties"].items():
        kinds = [member for member in schema["anyOf"] if member.get("type") in ("integer", "number")]
        assert all(member.keys() & {"minimum", "exclusiveMinimum"} for member in kinds), key


def test_a_type_that_cannot_be_resolved_is_that_of_the_default() -> None:
    """It may be imported for type checkers alone; the ranges of the others hold all the same."""

    def constructor(self: Any, backbone: Unknown, *, strength: Imported = 0.1, layers: Count = 2) -> None:  # type: ignore[name-defined]  # noqa: F821
        pass

    model = options_model(constructor)
    assert model(strength=3, layers="auto").model_dump() == {"strength": 3.0, "layers": "auto"}
    for wrong in ({"strength": "strong"}, {"layers": 0}, {"layers": True}, {"layer": 1}):
        with pytest.raises(ValidationError):
            model(**wrong)


@pytest.mark.parametrize("continues", [False, True])
def test_byol_on_a_vit_is_never_given_lars(continues: bool) -> None:
    """It collapses them."""
    assert of("byol", 8_000, Network(dim=384, transformer=True, continues=continues))["optimiser"] == "adamw"


def test_sinkhorn_is_never_given_more_prototypes_than_a_batch_can_tell_apart() -> None:
    assert of("dinov2", 10**6, batch_size=64).options["prototypes"] == 16 * 2 * 64
    assert of("dinov2", 8_000, batch_size=128).options["prototypes"] == of("dino", 8_000).options["prototypes"] == 1024


def test_moco_needs_two_queries() -> None:
    with pytest.raises(RecipeError, match=r"^pretrain\.batch_size: MoCo's BatchNorm needs two queries or more; take at least 2\.$"):
        of("moco", 500, batch_size=1)


def test_reasons_say_when_the_floor_is_what_binds() -> None:
    few = of("moco", 12)
    assert few["batch_size"] == few.options["queue"] == 8
    assert "8 images at least" in few.reasons["batch_size"] and "half the images or more" in few.reasons["options.queue"]
    assert "four batches a pass" in of("moco", 500).reasons["batch_size"]


def test_a_run_keeps_the_images_a_batch_that_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little memory is free when its steps are looked at again."""
    monkeypatch.setattr(auto_values, "batch_for_memory", lambda cuda: 16)
    seen = Fingerprint(10**4, ("r",), "uint8", "stored", (1.0,), (0.0,), (64, 64), (64, 64), (0.0,), (1.0,))
    held = Default(64, "as the run began")
    again = resolve_pretrain(Pretrain(objective="byol"), 10**4, seen, {}, CONTINUING, held=held)
    assert again["batch_size"] == 64 and again["lr"] == pytest.approx(0.6e-3 * (64 / 128) ** 0.5)
    given = resolve_pretrain(Pretrain(objective="byol", batch_size=32), 10**4, seen, {}, CONTINUING, held=held)
    assert given["batch_size"] == 32


@pytest.mark.parametrize(
    ("minutes", "steps", "batch"),
    [
        (60, "auto", None),  # 128 images take 16 s: 225 steps
        (30, "auto", 64),  # 112 of 128 images, 225 of 64
        (8, "auto", 16),  # 30 of 128 images, 60 of 64, 120 of 32, 240 of 16
        (1, "auto", 16),  # too few whatever the batch: no smaller than the objective allows
        (8, 20, None),  # more are not asked for
    ],
)
def test_few_minutes_take_smaller_batches_for_more_steps(minutes: float, steps: int | str, batch: int | None) -> None:
    settings = Pretrain(objective="byol", minutes=minutes, steps=steps)
    smaller = auto_values.batch_in_time(settings, 128, 16, continues=False, full=2.0, head=2.0)
    assert (smaller and smaller.value) == batch
    assert smaller is None or f"{minutes} minutes do not allow 150 of 128 images" in smaller.reason


def test_a_head_only_start_leaves_time_for_more() -> None:
    settings = Pretrain(objective="byol", minutes=38)  # 142 steps of 128 images, 157 where a tenth of them costs nothing
    assert auto_values.batch_in_time(settings, 128, 16, continues=False, full=2.0, head=2.0) is not None
    assert auto_values.batch_in_time(settings, 128, 16, continues=True, full=2.0, head=0.0) is None


@pytest.mark.parametrize(("objective", "share"), [("byol", 0.6), ("dino", 0.6), ("simsiam", 0.2), ("simclr", 0.2), ("dinov2", 0.2)])
def test_from_weights_a_cnn_with_a_slow_copy_takes_three_times_the_rate(objective: str, share: float) -> None:
    rate = 1e-3 * (128 / 128) ** 0.5
    assert of(objective, 8_000, CONTINUING, batch_size=128)["lr"] == pytest.approx(share * rate)
    transformer = Network(dim=384, transformer=True, continues=True)
    assert of(objective, 8_000, transformer, batch_size=128)["lr"] == pytest.approx(0.2 * rate)


@pytest.mark.parametrize(
    "shape, size, batch", [((96, 96, 96), "auto", 16), ((40, 96, 96), "auto", 64), ((96, 96, 96), 32, 512), ((300, 300), 448, 128)]
)
def test_views_of_more_voxels_than_a_picture_has_pixels_get_fewer_images(
    shape: tuple[int, ...], size: Any, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """512 pictures of 224 x 224 fit: cubes of 96 are 17.6 times as large, 40 x 96 x 96 7.3 times, of 32 less, pictures of 448 4 times."""
    monkeypatch.setattr(auto_values, "batch_for_memory", lambda cuda: 512)
    seen = Fingerprint(10**4, ("r",), "int16", "HU", (1.0,), (0.0,), shape, shape, (0.0,), (1.0,))
    found = resolve_pretrain(Pretrain(objective="byol", size=size), 10**4, seen, {}, CONTINUING)
    assert found["batch_size"] == batch
    assert ("pixels" in found.reasons["batch_size"]) is (batch < 512)
