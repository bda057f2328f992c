from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from labelfree.choosing.auto import Auto
from labelfree.choosing.margin import Margin
from labelfree.choosing.typical import Typical
from tests.choosing.folders import folder


@pytest.mark.parametrize(
    "labels, classes, head, strategy, note",
    [
        (0, 3, False, Typical, "nothing is labelled yet; it turns to margin at 5 labels a class."),
        (14, 3, True, Typical, "14 labels for 3 classes, 3 of them seen; it turns to margin at 15, 5 a class."),
        (15, 3, True, Margin, "15 labels for 3 classes, 3 of them seen; that is 5 a class or more on average."),
        (15, 3, False, Typical, "15 labels for 3 classes, 3 of them seen, but there is no head to hesitate; give one for margin."),
        (12, 1, True, Typical, "12 labels, all of one class; margin needs two."),
    ],
)
def test_it_turns_to_margin_at_five_labels_a_class(labels: int, classes: int, head: bool, strategy: type, note: str) -> None:
    candidates = folder(60, range(labels), classes=classes)
    if not head:
        candidates = replace(candidates, outputs=None)
    assert Auto().choose(candidates, 7, 0) == strategy().choose(candidates, 7, 0)
    assert Auto().note(candidates).endswith(note)
    assert {choice.strategy for choice in Auto().choose(candidates, 7, 0)} == {strategy.name}


def test_a_class_that_is_named_and_not_seen_counts() -> None:
    seen = folder(60, range(15))
    assert Auto().choose(seen, 1, 0)[0].strategy == "margin"
    named = replace(seen, classes=("a", "b", "c", "never seen"))
    assert Auto().choose(named, 1, 0)[0].strategy == "typical"
    assert "15 labels for 4 classes, 3 of them seen; it turns to margin at 20" in Auto().note(named)
    unnamed = replace(seen, classes=())
    assert Auto().choose(unnamed, 1, 0)[0].strategy == "margin"
    assert len(np.unique(unnamed.codes)) == 3
