"""What `data.normal` says of rows: by a folder, by a class, by names alone; and which of them count as labelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelfree.data.label_formats.listed import Drawn, ListedImage
from labelfree.data.manifest import Manifest, load_manifest, manifest_from_dataset, with_normal
from labelfree.data.normal import is_normal, normal_counts, only_normal, sounds_normal
from labelfree.data.splits import assign_roles
from labelfree.data.told_normal import MOST, told_normal
from labelfree.domain import Row
from labelfree.errors import DataError, RecipeError
from labelfree.planning.survey import survey
from labelfree.recipe import Data, Recipe
from labelfree.recipe_file import change
from labelfree.transfer.tasks.base import Task
from labelfree.transfer.tasks.classification import Classification
from tests.data.fake_domain import PillowDomain, texture, write

ROOT = Path("/images")


def row(identity: str, **known: object) -> Row:
    return replace(Row(identity, ROOT / identity), **known)  # type: ignore[arg-type]


def folder_of(root: Path, *files: str) -> Path:
    import numpy as np

    for number, file in enumerate(files):
        write(root / file, texture(np.random.default_rng(number), 16))
    return root


def loaded(root: Path, **said: object) -> Manifest:
    return load_manifest(Data(root=root, **said), PillowDomain())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        "Good", "OK", "normal", "Free", "defect_free", "Defect-free", "NO_DEFECT", "i.O.", "fehlerfrei", " good ", "Gutteile", "OK_Teile",
        "good_parts", "ok_front", "0_good", "golden", "gut % ok", "Conforme", "goodparts",
    ],
)  # fmt: skip
def test_names_of_good_classes(name: str) -> None:
    assert sounds_normal(name)


@pytest.mark.parametrize(
    "name",
    [
        "scratch",
        "not good",
        "goods",
        "abnormal",
        "n.i.O.",
        "Crack",
        "",
        "freeway",
        "parts",
        "0",
        "def_front",
        "good_bad",
        "Teile",
        "freeparty",
    ],
)
def test_other_names_are_not(name: str) -> None:
    assert not sounds_normal(name)


def test_a_good_class_says_of_all_labelled_rows_which_are_normal() -> None:
    told = told_normal([row("a.png", label="Free"), row("b.png", label="Crack"), row("c.png")], ROOT, "auto")
    assert [is_normal(each) for each in told.rows] == [True, False, None]
    assert "'Free'" in told.notes[0] and "data.normal=false" in told.notes[0]  # never silently
    assert normal_counts(told.rows) == "1 good, 1 not good, 1 unlabelled"


def test_two_classes_that_may_both_be_good_leave_it_open_and_say_so() -> None:
    rows = [row("a.png", label="good"), row("b.png", label="ok"), row("c.png", label="bad")]
    told = told_normal(rows, ROOT, "auto")
    assert told.rows == rows and "'good' and 'ok'" in told.notes[0] and "data.normal=NAME" in told.notes[0]
    assert [is_normal(each) for each in told_normal(rows, ROOT, "ok").rows] == [False, True, False]


def test_false_says_nothing() -> None:
    rows = [row("good/a.png"), row("b.png", label="good")]
    assert told_normal(rows, ROOT, False).rows == rows


def test_a_folder_called_good_beside_unlabelled_images(tmp_path: Path) -> None:
    root = folder_of(tmp_path, *(f"good/{n}.png" for n in range(6)), *(f"{n}.png" for n in range(9)))
    made = loaded(root)
    assert [each.normal for each in made.rows].count(True) == 6 and made.classes == ()
    assert [each.split for each in made.rows].count("pretrain") == 3  # half of them count as labelled, the rest stays in the pool
    assert any("good/" in note and "data.normal=false" in note for note in made.notes)
    assert not any(each.normal for each in loaded(root, normal=False).rows)
    assert not any(each.normal for each in loaded(root, class_folders=False).rows)
    named = loaded(root, normal=str(root / "good"))
    assert (
        [each.normal for each in named.rows]
        == [each.normal for each in made.rows]
        == [each.normal for each in loaded(root, normal="good").rows]
    )
    assert made.digest != loaded(root, normal=False).digest == replace(made, rows=loaded(root, normal=False).rows).digest


def test_good_folders_of_two_lots_are_one(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "lot_1/good/1.png", "lot_1/2.png", "lot_2/good/1.png", "lot_2/2.png", "3.png")
    assert [each.id for each in loaded(root).rows if each.normal] == ["lot_1/good/1.png", "lot_2/good/1.png"]
    assert [each.id for each in loaded(root, normal="good").rows if each.normal] == ["lot_1/good/1.png", "lot_2/good/1.png"]
    folder_of(root, "lot_2/ok/1.png")
    assert not any(each.normal for each in loaded(root).rows) and any("lot_2/ok/" in note for note in loaded(root).notes)


def test_class_folders_stay_classes(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "good/1.png", "good/2.png", "dent/1.png", "dent/2.png")
    made = loaded(root)
    assert made.classes == ("dent", "good") and [is_normal(each) for each in made.rows] == [False, False, True, True]
    assert not any(each.split for each in made.rows)
    assert loaded(root, normal="good").rows == made.rows  # as folder and as class it means the same


def test_a_class_and_a_folder_of_one_name_mean_both(tmp_path: Path) -> None:
    """As a table of classes beside a folder of good images without labels has it: the class counts, and what has no class lies there."""
    root = folder_of(tmp_path, "a/1.png", "a/2.png", *(f"good/{n}.png" for n in range(6)), "3.png")
    (root / "labels.csv").write_text("path,label\na/1.png,dent\na/2.png,good\ngood/0.png,good\n")
    made = loaded(root, labels=root / "labels.csv", normal="good")
    assert {each.id: each.normal for each in made.rows} == {
        "a/1.png": False, "a/2.png": True, "3.png": None, **{f"good/{n}.png": True for n in range(6)},
    }  # fmt: skip
    assert [each.label for each in made.rows if each.split == "pretrain"] == [None] * 3  # a hashed part of those without a label


def test_a_folder_elsewhere_adds_its_images(tmp_path: Path) -> None:
    root, good = folder_of(tmp_path / "line", "1.png", "2.png"), folder_of(tmp_path / "looked_at", "1.png", "2.png")
    made = loaded(root, normal=str(good))
    assert [(each.id, each.normal) for each in made.rows] == [
        ("1.png", None),
        ("2.png", None),
        ("looked_at/1.png", True),
        ("looked_at/2.png", True),
    ]
    assert PillowDomain().read(made.rows[-1]).data.shape == (3, 16, 16)


def test_a_folder_elsewhere_is_grouped_before_it_is_parted(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "line", "1.png", "2.png")
    good = folder_of(tmp_path / "good", *(f"lot {lot}/{n}.png" for lot in range(4) for n in range(3)))
    made = loaded(root, normal=str(good), group_folders=True)
    assert {each.group for each in made.rows} == {None, *(f"good/lot {lot}" for lot in range(4))}
    counted, rest = ({each.group for each in made.rows if each.normal and each.split == split} for split in ("", "pretrain"))
    assert counted and rest and counted.isdisjoint(rest)


@pytest.mark.parametrize("said", ["god", "nowhere/good"])
def test_what_is_neither_folder_nor_class_is_one_sentence(tmp_path: Path, said: str) -> None:
    with pytest.raises(DataError, match=rf"data\.normal={said}: is no folder, .* no class of the labels \(no image has a class\)\.$"):
        loaded(folder_of(tmp_path, "1.png", "2.png"), normal=said)


def test_an_empty_folder_a_torn_name_and_a_contradiction_are_refused(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "1.png", "2.png", "fine/3.png", "fine/4.png", "5.png")
    (root / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no image of this set"):
        loaded(root, normal="empty")
    (root / "labels.csv").write_text("path,label\n1.png,fine\n2.png,bent\nfine/3.png,bent\n")
    with pytest.raises(DataError, match=r"data\.normal=fine: is a class of the labels and a folder, in which .*3.png is of class 'bent'"):
        loaded(root, labels=root / "labels.csv", normal="fine")
    with pytest.raises(DataError, match=r"fine/3.png: is normal by data\.normal=.*, and its label is 'bent'"):
        loaded(root, labels=root / "labels.csv", normal=str(root / "fine"))
    drawn = row("good/1.png", boxes="a", listed=ListedImage("1", "line 1", drawn=[Drawn("dent", (0, 0, 4, 4), "line 2")]))
    with pytest.raises(DataError, match=r"good/1.png: is normal by .*, and 'dent' is drawn on it"):
        told_normal([replace(drawn, label="good")], ROOT, "good")


@given(groups=st.lists(st.integers(0, 12), min_size=1, max_size=60), data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_part_that_counts_is_at_most_half_whole_groups_and_of_no_order(groups: list[int], data: st.DataObject) -> None:
    rows = [row(f"good/{number}.png", group=f"lot {group}") for number, group in enumerate(groups)]
    told = told_normal(rows, ROOT, "good").rows
    counted = {each.id: each.group for each in told if each.split == ""}
    assert len(counted) <= len(rows) / 2
    rest = {each.group for each in told if each.split == "pretrain"}
    assert len(set(counted.values())) == 1 or rest.isdisjoint(counted.values())  # one group may have to be torn: its rest leaves the pool
    shuffled = told_normal(data.draw(st.permutations(rows)), ROOT, "good").rows
    assert {each.id for each in shuffled if each.split == ""} == counted.keys()


def test_of_thousands_three_hundred_count() -> None:
    told = told_normal([row(f"good/{number}.png") for number in range(2000)], ROOT, "good")
    assert sum(each.split == "" for each in told.rows) == MOST == 300
    assert "300 of 2,000" in told.notes[0]


class Normals(Task):
    """Rows of which it is known whether they are normal."""

    name = "normals"

    def labelled(self, row: Row) -> bool:
        return is_normal(row) is not None

    def stratum(self, row: Row) -> str:
        return str(is_normal(row))


def test_the_rest_of_the_folder_is_pretrained_on_and_never_scored(tmp_path: Path) -> None:
    root = folder_of(tmp_path, *(f"good/{n}.png" for n in range(8)), "1.png", "2.png", "3.png")
    made = loaded(root)
    roles = assign_roles(made, Normals(), Data(root=root), "test", 0)
    assert len(roles.train) == 4 and roles.score is None
    assert {each.id for each in roles.pool} == {each.id for each in made.rows} - {each.id for each in roles.train}
    for_another = assign_roles(made, Classification(), Data(root=root), "test", 0, every_label_out=True)  # `labelfree pretrain`
    assert {each.id for each in for_another.pool} == {each.id for each in roles.pool} and "4 images with data.normal" in for_another.notes[
        1
    ]


def test_only_normal_rows_teach_no_classes() -> None:
    good, bad, unknown = row("a.png", label="good"), row("b.png", label="dent"), row("c.png")
    told = told_normal([good, unknown, replace(bad, split="test")], ROOT, "auto").rows
    assert only_normal(told)
    assert not only_normal(told_normal([good, bad, unknown], ROOT, "auto").rows)
    assert not only_normal([unknown]) and not only_normal([replace(good, normal=True), row("d.png", mask="d_mask.png")])


def test_a_set_of_ones_own_names_its_class() -> None:
    import torch

    made = manifest_from_dataset([(torch.zeros(1, 8, 8), 0), (torch.zeros(1, 8, 8), 1), (torch.zeros(1, 8, 8), None)], ["gray"])
    told = with_normal(made, Data(normal="1"))
    assert [each.normal for each in told.rows] == [False, True, None]
    with pytest.raises(DataError, match=r"no class of the labels \(there are 0, 1\)"):
        with_normal(made, Data(normal="good"))


def test_the_recipe_keeps_names_and_makes_paths_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good").mkdir()
    recipe = Recipe(domain="pillow", data=Data(root=tmp_path))
    assert change(recipe, ["data.normal=good"]).data.normal == "good"
    assert change(recipe, ["data.normal=./good"]).data.normal == str(tmp_path / "good")
    assert change(recipe, ["data.normal=false"]).data.normal is False
    assert change(recipe, ["data.normal=0"]).data.normal == "0"
    with pytest.raises(RecipeError, match=r"data\.normal"):
        change(recipe, {"data.normal": True})


def test_data_check_counts(tmp_path: Path) -> None:
    folder_of(tmp_path, *(f"good/{n}.png" for n in range(4)), *(f"{n}.png" for n in range(5)))
    found = survey(tmp_path, {}, "satellite", lambda line: None)
    assert "  normal: 4 good, 5 unlabelled" in list(found.lines())


def test_rows_of_masks_without_one_are_told_with_the_column_that_says_why(tmp_path: Path) -> None:
    folder_of(tmp_path, *(f"{number}.png" for number in range(6)), *(f"m{number}.png" for number in range(2)))
    lines = [
        f"{number}.png,{1 - number // 2 if number < 2 else 0},{f'm{number}.png' if number < 2 else ''},L{number % 2}" for number in range(6)
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["path,is_defect,mask,line", *lines]))
    said = "labels.csv: 4 rows without a mask count as unlabelled; say data.label_field=is_defect data.normal=0 if that means"
    assert any(note.startswith(said) for note in loaded(tmp_path, labels=tmp_path / "labels.csv").notes)
    told = loaded(tmp_path, labels=tmp_path / "labels.csv", label_field="is_defect", normal="0")
    assert sorted(map(is_normal, told.rows)) == [False] * 2 + [True] * 4  # type: ignore[type-var]
