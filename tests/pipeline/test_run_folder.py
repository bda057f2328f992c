"""Where a run's folder lies, and what it leaves behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import labelfree
from labelfree.data.our_folders import is_run
from labelfree.errors import RecipeError
from labelfree.pipeline.folder import RunFolder, inside_images, open_folder
from labelfree.recipe import Data, Recipe
from labelfree.recipe_file import load_recipe, to_yaml


def recipe(**data: object) -> Recipe:
    return Recipe(domain="satellite", data=Data.model_validate(data))


def test_a_run_among_the_images_is_warned_of(tmp_path: Path) -> None:
    root = tmp_path / "images"
    for out in (root / "runs" / "first", root, root / "a"):
        said = inside_images(RunFolder(out, recipe(root=root)))
        assert said is not None and str(out) in said and "--out" in said
    assert inside_images(RunFolder(root / "x", recipe(labels=root / "labels.csv"))) is not None
    for out in (tmp_path / "runs", tmp_path / "images2", tmp_path):
        assert inside_images(RunFolder(out, recipe(root=root))) is None
    assert inside_images(RunFolder(tmp_path, recipe(card="generated-satellite"))) is None
    (tmp_path / "link").symlink_to(root)
    assert inside_images(RunFolder(root / "x", recipe(root=tmp_path / "link"))) is not None


def test_a_run_is_known_as_one_from_its_first_moment(tmp_path: Path) -> None:
    folder = open_folder(recipe(root=tmp_path), tmp_path / "x", "asked")
    assert is_run(folder.path) and not is_run(tmp_path)


@pytest.mark.parametrize("verb", [labelfree.run, labelfree.pretrain])
def test_the_folder_of_a_run_is_no_recipe_since_going_on_may_be_meant(tmp_path: Path, verb: Callable[..., object]) -> None:
    for share in (False, True):
        asked = Recipe(domain="satellite", report={"share": share})  # type: ignore[arg-type]
        home = open_folder(asked, tmp_path / str(share), to_yaml(asked)).home
        kept = home / "private" / "asked.yaml"
        for file in (kept, home / "recipe.yaml"):
            said = f"{home}: is a run's folder; `labelfree resume {home}` goes on with it, `labelfree run {file} --out NEW` starts anew."
            with pytest.raises(RecipeError, match=re.escape(said)):
                verb(home)
            (home / "recipe.yaml").write_text(kept.read_text())
    (home / "state.json").unlink()
    assert labelfree.check_recipe(home).domain == "satellite"  # a folder with a recipe is one


def test_a_run_in_which_nothing_began_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_folder(recipe(root=tmp_path), None, "asked").discard_if_empty()
    assert not list(tmp_path.iterdir())  # an empty runs/ beside class folders would be an empty class
    kept = open_folder(recipe(root=tmp_path), None, "asked")
    open_folder(recipe(root=tmp_path), None, "asked").discard_if_empty()
    assert list((tmp_path / "runs").iterdir()) == [tmp_path / kept.path]


def test_what_stays_out_of_the_pool_is_as_the_run_began(tmp_path: Path) -> None:
    """A run from before the rule goes on without it; a comparison has the pool of its pretraining."""
    folder = RunFolder(tmp_path, Recipe(domain="satellite"))
    assert folder.keeps_every_label_out(True) and not folder.keeps_every_label_out(False)
    folder.mark(stages={"pretraining": True, "comparing": False})
    assert not folder.keeps_every_label_out(True), "begun before there was a rule"
    folder.mark(every_label_out=True)
    assert folder.keeps_every_label_out(False)


def test_a_run_of_a_recipe_without_a_name_goes_on_from_what_is_kept_of_it(tmp_path: Path) -> None:
    nameless = recipe(root=tmp_path).model_copy(update={"name": None})
    begun = open_folder(nameless, tmp_path / "x", to_yaml(nameless))
    kept = load_recipe(begun.private / "asked.yaml")
    assert kept.name is None
    assert open_folder(kept, tmp_path / "x", "asked").path == begun.path
