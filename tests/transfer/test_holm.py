import pytest

from labelfree.transfer.claims import holm


def test_holm_by_hand() -> None:
    verdicts = holm([0.04, 0.01, 0.03, 0.005])  # sorted: .005 <= .0125, .01 <= .0167, .03 > .025: stop
    assert [verdict.rejected for verdict in verdicts] == [False, True, False, True]
    assert [verdict.alpha for verdict in verdicts] == pytest.approx([0.05, 0.05 / 3, 0.025, 0.0125])


def test_a_small_p_after_a_failure_is_not_rejected() -> None:
    assert not any(verdict.rejected for verdict in holm([0.03, 0.04]))  # .03 > .025, so .04 <= .05 counts no more


def test_unfinished_primaries_make_the_others_harder() -> None:
    assert holm([0.03])[0].rejected
    assert not holm([0.03, 1.0])[0].rejected


def test_no_primaries_no_verdicts() -> None:
    assert holm([]) == []
