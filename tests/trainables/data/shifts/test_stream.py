"""A test split as a stream: its blocks, what has been seen of them, and what their pictures look like."""

import numpy as np
import pytest

from trainables.data.shifts.corruptions import CORRUPTIONS, corrupted, turned
from trainables.data.shifts.stream import MIN_IN_BLOCK, StreamSplit, after, as_they_come, coming
from trainables.data.splits import Split
from trainables.data_options import CorruptionName, Shift, Stream
from trainables.errors import UnfitOption

ALL = 2_000
TEST = np.arange(900, 1_900)
EACH = np.arange(ALL)
IMAGES = np.random.default_rng(0).integers(0, 256, (400, 1, 8, 8)).astype(np.uint8)
BLOCKS = coming(10, np.arange(400), np.arange(400), 0)


def test_every_example_comes_once_in_blocks_of_one_size_and_an_order_of_the_seed() -> None:
    blocks = coming(7, TEST, EACH, 3)
    assert sorted(np.concatenate(blocks).tolist()) == TEST.tolist()
    assert {len(block) for block in blocks} == {142, 143}
    assert [block.tolist() for block in blocks] == [block.tolist() for block in coming(7, TEST, EACH, 3)]
    assert blocks[0].tolist() != coming(7, TEST, EACH, 4)[0].tolist()
    assert (
        abs(float(np.mean(blocks[0])) - float(TEST.mean())) < 100
    )  # four deviations: they are no stretch of the split


def test_what_is_alike_comes_together() -> None:
    alike = EACH // 4
    blocks = coming(10, TEST, alike, 0)
    kept = [set(alike[block].tolist()) for block in blocks]
    assert sum(map(len, kept)) == len(set.union(*kept)) == 250
    split = after(_split(), blocks, 3, alike)
    assert not set(alike[split.train].tolist()) & {*alike[split.val].tolist(), *alike[split.test].tolist()}
    assert not set(alike[split.val].tolist()) & set(alike[split.test].tolist())


def _split() -> Split:
    return Split(np.arange(0, 700), np.arange(700, 900), TEST, 0)


def test_four_fifths_of_what_was_seen_are_trained_on_and_the_rest_is_validated_on_last() -> None:
    blocks = coming(10, TEST, EACH, 0)
    assert after(_split(), blocks, 0, EACH).train.tolist() == list(range(700))
    split = after(_split(), blocks, 2, EACH)
    np.testing.assert_array_equal(split.train, [*range(700), *blocks[0][:80], *blocks[1][:80]])
    np.testing.assert_array_equal(split.val, [*range(700, 900), *blocks[0][80:], *blocks[1][80:]])
    np.testing.assert_array_equal(split.test, np.concatenate(blocks[2:]))


def test_a_block_of_few_examples_and_one_that_cannot_be_divided_are_refused() -> None:
    assert min(map(len, coming(33, TEST, EACH, 0))) == MIN_IN_BLOCK
    with pytest.raises(
        UnfitOption, match=r"1,000 examples has 29 in block \d+ of 34, and a block needs 30; ask for fewer"
    ):
        coming(34, TEST, EACH, 0)
    with pytest.raises(UnfitOption, match=r"has 0 in block 0 of 2"):
        coming(2, TEST, np.zeros(ALL, np.int64), 0)
    groups = np.where(EACH < 1_400, 0, 1)
    with pytest.raises(UnfitOption, match="all examples of block 0 are of one group") as refused:
        after(_split(), coming(2, TEST, groups, 0), 1, groups)
    assert refused.value.option == "seen"


def test_a_block_is_changed_by_the_shifts_that_hold_in_it_one_after_another() -> None:
    changing = Stream.model_validate_json(
        '{"blocks": 10, "shift": [{"name": "rotate", "severity": 3, "from": 4, "until": 8},'
        ' {"name": "gaussian_noise", "severity": 2, "from": 6}]}'
    )
    before = IMAGES.copy()
    shown = as_they_come(IMAGES, StreamSplit(changing, BLOCKS, 0))
    np.testing.assert_array_equal(IMAGES, before)
    for number, block in enumerate(BLOCKS):
        expected = IMAGES[block]
        if 4 <= number < 8:
            expected = corrupted(expected, "rotate", 3, block)
        if number >= 6:
            expected = corrupted(expected, "gaussian_noise", 2, block)
        np.testing.assert_array_equal(shown[block], expected)
    fractions = as_they_come((IMAGES / 255).astype(np.float32), StreamSplit(changing, BLOCKS, 0))
    assert fractions.dtype == np.float32
    np.testing.assert_allclose(fractions * 255, shown, atol=1e-4)


def test_degrees_rise_evenly_from_the_first_to_the_last_block() -> None:
    changing = Stream(blocks=10, shift=(Shift(name="rotate", to=90.0),))
    (shift,) = changing.acting(0)
    assert [shift.degrees(block, 10) for block in (0, 3, 9)] == [0, 30, 90]
    shown = as_they_come(IMAGES, StreamSplit(changing, BLOCKS, 0))
    np.testing.assert_array_equal(shown[BLOCKS[0]], IMAGES[BLOCKS[0]])
    np.testing.assert_array_equal(shown[BLOCKS[3]], turned(IMAGES[BLOCKS[3]], 30))
    np.testing.assert_array_equal(shown[BLOCKS[9]], np.rot90(IMAGES[BLOCKS[9]], 1, axes=(2, 3)))
    late = Shift(name="rotate", to=-20.0, first=5, until=8)
    assert [late.degrees(block, 10) for block in (5, 6, 7)] == [0, -10, -20]
    assert (late.named(6, 10), Shift(name="fog", severity=2).named(6, 10)) == ("rotate -10 degrees", "fog 2")
    assert Shift(name="rotate", to=30.0, first=9).degrees(9, 10) == 30


def test_an_angle_turns_to_one_side_as_the_corruption_does_to_either() -> None:
    shown = turned(IMAGES[:20], np.degrees(0.6))
    either = corrupted(IMAGES[:20], "rotate", 3, np.arange(20))
    other = turned(IMAGES[:20], -np.degrees(0.6))
    sides = [np.array_equal(mine, one) for mine, one in zip(either, shown, strict=True)]
    assert 0 < sum(sides) < 20
    assert all(side or np.array_equal(mine, one) for side, mine, one in zip(sides, either, other, strict=True))


def test_grids_name_every_corruption_that_there_is() -> None:
    assert CorruptionName.__args__ == tuple(CORRUPTIONS)  # type: ignore[attr-defined] # of a Literal
