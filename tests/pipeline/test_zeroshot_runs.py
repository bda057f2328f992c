"""Runs that ask in words: what captions named is counted, held-out classes are taken out, and no caption leaves a run."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import labelfree
from labelfree.domain import Row
from labelfree.errors import RecipeError
from labelfree.language.arm_towers import towers_beside
from labelfree.language.prompts import TEMPLATES, Prompts
from labelfree.pipeline.held_out import Wording, check_names, prompts, wording
from labelfree.pipeline.stages import Run
from labelfree.progress import Silent
from labelfree.recipe import Recipe
from labelfree.training.files import read_json
from labelfree.transfer.tasks import find_task
from tests.small_runs import SMALL, folder_of, run_on, table

TASK = find_task("classification")
SECRET = "xylophonist"
CLASSES = ("RedLines", "green_lines", "blue lines", "odd")
CLIP = [
    *SMALL[:4], "pretrain.objective=clip", "pretrain.options={text: tiny, out: 16}", *SMALL[5:],
    "evaluate.protocols=[linear, zeroshot]", "evaluate.labels_per_class=[1, 2]", "evaluate.arms=[random, domain]", "data.holdout=0.5",
]  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stripes that are called one of four classes; captions name three of these."""
    folder = folder_of(tmp_path_factory.mktemp("stripes") / "images", labelled=32)
    names = [row["path"] for row in table(folder / "labels.csv")]
    labels = [(name, CLASSES[at // 2 % 4]) for at, name in enumerate(names)]
    with (folder / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "label"), *labels])
    words = ("red lines", "Green line", "some blue lines", "nothing")
    said = {path.name: [f"{SECRET} {words[at % 4]}"] for at, path in enumerate(sorted(folder.glob("u*.png")))}
    (folder / "captions.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The two classes that are held out are named by 7 and 8 of the 30 captions."""
    held = "evaluate.held_out_classes=[green_lines, blue lines]"
    return run_on(pictures, tmp_path_factory.mktemp("runs") / "run", f"data.captions={pictures / 'captions.json'}", held, small=CLIP)


def test_prompted_held_out_and_unnamed_classes_are_told_apart(finished: Run) -> None:
    told = read_json(finished.folder / "prompted.json")
    naming = told["arms"]["domain"]
    assert naming["kinds"] == {"RedLines": "prompted", "green_lines": "zero-shot", "blue lines": "zero-shot", "odd": "unnamed"}
    assert naming["named"] == {"RedLines": [8, 8], "green_lines": [0, 0], "blue lines": [0, 0], "odd": [0, 0]}
    assert (naming["captions"], naming["images"]) == (15, 15), "30 captions but the 15 that name a class held out"
    assert [(row["kind"], row["among"], row["chance"]) for row in told["rows"]] == [("zero-shot", "them", 0.5), ("zero-shot", "all", 0.25)]
    notes = read_json(finished.folder / "notes.json")
    (held_out,) = [note for note in notes if note.startswith("Held out: blue lines, green_lines: ")]
    assert held_out.endswith(" images that show them, and 15 more of which a caption names one, were not pretrained on.")
    rows = [row for row in table(finished.folder / "results.csv") if row["protocol"] == "zeroshot"]
    assert {(row["arm"], row["budget"], row["n_labels"]) for row in rows} == {("domain", "0", "0")}


def test_the_report_shows_it_and_no_caption_leaves(finished: Run, tmp_path: Path) -> None:
    labelfree.report(finished.folder, share=tmp_path / "copy")
    assert "Asked in words, without labels" in (tmp_path / "copy" / "report.html").read_text(encoding="utf-8")
    page = (finished.folder / "report.html").read_text(encoding="utf-8")
    assert "Asked in words, without labels" in page and "domain, prompted" in page and "called among all classes" in page
    assert "the linear probe on the same features" in page
    files = [path for path in finished.folder.rglob("*") if path.is_file() and "private" not in path.relative_to(finished.folder).parts]
    assert len(files) > 5 and not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_a_kept_head_calls_images_by_the_class_vectors(finished: Run, pictures: Path) -> None:
    head = labelfree.load_head(finished.folder / "heads" / "zeroshot.safetensors")
    image = pictures / "u00.png"
    towers = towers_beside(finished.folder / "backbone.safetensors")
    assert towers is not None and head.card.labels == {}
    found = head.predict(image).scores
    domain = labelfree.load(finished.weights).card.domain
    asked = prompts(Recipe(domain=domain), labelfree.installed_domains.find_domain(domain), Prompts.of(sorted(CLASSES)).words)
    features = head.encoder.embed(head.read(image).physical()[None], head.size).numpy()
    logits = towers.scale * towers.images(features) @ asked.vectors(sorted(CLASSES), towers.texts).T
    assert found == pytest.approx(dict(zip(sorted(CLASSES), _softmax(logits[0]), strict=True)), abs=1e-4)


def _softmax(logits):  # type: ignore[no-untyped-def]
    import scipy

    return scipy.special.softmax(logits)


@pytest.mark.slow  # a second comparison, whose parts quick tests show
def test_another_run_takes_weights_over_with_what_is_known_of_them(finished: Run, pictures: Path, tmp_path: Path) -> None:
    asked = [f"data.root={pictures}", f"data.labels={pictures / 'labels.csv'}", *CLIP]
    again = labelfree.evaluate("satellite_simclr", asked, tmp_path / "again", say=Silent(), weights=finished.folder)
    first, second = (read_json(run.folder / "prompted.json") for run in (finished, again))
    assert second["arms"] == first["arms"] and second["rows"] == first["rows"]
    file = [*asked, f"evaluate.arms=[random, {{name: domain, weights: {finished.weights}}}]", "evaluate.class_words={odd: [odd, red]}"]
    other = labelfree.evaluate("satellite_simclr", file, tmp_path / "other", say=Silent())
    naming = read_json(other.folder / "prompted.json")["arms"]["domain"]
    assert set(naming["kinds"].values()) == {"unknown"} and "were not counted" in naming["why"], "words changed, captions are not there"


def rows(*said: tuple[str, str | None, tuple[str, ...]]) -> list[Row]:
    return [Row(name, Path(name), label=label, captions=captions) for name, label, captions in said]


def test_images_of_a_class_and_captions_that_name_it_are_left_out() -> None:
    pool = rows(
        ("a", "Port", ()), ("b", None, ("two ports",)), ("c", "Park", ("a park",)), ("d", "Park", ("a port", "trees")), ("e", None, ())
    )
    pool += rows(("f", None, ("trees",)), ("g#0,0,8x8", None, ()))  # of split `pretrain`: their labels are blank
    kept, said = Wording({"Port": ("port",), "Park": ("park",)}, ("Port",)).kept(pool, TASK, {"f": "Port", "g": "Port", "e": "Park"})
    assert [row.id for row in kept] == ["c", "e"]
    assert said == ["Held out: Port: 3 images that show them, and 2 more of which a caption names one, were not pretrained on."]
    assert Wording({"Port": ("port",)}).kept(pool, TASK) == (pool, [])


@pytest.mark.parametrize(
    ("evaluate", "said"),
    [
        ({"held_out_classes": ["Ports"]}, r"evaluate.held_out_classes: 'Ports' is not a class of these labels; did you mean Port\?"),
        ({"held_out_classes": ["x9"]}, r"'x9' is not a class of these labels; the labels name Lake, Park, Port\."),
        ({"held_out_classes": 2}, "of 3 classes 2 are held out; leave at least 2"),
        ({"class_words": {"park": ["a"]}}, r"evaluate.class_words: 'park' is not a class of these labels; did you mean Park\?"),
        ({"class_words": {"Park": ["a", " "]}}, r"evaluate.class_words.Park: holds an empty word"),
    ],
)
def test_classes_that_are_none_are_said(evaluate: dict[str, object], said: str) -> None:
    labelled = rows(*((name, name, ()) for name in ("Port", "Park", "Lake")))
    with pytest.raises(RecipeError, match=said):
        wording(Recipe.model_validate({"domain": "satellite", "evaluate": evaluate}), None, TASK, labelled, labelled)


def test_names_of_classes_are_checked_before_an_image_is_read() -> None:
    labelled = rows(("1", "1", ()), ("2", "2", ()))
    for key, asked in (("held_out_classes", [1, 3]), ("class_words", {1: "one", 3: "three"})):
        recipe = Recipe.model_validate({"domain": "satellite", "evaluate": {key: asked}})
        with pytest.raises(RecipeError, match=rf"evaluate.{key}: '3' is not a class of these labels; the labels name 1, 2\."):
            check_names(recipe, TASK, labelled)


def test_a_number_of_classes_is_drawn_by_the_seed_and_others_do_not_move_it() -> None:
    names = [f"class {at}" for at in range(8)]

    def drawn(seed: int, names: list[str], asked: int) -> set[str]:
        recipe = Recipe.model_validate({"domain": "satellite", "seed": seed, "evaluate": {"held_out_classes": asked}})
        labelled = rows(*((name, name, ()) for name in names))
        return set(wording(recipe, None, TASK, labelled, labelled).held_out)

    assert drawn(0, names, 2) < drawn(0, names, 3) and len({frozenset(drawn(seed, names, 3)) for seed in range(5)}) > 1
    (left,) = set(names[:1]) or ()
    if left not in drawn(0, names, 3):
        assert drawn(0, names[1:], 3) == drawn(0, names, 3)


def test_templates_are_the_recipes_else_the_domains_else_the_cores(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine: {}\n")
    recipe = Recipe.model_validate({"domain": "satellite", "evaluate": {"prompts": str(tmp_path / "mine.txt")}})
    satellite = labelfree.installed_domains.find_domain("satellite")
    assert prompts(recipe, satellite, {}).templates == ("mine: {}",)
    assert "a satellite image of {}" in prompts(Recipe(domain="satellite"), satellite, {}).templates
    assert prompts(Recipe(domain="satellite"), object(), {}).templates == TEMPLATES  # type: ignore[arg-type]
