"""The rows that a trial hands out. Plain frozen records: their field names are the column names of the tables."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One epoch of one trial: a row of the `epochs` table."""

    epoch: int
    """Counts from 1."""
    lr: float
    """Learning rate of the epoch's last step."""
    train_loss: float
    """Mean training loss over the epoch, as it ran (dropout and augmentation on)."""
    val_loss: float
    seconds: float
    """Training time of the epoch."""
    eval_seconds: float
    train_accuracy: float | None = None
    """The running one, over the batches as they were trained on; of a mixed example its most probable class counts."""
    val_accuracy: float | None = None
    val_balanced_accuracy: float | None = None
    val_mse: float | None = None
    val_mae: float | None = None
    val_r2: float | None = None
    gradient_norm: float | None = None
    """Mean total 2-norm of the gradients, before they are clipped, over the first and every eighth step of the epoch. None
    where it is not finite, or the model learns in a way of its own."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Measures of one split. `loss` is the task's plain loss: cross-entropy for classes, squared error for numbers."""

    loss: float
    accuracy: float | None = None
    balanced_accuracy: float | None = None
    precision_macro: float | None = None
    recall_macro: float | None = None
    f1_macro: float | None = None
    f1_weighted: float | None = None
    roc_auc_macro: float | None = None
    cross_entropy: float | None = None
    brier: float | None = None
    ece: float | None = None
    mse: float | None = None
    mae: float | None = None
    r2: float | None = None


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class of the test split: a row of the `classes` table."""

    class_index: int
    class_name: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None


CurveKind = Literal["roc", "confusion", "lr_range"]


@dataclass(frozen=True, slots=True)
class CurveRow:
    """One point of a curve: a row of the `curves` table.

    For `roc`: `x` is the false positive rate, `y` the true positive rate of `class_index` against the rest.
    For `confusion`: `class_index` is the true class, `other_index` the predicted one, `y` the count (never zero).
    For `lr_range`: `x` is the learning rate, `y` the training loss, `class_index` 0.
    """

    curve: CurveKind
    class_index: int
    point: int
    x: float
    y: float
    other_index: int | None = None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What the tables keep of a split class by class."""

    classes: tuple[ClassRow, ...] = ()
    curves: tuple[CurveRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Costs:
    """What a trial took. Times are from a monotonic clock."""

    parameters: int
    """Numbers in the model, those that do not learn among them."""
    trainable_parameters: int
    """Numbers among them that learn."""
    model_bytes: int
    """Memory of the parameters and of what else the model's state holds."""
    flops: int
    """Floating-point operations of one forward pass over one example; a multiply-add counts as two."""
    train_seconds: float
    eval_seconds: float
    setup_seconds: float
    """Loading, splitting, building, compiling."""
    samples_per_second: float
    """Training examples a second of training time, over all workers."""
    latency_ms_p50: float | None
    """One example, in milliseconds."""
    latency_ms_p95: float | None
    batch_latency_ms_p50: float | None
    """One batch of the protocol's size, in milliseconds."""
    batch_latency_ms_p95: float | None
    peak_memory_bytes: int | None
    """This trial's own peak: of the device's allocator on a GPU, of the process's resident set above its start on a CPU."""
    device_memory_bytes: int | None = None
    """All memory of the GPU; None on a CPU."""
    feature_seconds: float | None = None
    """What making features with the part of the model that does not learn took; None where none were made."""
    generation_seconds: float | None = None
    """What regularizers took to make training examples; None where none did."""

    @property
    def total_seconds(self) -> float:
        """What training has taken in all: a trial that does a part of it beforehand is no quicker for that."""
        return self.train_seconds + (self.feature_seconds or 0.0) + (self.generation_seconds or 0.0)


@dataclass(frozen=True, slots=True)
class SplitSizes:
    """Examples in each split, and how many of the pool were dropped because the test split has the same content."""

    train: int
    val: int
    test: int
    dropped: int
    unlabelled: int = 0
    """Training examples beside those, whose labels were hidden."""
    generated: int = 0
    """Examples that regularizers made and added to the training split; not in `train`."""


@dataclass(frozen=True, slots=True)
class CueScores:
    """The test split in two groups: where a planted cue (`spurious`) stands for the example's own class, and elsewhere."""

    agrees_size: int
    """Test examples whose cue stands for their own class: about one in as many as there are classes."""
    agrees_accuracy: float | None
    conflicts_accuracy: float | None


@dataclass(frozen=True, slots=True)
class Seeds:
    """The streams derived from a trial's seed."""

    split: int
    init: int
    shuffle: int
    augment: int


@dataclass(frozen=True, slots=True)
class TrialResult:
    """How a trial that ran to its end came out."""

    status: Literal["completed", "diverged"]
    reason: str | None
    epochs: int
    """Epochs that ran."""
    best_epoch: int | None
    """The selected epoch; its weights are the ones measured. None when diverged before the first selection."""
    train: Scores | None
    """One clean pass over the training split, or a fixed 10,000 of it."""
    val: Scores | None
    test: Scores | None
    breakdown: Breakdown
    costs: Costs
    sizes: SplitSizes
    seeds: Seeds
    device: str
    """`cpu` or the name of the GPU."""
    world_size: int
    threads: int
    """torch threads of a worker."""
    lr_lowest_loss: float | None = None
    """Of a learning-rate range test; so is the next."""
    lr_diverged: float | None = None
    cue: CueScores | None = None
    """None where no cue was planted, or the test split was not measured."""
