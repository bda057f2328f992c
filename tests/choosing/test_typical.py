from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from labelfree.choosing import Candidates, typical
from labelfree.choosing.typical import Typical
from tests.choosing.folders import folder


def by_hand(candidates: Candidates, part: np.ndarray, budget: int) -> list[int]:
    """TypiClust over given parts, image by image: the reference, slow and plain."""
    unit = candidates.features / np.linalg.norm(candidates.features, axis=1, keepdims=True)
    known = candidates.labelled.tolist()
    chosen: list[int] = []
    for _ in range(budget):
        order = []
        for number in np.unique(part[part >= 0]).tolist():
            members = np.flatnonzero(part == number).tolist()
            if any(candidates.open[row] and row not in known for row in members):
                order.append((len(members) < 5, sum(row in known for row in members), -len(members), number))
        if not order:
            break
        members = np.flatnonzero(part == min(order)[-1])
        density = {}
        for row in members.tolist():
            others = [other for other in members.tolist() if other != row]
            nearest = np.sort(cdist(unit[[row]], unit[others])[0])[:20] if others else np.ones(1)
            density[row] = 1 / nearest.mean()
        free = [row for row in members.tolist() if candidates.open[row] and row not in known]
        best = max(free, key=lambda row: density[row])
        chosen.append(best)
        known.append(best)
    return chosen


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("labelled", [(), (0, 1, 2, 3, 4, 5)])
def test_it_is_typiclust_written_out_for_the_same_parts(monkeypatch: pytest.MonkeyPatch, seed: int, labelled: tuple[int, ...]) -> None:
    candidates = folder(160, labelled, seed=seed, closed=range(150, 160))
    part = np.full(160, -1)
    part[:150] = np.random.default_rng(seed).choice(9, 150, p=[0.3, 0.2, 0.12, 0.12, 0.1, 0.1, 0.04, 0.01, 0.01])
    monkeypatch.setattr(typical, "clusters", lambda features, rows, parts, seed: part[rows])
    choices = Typical().choose(candidates, 14, 0)
    assert [choice.position for choice in choices] == by_hand(candidates, part, 14)


def test_there_are_as_many_parts_as_labels_up_to_the_papers_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(typical, "clusters", lambda features, rows, parts, seed: asked.append(parts) or np.zeros(len(rows), int))
    for budget in (5, 200, 10_000):
        Typical().choose(folder(600, range(20)), budget, 0)
    Typical().choose(folder(30, range(20), closed=range(25, 30)), 100, 0)
    assert asked == [25, 220, 500, 25]


def test_each_of_separate_heaps_gives_its_image_and_the_labelled_one_waits() -> None:
    generator = np.random.default_rng(0)
    sizes = (40, 30, 20, 10)
    middles = np.eye(4, 8)
    features = np.concatenate([middles[heap] + 0.05 * generator.normal(size=(size, 8)) for heap, size in enumerate(sizes)])
    heap = np.repeat(np.arange(4), sizes)
    candidates = Candidates(features.astype(np.float32), np.arange(100), np.ones(100, bool), np.array([0]), np.array([0]))
    choices = Typical().choose(candidates, 3, 0)
    assert [int(heap[choice.position]) for choice in choices] == [1, 2, 3]
    assert [choice.reason for choice in choices] == [
        f"the most typical of {size} alike images; none of them is labelled" for size in sizes[1:]
    ]


def test_copies_are_more_typical_than_any_other() -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 5))
    vectors[20:45] = vectors[20]
    assert np.isinf(typical.typicality(vectors)[20:45]).all()
    assert np.isfinite(typical.typicality(vectors)[:20]).all()


def test_a_large_part_is_judged_by_some_of_it_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typical, "JUDGED", 30)
    candidates = folder(200, closed=range(5))
    choices = Typical().choose(candidates, 2, 0)
    assert {choice.reason.split(";")[0].split(" of ")[1][:14] for choice in choices} == {"30 drawn from "}
    everything = Typical().choose(candidates, 195, 0)  # parts are judged anew once all that was drawn is given
    assert {choice.position for choice in everything} == set(range(5, 200))


def test_an_image_alone_and_one_of_a_group_that_has_given_say_what_they_are() -> None:
    alone = Typical().choose(folder(1), 3, 0)
    assert [choice.reason for choice in alone] == ["an image unlike all others"]
    crowd = Typical().choose(folder(50, [0], too_like=lambda candidate, others: 0 if candidate % 2 else None), 40, 0)
    assert any(choice.reason.startswith("a typical one of ") for choice in crowd)
    assert any("labelled or chosen before" in choice.reason for choice in crowd)
