"""The tables of trials: a row for each, whatever happened to it, in one of three files that are never averaged together."""

import pyarrow as pa

from results_schema.column import FLAG, INT, REAL, TEXT, TIME, Table, column
from results_schema.statuses import STATUSES


def _scores(split: str, words: str) -> list[pa.Field]:
    """The measures of one split. A class that the split lacks is left out of macro averages."""
    return [
        column(f"{split}_accuracy", REAL, "1", f"Share of {words} that are classified right."),
        column(f"{split}_balanced_accuracy", REAL, "1", f"Mean recall over the classes, on {words}."),
        column(f"{split}_precision_macro", REAL, "1", f"Precision averaged over the classes, on {words}."),
        column(f"{split}_recall_macro", REAL, "1", f"Recall averaged over the classes, on {words}."),
        column(f"{split}_f1_macro", REAL, "1", f"F1 averaged over the classes, on {words}."),
        column(f"{split}_f1_weighted", REAL, "1", f"F1 averaged over the classes by their support, on {words}."),
        column(f"{split}_roc_auc_macro", REAL, "1", f"Area under the ROC, one class against the rest, on {words}."),
        column(f"{split}_cross_entropy", REAL, "nat", f"Mean negative log-likelihood of the true class, on {words}."),
        column(
            f"{split}_brier", REAL, "1", f"Mean squared distance of the class probabilities from truth, on {words}."
        ),
        column(f"{split}_ece", REAL, "1", f"Expected calibration error over 15 equal bins of confidence, on {words}."),
        column(f"{split}_mse", REAL, "target²", f"Mean squared error of a numeric target, on {words}."),
        column(f"{split}_mae", REAL, "target", f"Mean absolute error of a numeric target, on {words}."),
        column(f"{split}_r2", REAL, "1", f"Coefficient of determination of a numeric target, on {words}."),
    ]


_IDENTITY = [
    column(
        "trial_id", TEXT, "-", "Hash of the resolved configuration, the data's content and the seed.", required=True
    ),
    column("cell_id", TEXT, "-", "The same hash without the seed: rows of one cell share it.", required=True),
    column("sweep", TEXT, "-", "Name of the sweep, from the grid.", required=True),
    column("planned", FLAG, "-", "Whether the grid of the latest run names this trial.", required=True),
    column("dataset", TEXT, "-", "Label of the data-set level.", required=True),
    column("model", TEXT, "-", "Label of the model level.", required=True),
    column("optimizer", TEXT, "-", "Label of the optimizer level.", required=True),
    column("regularizer", TEXT, "-", "Label of the regularizer level.", required=True),
    column("dataset_config", TEXT, "JSON", "The data set with every parameter filled in.", required=True),
    column("model_config", TEXT, "JSON", "The model with every parameter filled in.", required=True),
    column("optimizer_config", TEXT, "JSON", "The optimizer with every parameter filled in.", required=True),
    column(
        "regularizer_config", TEXT, "JSON", "The regularizers, in their order, with every parameter.", required=True
    ),
    column("protocol_config", TEXT, "JSON", "What all trials share, after overrides.", required=True),
    column("data_fingerprint", TEXT, "-", "Digest of the data set's content.", required=True),
    column(
        "source_digest", TEXT, "-", "Digest of the components' source files when the trial was planned.", required=True
    ),
    column(
        "purpose",
        TEXT,
        "-",
        "evaluation, or tuning: it looks for values of its cell's open parameters, and never reads the test split.",
    ),
    column("tuning_config", TEXT, "JSON", "How the cell's open parameters are tuned; null where none is open."),
    column(
        "tuned",
        TEXT,
        "JSON",
        "Values of the cell's open parameters: what tuning tries, or has chosen. The configurations hold them too.",
    ),
    column("config_id", TEXT, "-", "Hash of the configuration with those values; null where nothing is tuned."),
    column("seed", INT, "-", "The trial's seed, from which the four below are derived.", required=True),
    column("seed_split", INT, "-", "Seed of the split."),
    column("seed_init", INT, "-", "Seed of the model's initial weights."),
    column("seed_order", INT, "-", "Seed of the order of the training examples."),
    column("seed_augment", INT, "-", "Seed of augmentation and dropout."),
]

_OUTCOME = [
    column(
        "status",
        TEXT,
        "-",
        f"{', '.join(STATUSES[:-1])} or {STATUSES[-1]}.",
        required=True,
    ),
    column("reason", TEXT, "-", "Why the status is what it is, where it is not completed."),
    column(
        "side_effects",
        TEXT,
        "-",
        "What the trial changed or left that all trials of its process share: its own figures were made under it.",
    ),
    column("epochs", INT, "epoch", "Epochs that ran."),
    column("best_epoch", INT, "epoch", "The epoch that validation selected; its weights are the ones measured."),
    column("lr_lowest_loss", REAL, "1", "Learning rate of the lowest training loss, in a learning-rate range test."),
    column(
        "lr_diverged",
        REAL,
        "1",
        "Learning rate from which the loss of a range test is not finite, or a quarter above that of the untrained network.",
    ),
]

_SPLITS = [
    column("train_size", INT, "example", "Examples in the training split."),
    column("val_size", INT, "example", "Examples in the validation split."),
    column("test_size", INT, "example", "Examples in the test split."),
    column(
        "dropped_duplicates",
        INT,
        "example",
        "Examples left out because the test split has the same content, or one of their group.",
    ),
    column(
        "unlabelled_size",
        INT,
        "example",
        "Training examples beside the training split whose labels are hidden (per_class).",
    ),
    column("generated_size", INT, "example", "Examples that a regularizer made and that were trained on besides."),
]

_CUE = [
    column(
        "cue_agrees_size",
        INT,
        "example",
        "Test examples whose planted cue (spurious) stands for their own class; null where none is planted.",
    ),
    column("cue_agrees_accuracy", REAL, "1", "Accuracy on those."),
    column(
        "cue_conflicts_accuracy", REAL, "1", "Accuracy on the other test examples, whose cue stands for another class."
    ),
]

_COSTS = [
    column(
        "parameters",
        INT,
        "1",
        "Numbers in the model, those that do not learn among them; null where an older orch has not counted these.",
    ),
    column("trainable_parameters", INT, "1", "Numbers among them that learn."),
    column("model_bytes", INT, "B", "Memory of the model: its parameters and what else its state holds."),
    column("flops", INT, "FLOP", "One forward pass over one example; a multiply-add counts as two."),
    column("train_seconds", REAL, "s", "Training time: evaluation, set-up and compilation not counted."),
    column("eval_seconds", REAL, "s", "Time of all evaluation passes."),
    column("setup_seconds", REAL, "s", "Loading, splitting, building and compiling."),
    column(
        "feature_seconds",
        REAL,
        "s",
        "Making the features that the head of a frozen model learns from, before training and apart from its time; null"
        " where none were made.",
    ),
    column(
        "generation_seconds",
        REAL,
        "s",
        "Making training examples (gan_augment), before training and apart from its time; null where none were made.",
    ),
    column(
        "total_seconds",
        REAL,
        "s",
        "What training has taken in all: train_seconds, feature_seconds and generation_seconds.",
    ),
    column("samples_per_second", REAL, "example/s", "Training examples a second of training time, over all workers."),
    column("latency_ms_p50", REAL, "ms", "Median time of inference on one example."),
    column("latency_ms_p95", REAL, "ms", "95th percentile of the same."),
    column("batch_latency_ms_p50", REAL, "ms", "Median time of inference on one batch of the protocol's size."),
    column("batch_latency_ms_p95", REAL, "ms", "95th percentile of the same."),
    column(
        "peak_memory_bytes",
        INT,
        "B",
        "This trial's own peak: allocated on the GPU, or on a CPU resident above what the process held at its start.",
    ),
    column("device_memory_bytes", INT, "B", "All memory of the GPU; null on a CPU."),
]

_CIRCUMSTANCES = [
    column("precision", TEXT, "-", "fp32, bf16 or tf32.", required=True),
    column("compiled", FLAG, "-", "Whether the model was compiled (protocol.compile).", required=True),
    column("deterministic", FLAG, "-", "Whether only deterministic algorithms were allowed.", required=True),
    column("world_size", INT, "worker", "Workers that trained it together."),
    column("threads", INT, "thread", "torch threads of a worker."),
    column("device", TEXT, "-", "cpu, or the name of the GPU."),
    column("attempts", INT, "1", "Times that it was started.", required=True),
    column("started_at", TIME, "UTC", "When the latest attempt started."),
    column("finished_at", TIME, "UTC", "When the latest attempt ended."),
    column("environment_id", TEXT, "-", "Row of `environments` under which the latest attempt ran."),
]

_SCHEMA = pa.schema(
    [
        *_IDENTITY,
        *_OUTCOME,
        *_scores("train", "training examples in one clean pass"),
        *_scores("val", "validation examples"),
        *_scores("test", "test examples"),
        *_SPLITS,
        *_CUE,
        *_COSTS,
        *_CIRCUMSTANCES,
    ]
)

TRIALS = Table(
    name="trials",
    about="One row for each trial (a cell and a seed) that the grid of the latest run names and that evaluates, whatever"
    " happened to it. Grouped by `dataset`, `model`, `optimizer` and `regularizer` its rows differ in their seeds alone.",
    key=("trial_id",),
    schema=_SCHEMA,
)

TUNING_TRIALS = Table(
    name="tuning_trials",
    about="One row for each trial of the grid of the latest run that tunes: it looks for values, and reads no test split.",
    key=("trial_id",),
    schema=_SCHEMA,
)

EARLIER_TRIALS = Table(
    name="earlier_trials",
    about="One row for each trial, of whatever purpose, that only earlier grids of this directory named. Rows of one label"
    " may differ in protocol, in tuning, or in the version of a component: `cell_id` tells them apart.",
    key=("trial_id",),
    schema=_SCHEMA,
)

TRIAL_TABLES = (TRIALS, TUNING_TRIALS, EARLIER_TRIALS)
"""They have the same columns, and each trial stands in one of them."""
