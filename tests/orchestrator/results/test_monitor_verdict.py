"""What `orch monitor` says at the end of a run, and its exit code."""

from typing import Any

import pytest

from orchestrator.results.monitor.tally import Tally
from orchestrator.results.monitor.verdict import verdict
from tests.orchestrator.results.test_monitor_kept import row
from trainables.monitoring.row import MonitorRow

ALARM = {"alarm": True, "statistic": 0.4, "p": 0.001}


def tally(*rows: MonitorRow, left: int = 0, different: int = 0, came: int | None = None, **counts: Any) -> Tally:
    """Of windows of one row each."""
    found = Tally(**counts)
    for number, one in enumerate(rows):
        found.add([one], b"same" if one.distinct == 1 else bytes([number]))
    found.end(sum(one.n for one in rows) + left if came is None else came, left, different or left)
    return found


def said(found: Tally, size: int = 10, alpha: float = 0.05) -> str:
    return "\n".join(verdict(found, size, alpha))


def test_without_an_alarm() -> None:
    found = tally(*(row(number) for number in range(1, 41)))
    assert said(found) == "40 windows of 10 pictures, no alarm (alpha 0.05: chance alone gives about 2)"
    assert found.exit_code == 0


def test_how_many_alarms_chance_alone_gives() -> None:
    """Of 20 windows two alarms or more: 26 % of runs by the binomial distribution."""
    found = tally(*(row(number, **(ALARM if number < 3 else {}), harmless=None) for number in range(1, 21)))
    assert "2 alarms (alpha 0.05: chance alone gives about 1, and so many in 26 % of such runs)" in said(found)
    many = tally(*(row(number, **ALARM, harmless=False) for number in range(1, 21)))
    assert "and so many in less than 1 % of such runs" in said(many)
    assert many.exit_code == 1


def test_an_alarm_that_costs_nothing_is_harmless_and_an_alarm_still() -> None:
    found = tally(row(1), row(2, **ALARM, harmless=True, estimated_accuracy=0.945))
    assert "harmless: other pictures, but the net copes" in said(found) and "difference of confidences" in said(found)
    assert found.exit_code == 1 and found.as_json()["harmless_alarms"] == 1


def test_an_alarm_says_what_it_costs_where_it_began_and_what_has_changed() -> None:
    rows = [
        row(1),
        row(2, **ALARM, harmless=False, estimated_accuracy=0.75),
        row(3, **ALARM, harmless=False, estimated_accuracy=0.45),
        row(4, **ALARM, harmless=True, estimated_accuracy=0.95),
    ]
    text = said(tally(*rows))
    assert "the first in window 2, by bbsd: pictures 20 to 29, from a.png" in text
    assert "there the net says cat of 60 % of the pictures, and of 50 % on validation" in text
    assert "alarms cost 23 points of accuracy on average, 50 at most, in window 3; 1 of 3 are harmless" in text


def test_labels_go_before_the_estimate() -> None:
    found = tally(row(1, **ALARM, harmless=False, estimated_accuracy=0.95, labelled=10, accuracy=0.65))
    assert "alarms cost 30 points of accuracy on average, 30 at most, in window 1 (by their labels)" in said(found)
    assert "accuracy 0.6500 on 10 labelled pictures" in said(found)


def test_outputs_that_are_not_finite_are_an_alarm_without_a_price() -> None:
    why = "of 3 of the 10 pictures the net says what is not finite"
    broken = row(1, alarm=True, harmless=False, statistic=None, p=None, estimated_accuracy=None, reason=why)
    found = tally(broken)
    assert f"there, {why}: its answers are not to be relied on" in said(found) and "cost" not in said(found)
    assert found.exit_code == 1 and found.distances == [2.0]


def test_frames_that_follow_each_other_are_told() -> None:
    alike = [row(number, autocorrelation=0.9) for number in range(1, 4)]
    text = said(tally(*alike))
    assert "neighbours are alike (autocorrelation 0.90)" in text
    assert "10 pictures tell as much as 1," in text and "take one picture in 22" in text
    assert "alike" not in said(tally(*(row(number, autocorrelation=0.15) for number in range(1, 4))))


def test_a_large_autocorrelation_of_a_few_pictures_may_be_chance() -> None:
    assert "alike" not in said(tally(row(1, autocorrelation=0.6)))


def test_one_picture_again_and_again_is_told_also_where_there_is_no_window() -> None:
    alone = [row(number, distinct=1, autocorrelation=1.0, **ALARM) for number in (1, 2)]
    assert "everything is a duplicate: it is one picture again and again" in said(tally(*alone))
    assert "alike" not in said(tally(*alone))
    short = tally(left=5, different=1)
    assert "everything is a duplicate" in said(short) and short.exit_code == 2


def test_windows_of_one_picture_each_are_not_all_one() -> None:
    found = Tally()
    found.add([row(1, distinct=1)], b"one")
    found.add([row(2, distinct=1)], b"other")
    assert not found.is_one_picture
    assert "18 of 20 pictures are duplicates of others in their window" in said(found)


def test_pictures_sorted_by_class_are_told() -> None:
    rows = [row(number, **ALARM, harmless=True, changed_share=0.99) for number in (1, 2, 3)]
    assert "3 of 3 alarms are of nearly one class" in said(tally(*rows)) and "shuf" in said(tally(*rows))


def test_a_small_validation_split_is_told() -> None:
    text = said(tally(row(1, reference_n=60)))
    assert "the validation split has 60 examples, 6.0 windows: false alarms may be rarer or more frequent" in text
    assert "rarer" not in said(tally(row(1, reference_n=100)))


def test_what_was_brought_to_the_nets_input_left_over_or_not_read_is_counted() -> None:
    found = tally(row(1, other_aspect=4, other_channels=3), left=7, came=19, unreadable=2)
    assert said(found).splitlines()[1:] == [
        "4 pictures have other proportions than the net's input, and were squeezed to it",
        "3 pictures are in colour where the net takes grey, or grey where it takes colour",
        "7 pictures after the last window: too few for another, not judged",
        "2 of 19 pictures could not be read, and were left out",
    ]


@pytest.mark.parametrize(
    ("left", "came", "unreadable", "words"),
    [
        (0, 0, 0, "nothing was judged: no picture came"),
        (0, 3, 3, "nothing was judged: no picture could be read"),
        (7, 7, 0, "nothing was judged: 7 pictures came, and a window has 10; --window 7 judges them"),
        (1, 1, 0, "nothing was judged: 1 picture came, and a window has 10"),
    ],
)
def test_where_nothing_is_judged_the_exit_code_is_2(left: int, came: int, unreadable: int, words: str) -> None:
    found = tally(left=left, different=left, came=came, unreadable=unreadable)
    assert said(found).splitlines()[0] == words and found.exit_code == 2
