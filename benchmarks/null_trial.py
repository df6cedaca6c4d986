"""A trial that trains nothing: it hands out one epoch and its result immediately, so that only the way costs time.

In a module of its own, because slots and ranks import it.
"""

import time
from dataclasses import replace
from typing import Final

from trainables.context import Context, Signal
from trainables.records import Breakdown, Costs, EpochRow, SplitSizes, TrialResult
from trainables.spec import TrialTask, derived_seeds
from trainables.tasks.classification import ClassificationScores

_SCORES: Final = ClassificationScores(loss=1.0, accuracy=0.5, balanced_accuracy=0.5, cross_entropy=1.0)
_ROW: Final = EpochRow(epoch=1, lr=0.1, train_loss=1.0, val=_SCORES, seconds=0.0, eval_seconds=0.0)
_COSTS: Final = Costs(
    parameters=1,
    trainable_parameters=1,
    model_bytes=4,
    flops=1,
    train_seconds=0.0,
    eval_seconds=0.0,
    setup_seconds=0.0,
    samples_per_second=0.0,
    latency_ms_p50=None,
    latency_ms_p95=None,
    batch_latency_ms_p50=None,
    batch_latency_ms_p95=None,
    peak_memory_bytes=None,
)


def null_trial(trial_task: TrialTask, context: Context) -> TrialResult:
    """One row and one result for each epoch that the protocol asks for; `context` is spoken to as training would."""
    for epoch in range(1, trial_task.spec.protocol.epochs + 1):
        began = time.perf_counter()
        context.check()
        context.report(replace(_ROW, epoch=epoch, seconds=time.perf_counter() - began))
        context.agree_max(Signal.GO_ON)
    return TrialResult(
        status="completed",
        reason=None,
        epochs=trial_task.spec.protocol.epochs,
        best_epoch=1,
        train=_SCORES,
        val=_SCORES,
        test=_SCORES,
        breakdown=Breakdown(),
        costs=_COSTS,
        sizes=SplitSizes(train_size=1, val_size=1, test_size=1, dropped_duplicates=0),
        seeds=derived_seeds(trial_task.spec.seed),
        device=context.device.type,
        world_size=context.world_size,
        threads=1,
    )
