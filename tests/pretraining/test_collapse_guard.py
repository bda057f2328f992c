"""The guard against collapse: one sign on three checks in a row, whatever the numbers came from."""

from __future__ import annotations

import pytest
import torch

from labelfree.objectives import Objective
from labelfree.objectives.base import Alarm
from labelfree.pretraining.health import CollapseGuard, monitors
from tests.pretraining.small import rows


class Loud(Objective):
    cause, fix = "the rate", "lower it"
    alarms = (Alarm("entropy", "too warm", "cool it", most=0.9), Alarm("entropy", "too cold", "warm it", least=0.1))


GOOD = {"entropy": 0.5, "std": 0.8, "rankme": 20.0}


def told(*checks: dict[str, float]) -> list[str | None]:
    guard = CollapseGuard(Loud())
    return [guard.check({**GOOD, **check}, 64) for check in checks]


def test_one_sign_on_three_checks_in_a_row_is_a_collapse() -> None:
    assert [bool(sentence) for sentence in told(*[{"std": 0.01}] * 4)] == [False, False, True, True]
    assert not any(told({"std": 0.01}, {"std": 0.01}, {}, {"std": 0.01}, {"std": 0.01}))


def test_three_different_signs_are_none() -> None:
    assert not any(told({"std": 0.01}, {"rankme": 1.1}, {"entropy": 0.99}, {"std": 0.0}, {"entropy": 0.01}))


def test_a_check_without_the_log_neither_counts_nor_clears() -> None:
    guard = CollapseGuard(Loud())
    checks = ({"std": 0.0}, {"std": 0.0}, {"rankme": 9.0}, {"std": 0.0})
    assert [bool(guard.check(check, 64)) for check in checks] == [False, False, False, True]


@pytest.mark.parametrize(("images", "stopped"), [(8, False), (16, False), (32, True)])
def test_few_images_cannot_tell_whether_views_are_told_apart(images: int, stopped: bool) -> None:
    guard = CollapseGuard(Loud())
    assert bool([guard.check({**GOOD, "separation": -0.1}, images) for _ in range(3)][-1]) == stopped
    assert [guard.check({**GOOD, "std": 0.01}, images) for _ in range(3)][-1]  # all images in one point is no matter of chance


def test_what_is_not_a_number_is_not_healthy() -> None:
    assert told(*[{"std": float("nan")}] * 3)[-1]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({"std": 0.0123}, "std was 0.0123, 0.0123 and 0.0123 on 3 checks in a row (healthy: at least 0.02). The probable cause: the rate."),
        ({"entropy": 0.95}, "(healthy: at most 0.9). The probable cause: too warm. The fix: cool it."),
        ({"entropy": 0.05}, "(healthy: at least 0.1). The probable cause: too cold. The fix: warm it."),
        ({"entropy": 0.05, "std": 0.0}, "The probable cause: too cold."),  # the objective's own sign knows more
    ],
)
def test_the_sentence_has_numbers_cause_and_fix(seen: dict[str, float], expected: str) -> None:
    assert expected in str(told(seen, seen, seen)[-1])


def test_a_guard_goes_on_where_it_was_saved() -> None:
    before, after = CollapseGuard(Loud()), CollapseGuard(Loud())
    for _ in range(2):
        before.check({**GOOD, "std": 0.01}, 64)
    after.load_state_dict(before.state_dict())
    sentence = after.check({**GOOD, "std": 0.01}, 64)
    assert sentence and sentence == before.check({**GOOD, "std": 0.01}, 64)


def test_few_directions_are_no_collapse_while_images_are_told_apart() -> None:
    """As of films that are all alike beside what the network knew: two views of an image agree, two images do not."""
    images = rows(32, 2) @ rows(2, 40)
    apart = monitors((images + 0.01 * rows(32, 40, 1)).repeat(2, 1))
    alike = monitors(torch.cat([images, images.roll(1, 0)]))
    assert apart["embedding_separation"] > 0.9 and alike["embedding_separation"] < 0.1
    for measured, collapses in ((apart, False), (alike, True)):
        guard = CollapseGuard(Loud())
        said = [guard.check({**measured, "rankme_kept": 0.1}, 64) for _ in range(3)]
        assert (said[-1] is not None) is collapses


def test_lost_directions_count_on_checks_in_a_row() -> None:
    guard, lost = CollapseGuard(Loud()), {"rankme_kept": 0.1}
    assert [guard.check(lost | {"embedding_separation": apart}, 64) is None for apart in (0.1, 0.1, 0.9, 0.1, 0.1, 0.1)] == [True] * 5 + [
        False
    ]
