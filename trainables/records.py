"""The records that a trial hands out. Their fields are columns of the tables (`trainables.columns`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal, Self

from trainables.columns import Column, Headlines, Prefix, Rows, Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRow:
    """One epoch of one trial."""

    epoch: Annotated[int, Column("epoch", "Counts from 1.")]
    lr: Annotated[float, Column("1", "Learning rate of the epoch's last step.")]
    train_loss: Annotated[
        float,
        Column(
            "loss",
            "Mean training loss as it ran, dropout and augmentation on.",
            "lower",
            "training loss",
            may_be_nan=True,
        ),
    ]
    train_accuracy: Annotated[
        float | None,
        Column(
            "1",
            "Accuracy over the batches as they were trained on; for a mixed example the most probable class counts."
            " Null where nothing is right or wrong.",
            "higher",
        ),
    ] = None
    val: Annotated[Scores, Prefix("val_", "validation examples", each_epoch=True)]
    gradient_norm: Annotated[
        float | None,
        Column(
            "loss",
            "Mean 2-norm of all gradients, before they are clipped, of the first and every eighth step of the epoch.",
        ),
    ] = None
    """None where it is not finite, or the model learns in a way of its own."""
    exploding_steps: Annotated[
        float | None,
        Column(
            "1",
            "Share of these steps whose norm is not finite, or more than ten times the median of the epoch's.",
            "lower",
        ),
    ] = None
    """Ten times the usual size is the upper end of what Pascanu et al. 2013 (section 3.2) clip at. None where none is
    measured."""
    seconds: Annotated[float, Column("s", "Training time of the epoch.", "lower", measured=False)]
    eval_seconds: Annotated[float, Column("s", "Evaluation time of the epoch.", "lower", measured=False)]

    def measured(self, column: str) -> float | None:
        """What stands in a column of `epochs`, such as `val_accuracy`."""
        validation = column.removeprefix("val_")
        found: float | None = getattr(self, column) if validation == column else getattr(self.val, validation)
        return found

    @classmethod
    def of_values(cls, values: Mapping[str, Any], scores: type[Scores]) -> Self:
        """Undoes `values_of`. scores: of the trial's task. Raises TypeError where one is missing."""
        own = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        validation: dict[str, Any] = {each.name: values.get(f"val_{each.name}") for each in fields(scores)}
        return cls(**own, val=scores(**validation))


CurveKind = Literal["roc", "confusion", "lr_range"]


@dataclass(frozen=True, slots=True)
class CurveRow:
    """One point of a curve."""

    curve: Annotated[CurveKind, Column("-", "`roc`, `confusion` or `lr_range`.")]
    class_index: Annotated[int, Column("-", "The class against the rest, or the true class; 0 for `lr_range`.")]
    point: Annotated[int, Column("-", "Number of the point within the class, from 0.")]
    x: Annotated[
        float, Column("1", "False positive rate; `confusion`: the predicted class; `lr_range`: the learning rate.")
    ]
    y: Annotated[float, Column("1", "True positive rate; `confusion`: the count; `lr_range`: the mean training loss.")]
    other_index: Annotated[int | None, Column("-", "For `confusion` the predicted class; null in other curves.")] = None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What the tables keep of a split beside its scores. A field is a table of its name; a task of this package has its own
    in a subclass (`Task.tables`).
    """

    curves: Annotated[
        tuple[CurveRow, ...],
        Rows(
            "ROC curves (at most 101 points a class) and the confusion counts that are not zero, on the test split;"
            " training loss over the learning rate (at most 100 points) of a learning-rate range test.",
            ("curve", "class_index", "point"),
            since=1,
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a trial took. Times are from a monotonic clock."""

    parameters: Annotated[
        int,
        Column(
            "1",
            "Parameters of the model, frozen ones included; null if an older orch did not count these.",
            "lower",
        ),
    ]
    trainable_parameters: Annotated[int, Column("1", "Parameters among them that are trained.", "lower")]
    model_bytes: Annotated[
        int, Column("B", "Memory of the model: its parameters and what else its state holds.", "lower")
    ]
    flops: Annotated[int, Column("FLOP", "One forward pass over one example; a multiply-add counts as two.", "lower")]
    train_seconds: Annotated[
        float,
        Column("s", "Training time without evaluation, set-up, compilation; its share of a stack (fuse).", "lower"),
    ]
    eval_seconds: Annotated[float, Column("s", "Time of all evaluation passes.", "lower")]
    setup_seconds: Annotated[float, Column("s", "Loading, splitting, building and compiling.", "lower")]
    feature_seconds: Annotated[
        float | None,
        Column(
            "s",
            "Time to get the features that the head of a frozen model learns from, not part of training time: the first"
            " trial on a node computes them for all, others wait for them or read them; null where there are none.",
            "lower",
        ),
    ] = None
    generation_seconds: Annotated[
        float | None,
        Column(
            "s",
            "Time to make training examples (gan_augment), not part of training time; null where none were made.",
            "lower",
        ),
    ] = None
    total_seconds: Annotated[
        float,
        Column(
            "s",
            "Total training time: train_seconds, feature_seconds and generation_seconds.",
            "lower",
        ),
    ] = field(init=False)
    """A trial that does a part of it beforehand is no quicker for that."""
    samples_per_second: Annotated[
        float, Column("example/s", "Training examples per second of training time, over all workers.", "higher")
    ]
    latency_ms_p50: Annotated[float | None, Column("ms", "Median time of inference on one example.", "lower")]
    latency_ms_p95: Annotated[float | None, Column("ms", "95th percentile of the same.", "lower")]
    batch_latency_ms_p50: Annotated[
        float | None, Column("ms", "Median time of inference on one batch of the protocol's size.", "lower")
    ]
    batch_latency_ms_p95: Annotated[float | None, Column("ms", "95th percentile of the same.", "lower")]
    peak_memory_bytes: Annotated[
        int | None,
        Column(
            "B",
            "This trial's own peak: allocated on the GPU, or on a CPU resident above what the process held at its start.",
            "lower",
        ),
    ]
    activation_bytes: Annotated[
        int | None,
        Column(
            "B",
            "What autograd keeps of one training batch (of its part on a worker, or in an accumulated step) for the backward"
            " pass, the batch among it and the model not; null where the model learns in a way of its own.",
            "lower",
        ),
    ] = None
    device_memory_bytes: Annotated[int | None, Column("B", "All memory of the GPU; null on a CPU.")] = None
    energy_j: Annotated[
        float | None,
        Column(
            "J",
            "Energy that the processor packages, and the GPU that computed, drew while the trial ran, by counters of its"
            " machine: what else ran there is in it. Null where none can be read; never an estimate.",
            "lower",
        ),
    ] = None
    energy_source: Annotated[
        str | None, Column("-", "The counters: `rapl`, `nvml` or `rapl+nvml`; null where none can be read.")
    ] = None

    def __post_init__(self) -> None:
        total = self.train_seconds + (self.feature_seconds or 0.0) + (self.generation_seconds or 0.0)
        object.__setattr__(self, "total_seconds", total)


SplitDesign = Literal["official", "fixed", "redrawn", "fold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSizes:
    """Examples in each split, how those of the test split were chosen, and what became of the others."""

    train_size: Annotated[int, Column("example", "Examples in the training split.")]
    val_size: Annotated[int, Column("example", "Examples in the validation split.")]
    test_size: Annotated[int, Column("example", "Examples in the test split.")]
    dropped_duplicates: Annotated[
        int,
        Column(
            "example",
            "Examples left out because the test split has the same content, or one of their group.",
        ),
    ]
    split_design: Annotated[
        SplitDesign | None,
        Column(
            "-",
            "How the test examples were chosen: `official`; `fixed` by splits.test_seed; `redrawn` by each seed; `fold`."
            " Null if an older orch did not record it.",
        ),
    ] = None
    unlabelled_size: Annotated[
        int,
        Column("example", "Training examples outside the training split whose labels are hidden (per_class)."),
    ] = 0
    generated_size: Annotated[int, Column("example", "Further training examples, made by a regularizer.")] = 0


@dataclass(frozen=True, slots=True)
class CueScores:
    """The test split in two groups: where a planted cue (`spurious`) stands for the example's own class, and elsewhere."""

    agrees_size: Annotated[
        int,
        Column(
            "example",
            "Test examples whose planted cue (spurious) stands for their own class; null where none is planted.",
            of_test=True,
        ),
    ]
    agrees_accuracy: Annotated[
        float | None, Column("1", "Accuracy on those; null where there are none.", "higher", of_test=True)
    ]
    conflicts_accuracy: Annotated[
        float | None,
        Column("1", "Accuracy on the other test examples; null where there are none.", "higher", of_test=True),
    ]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a trial said of each example of its test split, packed (`trainables.training.predictions`)."""

    split_id: Annotated[
        str,
        Column(
            "-",
            "The test split that `predictions` has this trial's answers to (`examples`); null where none are kept.",
        ),
    ]
    examples: int
    """In the test split."""
    answers: bytes
    split: bytes | None
    """The examples themselves; None where whoever asked for the trial has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantScores:
    """A variant beside the net that it was made of."""

    runtime: Annotated[str, Column("-", "What runs the net: torch or onnxruntime.")]
    artifact_bytes: Annotated[
        int,
        Column(
            "B",
            "Size of the file that is shipped; of a trained net, of a file of its tensors, and null until something has been"
            " made of it.",
            "lower",
            share_of_parent="size_ratio",
        ),
    ]
    packed_bytes: Annotated[
        int,
        Column(
            "B",
            "The same after lossless compression (zlib), and null where that is.",
            "lower",
            share_of_parent="packed_ratio",
        ),
    ]
    size_ratio: Annotated[
        float, Column("1", "artifact_bytes over those of the parent's weights.", "lower", of_parent=1.0)
    ]
    packed_ratio: Annotated[float, Column("1", "The same of packed_bytes.", "lower", of_parent=1.0)]
    nonzero_share: Annotated[float, Column("1", "Share of the numbers in the file that are not 0.", "lower")]
    agreement: Annotated[
        float | None,
        Column("1", "Share of the test examples given the parent's class.", "higher", of_parent=1.0, of_test=True),
    ]
    max_abs_difference: Annotated[
        float, Column("1", "Largest difference of an output on the test split.", "lower", of_parent=0.0, of_test=True)
    ]
    speedup: Annotated[
        float, Column("1", "The parent's time over its own for one example, timed in turns.", "higher", of_parent=1.0)
    ]
    speedup_low: Annotated[float, Column("1", "Lower end of the 95 % interval of speedup.", measured=False)]
    speedup_high: Annotated[float, Column("1", "Upper end of it.", measured=False)]
    batch_speedup: Annotated[float, Column("1", "speedup for batches of the protocol's size.", "higher", of_parent=1.0)]
    batch_speedup_low: Annotated[float, Column("1", "Lower end of the 95 % interval of it.", measured=False)]
    batch_speedup_high: Annotated[float, Column("1", "Upper end of it.", measured=False)]
    latency_ms_p99: Annotated[float, Column("ms", "99th percentile of the time of one example.", "lower")]
    batch_latency_ms_p99: Annotated[float, Column("ms", "The same for a batch of the protocol's size.", "lower")]


@dataclass(frozen=True, slots=True)
class Seeds:
    """The streams derived from a trial's seed."""

    split: Annotated[int, Column("-", "Seed of the split.")]
    init: Annotated[int, Column("-", "Seed of the model's initial weights.")]
    shuffle: Annotated[int, Column("-", "Seed of the order of the training examples.", stored="order")]
    augment: Annotated[int, Column("-", "Seed of augmentation and dropout.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """How a trial that ran to its end came out."""

    status: Literal["completed", "diverged"]
    reason: str | None
    breakdown: Breakdown
    seeds: Annotated[Seeds, Prefix("seed_")]
    epochs: Annotated[int, Column("epoch", "Epochs that ran.")]
    steps: Annotated[int | None, Column("step", "Optimizer steps; null if an older orch did not count them.")] = None
    best_epoch: Annotated[
        int | None,
        Column("epoch", "The epoch that validation selected; its weights are the ones measured."),
    ]
    """None when diverged before the first selection."""
    stuck: Annotated[
        bool | None,
        Column(
            "1",
            "Whether the weights measured have a training loss (one clean pass) no better, by a hundredth, than the best"
            " answer that is the same for every example: the shares of the classes, or the mean target. Null where it"
            " diverged or tunes, and in a range test; a claim is about the share of trials.",
            "lower",
        ),
    ] = None
    gradient_reach_first: Annotated[
        float | None,
        Column(
            "1",
            "For models that read input step by step: size of the loss's gradient by what the first step reads, over that"
            " by what the last step reads, before training; mean norms over 32 training examples. Null for other networks.",
        ),
    ] = None
    gradient_reach_last: Annotated[
        float | None,
        Column("1", "The same after training, with the weights measured; also null if it diverged."),
    ] = None
    lr_lowest_loss: Annotated[
        float | None,
        Column("1", "Learning rate of the lowest training loss in a learning-rate range test; null in other trials."),
    ] = None
    lr_diverged: Annotated[
        float | None,
        Column(
            "1",
            "Learning rate from which the loss of a range test is not finite, or a quarter above that of the untrained"
            " network; null in other trials.",
            "higher",
        ),
    ] = None
    train: Annotated[Scores | None, Prefix("train_", "training examples in one clean pass")]
    """One clean pass over the training split, or a fixed 10,000 of it."""
    val: Annotated[Scores | None, Prefix("val_", "validation examples")]
    test: Annotated[Scores | None, Prefix("test_", "test examples")]
    sizes: SplitSizes
    positive_class: Annotated[
        str | None,
        Column(
            "-",
            "The class that columns ending in `_positive`, and `thresholds`, are of: the one that `positive` named when the"
            " trial ran. Null where none was named.",
        ),
    ] = None
    cue: Annotated[CueScores | None, Prefix("cue_")] = None
    """None where no cue was planted, or the test split was not measured."""
    variant: Annotated[VariantScores | None, Prefix("", null="of trials that train, or without classes")] = None
    headlines: Annotated[Headlines | None, Prefix("", null="until it was measured")] = None
    predictions: Predictions | None = None
    """None where the protocol or the task keeps none, and on every rank but the first."""
    costs: Costs
    world_size: Annotated[int, Column("worker", "Workers that trained it together.", measured=False)]
    threads: Annotated[int, Column("thread", "torch threads of a worker.", measured=False)]
    device: Annotated[str, Column("-", "cpu, or the name of the GPU.")]
