"""Movements on a torus that look the same when their order is lost.

Take a prime p = a^2 + b^2. The multiples of (a, b), modulo p, are p places on a torus of p by p: a square lattice that
is turned by the angle of (a, b). A move to any of a place's eight neighbours in this lattice is a multiple of (a, b)
itself, and p is prime: p moves of one kind lead through all p places, whatever the kind. Eight neighbours that are all
different need p of at least 13.
"""

from math import atan2, isqrt, pi
from typing import Final

import numpy as np
from numpy.typing import NDArray

DIRECTIONS: Final = ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east")
"""Where a move leads to, to within 22.5 degrees, in steps of 45. Every other one is longer, by the root of two."""
_FEWEST_PLACES: Final = 13


def places_passed(
    directions: NDArray[np.int64], length: int, size: int, random: np.random.RandomState
) -> NDArray[np.int64]:
    """Pixels to the east and to the north that each mover is away from a point of its own, frame by frame.

    directions: (movers,), indices of DIRECTIONS. Gives int64 (movers, length, 2) in 0..size - 1, for a torus of size by
    size pixels. Each mover begins at a random place of the lattice, whose places are as many as `length` where that can
    be, else the next number above that can.
    """
    places = _places(length)
    begin = random.randint(places, size=(len(directions), 1))
    # counted in moves of the mover's own, so that all ways round the lattice are as likely
    moves = begin + np.arange(length)
    lattice = moves[..., None] * np.array(_moves(places))[directions][:, None] % places
    pixels: NDArray[np.int64] = lattice * size // places
    return pixels


def _places(least: int) -> int:
    """The smallest prime that is a sum of two squares, at least 13 and at least this."""
    places = max(least, _FEWEST_PLACES)
    while places % 4 != 1 or any(places % factor == 0 for factor in range(3, isqrt(places) + 1, 2)):
        places += 1
    return places


def _moves(places: int) -> list[tuple[int, int]]:
    """The eight moves in the order of DIRECTIONS: to the east and to the north, in units of the torus of places."""
    a = next(a for a in range(1, places) if isqrt(places - a * a) ** 2 == places - a * a)
    b = isqrt(places - a * a)
    quarter = [(a, b), (a - b, a + b)]  # a neighbour along a side of the lattice's squares, and one across a corner
    moves = [*quarter]
    for _ in range(3):
        quarter = [(-north, east) for east, north in quarter]
        moves += quarter
    return sorted(moves, key=lambda move: round(4 * atan2(move[1], move[0]) / pi) % 8)
