"""The tables of trials: a row for each, whatever happened to it, in one of six files that are never averaged together."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal

from results_schema.column import Table
from results_schema.statuses import STATUSES
from trainables import NOTHING_MADE
from trainables.columns import Column
from trainables.records import TrialResult

EVALUATION: Final[Literal["evaluation"]] = "evaluation"
"""The purpose of a trial that is compared with others."""
CONFIRMATION: Final = "confirmation"
"""That of a trial on a fresh seed, which tells how good a cell is that those have chosen, and chooses nothing."""
MEASUREMENT: Final[Literal["measurement"]] = "measurement"
"""That of what is found out about the net of another trial: it trains nothing."""
UPDATE: Final[Literal["update"]] = "update"
"""That of a net that is trained again on what has come of a stream (the section `update`): it is compared with itself."""
TRAINED_NET: Final = {"deployment": NOTHING_MADE, "deployment_config": json.dumps({"name": NOTHING_MADE})}
"""What stands in columns that came with variants, of a trial that trains: every trial of an orch from before did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRow:
    """What the trials of a cell share, or what tuning has made of it for one of them."""

    cell_id: Annotated[str, Column("-", "The hash of a trial without the seed: rows of one cell share it.")]
    dataset: Annotated[str, Column("-", "Label of the data-set level.")]
    model: Annotated[str, Column("-", "Label of the model level.")]
    optimizer: Annotated[str, Column("-", "Label of the optimizer level.")]
    regularizer: Annotated[str, Column("-", "Label of the regularizer level.")]
    deployment: Annotated[
        str | None,
        Column("-", "Label of the deployment level: what was made of the trained net; `none` of a trial that trains."),
    ]
    dataset_config: Annotated[str, Column("JSON", "The data set with every parameter filled in.")]
    model_config: Annotated[str, Column("JSON", "The model with every parameter filled in.")]
    optimizer_config: Annotated[str, Column("JSON", "The optimizer with every parameter filled in.")]
    regularizer_config: Annotated[str, Column("JSON", "The regularizers, in their order, with every parameter.")]
    deployment_config: Annotated[str | None, Column("JSON", "The deployment with every parameter filled in.")]
    measurement: Annotated[
        str | None, Column("-", "What was found out about the trained net; null of a trial that is no measurement.")
    ] = None
    measurement_config: Annotated[
        str | None, Column("JSON", "The measurement with every parameter filled in; null where there is none.")
    ] = None
    protocol_config: Annotated[str, Column("JSON", "What all trials share, after overrides.")]
    data_fingerprint: Annotated[str, Column("-", "Digest of the data set's content.")]
    tuning_config: Annotated[
        str | None, Column("JSON", "How the cell's open parameters are tuned; null where none is open.")
    ]
    varied: Annotated[
        str | None,
        Column(
            "-",
            "What the seeds of the cell vary, of split, init, order and augment; null where that is all. The rest is as the"
            " first seed has it.",
        ),
    ] = None
    precision: Annotated[str, Column("-", "fp32, bf16 or tf32.")]
    compiled: Annotated[bool, Column("-", "Whether the model was compiled (protocol.compile).")]
    deterministic: Annotated[bool, Column("-", "Whether only deterministic algorithms were allowed.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """A trial: its cell, what the plan says of it, its result, and what its attempts say."""

    trial_id: Annotated[str, Column("-", "Hash of the resolved configuration, the data's content and the seed.")]
    cell: CellRow
    sweep: Annotated[str, Column("-", "Name of the sweep, from the grid.")]
    planned: Annotated[bool, Column("-", "Whether the grid of the latest run names this trial.")]
    source_digest: Annotated[str, Column("-", "Digest of the components' source files when the trial was planned.")]
    purpose: Annotated[
        str | None,
        Column(
            "-",
            "evaluation; tuning: it searches for values of its cell's open parameters, and never reads the test split;"
            " confirmation: it runs a chosen cell on a fresh seed (`--confirm`), and chooses nothing; measurement: it"
            " finds something out about the net of its parent, and trains nothing; or update: it trains along a stream.",
        ),
    ]
    tuned: Annotated[
        str | None,
        Column(
            "JSON",
            "Values of the cell's open parameters: what tuning tries, or has chosen; null where none is open."
            " The configurations hold them too.",
        ),
    ]
    repetition: Annotated[
        int | None,
        Column(
            "-",
            "Which repetition of the cell's tuning it belongs to, from 0: as one of its trials, or as one that runs with its"
            " choice. Of tuning trials within folds it is the seed of the trial that tests on that fold. Null where a cell"
            " is tuned once, or not at all.",
        ),
    ]
    parent_id: Annotated[
        str | None,
        Column(
            "-", "The trial whose net a variant was made of, or a measurement is about; null of a trial that trains."
        ),
    ]
    config_id: Annotated[
        str | None,
        Column("-", "Hash of the configuration with those values; null where nothing is tuned."),
    ]
    seed: Annotated[int, Column("-", "The trial's seed, from which the four others are derived.")]
    status: Annotated[str, Column("-", f"{', '.join(STATUSES[:-1])} or {STATUSES[-1]}.")]
    reason: Annotated[str | None, Column("-", "Why the status is what it is; null where it is completed.")]
    side_effects: Annotated[
        str | None,
        Column(
            "-",
            "What the trial changed or left that all trials of its process share: its own figures were made under it."
            " Null where nothing was.",
        ),
    ]
    result: TrialResult | None
    attempts: Annotated[int, Column("1", "Number of times that it was started.", measured=False)]
    started_at: Annotated[datetime | None, Column("UTC", "When the latest attempt started.")]
    finished_at: Annotated[datetime | None, Column("UTC", "When the latest attempt ended.")]
    environment_id: Annotated[str | None, Column("-", "Row of `environments` under which the latest attempt ran.")]


TRIALS = Table(
    name="trials",
    about="One row for each trial (a cell and a seed) that the grid of the latest run names and that evaluates, whatever"
    " happened to it. Grouped by `dataset`, `model`, `optimizer`, `regularizer` and `deployment` its rows differ in their"
    " seeds alone.",
    key=("trial_id",),
    row=TrialRow,
)

TUNING_TRIALS = Table(
    name="tuning_trials",
    about="One row for each trial of the grid of the latest run that tunes: it looks for values, and reads no test split.",
    key=("trial_id",),
    row=TrialRow,
)

EARLIER_TRIALS = Table(
    name="earlier_trials",
    about="One row for each trial, of whatever purpose, that only earlier grids of this directory named. Rows of one label"
    " may differ in protocol, in tuning, or in the version of a component: `cell_id` tells them apart.",
    key=("trial_id",),
    row=TrialRow,
)

CONFIRMATION_TRIALS = Table(
    name="confirmation_trials",
    about="One row for each trial of the grid of the latest run that confirms: the cell that came first, or a rival of it,"
    " on a fresh seed (`orch sweep GRID --confirm`). They choose nothing, and are in no rank, claim or share of variance.",
    key=("trial_id",),
    row=TrialRow,
    since=8,
)

MEASUREMENTS = Table(
    name="measurements",
    about="One row for each measurement (an entry of the section `measure`) of each trial of the grid of the latest run,"
    " whatever happened to it: `trial_id` is the measurement's own, `parent_id` the trial that it is about. What it found"
    " out stands in tables of its own.",
    key=("trial_id",),
    row=TrialRow,
    since=12,
)

UPDATE_TRIALS = Table(
    name="update_trials",
    about="One row for each trial of the grid of the latest run that trains along a stream (the section `update`): a cell's"
    " net once it has learnt from so many blocks of it. Its `test_` figures are of the blocks that follow; `prequential` has"
    " each block. They are in no rank, claim or share of variance.",
    key=("trial_id",),
    row=TrialRow,
    since=14,
)

TRIAL_TABLES = (TRIALS, TUNING_TRIALS, EARLIER_TRIALS, CONFIRMATION_TRIALS, MEASUREMENTS, UPDATE_TRIALS)
"""They have the same columns, and each trial stands in one of them."""
