"""Movements on a torus: one direction each, and the same places whatever the direction."""

import math

import numpy as np
import pytest

from trainables.datasets.moving_digits import DIRECTIONS, places_passed

EVERY = np.arange(8)
ANGLES = {name: 45 * index for index, name in enumerate(DIRECTIONS)}


def passed(length: int, size: int, directions: np.ndarray = EVERY, seed: int = 0) -> np.ndarray:
    return places_passed(directions, length, size, np.random.RandomState(seed))


def shortest(steps: np.ndarray, size: int) -> np.ndarray:
    """Steps on the torus by the shorter way."""
    return (steps + size // 2) % size - size // 2


@pytest.mark.parametrize("places", [13, 17, 29, 37])
def test_a_mover_goes_on_in_its_direction_by_equal_steps(places: int) -> None:
    steps = shortest(np.diff(passed(places, places), axis=1), places)
    assert (steps == steps[:, :1]).all()
    for (east, north), name in zip(steps[:, 0], DIRECTIONS, strict=True):
        off = (math.degrees(math.atan2(north, east)) - ANGLES[name] + 180) % 360 - 180
        assert abs(off) < 22.5
    lengths = (steps[:, 0] ** 2).sum(1)
    assert sorted(lengths) == [places] * 4 + [2 * places] * 4
    turned = np.degrees(np.unwrap(np.arctan2(steps[:, 0, 1], steps[:, 0, 0])))
    np.testing.assert_allclose(np.diff(turned), 45)


@pytest.mark.parametrize(("length", "size"), [(13, 13), (13, 16), (13, 40), (17, 16), (29, 64)])
def test_all_directions_pass_the_same_places_once_each(length: int, size: int) -> None:
    frames = passed(length, size)
    ways = [sorted(map(tuple, mover.tolist())) for mover in frames]
    assert all(way == ways[0] for way in ways)
    assert len(set(ways[0])) == length
    assert frames.min() == 0 and frames.max() < size
    assert len({tuple(map(tuple, mover.tolist())) for mover in frames}) == 8


def test_without_their_order_the_frames_of_opposite_directions_are_as_likely() -> None:
    """Of a length that passes some of the places only: both ways have the same sets of places, as often."""
    for one, other in ((0, 4), (1, 5), (2, 6), (3, 7)):
        counts = []
        for direction in (one, other):
            movers = passed(8, 16, np.full(4_000, direction), seed=direction)
            keys = [tuple(sorted(map(tuple, mover.tolist()))) for mover in movers]
            counts.append({key: keys.count(key) for key in set(keys)})
        assert set(counts[0]) == set(counts[1])
        for key, count in counts[0].items():
            assert abs(count - counts[1][key]) < 6 * math.sqrt(4_000 / 13)
