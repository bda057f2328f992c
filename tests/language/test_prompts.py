"""Prompt ensembles: files that a person edits, names as words, and class vectors as open_clip makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from labelfree.errors import RecipeError
from labelfree.installed_domains import domain_class, domain_names
from labelfree.language import TextSide, load_towers
from labelfree.language.prompts import TEMPLATES, Prompts, read_templates, templates_of, words_of_class
from tests.language.test_towers import tower, weights

LINE = st.text(st.characters(blacklist_characters="{}#\n\r", blacklist_categories=("Cc", "Zl", "Zp", "Cs")), max_size=20)


@given(st.lists(st.tuples(LINE, LINE), min_size=1))
def test_templates_come_back_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, str]]) -> None:
    file = tmp_path_factory.mktemp("prompts") / "prompts.txt"
    wanted = [f"{before}{{}}{after}".strip() for before, after in parts]
    file.write_text("# a note\n\n" + "\n".join(wanted) + "\n", encoding="utf-8")
    assert list(read_templates(file)) == list(dict.fromkeys(wanted))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a photo of a {}\na photo", r"prompts.txt:2: a template has \{\} once.*'a photo'"),
        ("{} and {}", r"prompts.txt:1: a template has \{\} once"),
        ("# note\n{name}", r"prompts.txt:2: a template has \{\} once"),
        ("# nothing\n\n", "evaluate.prompts: .* holds no template; write one a line"),
    ],
)
def test_what_is_no_template_is_named_by_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=said):
        read_templates(file)


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    for name, said in (("picture.png", "it is no text in UTF-8"), ("nowhere.txt", "No such file")):
        with pytest.raises(RecipeError, match=f"evaluate.prompts: .*{name} cannot be read \\({said}"):
            read_templates(tmp_path / name)
    with pytest.raises(RecipeError, match="prompts: there is no template"):
        templates_of([])


@pytest.mark.parametrize("name", domain_names())
def test_domains_bring_templates(name: str) -> None:
    assert len(read_templates(domain_class(name).prompts)) > 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AnnualCrop", "annual crop"), ("annual_crop", "annual crop"), ("annual-crop", "annual crop"), ("CTScan", "CT scan"),
        ("MRI", "MRI"), ("large heart", "large heart"), ("no_defect", "no defect"), ("7", "7"), ("__", "__"),
    ],
)  # fmt: skip
def test_names_are_made_into_words(name: str, words: str) -> None:
    assert words_of_class(name) == words


def test_class_vectors_are_those_of_open_clip() -> None:
    zero_shot = pytest.importorskip("open_clip.zero_shot_classifier")
    side = TextSide(8, tower(), 12).eval()

    class Model:
        def encode_text(self, numbers: torch.Tensor, normalize: bool = False) -> torch.Tensor:
            said = side.texts(numbers)
            return F.normalize(said, dim=-1) if normalize else said

    classes, templates = ["bare land", "port", "river"], ["a photo of {}.", "{} from above", "many of {}"]
    wanted = zero_shot.build_zero_shot_classifier(
        Model(), lambda texts: side.tower.tokenizer(texts).numbers, classes, [lambda name, t=t: t.format(name) for t in templates]
    )
    asked = Prompts.of(["BareLand", "Port", "River"], templates)
    found = asked.vectors(["BareLand", "Port", "River"], lambda said: side.embed(said).numpy())
    np.testing.assert_allclose(found, wanted.T.detach().numpy(), atol=1e-5)


def test_every_way_to_say_a_class_counts_alike_and_the_digest_tells_them_apart() -> None:
    asked = Prompts.of(["Port", "Park"], ["{}!", "a {}"], {"Port": ["port", "harbour"]})
    assert asked.sentences("Port") == ["port!", "a port", "harbour!", "a harbour"] and asked.sentences("Park") == ["park!", "a park"]
    rows = {"port!": [1, 0, 0], "a port": [0, 1, 0], "harbour!": [1, 0, 0], "a harbour": [0, 0, 1]}
    found = asked.vectors(["Port"], lambda said: np.array([rows[each] for each in said], np.float32))
    np.testing.assert_allclose(found, np.array([[2, 1, 1]]) / 6**0.5, rtol=1e-6)
    others = [Prompts.of(["Port", "Park"], ["{}!", "a {}"]), Prompts.of(["Port", "Park"], ["{}!"], {"Port": ["port", "harbour"]})]
    assert len({each.digest for each in (asked, *others)}) == 3


def test_towers_classify_images_by_words(tmp_path: Path) -> None:
    load = load_towers(weights(tmp_path, TextSide(512, tower(), 24).calibrated(20.0)))
    images = torch.rand(3, 2, 32, 32, generator=torch.Generator().manual_seed(1))
    found = load.classify(images, {"River": "a river", "Forest": ["forest", "trees"]}, prompts=["a view of {}"])
    texts = load.embed_texts(["a view of a river", "a view of forest", "a view of trees"])
    classes = F.normalize(torch.stack([texts[0], texts[1:].mean(0)]), dim=-1)
    wanted = (20 * load.embed(images) @ classes.T).softmax(1)
    assert found.column_names == ["image", "called", "River", "Forest"] and found["image"].to_pylist() == ["0", "1", "2"]
    np.testing.assert_allclose(np.stack([found["River"].to_numpy(), found["Forest"].to_numpy()], 1), wanted.numpy(), atol=1e-6)
    assert found["called"].to_pylist() == [["River", "Forest"][at] for at in wanted.argmax(1)]
    plain = load.classify(images[:1], ["River", "Forest"])  # the templates of the core, for these weights name no domain
    assert plain.num_rows == 1 and len(TEMPLATES) > 1
    for classes_asked, said in (
        (["River"], "name two or more"),
        ("River", "name two or more"),
        (["image", "b"], "is a column of the table"),
    ):
        with pytest.raises(RecipeError, match=said):
            load.classify(images, classes_asked)
    with pytest.raises(RecipeError, match=r"prompts: a template has \{\} once"):
        load.classify(images, ["River", "Forest"], prompts=["no place"])
