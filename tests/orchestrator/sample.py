"""A small results directory with every kind of ending, written through the real journal.

`write_sample(root)` leaves what a finished sweep leaves: a journal and its tables. The parts below it make other ones.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

from orchestrator.engine import AttemptFailed, AttemptFinished, EpochDone, Failure, FailureKind, Started
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.sql import PlannedRow
from orchestrator.store.tables import export
from results_schema import TRAINED_NET, CellRow, EnvironmentRow
from tests.trainables.epoch_rows import epoch_row
from trainables.columns import Scores
from trainables.records import Breakdown, Costs, CurveRow, EpochRow, Seeds, SplitSizes, TrialResult
from trainables.tasks._by_class import ClassBreakdown, ClassRow
from trainables.tasks.classification import ClassificationScores
from trainables.tasks.regression import RegressionScores

BEGIN = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
ENVIRONMENT = "e" * 16
REASON_OF_FAILURE = "RuntimeError: shapes (64, 10) and (32,) do not match <script>alert('reason')</script>"
TRACEBACK = 'Traceback (most recent call last):\n  File "fit.py", line 10, in fit\nRuntimeError: shapes do not match\n'


@dataclass(frozen=True)
class Cell:
    """The labels of a cell."""

    dataset: str = "digits"
    model: str = "mlp"
    optimizer: str = "sgd lr=0.1"
    regularizer: str = "none"
    select: str | None = None
    """What its protocol selects by."""
    tuning: str | None = None
    """How it is tuned, JSON."""
    content: str = "f" * 32
    """The fingerprint of its data."""

    @property
    def cell_id(self) -> str:
        parts = (self.dataset, self.model, self.optimizer, self.regularizer, *filter(None, (self.select, self.tuning)))
        return _digest("|".join(parts))

    def trial_id(self, seed: int) -> str:
        return _digest(f"{self.cell_id}:{seed}")

    def row(self) -> CellRow:
        def config(label: str) -> str:
            name, *parameters = label.split(" ")
            return json.dumps(
                {"name": name, **{key: float(value) for key, value in (p.split("=") for p in parameters)}}
            )

        return CellRow(
            cell_id=self.cell_id,
            dataset=self.dataset,
            model=self.model,
            optimizer=self.optimizer,
            regularizer=self.regularizer,
            dataset_config=json.dumps({"name": self.dataset}),
            model_config=json.dumps({"name": self.model, "hidden": [64, 32], "activation": "relu"}),
            optimizer_config=config(self.optimizer),
            regularizer_config=json.dumps([{"name": self.regularizer}]),
            **TRAINED_NET,
            protocol_config=json.dumps(
                {"epochs": 3, "batch_size": 64, "splits": {"validation": 0.1, "test": 0.2}, "select": self.select}
            ),
            tuning_config=self.tuning,
            data_fingerprint=self.content,
            precision="fp32",
            compiled=False,
            deterministic=False,
        )


MLP_SGD = Cell()
MLP_ADAM = Cell(optimizer="adam lr=0.003")
CNN_SGD = Cell(model="cnn")
CNN_ADAM = Cell(model="cnn", optimizer="adam lr=0.003")
RESNET_SGD = Cell(model="resnet")
LSTM_SGD = Cell(model="lstm")
CELLS = (MLP_SGD, MLP_ADAM, CNN_SGD, CNN_ADAM, RESNET_SGD, LSTM_SGD)
SKIPPED = "lstm reads image inputs of one channel, digits has <b>three</b>"


def write_sample(root: Path, *, name: str = "demo") -> ResultsPaths:
    """12 trials: completed 6, diverged 1, failed 1, out_of_memory 1, cancelled 1, skipped 2. Journal and tables."""
    paths = ResultsPaths(root)
    journal = Journal.create_or_open(paths.journal)
    plan(journal, CELLS, seeds=(0, 1), name=name, skipped={LSTM_SGD: SKIPPED})
    complete(journal, MLP_SGD, 0, accuracy=0.90)
    complete(journal, MLP_SGD, 1, accuracy=0.94)
    complete(journal, MLP_ADAM, 0, accuracy=0.95)
    complete(journal, MLP_ADAM, 1, accuracy=0.97)
    complete(journal, CNN_SGD, 0, accuracy=0.99)
    diverge(journal, CNN_SGD, 1)
    fail(journal, CNN_ADAM, 0, attempt=1, status=None)
    fail(journal, CNN_ADAM, 0, attempt=2, status="failed")
    fail(journal, CNN_ADAM, 1, kind=FailureKind.OUT_OF_MEMORY, status="out_of_memory", reason="64 MiB were asked for")
    complete(journal, RESNET_SGD, 0, accuracy=0.80)
    start(journal, RESNET_SGD, 1)
    journal.cancel_running("the sweep was stopped by SIGINT")
    journal.commit()
    export(journal, paths)
    journal.close()
    return paths


def write_regression(root: Path) -> ResultsPaths:
    """2 completed trials of a numeric target, mean squared errors 0.5 and 0.25."""
    paths = ResultsPaths(root)
    journal = Journal.create_or_open(paths.journal)
    cells = [Cell(dataset="brightness", model=model) for model in ("mlp", "cnn")]
    plan(journal, cells, seeds=(0,), name="numbers")
    for cell, mse in zip(cells, (0.5, 0.25), strict=True):
        start(journal, cell, 0)
        for epoch in (1, 2):
            row = EpochRow(
                epoch=epoch,
                lr=0.1,
                train_loss=2.0 / epoch,
                val=RegressionScores(loss=mse * 2 / epoch, mse=mse * 2 / epoch, mae=mse / epoch, r2=0.5),
                seconds=0.5,
                eval_seconds=0.1,
            )
            journal.epoch_done(EpochDone(cell.trial_id(0), 1, row))
        scores = RegressionScores(loss=mse, mse=mse, mae=mse / 2, r2=1 - mse)
        journal.attempt_finished(
            AttemptFinished(cell.trial_id(0), 1, result(scores, epochs=2, breakdown=Breakdown()), _at(10), "")
        )
    journal.commit()
    export(journal, paths)
    journal.close()
    return paths


def write_running(root: Path) -> tuple[ResultsPaths, Journal]:
    """A sweep in the middle: 1 completed, 1 running at epoch 2, 2 pending. The caller closes the journal."""
    paths = ResultsPaths(root)
    journal = Journal.create_or_open(paths.journal)
    plan(journal, (MLP_SGD, CNN_SGD), seeds=(0, 1))
    complete(journal, MLP_SGD, 0, accuracy=0.9)
    start(journal, CNN_SGD, 0)
    epochs(journal, CNN_SGD, 0, [0.5, 0.6])
    journal.commit()
    return paths, journal


# the parts


def plan(
    journal: Journal,
    cells: Sequence[Cell],
    seeds: Sequence[int],
    name: str = "demo",
    skipped: dict[Cell, str] | None = None,
) -> None:
    reasons = skipped or {}
    with journal.planning(name) as planning:
        for cell in cells:
            planning.add(
                cell.row(),
                [
                    PlannedRow(cell.trial_id(seed), cell.cell_id, "evaluation", seed, "d" * 16, reasons.get(cell))
                    for seed in seeds
                ],
            )
    journal.environment(environment())


def environment() -> EnvironmentRow:
    return EnvironmentRow(
        environment_id=ENVIRONMENT,
        started_at=BEGIN,
        command="orch sweep demo.yaml",
        orch_version="0.1.0",
        results_version=1,
        python="3.11.9",
        packages=json.dumps({"torch": "2.15.0", "numpy": "2.3.0"}),
        platform="Linux-6.1",
        host="bench-1",
        cpu="Example CPU",
        cpus=2,
        memory_bytes=8 * 2**30,
        gpus="[]",
        git_commit="0123456789abcdef0123456789abcdef01234567",
        git_dirty=True,
        cluster=json.dumps({"name": "local", "address": "local"}),
        grid="name: demo\naxes:\n  model: [mlp]  # </script><script>alert('grid')</script>\n",
    )


def start(journal: Journal, cell: Cell, seed: int, attempt: int = 1) -> None:
    event = Started(cell.trial_id(seed), attempt, "slot-0", "bench-1", 4242, _at(attempt))
    journal.started(event, ENVIRONMENT)


def epochs(journal: Journal, cell: Cell, seed: int, accuracies: Sequence[float], attempt: int = 1) -> None:
    for number, accuracy in enumerate(accuracies, start=1):
        row = epoch_row(
            number,
            lr=0.1 / number,
            train_loss=1.0 - accuracy,
            val_loss=1.1 - accuracy,
            train_accuracy=accuracy,
            accuracy=accuracy,
            seconds=0.5,
        )
        journal.epoch_done(EpochDone(cell.trial_id(seed), attempt, row))


def _as_it_is(ended: TrialResult) -> TrialResult:
    return ended


def complete(
    journal: Journal,
    cell: Cell,
    seed: int,
    accuracy: float,
    attempt: int = 1,
    *,
    anew: bool = True,
    change: Callable[[TrialResult], TrialResult] = _as_it_is,
) -> None:
    """anew: False where the attempt was started before. change: makes another result of the usual one."""
    if anew:
        start(journal, cell, seed, attempt)
    epochs(journal, cell, seed, [accuracy - 0.2, accuracy - 0.1, accuracy], attempt)
    scores = ClassificationScores(
        loss=1.0 - accuracy,
        accuracy=accuracy,
        balanced_accuracy=accuracy,
        precision_macro=accuracy,
        recall_macro=accuracy,
        f1_macro=accuracy - 0.01,
        f1_weighted=accuracy,
        roc_auc_macro=accuracy,
        cross_entropy=1.0 - accuracy,
        brier=0.1,
        ece=0.05,
    )
    ended = change(result(scores, epochs=3, breakdown=_breakdown(accuracy)))
    journal.attempt_finished(
        AttemptFinished(cell.trial_id(seed), attempt, ended, _at(attempt, minutes=2), "epoch 1 of 3\nepoch 3 of 3\n")
    )


def diverge(journal: Journal, cell: Cell, seed: int) -> None:
    start(journal, cell, seed)
    epochs(journal, cell, seed, [0.1])
    row = epoch_row(2, train_loss=float("nan"), val_loss=float("inf"), seconds=0.5)
    journal.epoch_done(EpochDone(cell.trial_id(seed), 1, row))
    ended = replace(
        result(None, epochs=2, breakdown=Breakdown()), status="diverged", reason="the loss became NaN in epoch 2"
    )
    journal.attempt_finished(AttemptFinished(cell.trial_id(seed), 1, ended, _at(1, minutes=1), ""))


def fail(
    journal: Journal,
    cell: Cell,
    seed: int,
    *,
    attempt: int = 1,
    status: str | None = "failed",
    kind: FailureKind = FailureKind.ERROR,
    reason: str = REASON_OF_FAILURE,
    anew: bool = True,
) -> None:
    if anew:
        start(journal, cell, seed, attempt)
    failure = Failure(kind, reason, TRACEBACK)
    event = AttemptFailed(
        cell.trial_id(seed), attempt, failure, _at(attempt, minutes=1), f"attempt {attempt} printed this\n"
    )
    journal.attempt_failed(event, status, reason)


def result(scores: Scores | None, *, epochs: int, breakdown: Breakdown) -> TrialResult:
    return TrialResult(
        status="completed",
        reason=None,
        epochs=epochs,
        steps=20 * epochs,
        best_epoch=None if scores is None else epochs,
        train=scores,
        val=scores,
        test=scores,
        breakdown=breakdown,
        costs=Costs(
            parameters=5000,
            trainable_parameters=4000,
            model_bytes=20_000,
            flops=10000,
            train_seconds=1.5,
            eval_seconds=0.3,
            setup_seconds=0.2,
            samples_per_second=2500.0,
            latency_ms_p50=0.4,
            latency_ms_p95=0.6,
            batch_latency_ms_p50=1.4,
            batch_latency_ms_p95=1.6,
            peak_memory_bytes=1_000_000,
        ),
        sizes=SplitSizes(train_size=1257, val_size=180, test_size=360, dropped_duplicates=0, split_design="redrawn"),
        seeds=Seeds(1, 2, 3, 4),
        device="cpu",
        world_size=1,
        threads=1,
    )


def _breakdown(accuracy: float) -> Breakdown:
    names = ("cat", "dog", "<script>alert('class')</script>")
    wrong = round(300 * (1 - accuracy))
    confusion = [(0, 0, 100 - wrong), (0, 1, wrong), (1, 1, 100), (2, 2, 100)]
    numbers = [sum(1 for before in confusion[:place] if before[0] == row[0]) for place, row in enumerate(confusion)]
    return ClassBreakdown(
        classes=tuple(ClassRow(i, name, 100, accuracy, accuracy, accuracy, accuracy) for i, name in enumerate(names)),
        curves=(
            *(CurveRow("roc", index, point, point / 2, (point / 2) ** 0.5) for index in range(3) for point in range(3)),
            *(
                CurveRow("confusion", true, point, float(guess), float(count), guess)
                for point, (true, guess, count) in zip(numbers, confusion, strict=True)
            ),
        ),
    )


def _at(attempt: int, minutes: float = 0) -> datetime:
    return BEGIN + timedelta(minutes=attempt * 5 + minutes)


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()
