"""Results that no trial made, as a sweep leaves them: through the real journal, with curves and counts of every class."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.made_up_measured import MEASUREMENTS, MeasuredCell
from orchestrator.engine import AttemptFailed, AttemptFinished, EpochDone, Failure, FailureKind, Started
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.writing import write_parts
from orchestrator.store.sql import PlannedRow
from orchestrator.store.tables import Checksums, export
from results_schema import MEASUREMENT, TRAINED_NET, VERSION, CellRow, EnvironmentRow
from trainables.columns import Scores
from trainables.records import (
    Breakdown,
    Costs,
    CurveRow,
    EpochRow,
    Predictions,
    Seeds,
    SplitSizes,
    TrialResult,
)
from trainables.task import Answers
from trainables.tasks._by_class import ClassBreakdown, ClassRow
from trainables.tasks.classification import ClassificationScores
from trainables.training.predictions import SplitExamples, pack_answers

BEGIN: Final = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
EPOCHS: Final = 30
_PART_TRIALS: Final = 100
CLASSES: Final = ("shirt", "trouser", "pullover", "dress", "coat", "sandal", "jacket", "sneaker", "bag", "boot")
DATASETS: Final = {"fashion_mnist": 0.0, "kmnist": 0.03}
MODELS: Final = {
    "mlp(hidden=64-32)": (0.0, 52_650),
    "cnn(channels=16-32)": (0.045, 25_034),
    "resnet(depth=8)": (0.055, 78_042),
    "vit(depth=2, width=32)": (0.02, 41_770),
    "lstm(hidden=64)": (0.01, 24_714),
}
OPTIMIZERS: Final = {
    "sgd(lr=0.1)": 0.01,
    "sgd(lr=1.0)": -0.08,
    "adam(lr=0.003)": 0.014,
    "adamw(lr=0.003)": 0.015,
    "rmsprop(lr=0.001)": 0.004,
}
REGULARIZERS: Final = {
    "none": (0.0, 0.05),
    "dropout(p=0.3)": (0.006, 0.02),
    "augment": (0.012, 0.01),
    "weight_decay(value=0.0005)": (0.003, 0.035),
}
"""What a level adds to the accuracy, and of a regularizer the gap that it leaves."""


@dataclass(frozen=True)
class MadeUp:
    """A cell."""

    dataset: str
    model: str
    optimizer: str
    regularizer: str

    @property
    def cell_id(self) -> str:
        return _digest("|".join((self.dataset, self.model, self.optimizer, self.regularizer)))

    @property
    def accuracy(self) -> float:
        helps = 0.02 if self.model.startswith(("cnn", "resnet")) and self.regularizer == "augment" else 0.0
        return (
            0.86
            + DATASETS[self.dataset]
            + MODELS[self.model][0]
            + OPTIMIZERS[self.optimizer]
            + REGULARIZERS[self.regularizer.partition(" #")[0]][0]
            + helps
        )

    def row(self) -> CellRow:
        def named(label: str) -> str:
            return json.dumps({"name": label.partition("(")[0]})

        return CellRow(
            cell_id=self.cell_id,
            dataset=self.dataset,
            model=self.model,
            optimizer=self.optimizer,
            regularizer=self.regularizer,
            dataset_config=named(self.dataset),
            model_config=named(self.model),
            optimizer_config=named(self.optimizer),
            regularizer_config=f"[{named(self.regularizer)}]",
            **TRAINED_NET,
            protocol_config=json.dumps({"epochs": EPOCHS, "batch_size": 128}),
            tuning_config=None,
            data_fingerprint="f" * 32,
            precision="fp32",
            compiled=False,
            deterministic=False,
        )


def write_made_up(
    root: Path,
    *,
    seeds: int = 5,
    variants: int = 1,
    broken_down: bool = True,
    examples: int = 0,
    measured: bool = False,
) -> ResultsPaths:
    """2 x 5 x 5 x 4 cells, each so many times under other names of its regularizer; 1 in 50 trials breaks.

    broken_down: whether trials have curves and counts of classes. examples: test examples that each has predictions of.
    measured: whether what completed has been measured in every way.
    """
    paths = ResultsPaths(root)
    journal = Journal.create_or_open(paths.journal)
    regularizers = [f"{name} #{copy}" if copy else name for copy in range(variants) for name in REGULARIZERS]
    cells = [MadeUp(*levels) for levels in product(DATASETS, MODELS, OPTIMIZERS, regularizers)]
    with journal.planning("made_up") as planning:
        for cell in cells:
            trials = [
                PlannedRow(_trial_id(cell, seed), cell.cell_id, "evaluation", seed, "d" * 16, None)
                for seed in range(seeds)
            ]
            planning.add(cell.row(), trials)
            for one in _measured_cells(cell) if measured else ():
                planning.add(one.row(), [_measurement(one, cell, seed) for seed in range(seeds)])
    journal.environment(_environment())
    random = np.random.default_rng(0)
    parts: tuple[str, ...] = ()
    for count, (cell, seed) in enumerate(product(cells, range(seeds)), 1):
        completed = _run(journal, cell, seed, random, broken_down, examples)
        if measured:
            _measure(journal, cell, seed, completed)
        if examples and count % _PART_TRIALS == 0:  # as the exports of a sweep do
            journal.commit()
            written = write_parts(journal, paths, parts, everything=False)
            parts = written.parts
            journal.predictions_written(written.written)
    journal.commit()
    if parts:
        Checksums(directory_id=journal.directory_id, parts=parts).write(paths.checksums)
    journal.predictions_written(export(journal, paths))
    journal.close()
    return paths


def _run(
    journal: Journal, cell: MadeUp, seed: int, random: np.random.Generator, broken_down: bool, examples: int
) -> TrialResult | None:
    """What the trial came to; None where it did not complete."""
    trial_id = _trial_id(cell, seed)
    journal.started(Started(trial_id, 1, "slot-0", "bench-1", 4242, BEGIN), "e" * 16)
    if random.random() < 0.01:
        reason = "RuntimeError: the worker died"
        failure = Failure(FailureKind.ERROR, reason, "")
        journal.attempt_failed(AttemptFailed(trial_id, 1, failure, BEGIN + timedelta(minutes=1), ""), "failed", reason)
        return None
    best = float(min(0.995, cell.accuracy + 0.004 * np.cos(seed) + random.normal(0, 0.005)))
    speed = 1.5 + random.random() * 4
    for epoch in range(1, EPOCHS + 1):
        at = best - (best - 0.1) * float(np.exp(-epoch / speed)) + random.normal(0, 0.003)
        row = EpochRow(
            epoch=epoch,
            lr=0.1 * (1 - epoch / EPOCHS),
            train_loss=2.3 * float(np.exp(-epoch / speed)) + 0.1,
            train_accuracy=at,
            val=ClassificationScores(loss=1.05 - at + 0.004 * epoch, accuracy=at, balanced_accuracy=at),
            seconds=0.5,
            eval_seconds=0.1,
        )
        journal.epoch_done(EpochDone(trial_id, 1, row))
    diverged = cell.optimizer == "sgd(lr=1.0)" and random.random() < 0.3
    completed = _result(cell, best, random)
    if not broken_down:
        completed = replace(completed, breakdown=Breakdown())
    if examples and not diverged:
        completed = replace(completed, predictions=_predictions(best, examples, random))
    ended = _diverged(completed) if diverged else completed
    journal.attempt_finished(AttemptFinished(trial_id, 1, ended, BEGIN + timedelta(minutes=2), ""))
    return None if diverged else completed


def _measured_cells(cell: MadeUp) -> Iterator[MeasuredCell]:
    return (MeasuredCell(cell.row(), measurement) for measurement in MEASUREMENTS)


def _measurement(one: MeasuredCell, cell: MadeUp, seed: int) -> PlannedRow:
    parent = _trial_id(cell, seed)
    return PlannedRow(one.trial_id(seed), one.identity.hex(), MEASUREMENT, seed, "d" * 16, None, None, parent)


def _measure(journal: Journal, cell: MadeUp, seed: int, completed: TrialResult | None) -> None:
    for one in _measured_cells(cell):
        trial_id = one.trial_id(seed)
        if completed is None:
            journal.set_aside(trial_id, "skipped", "its parent came to no net")
            continue
        found = one.result(completed, cell.accuracy, CLASSES)
        journal.started(Started(trial_id, 1, "slot-0", "bench-1", 4242, BEGIN), "e" * 16)
        journal.attempt_finished(AttemptFinished(trial_id, 1, found, BEGIN + timedelta(minutes=3), ""))


def _result(cell: MadeUp, test: float, random: np.random.Generator) -> TrialResult:
    parameters = MODELS[cell.model][1]
    gap = REGULARIZERS[cell.regularizer.partition(" #")[0]][1]
    train = min(1.0, test + gap + float(random.normal(0, 0.003)))
    return TrialResult(
        status="completed",
        reason=None,
        epochs=EPOCHS,
        best_epoch=EPOCHS,
        train=_scores(train),
        val=_scores(test + float(random.normal(0, 0.003))),
        test=_scores(test),
        breakdown=_breakdown(test, random),
        costs=Costs(
            parameters=parameters,
            trainable_parameters=parameters,
            model_bytes=4 * parameters,
            flops=parameters * (40 if "cnn" in cell.model or "resnet" in cell.model else 2),
            train_seconds=parameters / 2_000 * (1 + random.random() / 5),
            eval_seconds=1.0,
            setup_seconds=0.2,
            samples_per_second=2500.0,
            latency_ms_p50=parameters / 50_000 * (1 + random.random() / 5),
            latency_ms_p95=2.0,
            batch_latency_ms_p50=4.0,
            batch_latency_ms_p95=5.0,
            peak_memory_bytes=64_000_000,
        ),
        sizes=SplitSizes(train_size=54_000, val_size=6_000, test_size=10_000, dropped_duplicates=0),
        seeds=Seeds(1, 2, 3, 4),
        device="cpu",
        world_size=1,
        threads=1,
    )


def _predictions(accuracy: float, examples: int, random: np.random.Generator) -> Predictions:
    """Of one test split, the same for all. As sure as a net is that is right as often, and less so where it is wrong."""
    targets = (np.arange(examples) * 7 % len(CLASSES)).astype(np.float32)
    right = random.random(examples) < accuracy
    guesses = np.where(right, targets, (targets + random.integers(1, len(CLASSES), examples)) % len(CLASSES))
    odds = random.normal(np.where(right, 4.0, -2.0), 2.0)
    answers = Answers(guesses.astype(np.float32), targets, 1 / (1 + np.exp(-odds)))
    split = SplitExamples(targets, None, [f"{number:05d}.png" for number in range(examples)])
    return Predictions("5" * 16, examples, pack_answers(answers), split.packed())


def _diverged(completed: TrialResult) -> TrialResult:
    reason = f"the loss became NaN in epoch {EPOCHS}"
    nothing = {"best_epoch": None, "train": None, "val": None, "test": None, "breakdown": Breakdown()}
    return replace(completed, status="diverged", reason=reason, **nothing)


def _scores(accuracy: float) -> Scores:
    return ClassificationScores(
        loss=1 - accuracy, accuracy=accuracy, balanced_accuracy=accuracy, f1_macro=accuracy - 0.002
    )


def _breakdown(accuracy: float, random: np.random.Generator) -> Breakdown:
    size = len(CLASSES)
    shares = random.dirichlet(np.ones(size) / 2, size) * (1 - accuracy)
    shares[np.arange(size), np.arange(size)] += accuracy
    counts = np.array([random.multinomial(1000, row / row.sum()) for row in shares])
    rates = np.linspace(0, 1, 101)
    return ClassBreakdown(
        classes=tuple(
            ClassRow(place, name, 1000, accuracy, accuracy, accuracy, accuracy) for place, name in enumerate(CLASSES)
        ),
        curves=tuple(_curves(counts, rates, accuracy, random)),
    )


def _curves(counts: np.ndarray, rates: np.ndarray, accuracy: float, random: np.random.Generator) -> Iterator[CurveRow]:
    for index in range(len(CLASSES)):
        bend = (1 - accuracy) * (0.3 + random.random())
        for point, x in enumerate(rates.tolist()):
            yield CurveRow("roc", index, point, x, x**bend if x else 0.0)
        for point, other in enumerate(np.flatnonzero(counts[index]).tolist()):
            yield CurveRow("confusion", index, point, float(other), float(counts[index, other]), other)


def _environment() -> EnvironmentRow:
    return EnvironmentRow(
        environment_id="e" * 16,
        started_at=BEGIN,
        command="orch sweep made_up.yaml",
        orch_version="0.1.0",
        results_version=VERSION,
        python="3.11.9",
        packages="{}",
        platform="Linux",
        host="bench-1",
        cpu="none: these results are made up",
        cpus=2,
        memory_bytes=8 * 2**30,
        gpus="[]",
        git_commit=None,
        git_dirty=None,
        cluster="{}",
        grid="name: made_up\n",
    )


def _trial_id(cell: MadeUp, seed: int) -> str:
    return _digest(f"{cell.cell_id}:{seed}")


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()
