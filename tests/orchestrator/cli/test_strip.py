"""The strip of windows that `orch monitor` draws."""

import pytest

from orchestrator.cli.terminal.strip import BLOCKS, block, in_colour, strip


@pytest.mark.parametrize(
    ("distance", "expected"),
    [(0.0, 0), (0.2, 0), (0.3, 1), (0.99, 3), (1.0, 3), (1.001, 4), (1.3, 5), (1.9, 7), (1e9, 7)],
)
def test_the_upper_half_of_the_blocks_is_above_the_threshold(distance: float, expected: int) -> None:
    assert block(distance) == BLOCKS[expected]


def test_each_alarm_has_a_mark_below() -> None:
    assert strip([0.1, 1.5, 0.5, 3.0, 1.0], 80) == ["▁▇▃█▄", " ! !"]
    assert strip([0.1, 0.2], 80) == ["▁▁", ""]
    assert strip([], 80) == []


def test_no_alarm_is_lost_where_there_are_more_windows_than_room() -> None:
    distances = [0.1] * 1_000
    distances[777] = 2.0
    blocks, marks = strip(distances, 60)
    assert len(blocks) <= 60 and marks.count("!") == 1 and marks.index("!") == blocks.index("█")


def test_colours_are_left_out_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert in_colour("ALARM", "red") == "ALARM"
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[31m" in in_colour("ALARM", "red")
