"""How well a net does on pictures that are worse than those it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from trainables.columns import Column, Headline, Headlines, Rows
from trainables.component import Count, or_one
from trainables.data.shifts.corruptions import CORRUPTIONS, corrupted
from trainables.dataset import DataInfo
from trainables.errors import alike, meant
from trainables.interfaces import Measurement, Model
from trainables.records import Breakdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainables.stages.measured_net import MeasuredNet
    from trainables.stages.measurement import Findings
    from trainables.training.evaluate import Outputs


def _known(name: str) -> str:
    if name not in CORRUPTIONS:
        hint = meant(alike(name, CORRUPTIONS), f"known: {', '.join(CORRUPTIONS)}")
        raise ValueError(f"unknown corruption {name!r}; {hint}")
    return name


Corruption = Annotated[str, AfterValidator(_known)]
Severity = Annotated[int, Field(ge=1, le=5)]
AnySeverities = Annotated[tuple[Severity, ...], or_one(int, Severity | tuple[Severity, ...])]
Severities = Annotated[AnySeverities, Field(min_length=1)]
CLEAN: str = "clean"


@dataclass(frozen=True, slots=True)
class CorruptionRow:
    """A net on the same test examples under one corruption."""

    corruption: Annotated[str, Column("-", "Name of the corruption; `clean` for the pictures as they are.")]
    severity: Annotated[int, Column("1", "1 to 5, after ImageNet-C; 0 for the pictures as they are.")]
    n: Annotated[int, Column("example", "Test examples that were shown, the same of all rows of a measurement.")]
    accuracy: Annotated[float, Column("1", "Share of them that are classified correctly.", "higher")]
    error_ratio: Annotated[
        float | None,
        Column("1", "Share of errors over that of the clean pictures; null where these have none.", "lower"),
    ]
    cross_entropy: Annotated[float, Column("nat", "Mean negative log-likelihood of the true class.", "lower")]
    ece: Annotated[float, Column("1", "Expected calibration error over 15 equal bins of confidence.", "lower")]


@dataclass(frozen=True, slots=True)
class CorruptionTables(Breakdown):
    """What `corrupt` keeps."""

    corruptions: Annotated[
        tuple[CorruptionRow, ...],
        Rows(
            "How a trained net does under each corruption and severity, on the same test examples (Hendrycks and Dietterich"
            " 2019; Mu and Gilmer 2019).",
            ("corruption", "severity"),
            since=12,
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class CorruptionHeadlines(Headlines):
    """What `corrupt` tells of a net in `trials`."""

    mean_corruption_accuracy: Annotated[
        float | None,
        Headline(
            "1",
            "Mean accuracy over the corruptions and severities that `corrupt` measured (`corruptions`).",
            "higher",
        ),
    ] = None


class Corrupt(Measurement):
    """Accuracy, cross-entropy and calibration under corruptions of five severities.

    The corruptions are those of ImageNet-C (Hendrycks and Dietterich 2019) and MNIST-C (Mu and Gilmer 2019), scaled to
    small pictures. Each picture has a seed of its own, so that all nets with the same test split see the same pictures.
    """

    name: ClassVar[str] = "corrupt"
    tables: ClassVar[type[Breakdown]] = CorruptionTables
    headlines: ClassVar[type[Headlines]] = CorruptionHeadlines

    corruptions: Literal["all"] | Annotated[tuple[Corruption, ...], Field(min_length=1)] = "all"
    """Which; all twelve unless named."""
    severities: Severities = (1, 2, 3, 4, 5)
    """Which, from the slightest to the worst."""
    pictures: Count = 1000
    """Test examples that are shown, at most."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        return self.needs_images(data)

    def measure(self, net: MeasuredNet) -> Findings:
        from trainables.stages.measurement import Findings

        rows = tuple(self._rows(net))
        worse = [row.accuracy for row in rows if row.severity]
        return Findings(
            CorruptionTables(corruptions=rows), CorruptionHeadlines(mean_corruption_accuracy=sum(worse) / len(worse))
        )

    def _rows(self, net: MeasuredNet) -> Iterator[CorruptionRow]:
        places = net.some_tested(self.pictures)
        images, seeds = net.images(places), net.data.split.test[places]
        clean = _row(CLEAN, 0, net.answers(places), None)
        yield clean
        names = CORRUPTIONS if self.corruptions == "all" else dict.fromkeys(self.corruptions)
        for name in names:
            for severity in sorted(set(self.severities)):
                net.context.check()
                answers = net.answers_to(corrupted(images, name, severity, seeds), places)
                yield _row(name, severity, answers, 1 - clean.accuracy)


def _row(name: str, severity: int, answers: Outputs, clean_error: float | None) -> CorruptionRow:
    from trainables.tasks.classification import Classification

    found = Classification().measure(*answers)
    assert found.accuracy is not None and found.cross_entropy is not None and found.ece is not None
    ratio = 1.0 if clean_error is None else (1 - found.accuracy) / clean_error if clean_error else None
    return CorruptionRow(name, severity, len(answers.targets), found.accuracy, ratio, found.cross_entropy, found.ece)
