"""Windows counted as they come: no more than a number of each is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Final

from trainables.monitoring.row import MonitorRow

_ALIKE: Final = 0.2
"""Autocorrelation from which on neighbours are said not to be independent."""
_ONE_CLASS: Final = 0.9
"""Share of the predictions of a window that are of one class, where classes come one after another."""


def loss_of(row: MonitorRow) -> float | None:
    """Accuracy that a window has less than the validation split: by labels where all have one, else as estimated."""
    known = row.accuracy if row.labelled == row.n else row.estimated_accuracy
    return None if known is None else row.reference_accuracy - known


def distance_of(rows: Sequence[MonitorRow]) -> float:
    """How far a window is from the validation split: a statistic over its threshold, the largest of its detectors; above 1
    it is an alarm.
    """
    return max(_distance(row) for row in rows)


def _distance(row: MonitorRow) -> float:
    if row.statistic is None or row.threshold <= 0:
        return 2.0 if row.alarm else 0.0
    return row.statistic / row.threshold


@dataclass
class Tally:
    """What a run of `orch monitor` has seen so far."""

    windows: int = 0
    alarms: int = 0
    """Windows that any detector alarms about."""
    harmless: int = 0
    """Of them."""
    came: int = 0
    """Pictures, broken ones too."""
    unreadable: int = 0
    left: int = 0
    """Pictures of the last window, which was not full."""
    duplicates: int = 0
    """Pictures that came before in their window."""
    other_aspect: int = 0
    other_channels: int = 0
    labelled: int = 0
    of_one_class: int = 0
    """Alarms about windows of which nearly all is said to be of one class."""
    first_alarm: MonitorRow | None = None
    worst: MonitorRow | None = None
    """The alarm that costs most."""
    last: MonitorRow | None = None
    distances: list[float] = field(default_factory=list)
    """Of each window (`distance_of`)."""
    _left_distinct: int = 0
    _alike: float = 0.0
    _lost: float = 0.0
    _with_loss: int = 0
    _right: float = 0.0
    _of_one_picture: int = 0
    _digests: set[bytes] = field(default_factory=set)
    """Of windows of one picture alone, two at most."""

    def add(self, rows: Sequence[MonitorRow], digest: bytes) -> None:
        """rows: of one window, one for each detector. digest: of its first picture."""
        row = self.last = rows[0]
        self.windows += 1
        self.other_aspect += row.other_aspect
        self.other_channels += row.other_channels
        self.duplicates += row.n - row.distinct
        self.labelled += row.labelled
        self._right += row.labelled * (row.accuracy or 0.0)
        self._alike += row.autocorrelation or 0.0
        if row.distinct == 1:
            self._of_one_picture += 1
            if len(self._digests) < 2:
                self._digests.add(digest)
        self.distances.append(distance_of(rows))
        if alarm := next((each for each in rows if each.alarm), None):
            self._count_alarm(alarm)

    def _count_alarm(self, alarm: MonitorRow) -> None:
        self.alarms += 1
        self.harmless += bool(alarm.harmless)
        self.first_alarm = self.first_alarm or alarm
        self.of_one_class += (alarm.changed_share or 0.0) >= _ONE_CLASS
        if (loss := loss_of(alarm)) is not None:
            self._lost += loss
            self._with_loss += 1
            if self.worst is None or loss > (loss_of(self.worst) or 0.0):
                self.worst = alarm

    def end(self, came: int, left: int, left_distinct: int) -> None:
        """left: pictures of the last window, which was not full, and how many of them are different."""
        self.came, self.left, self._left_distinct = came, left, left_distinct

    @property
    def exit_code(self) -> int:
        """0 without an alarm, 1 with one, 2 where nothing could be judged."""
        return 2 if not self.windows else int(self.alarms > 0)

    @property
    def pictures(self) -> int:
        """That were judged."""
        return 0 if self.last is None else self.windows * self.last.n

    @property
    def accuracy(self) -> float | None:
        """On pictures with a label; None without any."""
        return self._right / self.labelled if self.labelled else None

    @property
    def mean_loss(self) -> float | None:
        """Of the alarms that have one."""
        return self._lost / self._with_loss if self._with_loss else None

    @property
    def autocorrelation(self) -> float:
        """The mean over windows."""
        return self._alike / max(1, self.windows)

    @property
    def is_dependent(self) -> bool:
        """Whether neighbours are alike beyond chance."""
        return self.windows > 0 and self.autocorrelation > max(_ALIKE, 3 / sqrt(self.pictures))

    @property
    def is_one_picture(self) -> bool:
        """Whether it is the same one again and again."""
        if self.windows:
            return self._of_one_picture == self.windows and len(self._digests) == 1
        return self.left > 1 and self._left_distinct == 1

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "windows": self.windows,
            "alarms": self.alarms,
            "harmless_alarms": self.harmless,
            "first_alarm": None if self.first_alarm is None else self.first_alarm.window,
            "mean_loss_of_alarms": self.mean_loss,
            "accuracy": self.accuracy,
            "labelled": self.labelled,
            "autocorrelation": self.autocorrelation if self.windows else None,
            "dependent": self.is_dependent,
            "one_picture": self.is_one_picture,
            "duplicates": self.duplicates,
            "pictures": self.came,
            "unreadable": self.unreadable,
            "not_judged": self.left,
            "other_aspect": self.other_aspect,
            "other_channels": self.other_channels,
        }
