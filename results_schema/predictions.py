"""The tables of single test examples: which there are, and what each trial said of them."""

from dataclasses import dataclass
from typing import Annotated, Final

from results_schema.column import Table
from trainables.columns import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRow:
    """What one trial said of one test example."""

    split_id: Annotated[str, Column("-", "The test split that the example belongs to.")]
    position: Annotated[int, Column("-", "Number of the example in its test split, from 0.", bits=32)]
    predicted: Annotated[
        float,
        Column("-", "The predicted class, as `class_index` of `classes`; for a numeric target the number.", bits=32),
    ]
    probability: Annotated[
        float | None,
        Column(
            "1",
            "Probability of the true class, with 11 significant bits of the smaller of it and what it lacks to 1; null"
            " where the task has none.",
            bits=32,
        ),
    ]


PREDICTIONS: Final = Table(
    name="predictions",
    about="One row for each test example of each completed trial, split by split and trial by trial, in the order of"
    " positions; none of trials that tune, of trials under `keep_predictions: false`, and of those of an older orch.",
    key=("trial_id", "position"),
    row=PredictionRow,
    of_trial=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleRow:
    """One example of one test split."""

    split_id: Annotated[str, Column("-", "Digest of which examples of which content the test split has.")]
    position: Annotated[int, Column("-", "Number of the example in the test split, from 0.", bits=32)]
    target: Annotated[
        float,
        Column("-", "The true class, as `class_index` of `classes`; for a numeric target the number.", bits=32),
    ]
    group: Annotated[
        int | None, Column("-", "Equal where examples stay in one split together; null where each stands for itself.")
    ]
    source: Annotated[
        str, Column("-", "Name of the example's file below the data set's folder, or else a digest of its content.")
    ]


EXAMPLES: Final = Table(
    name="examples",
    about="One row for each example of each distinct test split that predictions are kept of.",
    key=("split_id", "position"),
    row=ExampleRow,
)

OF_EXAMPLES: Final = (PREDICTIONS, EXAMPLES)
