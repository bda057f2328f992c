"""Questions about images: metrics as a plain recount has them, and a head that looks where the question says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from labelfree_inspection.generated_notes import questions as of_parts
from labelfree_medical.generated_reports import questions as of_phantoms
from labelfree_satellite.generated_captions import questions as of_patches

from labelfree.data.questions import normal
from labelfree.samples import Row
from labelfree.transfer.tasks.registry import find_task
from labelfree.transfer.tasks.vqa import Said, kind_of
from labelfree.transfer.tasks.weights import Weights
from labelfree.transfer.tokens.head import Bag, answered, terms
from labelfree.transfer.tokens.places import Places

ANSWERS = ("yes", "no", "two", "7", "a river")


def made(count: int, seed: int = 0) -> tuple[list[Row], Said]:
    draw = np.random.default_rng(seed)
    rows, said = [], []
    for number in range(count):
        pairs = tuple((f"q{at}?", str(draw.choice(ANSWERS)).upper()) for at in range(draw.integers(1, 4)))
        rows.append(Row(f"{number}", Path(f"{number}.png"), questions=pairs))
        said.append([str(draw.choice(ANSWERS)) for _ in pairs])
    return rows, Said(said, frozenset(ANSWERS[:-1]))


def test_metrics_are_shares_of_questions_however_images_are_drawn() -> None:
    task = find_task("vqa")
    rows, said = made(40)
    answers = task.answers(said, task.targets(rows))
    assert answers.schema == task.answer_schema, "numbers alone: no question, no answer"
    groups = np.arange(40) // 4
    weights = Weights.resampled(groups, 10, seed=1, times=20)
    for line in range(20):
        right, asked, lost = (dict.fromkeys(("yes_no", "number", "other"), 0) for _ in range(3))
        for row, told, group in zip(rows, said.answers, groups, strict=True):
            for (_, answer), one in zip(row.questions, told, strict=True):
                kind, times = kind_of(answer.lower()), int(weights.counts[line, group])
                asked[kind] += times
                right[kind] += times * (one == answer.lower())
                lost[kind] += times * (answer.lower() not in said.known)
        found = {name: metric(answers, weights)[line] for name, metric in task.metrics.items()}
        assert found["accuracy"] == pytest.approx(sum(right.values()) / sum(asked.values()))
        assert found["unseen"] == pytest.approx(sum(lost.values()) / sum(asked.values()))
        for kind in right:
            assert found[f"accuracy_{kind}"] == pytest.approx(right[kind] / asked[kind])


def test_kinds_and_equal_answers() -> None:
    assert [kind_of(normal(answer)) for answer in ("Yes", "no ", "3", "Two", "2.5", "a  River")] == ["yes_no"] * 2 + ["number"] * 3 + [
        "other"
    ]
    assert normal(" A  River ") == "a river"
    assert terms("How many halls?") == ["how", "many", "halls", "how many", "many halls"]
    bag = Bag(["How many halls?"])
    assert (bag(["how many"])[0] > 0).sum() == 3 and (bag(["quite another"]) == 0).all()


def shown(count: int, seed: int) -> tuple[np.ndarray, list[tuple[tuple[str, str], ...]]]:
    """Tokens of four places: one number says whether the first is bright, another whether the last is."""
    draw = np.random.default_rng(seed)
    tokens = draw.normal(0, 0.3, (count, 4, 8)).astype(np.float32)
    first, last = draw.integers(0, 2, (2, count))
    tokens[:, 0, 0] += 3 * first
    tokens[:, 3, 1] += 3 * last
    words = ("no", "yes")
    return tokens, [(("Is the first bright?", words[a]), ("Is the last bright?", words[b])) for a, b in zip(first, last, strict=True)]


def test_a_head_looks_where_the_question_says() -> None:
    learn, taught = shown(60, 0)
    judge, asked = shown(60, 1)

    def score(said: Said) -> float:
        return float(
            np.mean(
                [one == answer for told, each in zip(said.answers, asked, strict=True) for one, (_, answer) in zip(told, each, strict=True)]
            )
        )

    state = torch.get_rng_state()
    sees = answered(learn, taught, judge, asked, 0)
    assert score(sees) > 0.9
    assert score(answered(None, taught, None, asked, 0)) < 0.65, "the question alone can only guess"
    assert sees.answers == answered(learn, taught, judge, asked, 0).answers, "of its seed alone"
    assert torch.equal(torch.get_rng_state(), state)


def test_places_are_means_of_the_coarsest_map() -> None:
    level = torch.rand(3, 5, 8, 8)

    class Encoder:
        arm, backbone, seed, sizes, digest = "a", "b", 0, (32,), "d"

        def maps(self, stored: torch.Tensor, measured: object, size: int) -> list[torch.Tensor]:
            return [torch.zeros(len(stored), 2, 16, 16), level[: len(stored)]]

    class Pool:
        uniform = True

        def __getitem__(self, entry: int) -> torch.Tensor:
            return torch.zeros(1, 16, 16)

        def batch(self, entries: list[int]) -> torch.Tensor:
            return torch.zeros(len(entries), 1, 16, 16)

        def measured(self, entries: list[int]) -> None:
            return None

    places = Places(Encoder())  # type: ignore[arg-type]
    found = places.features(Pool(), [0, 1, 2], 32)  # type: ignore[arg-type]
    assert places.count(Pool()) == 16  # type: ignore[arg-type]
    expected = F.avg_pool2d(level, 2).flatten(2).transpose(1, 2)
    assert np.allclose(found.reshape(3, 16, 5), expected.numpy(), atol=1e-6)


def test_generated_samples_get_questions() -> None:
    draw = np.random.default_rng
    covers, mask = ["water", "forest", "town"], np.array([[1, 1, 1], [1, 2, 2], [1, 1, 1]])
    patch = of_patches(covers, mask, 2, 0.9, draw(0))
    assert patch == of_patches(covers, mask, 2, 0.9, draw(0))
    assert patch[0][1] == "water" and patch[1][1] == "two" and patch[3][1] == "green" and (patch[2][1] == "no") == ("town" in patch[2][0])
    lesion = np.zeros((4, 8), bool)
    lesion[1, 6] = True
    assert of_phantoms("nodule", ("normal", "nodule"), lesion, draw(0))[-1] == ("On which side is the finding?", "left")
    part = dict(of_parts("pit", 2, ("pit", "scratch"), draw(0)))
    assert part["Is the part good?"] == "no" and part["How many defects are there?"] == "2"
