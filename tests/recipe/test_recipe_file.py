"""Recipes: what is read is what was meant, and every mistake is named with its place and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labelfree.errors import RecipeError
from labelfree.recipe import ArmSpec, Data, Recipe
from labelfree.recipe_file import change, load_recipe, to_yaml
from labelfree.resources import resource_names

RECIPE = """\
domain: satellite
data:
  card: generated-satellite
backbone: {name: tf_efficientnet_lite0, init: imagenet}
pretrain:
  objective: dino
  minutes: 3
evaluate:
  on: dev
  draws: 5
"""


@pytest.fixture
def written(tmp_path: Path):
    """Write the recipe with `old` replaced by `new`, and give its path."""

    def write(old: str = "", new: str = "") -> Path:
        assert old in RECIPE
        path = tmp_path / "mine.yaml"
        path.write_text(RECIPE.replace(old, new, 1), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("minutes: 3", "minute: 3", 7, "pretrain.minute is not a key; did you mean pretrain.minutes?"),
        ("minutes: 3", "epoch: 3", 7, "pretrain.epoch is not a key; did you mean pretrain.steps?"),
        ("domain: satellite", "minutes: 3\ndomain: satellite", 1, "minutes is not a key; did you mean evaluate.minutes?"),
        ("domain: satellite", "domian: satellite", 1, "domian is not a key; did you mean domain?"),
        ("domain: satellite", "zzz: 1\ndomain: satellite", 1, "zzz is not a key; a recipe knows name, domain, data,"),
        ("minutes: 3", "minutes: three", 7, "pretrain.minutes must be a number above 0 or null, not 'three'."),
        ("minutes: 3", 'minutes: "3"', 7, "not '3'; write it without quotes."),
        ("draws: 5", "draws: 2.5", 10, "evaluate.draws must be a whole number from 1, not 2.5."),
        ("draws: 5", "draws: true", 10, "evaluate.draws must be a whole number from 1, not True."),
        ("draws: 5", "labels_per_class: [1, 0]", 10, "evaluate.labels_per_class.1 must be a whole number above 0 or all, not 0."),
        ("on: dev", "on: train", 9, "evaluate.on must be one of test, dev, not 'train'."),
        ("draws: 5", "draws: 5\n  draws: 6", 11, "evaluate.draws stands twice, first on line 10; remove one."),
        ("draws: 5", "arms: [random]", 8, "evaluate.primary.arm: 'imagenet+domain' is not among evaluate.arms (random)"),
        ("draws: 5", "draws: [5", 11, "not valid YAML"),
        ("minutes: 3", "minutes: $NOT_SET_ANYWHERE", 7, "the environment variable NOT_SET_ANYWHERE is not set"),
        ("minutes: 3", "minutes: ${oc.env:NOT_SET_ANYWHERE}", 7, "the environment variable NOT_SET_ANYWHERE is not set"),
        ("minutes: 3", "minutes: ${nowhere.at_all}", 7, "nowhere.at_all"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_file_and_line(written, old, new, line, told):
    path = written(old, new)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(f"{path}:{line}: "), caught.value
    assert told in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("pretrain.epoch=3", "pretrain.epoch=3: pretrain.epoch is not a key; did you mean pretrain.steps?"),
        ("pretrian.minutes=3", "pretrian is not a key; did you mean pretrain?"),
        ("pretrain.minutes=soon", "pretrain.minutes=soon: pretrain.minutes must be a number above 0"),
        ("pretrain.minutes", "'pretrain.minutes' is not an override; write key=value"),
        ("pretrain..minutes=3", "is not a dotted key"),
        ("pretrain.minutes.x=3", "pretrain.minutes is not a block of keys"),
        ("evaluate.primary.arm=mine", "'mine' is not among evaluate.arms"),
    ],
)
def test_a_mistake_on_the_command_line_names_the_override(written, override, told):
    with pytest.raises(RecipeError, match="(?s).*") as caught:
        load_recipe(written(), [override])
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_recipe_without_a_domain_says_so(written):
    with pytest.raises(RecipeError, match=r"domain is missing; write e\.g\. `domain: (inspection|medical|satellite)`"):
        load_recipe(written("domain: satellite\n", ""))


def test_yaml_is_read_as_version_1_2(written):
    recipe = load_recipe(written("minutes: 3", "lr: 1e-3\n  seeds: [010]"), ["name=no"])
    assert (recipe.evaluate.on, recipe.pretrain.lr, recipe.pretrain.seeds, recipe.name) == ("dev", 1e-3, [10], "no")


def test_yaml_that_would_build_an_object_is_refused(written):
    with pytest.raises(RecipeError, match="not valid YAML"):
        load_recipe(written("minutes: 3", "minutes: !!python/object/apply:os.getcwd []"))


def test_overrides_are_typed_as_yaml_and_win(written):
    recipe = load_recipe(
        written(), ["pretrain.minutes=0.5", "evaluate.labels_per_class=[1, all]", "pretrain.options.temperature=0.1", "name=2024"]
    )
    assert recipe.pretrain.minutes == 0.5 and recipe.evaluate.labels_per_class == [1, "all"]
    assert recipe.pretrain.options == {"temperature": 0.1} and recipe.name == "2024"
    assert load_recipe(written(), {"pretrain.minutes": 0.5}).pretrain.minutes == 0.5


def test_environment_variables_are_put_in(written, monkeypatch):
    monkeypatch.setenv("LF_ROOT", "/data/$x")
    monkeypatch.setenv("LF_MINUTES", "7")
    path = written(
        "card: generated-satellite", "root: $LF_ROOT/a\n  labels: ${LF_ROOT}/l.csv\n  sensor: ${oc.env:LF_NONE,naip}\n  layer: 5$$"
    )
    recipe = load_recipe(path, ["pretrain.minutes=$LF_MINUTES"])
    assert recipe.data.root == Path("/data/$x/a") and recipe.data.labels == Path("/data/$x/l.csv")
    assert (recipe.reader["sensor"], recipe.reader["layer"], recipe.pretrain.minutes) == ("naip", "5$", 7)


def test_paths_are_relative_to_where_they_are_written(written, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = written("draws: 5", "draws: 5\n  arms: [imagenet, imagenet+domain, {name: w, weights: w.safetensors}]")
    recipe = load_recipe(path, ["data.labels=labels.csv", "data.card=eurosat-ms", "data.root=../images"])
    assert recipe.evaluate.arms[-1] == ArmSpec(name="w", weights=tmp_path / "w.safetensors")
    assert recipe.data.labels == elsewhere / "labels.csv" and recipe.data.root == elsewhere / "../images"
    assert load_recipe("satellite_dino", ["data.root=x"]).data.root == elsewhere / "x"


def test_paths_of_a_recipe_made_in_python_are_relative_to_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = change(Recipe(domain="satellite", data=Data(root=Path("images"))), {"data.labels": Path("labels.csv")})
    assert (recipe.data.root, recipe.data.labels) == (tmp_path / "images", tmp_path / "labels.csv")


def test_a_folder_alone_replaces_the_recipes_card(written):
    assert load_recipe(written()).data.card == "generated-satellite"
    assert load_recipe(written(), ["data.root=/mine"]).data.card is None
    assert load_recipe(written(), ["data.root=/mine", "data.card=eurosat-ms"]).data.card == "eurosat-ms"


def test_an_unknown_recipe_names_what_there_is():
    with pytest.raises(RecipeError, match="did you mean satellite_dino"):
        load_recipe("recipes/satelite_dino.yaml")


@pytest.mark.parametrize("name", resource_names("recipes"))
def test_every_shipped_recipe_is_valid_and_named_after_its_file(name):
    recipe = load_recipe(name)
    assert recipe.name == name and recipe.evaluate.draws >= 5
    assert recipe == load_recipe(f"recipes/{name}.yaml")


words = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00\x85\u2028\u2029\ufeff", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12
)


@given(
    name=st.none() | words,  # a recipe made in Python may have none
    layer=words,
    root=words.filter(lambda text: "/" not in text).map(lambda text: Path("/data") / text),
    minutes=st.floats(1e-3, 1e6),
    budgets=st.lists(st.integers(1, 1000), min_size=1).map(lambda numbers: [*numbers, "all"]),
    options=st.dictionaries(
        words, st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), words), max_size=3
    ),
)
def test_what_is_written_reads_back_equal(tmp_path_factory, name, layer, root, minutes, budgets, options):
    recipe = change(Recipe(domain="satellite"), {"pretrain.minutes": minutes, "evaluate.labels_per_class": budgets})
    recipe = recipe.model_copy(
        update={
            "name": name,
            "data": recipe.data.model_copy(update={"root": root}),
            "reader": recipe.reader | {"layer": layer},
            "pretrain": recipe.pretrain.model_copy(update={"options": options}),
        }
    )
    path = tmp_path_factory.mktemp("written") / "recipe.yaml"
    path.write_text(to_yaml(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe


@given(st.text(max_size=200))
def test_no_text_makes_anything_but_a_recipe_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError):
        load_recipe(path)  # no random text names a domain


def test_labels_are_also_looked_for_in_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, root = tmp_path / "here", tmp_path / "images"
    here.mkdir(), root.mkdir()
    monkeypatch.chdir(here)
    (root / "labels.csv").write_text("path,label\n")
    for recipe in (
        load_recipe("satellite_dino", ["data.labels=labels.csv", f"data.root={root}"]),
        change(Recipe(domain="satellite", data=Data(root=root, labels=Path("labels.csv"))), {}),
    ):
        assert recipe.data.labels == root / "labels.csv"
    nowhere = load_recipe("satellite_dino", ["data.labels=other.csv", f"data.root={root}"])
    assert nowhere.data.labels == here / "other.csv"  # what is in neither place stays where it was written
    (here / "labels.csv").write_text("path,label\n")
    near = load_recipe("satellite_dino", ["data.labels=labels.csv", f"data.root={root}"])
    assert near.data.labels == here / "labels.csv"


@pytest.mark.parametrize(
    "block, said, typed, wanted",
    [
        ("pretrain", {"minutes": 3, "steps": "auto"}, {"steps": 300}, {"steps": 300, "minutes": None}),
        ("pretrain", {"steps": 300}, {"minutes": 2}, {"steps": "auto", "minutes": 2}),
        ("pretrain", {"minutes": 3}, {"steps": 300, "minutes": 1}, {"steps": 300, "minutes": 1}),
        ("pretrain", {"minutes": 3, "steps": 300}, {}, {"steps": 300, "minutes": 3}),
        ("pretrain", {"minutes": 3}, {"steps": "auto"}, {"steps": "auto", "minutes": 3}),
        ("pretrain", {"steps": 300}, {"minutes": None}, {"steps": 300, "minutes": None}),
        ("evaluate", {"minutes": 3}, {"draws": 9}, {"draws": 9, "minutes": None}),
        ("evaluate", {"minutes": 3}, {"sizes": [64]}, {"sizes": [64], "minutes": None}),
        ("evaluate", {"minutes": 3}, {"labels_per_class": [5]}, {"labels_per_class": [5], "minutes": None}),
        ("evaluate", {"draws": 9}, {"minutes": 3}, {"draws": 9, "minutes": 3}),
    ],
)
def test_what_is_typed_goes_before_what_a_file_says(
    block: str, said: dict[str, Any], typed: dict[str, Any], wanted: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"domain": "satellite", block: said}))
    overrides = {f"{block}.{key}": value for key, value in typed.items()}
    lines = [f"{key}={'null' if value is None else value}" for key, value in overrides.items()]
    for recipe in (load_recipe(file, overrides), load_recipe(file, lines), change(load_recipe(file), overrides)):
        found = getattr(recipe, block)
        assert {key: getattr(found, key) for key in wanted} == wanted


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("  primary: {metric: acuracy}", "evaluate.primary.metric: 'acuracy' is not a metric of an installed task; did you mean accuracy?"),
        ("  protocols: [knn, linar]", "evaluate.protocols.1: 'linar' is not an installed protocol; did you mean linear?"),
        (
            "  task: clasification",
            "evaluate.task must be auto or one of anomaly, classification, detection, multilabel, retrieval, segmentation, vqa, "
            "not 'clasification'.",
        ),
    ],
)
def test_names_of_tasks_metrics_and_protocols_are_checked_to_the_line(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "mine.yaml").write_text(f"domain: satellite\nevaluate:\n{line}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "mine.yaml")
    assert str(caught.value) == f"{tmp_path / 'mine.yaml'}:3: {words}"


def test_installed_packages_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their metadata is many small files, and a recipe has many keys."""
    once = load_recipe("satellite_dino")
    monkeypatch.setattr("importlib.metadata.entry_points", pytest.fail)
    assert load_recipe("satellite_dino") == once
