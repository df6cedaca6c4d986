"""What a run of `orch monitor` comes to, in words: how many alarms, what they cost, and how far they are to be believed."""

from collections.abc import Iterator
from math import ceil, log
from typing import Final

from orchestrator.results.monitor.tally import Tally, loss_of
from orchestrator.text import counted, one_line
from trainables.monitoring.row import MonitorRow

_INDEPENDENT: Final = 0.1
"""Autocorrelation that pictures far enough from each other have at most."""
_DUPLICATES: Final = 0.1
"""Share of the pictures that have come before in their window, from which on that is told."""
_FEW: Final = 10
"""Windows that a validation split is worth, below which its threshold is uncertain."""


def percent(share: float) -> str:
    """`12 %`."""
    return f"{100 * share:.0f} %"


def verdict(tally: Tally, size: int, alpha: float) -> Iterator[str]:
    """Lines, the most important first. size: of a window. alpha: of all detectors together."""
    if tally.last is None:
        yield _nothing_judged(tally, size)
    else:
        yield f"{counted(tally.windows, 'window')} of {size:,} pictures, {_alarms(tally, alpha)}"
    if tally.first_alarm is not None:
        yield from _of_first(tally.first_alarm)
        if not tally.is_one_picture:
            yield from _cost(tally, tally.first_alarm)
    if tally.accuracy is not None:
        yield f"accuracy {tally.accuracy:.4f} on {tally.labelled:,} labelled pictures"
    yield from _about_the_stream(tally)
    yield from _about_the_pictures(tally)
    if tally.last is not None:
        yield from _about_the_reference(tally.last, size)
    if tally.left and tally.last is not None:
        yield f"{counted(tally.left, 'picture')} after the last window: too few for another, not judged"
    if tally.unreadable:
        yield f"{tally.unreadable:,} of {tally.came:,} pictures could not be read, and were left out"


def _nothing_judged(tally: Tally, size: int) -> str:
    if not tally.left:
        return f"nothing was judged: {'no picture came' if not tally.came else 'no picture could be read'}"
    asks = f"; --window {tally.left} judges them" if tally.left > 1 else ""
    return f"nothing was judged: {counted(tally.left, 'picture')} came, and a window has {size:,}{asks}"


def _alarms(tally: Tally, alpha: float) -> str:
    chance = f"alpha {alpha:g}: chance alone gives about {tally.windows * alpha:.2g}"
    if not tally.alarms:
        return f"no alarm ({chance})"
    from scipy.special import bdtrc  # slow to import

    so_many = float(bdtrc(tally.alarms - 1, tally.windows, alpha))
    often = "less than 1 %" if so_many < 0.01 else percent(so_many)
    return f"{counted(tally.alarms, 'alarm')} ({chance}, and so many in {often} of such runs)"


def _of_first(alarm: MonitorRow) -> Iterator[str]:
    yield (
        f"the first in window {alarm.window:,}, by {alarm.detector}: pictures {alarm.first:,} to {alarm.last:,}, from"
        f" {one_line(alarm.first_image)}"
    )
    if alarm.reason is not None:
        yield f"there, {alarm.reason}: its answers are not to be relied on"
    elif alarm.changed_class is not None and alarm.changed_share is not None and alarm.reference_share is not None:
        yield (
            f"there the net says {one_line(alarm.changed_class)} of {percent(alarm.changed_share)} of the pictures, and of"
            f" {percent(alarm.reference_share)} on validation"
        )


def _cost(tally: Tally, first: MonitorRow) -> Iterator[str]:
    if tally.mean_loss is None or tally.worst is None:
        return
    how = "by their labels" if first.labelled == first.n else "estimated, by the difference of confidences"
    if tally.harmless == tally.alarms:
        yield f"harmless: other pictures, but the net copes (within a point of its accuracy on validation; {how})"
        return
    mean, most = 100 * tally.mean_loss, 100 * (loss_of(tally.worst) or 0.0)
    some = f"; {tally.harmless:,} of {tally.alarms:,} are harmless" if tally.harmless else ""
    yield (
        f"alarms cost {mean:.0f} points of accuracy on average, {most:.0f} at most, in window {tally.worst.window:,}{some}"
        f" ({how})"
    )


def _about_the_stream(tally: Tally) -> Iterator[str]:
    """Whether pictures are each one more look at the world."""
    if tally.is_one_picture:
        yield "everything is a duplicate: it is one picture again and again"
        return
    if tally.duplicates > _DUPLICATES * tally.pictures:
        yield f"{tally.duplicates:,} of {tally.pictures:,} pictures are duplicates of others in their window"
    if tally.is_dependent and tally.last is not None:
        r, n = min(tally.autocorrelation, 0.999), tally.last.n
        yield (
            f"neighbours are alike (autocorrelation {r:.2f}), as frames of a video are: {n:,} pictures tell as much as"
            f" {max(1.0, n * (1 - r) / (1 + r)):.0f}, and false alarms are more frequent than alpha says; take one picture"
            f" in {ceil(log(_INDEPENDENT) / log(r))}"
        )
    if tally.of_one_class > 1 and tally.of_one_class >= tally.alarms / 2:
        yield (
            f"{tally.of_one_class:,} of {tally.alarms:,} alarms are of nearly one class: if the pictures are sorted by"
            " class, mix them (`find FOLDER -type f | shuf | orch monitor RESULTS TRIAL -`)"
        )


def _about_the_pictures(tally: Tally) -> Iterator[str]:
    if tally.other_aspect:
        yield f"{tally.other_aspect:,} pictures have other proportions than the net's input, and were squeezed to it"
    if tally.other_channels:
        yield f"{tally.other_channels:,} pictures are in colour where the net takes grey, or grey where it takes colour"


def _about_the_reference(row: MonitorRow, size: int) -> Iterator[str]:
    if row.reference_n < _FEW * size:
        yield (
            f"the validation split has {row.reference_n:,} examples, {row.reference_n / size:.1f} windows: false alarms may"
            f" be rarer or more frequent than alpha says; {_FEW} windows make it sure"
        )
