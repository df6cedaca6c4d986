"""A row of blocks, one for each window of a stream: what is above the threshold stands out, also without colours."""

import os
from collections.abc import Sequence
from typing import Final

import click

BLOCKS: Final = "▁▂▃▄▅▆▇█"
_MARK: Final = "!"


def block(distance: float) -> str:
    """distance: a statistic over its threshold; the upper half of the blocks is above 1."""
    half = len(BLOCKS) // 2
    return BLOCKS[
        max(
            0,
            min(half - 1, int(distance * half))
            if distance <= 1
            else min(len(BLOCKS) - 1, half + int((distance - 1) * half)),
        )
    ]


def strip(distances: Sequence[float], width: int) -> list[str]:
    """Two lines: the blocks, and a mark below each alarm; the second is empty without one. Where there are more windows than
    the line is wide, a block is the worst of several.
    """
    if not distances:
        return []
    each = -(-len(distances) // max(1, width))
    worst = [max(distances[start : start + each]) for start in range(0, len(distances), each)]
    marks = "".join(_MARK if distance > 1 else " " for distance in worst).rstrip()
    return ["".join(map(block, worst)), marks]


def in_colour(text: str, colour: str) -> str:
    """Bold, in this colour; as it is under NO_COLOR."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour, bold=True)
