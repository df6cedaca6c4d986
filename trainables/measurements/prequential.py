"""How a net does on each block of a stream that changes, and whether it would be noticed that it has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from trainables.columns import Column, Headline, Headlines, Rows
from trainables.dataset import DataInfo
from trainables.interfaces import Measurement, Model
from trainables.records import Breakdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from trainables.stages.measured_net import MeasuredNet
    from trainables.stages.measurement import Findings

NO_SHIFT: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrequentialRow:
    """A net on one block of a stream that it has not learnt from."""

    block: Annotated[int, Column("-", "Number of the block, from 0. The net has seen those before the first one here.")]
    shift: Annotated[
        str,
        Column("-", "What changes its pictures, such as `fog 3` or `rotate 13.5 degrees`; `none` where nothing does."),
    ]
    severity: Annotated[
        int | None,
        Column("1", "Of the strongest of these changes, 1 to 5; 0 for `none`. Null where one is an angle.", "lower"),
    ]
    n: Annotated[int, Column("example", "Its pictures.")]
    accuracy: Annotated[float, Column("1", "Share of them that are classified correctly.", "higher")]
    cross_entropy: Annotated[float, Column("nat", "Mean negative log-likelihood of the true class.", "lower")]
    reference_n: Annotated[
        int,
        Column(
            "example",
            "Pictures that it is compared with: what was held out of the last block that was seen, or where none was, the"
            " validation split.",
        ),
    ]
    p_value: Annotated[
        float | None,
        Column(
            "1",
            "Of the outputs being distributed as in the reference: Kolmogorov and Smirnov's test of each class, the smallest"
            " by Bonferroni (Rabanser et al. 2019). Null where the reference has fewer than 30 pictures.",
        ),
    ]
    alarm: Annotated[bool | None, Column("-", "Whether that is at most the measurement's alpha; null where it is.")]


@dataclass(frozen=True, slots=True)
class PrequentialTables(Breakdown):
    """What `prequential` keeps."""

    prequential: Annotated[
        tuple[PrequentialRow, ...],
        Rows(
            "How a net does on each block of a stream after those it has seen, and whether it would be noticed that"
            " other pictures come (test, then train: Gama et al. 2013).",
            ("block",),
            since=13,
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class PrequentialHeadlines(Headlines):
    """What `prequential` tells of a net in `trials`."""

    stream_alarms: Annotated[
        float | None,
        Headline("1", "Share of the blocks of a stream that alarm, of those that come after the last that was seen."),
    ] = None


class Prequential(Measurement):
    """Accuracy on each block of a stream (the data's option `stream`) in its order, and whether a block would alarm.

    A block is tested on by a net that has learnt from none of it, as in test-then-train (Gama, Sebastiao and Rodrigues 2013,
    "On evaluating stream learning algorithms"). The alarm compares what the net says of the block with what it says of
    pictures that came before and were not trained on.
    """

    name: ClassVar[str] = "prequential"
    tables: ClassVar[type[Breakdown]] = PrequentialTables
    headlines: ClassVar[type[Headlines]] = PrequentialHeadlines

    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """The largest p of an alarm; the share of blocks that alarm without a change is near it."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        if not data.stream:
            return (
                f"{self.name} goes along a stream, and the test split of {data.name} is none; give it the option stream"
            )
        return self.needs_images(data)

    def measure(self, net: MeasuredNet) -> Findings:
        from trainables.stages.measurement import Findings

        rows = tuple(self._rows(net))
        alarms = [row.alarm for row in rows if row.alarm is not None]
        share = sum(alarms) / len(alarms) if alarms else None
        return Findings(PrequentialTables(prequential=rows), PrequentialHeadlines(stream_alarms=share))

    def _rows(self, net: MeasuredNet) -> Iterator[PrequentialRow]:
        import numpy as np

        from trainables.errors import CannotDeploy
        from trainables.tasks.classification import Classification

        stream, split = net.data.stream, net.data.split
        assert stream is not None, "others are refused"
        changing, first = stream.changing, 0
        held_out = split.val if stream.reference is None else split.val[np.isin(split.val, stream.reference)]
        reference = _probabilities(net, held_out)
        if not (np.isfinite(reference).all() and bool(net.tested.outputs.isfinite().all())):
            raise CannotDeploy(
                "prequential compares what the net says of pictures, and of some it says what is not finite"
            )
        for number in range(stream.seen, changing.blocks):
            places = np.arange(first, first + len(stream.blocks[number]))
            first += len(places)
            answers = net.answers(places)
            found = Classification().measure(*answers)
            assert found.accuracy is not None and found.cross_entropy is not None
            p_value = _p_value(reference, answers.outputs.double().softmax(dim=1).cpu().numpy())
            shifts = changing.acting(number)
            severities = [shift.severity for shift in shifts]
            yield PrequentialRow(
                block=number,
                shift=" + ".join(shift.named(number, changing.blocks) for shift in shifts) or NO_SHIFT,
                severity=None if None in severities else max((each or 0 for each in severities), default=0),
                n=len(places),
                accuracy=found.accuracy,
                cross_entropy=found.cross_entropy,
                reference_n=len(reference),
                p_value=p_value,
                alarm=None if p_value is None else p_value <= self.alpha,
            )


def _probabilities(net: MeasuredNet, indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, classes): of these examples of the data set."""
    from trainables.training.evaluate import predict

    outputs, _ = predict(net.module, net.data.batches, indices, net.protocol, net.context)
    net.module.eval()
    found: NDArray[np.float64] = outputs.double().softmax(dim=1).cpu().numpy()
    return found


def _p_value(reference: NDArray[np.float64], block: NDArray[np.float64]) -> float | None:
    """reference, block: probabilities (n, classes). None where the reference is too small to be one."""
    import numpy as np

    from trainables.measurements._detector import MIN_REFERENCE
    from trainables.measurements._drift import Bbsd

    if len(reference) < MIN_REFERENCE:
        return None
    return float(Bbsd(reference).p_values(block, np.arange(len(block))[np.newaxis])[0])
