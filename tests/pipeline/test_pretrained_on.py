"""What a run folder tells of the images its weights were pretrained on."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from labelfree.backbones.weight_card import WeightCard
from labelfree.data.splits import Roles
from labelfree.domain import Row
from labelfree.errors import DataError, LeakError
from labelfree.pipeline.pretrained_on import require_same_pool, scored_before
from labelfree.recipe import Recipe

CARD = WeightCard("resnet10t", ("red",), "display", (1.0,), (0.0,), (0.0,), (1.0,), 32, data="then")
POOL = [("images/1.png", "scene 1", "pool"), ("images/2.png", "scene 2", "pool+train"), ("images/3.png", "scene 3", "test")]


def run(folder: Path, root: Path | str, pool: list[tuple[str, str, str]] = POOL, init: str = "random") -> Path:
    """A run folder by hand; its weight file."""
    (folder / "private").mkdir(parents=True)
    (folder / "private" / "asked.yaml").write_text(yaml.safe_dump({"data": {"root": str(root)}, "backbone": {"init": init}}))
    (folder / "backbones").mkdir()
    with (folder / "splits.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "group", "role"), *pool])
    for file in (folder / "backbone.safetensors", folder / "backbones" / "domain-0.safetensors"):
        file.write_bytes(b"")
        file.with_suffix(".json").write_text(json.dumps(asdict(replace(CARD, init=init))))
    return folder / "backbone.safetensors"


def recipe(root: Path, file: Path, **data: object) -> Recipe:
    arms = ["imagenet", {"name": "mine", "weights": str(file)}]
    primary = {"arm": "mine", "against": "imagenet"}
    asked = {"domain": "satellite", "data": {"root": str(root), **data}, "evaluate": {"arms": arms, "primary": primary}}
    return Recipe.model_validate(asked, strict=False)


def scoring(*rows: tuple[str, str | None]) -> Roles:
    return Roles([], [Row("t", Path("t"), label="a")], [Row(name, Path(name), label="a", group=group) for name, group in rows], "test")


def test_an_image_or_its_group_in_the_pool_is_a_leak(tmp_path: Path) -> None:
    file = run(tmp_path / "run", tmp_path)
    for where in (file, tmp_path / "run" / "backbones" / "domain-0.safetensors"):
        for rows in ([("images/2.png", None)], [("images/9.png", "scene 1")]):
            with pytest.raises(LeakError, match=r"evaluate\.arms: .* was pretrained on 1 of the 2 scored images"):
                scored_before(recipe(tmp_path, where), scoring(("images/8.png", "scene 8"), *rows))
    assert scored_before(recipe(tmp_path, file), scoring(("images/3.png", "scene 3"), ("images/9.png", None))) == []
    (said,) = scored_before(recipe(tmp_path, file, transductive=True), scoring(("images/1.png", None)))
    assert said.startswith("Transductive: backbone.safetensors was pretrained on 1 of the scored images")


def test_other_images_of_the_same_names_are_none(tmp_path: Path) -> None:
    file = run(tmp_path / "run", tmp_path / "others")
    assert scored_before(recipe(tmp_path, file), scoring(("images/1.png", None))) == []
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(b"")
    assert scored_before(recipe(tmp_path, alone), scoring(("images/1.png", None))) == []


def test_a_run_whose_names_are_hidden_is_looked_up_by_its_owner(tmp_path: Path) -> None:
    hidden = [("row-0123456789ab", "group-0123456789ab", "pool")]
    file = run(tmp_path / "run", tmp_path, hidden)
    assert scored_before(recipe(tmp_path, file), scoring(("images/1.png", None))) == []
    with (tmp_path / "run" / "private" / "ids.csv").open("w", newline="") as stream:
        names = [("images/1.png", hidden[0][0]), ("scene 1", hidden[0][1])]
        csv.writer(stream).writerows([("id", "shown"), *names])
    for row in (("images/1.png", None), ("images/4.png", "scene 1")):
        with pytest.raises(LeakError):
            scored_before(recipe(tmp_path, file), scoring(row))


def test_weights_that_continued_from_others_saw_what_those_saw(tmp_path: Path) -> None:
    first = run(tmp_path / "first", tmp_path)
    second = run(tmp_path / "second", tmp_path, [("images/7.png", "", "pool")], init=str(first))
    with pytest.raises(LeakError, match=r"first.splits\.csv says"):
        scored_before(recipe(tmp_path, second), scoring(("images/1.png", None)))
    asked = {"domain": "satellite", "data": {"root": str(tmp_path)}, "backbone": {"init": str(first)}}
    with pytest.raises(LeakError, match=r"^backbone\.init: "):
        scored_before(Recipe.model_validate(asked, strict=False), scoring(("images/1.png", None)))


def test_backbones_of_this_run_know_their_pool(tmp_path: Path) -> None:
    run(tmp_path / "run", tmp_path)
    require_same_pool(tmp_path / "run", "then", scoring(("images/1.png", None)))
    with pytest.raises(
        DataError, match=r"1 of the 1 scored images \(such as images/1\.png\) among them; start a new folder with --out; next"
    ):
        require_same_pool(tmp_path / "run", "now", scoring(("images/1.png", None)))
    with pytest.raises(DataError, match=r"data\.labels give now; start a new folder with --out\.$"):
        require_same_pool(tmp_path / "run", "now", scoring(("images/9.png", None)))
