"""Whether views are mirrored: the recipe says it, else a domain by the labels' names, else views stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from labelfree_satellite import Satellite

from labelfree.domain import Default, Fingerprint, Row
from labelfree.pipeline.pretraining_plans import view_pipeline
from labelfree.pipeline.starts import Starts
from labelfree.planning.mirroring import called, mirror
from labelfree.recipe import BackboneSettings, Evaluate, Pretrain, Recipe
from labelfree.recipe_renames import first_spelling
from labelfree.transfer.tasks.registry import find_task
from labelfree.views import Dihedral

POOL = Fingerprint(9, ("gray",), "uint8", "display", (1.0,), (0.0,), (32, 32), (32, 32), (0.5,), (0.2,))


class Sided(Satellite):
    """Knows sides by a word, as a domain of people's images would."""

    def mirror(self, classes: Sequence[str]) -> Default:
        return Default("left" not in classes, f"there is {', '.join(classes) or 'nothing'}")


def test_the_recipe_comes_first_then_the_domain_then_nobody() -> None:
    assert mirror("auto", Satellite(), ["left"]) is None
    assert mirror("auto", Sided(), ["right", "left", "left"]) == Default(False, "there is left, right")
    assert mirror("auto", Sided(), ()) == Default(True, "there is nothing")
    assert [mirror(asked, domain, ["left"]) for asked in (True, False) for domain in (Sided(), Satellite())] == [
        Default(asked, "the recipe says so") for asked in (True, True, False, False)
    ]


@pytest.mark.parametrize(
    ("task", "labels", "names"),
    [
        ("classification", ["left", "right", None], {"left", "right"}),
        ("multilabel", ["left|heart", "spine", None], {"left", "heart", "spine"}),
    ],
)
def test_labels_of_each_task_are_called_by_their_classes(task: str, labels: list[str | None], names: set[str]) -> None:
    rows = [Row(str(number), Path(str(number)), label=label) for number, label in enumerate(labels)]
    assert called(find_task(task), rows) == names


def flips(ops: object) -> list[Dihedral]:
    return [op for op in ops if isinstance(op, Dihedral)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("views", ["domain", "generic"])
@pytest.mark.parametrize("mirrored", [True, False])
def test_views_of_a_pretraining_are_mirrored_or_not(views: str, mirrored: bool) -> None:
    recipe = Recipe(domain="satellite", pretrain=Pretrain(views=views))  # type: ignore[arg-type]
    starts = Starts(BackboneSettings(), Satellite(), POOL, (1.0,), (0.0,))
    inputs = SimpleNamespace(fingerprint=POOL, domain=Satellite(), mirrored=mirrored)
    made = view_pipeline(recipe, inputs, starts.reading())  # type: ignore[arg-type]
    assert any(-1 in flip.axes for flip in flips(made.geometry)) is mirrored


def test_fine_tuning_sees_no_mirrored_views_either() -> None:
    for may in (True, False):
        starts = Starts(BackboneSettings(), Satellite(), POOL, (1.0,), (0.0,), mirror=may)
        assert any(-1 in flip.axes for flip in flips(starts.augmentation.geometry)) is may


def test_a_run_that_was_begun_before_the_key_goes_on() -> None:
    recipe = Recipe(domain="satellite", evaluate=Evaluate())
    assert "mirror" not in first_spelling(recipe.model_dump(mode="json"))["pretrain"]
    asked = recipe.model_copy(update={"pretrain": Pretrain(mirror=False)})
    assert first_spelling(asked.model_dump(mode="json"))["pretrain"]["mirror"] is False
