"""What is kept of a window of pictures that a net was watched on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from trainables.columns import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRow:
    """One window of pictures as one detector has it."""

    started_at: Annotated[datetime, Column("UTC", "When that `orch monitor` began whose windows are counted from 1.")]
    window: Annotated[int, Column("1", "Number of the window, from 1.")]
    detector: Annotated[str, Column("-", "As in `drift`, or `labels`: a G test of how often each class comes.")]
    images: Annotated[str, Column("-", "The folder or the Parquet file that was watched; `-` for paths that came in.")]
    judged_at: Annotated[datetime, Column("UTC", "When the window was full.")]
    first: Annotated[int, Column("1", "Place of its first picture among all that came, from 1, broken ones too.")]
    last: Annotated[int, Column("1", "Place of its last picture.")]
    first_image: Annotated[str, Column("-", "File or row of its first picture.")]
    last_image: Annotated[str, Column("-", "File or row of its last picture.")]
    n: Annotated[int, Column("example", "Pictures that were compared.")]
    unreadable: Annotated[int, Column("example", "Pictures between its first and its last that could not be read.")]
    distinct: Annotated[int, Column("example", "Different pictures among those compared, as the net takes them.")]
    statistic: Annotated[
        float | None, Column("1", "The detector's; null where `reason` says why the window cannot be compared.")
    ]
    threshold: Annotated[float, Column("1", "The statistic above which a window is an alarm.")]
    p: Annotated[
        float | None,
        Column(
            "1",
            "Share of windows drawn from the validation split with such a statistic or a larger one; null without one.",
        ),
    ]
    alpha: Annotated[
        float,
        Column(
            "1",
            "Share of windows without shift that this detector may alarm about: what was asked for, over the number of"
            " detectors.",
        ),
    ]
    alarm: Annotated[bool, Column("-", "Whether other pictures come, by this detector.")]
    harmless: Annotated[
        bool | None,
        Column(
            "-",
            "Whether an alarm costs a point of accuracy at most: by labels where all of the window have one, else as"
            " estimated; false where half of its pictures are duplicates, null where there is no alarm.",
        ),
    ]
    estimated_accuracy: Annotated[
        float | None,
        Column(
            "1",
            "Without labels, by the difference of confidences (Guillory et al. 2021); null where outputs are not finite.",
            "higher",
        ),
    ]
    labelled: Annotated[int, Column("example", "Pictures that came with a label.")]
    accuracy: Annotated[
        float | None,
        Column("1", "Share of them that are classified correctly; null where there are none.", "higher"),
    ]
    reference_n: Annotated[int, Column("example", "Examples of the validation split, which it is compared with.")]
    reference_accuracy: Annotated[
        float, Column("1", "Share of them that this net classifies correctly on this machine.", "higher")
    ]
    autocorrelation: Annotated[
        float | None,
        Column(
            "1",
            "Of neighbours in the window, by the probabilities of all classes: near 0 where pictures are independent; null"
            " where outputs are not finite.",
        ),
    ]
    changed_class: Annotated[
        str | None, Column("-", "The predicted class whose share differs most from that on the validation split.")
    ]
    changed_share: Annotated[float | None, Column("1", "Its share of the window's predictions.")]
    reference_share: Annotated[float | None, Column("1", "Its share of the predictions on the validation split.")]
    other_aspect: Annotated[
        int,
        Column("example", "Pictures whose sides have another ratio than the net's input, to which they were brought."),
    ]
    other_channels: Annotated[
        int, Column("example", "Pictures in colour where the net takes grey ones, or grey where it takes colour.")
    ]
    reason: Annotated[
        str | None,
        Column("-", "Why the window cannot be compared; it is an alarm where the net's outputs are at fault."),
    ] = None
