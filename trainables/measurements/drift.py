"""Whether it would be noticed that other pictures come than those a net was trained on, how soon, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from trainables.columns import Column, Headline, Headlines, Rows
from trainables.component import Count, or_one
from trainables.data.shifts.corruptions import CORRUPTIONS
from trainables.dataset import DataInfo
from trainables.errors import alike, meant
from trainables.interfaces import Measurement, Model
from trainables.measurements.corrupt import Severities
from trainables.records import Breakdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainables.measurements._drifting import Seen, Watch
    from trainables.stages.measured_net import MeasuredNet
    from trainables.stages.measurement import Findings

CLEAN: Final = "none"
HALF_CLASSES: Final = "half_classes"
HARMLESS: Final = 0.01
"""Accuracy that a shift costs at most where it is none to act on."""
HARMFUL: Final = 0.05
"""Accuracy that a shift costs at least which has to be noticed."""
_CLEAN_WINDOWS: Final = {"mmd": 200}
"""Of which the false alarms are counted; of the other detectors 1,000."""
_WINDOWS: Final = 200
"""Of each shift."""


def _known(name: str) -> str:
    names = (*CORRUPTIONS, HALF_CLASSES)
    if name not in names:
        hint = meant(alike(name, names), f"known: {', '.join(names)}")
        raise ValueError(f"unknown shift {name!r}; {hint}")
    return name


DetectorName = Literal["bbsd", "mmd", "confidence"]
AnyDetectors = Annotated[tuple[DetectorName, ...], or_one(str, DetectorName | tuple[DetectorName, ...])]
Window = Annotated[int, Field(ge=2, le=2000)]
AnyWindows = Annotated[tuple[Window, ...], or_one(int, Window | tuple[Window, ...])]
Shift = Annotated[str, AfterValidator(_known)]
AnyShifts = Annotated[tuple[Shift, ...], or_one(str, Shift | tuple[Shift, ...])]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """A detector of drift at one size of windows under one shift."""

    detector: Annotated[
        str,
        Column(
            "-",
            "`bbsd`: Kolmogorov and Smirnov's test of each output (Rabanser et al. 2019); `mmd`: of what the last linear"
            " layer takes (Gretton et al. 2012); `confidence`: Kolmogorov and Smirnov's test of the largest probability.",
        ),
    ]
    window: Annotated[int, Column("example", "Pictures of a window, which are compared with the validation split.")]
    shift: Annotated[
        str,
        Column(
            "-", "A corruption; `half_classes` where only the first half of the classes come; `none` without shift."
        ),
    ]
    severity: Annotated[int, Column("1", "Of a corruption, 1 to 5; 0 for the other shifts.")]
    n: Annotated[int, Column("example", "Test examples that windows are drawn from.")]
    accuracy: Annotated[
        float | None, Column("1", "Share of them that are classified correctly; null where there are none.", "higher")
    ]
    false_alarms: Annotated[
        float | None,
        Column(
            "1",
            "Share of windows of the test split as it is that this detector alarms about at this size, which should be"
            " alpha; null where none fits.",
            "lower",
        ),
    ] = None
    power: Annotated[
        float | None, Column("1", "Share of windows with the shift that are alarms; null for `none`.", "higher")
    ] = None
    median_delay: Annotated[
        float | None,
        Column(
            "example",
            "Pictures until the first alarm, in windows one after another: the median over streams of ten windows. Null"
            " where most streams have none.",
        ),
    ] = None
    harm: Annotated[
        float | None,
        Column(
            "1",
            "Accuracy that the shift costs: that of the same sample as it is, less `accuracy`; null for `none`.",
            "lower",
        ),
    ] = None
    harmless: Annotated[bool | None, Column("-", "Whether it costs a point of accuracy at most; null for `none`.")] = (
        None
    )
    reason: Annotated[str | None, Column("-", "Why there are no figures; null where there are.")] = None


@dataclass(frozen=True, slots=True)
class DriftTables(Breakdown):
    """What `drift` keeps."""

    drift: Annotated[
        tuple[DriftRow, ...],
        Rows(
            "How surely and how soon detectors of drift notice that other pictures come, by what a trained net says of them,"
            " and what these cost.",
            ("detector", "window", "shift", "severity"),
            since=12,
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class DriftHeadlines(Headlines):
    """What `drift` tells of a net in `trials`."""

    drift_false_alarms: Annotated[
        float | None,
        Headline(
            "1",
            "Share of windows without shift that are alarms, of the detector and size of windows in `drift` with most.",
            "lower",
        ),
    ] = None
    drift_power: Annotated[
        float | None,
        Headline(
            "1",
            "Share of the largest windows that `bbsd` alarms about, under the shift in `drift` with fewest of those that"
            " cost 5 points of accuracy at least. Null where none does.",
            "higher",
        ),
    ] = None


class Drift(Measurement):
    """Whether it is noticed that other pictures come, how soon, how often without reason, and what they cost.

    Detectors (Rabanser et al. 2019) compare windows of pictures with the validation split, by what the net says of them.
    Each is calibrated on that split to alarm without reason as often as `alpha` says, and tried on the test split, which
    neither the net nor the detector has seen: as it is, and shifted.
    """

    name: ClassVar[str] = "drift"
    tables: ClassVar[type[Breakdown]] = DriftTables
    headlines: ClassVar[type[Headlines]] = DriftHeadlines

    detectors: Annotated[AnyDetectors, Field(min_length=1)] = ("bbsd", "mmd", "confidence")
    """Which."""
    windows: Annotated[AnyWindows, Field(min_length=1)] = (50, 200)
    """Pictures that are compared at once."""
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Share of windows without shift that may be alarms."""
    shifts: Annotated[AnyShifts, Field(min_length=1)] = (
        "gaussian_noise",
        "brightness",
        "rotate",
        "translate",
        "gaussian_blur",
        HALF_CLASSES,
    )
    """Corruptions, and `half_classes`: only the first half of the classes come."""
    severities: Severities = (1, 3)
    """Of the corruptions."""
    pictures: Count = 1000
    """Test examples that are shifted, at most; false alarms are counted on the whole test split."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        return self.needs_images(data)

    def measure(self, net: MeasuredNet) -> Findings:
        from trainables.errors import CannotDeploy
        from trainables.measurements._drifting import Watch, of_test, of_validation
        from trainables.stages.measurement import Findings

        sizes = sorted(set(self.windows))
        if sizes[0] > (tested := len(net.data.split.test)):
            raise CannotDeploy(f"drift: a window has {sizes[0]:,} pictures, and the test split {tested:,}")
        reference, clean = of_validation(net), of_test(net)
        shifted = tuple(self._shifted(net, clean))
        rows: list[DriftRow] = []
        for detector in dict.fromkeys(self.detectors):
            for size in sizes:
                net.context.check()
                watch = Watch.calibrated(detector, reference.by(detector), size, self.alpha, net.seed)
                rows += _rows(watch, clean, shifted, net.seed)
        return Findings(DriftTables(drift=tuple(rows)), _headlines(rows))

    def _shifted(self, net: MeasuredNet, clean: Seen) -> Iterator[_Shifted]:
        from trainables.measurements._drifting import under_corruption

        places = net.some_tested(self.pictures)
        sample = clean.only(places)
        for name in dict.fromkeys(self.shifts):
            if name == HALF_CLASSES:
                half = net.answers(places).targets.cpu().numpy() < max(1, len(net.data.info.classes) // 2)
                yield _Shifted(name, 0, sample.only(half), sample)
                continue
            for severity in sorted(set(self.severities)):
                net.context.check()
                yield _Shifted(name, severity, under_corruption(net, places, name, severity), sample)


@dataclass(frozen=True, slots=True)
class _Shifted:
    """Pictures under a shift, beside what they are a part of or were."""

    shift: str
    severity: int
    pictures: Seen
    sample: Seen

    @property
    def row(self) -> DriftRow:
        """Without a detector's figures."""
        before, after = self.sample.accuracy, self.pictures.accuracy
        harm = None if before is None or after is None else before - after
        return DriftRow(
            detector="",
            window=0,
            shift=self.shift,
            severity=self.severity,
            n=len(self.pictures.correct),
            accuracy=after,
            harm=harm,
            harmless=None if harm is None else harm <= HARMLESS,
        )


def _rows(watch: Watch, clean: Seen, shifted: Sequence[_Shifted], seed: int) -> Iterator[DriftRow]:
    """Of one detector and size."""
    number, accuracy = len(clean.correct), clean.accuracy
    without = DriftRow(detector="", window=0, shift=CLEAN, severity=0, n=number, accuracy=accuracy)
    row = _alarmed(watch, without, clean, seed)
    yield row
    for each in shifted:
        yield replace(_alarmed(watch, each.row, each.pictures, seed), false_alarms=row.false_alarms)


def _alarmed(watch: Watch, row: DriftRow, pictures: Seen, seed: int) -> DriftRow:
    """The row with the figures of a detector, which sees the same windows as others do."""
    from trainables.measurements._drifting import windows_of

    name, size = watch.detector.name, watch.size
    row = replace(row, detector=name, window=size)
    if row.n < size:
        return replace(row, reason=f"a window has {size:,} pictures, and there are {row.n:,} to draw it from")
    many = _CLEAN_WINDOWS.get(name, 1_000) if row.shift == CLEAN else _WINDOWS
    alarms = watch.alarms(pictures, windows_of(row.n, size, many, f"{row.shift} {row.severity}", seed))
    delay = alarms.median_delay(size)
    if row.shift == CLEAN:
        return replace(row, false_alarms=alarms.rate, median_delay=delay)
    return replace(row, power=alarms.rate, median_delay=delay)


def _headlines(rows: Sequence[DriftRow]) -> DriftHeadlines:
    largest = max((row.window for row in rows if row.reason is None), default=0)
    harmful = [
        row.power
        for row in rows
        if (row.detector, row.window) == ("bbsd", largest) and row.power is not None and (row.harm or 0.0) >= HARMFUL
    ]
    false_alarms = [row.false_alarms for row in rows if row.false_alarms is not None]
    return DriftHeadlines(drift_false_alarms=max(false_alarms, default=None), drift_power=min(harmful, default=None))
