"""Which epoch is selected."""

import math

from tests.trainables.epoch_rows import epoch_row
from trainables.protocol import Protocol, is_best, unsupported
from trainables.records import EpochRow
from trainables.tasks.classification import Classification
from trainables.tasks.regression import Regression


def rows(accuracies: list[float | None], losses: list[float] | None = None) -> list[EpochRow]:
    losses = losses or [0.0] * len(accuracies)
    return [
        epoch_row(epoch, val_loss=loss, accuracy=accuracy)
        for epoch, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True), start=1)
    ]


def selected(history: list[EpochRow], select: str | None) -> int:
    protocol = Protocol(select=select)
    return [row.epoch for row in history if is_best(history[: row.epoch], protocol, Classification())][-1]


def test_the_earliest_of_equals_is_selected() -> None:
    assert selected(rows([0.5, 0.8, 0.8, 0.7]), None) == 2


def test_a_loss_is_better_when_smaller() -> None:
    assert selected(rows([0.1, 0.2, 0.3], [0.5, 0.2, 0.4]), "val_loss") == 2


def test_the_last_epoch_may_be_taken_however_good_it_is() -> None:
    assert selected(rows([0.5, 0.8, 0.7, None]), "last") == 4
    assert unsupported(Protocol(select="last"), Regression()) is None


def test_an_undefined_measure_never_beats_a_defined_one_and_one_epoch_is_always_selected() -> None:
    assert selected(rows([None, math.nan]), None) == 1
    assert selected(rows([None, 0.1, math.nan]), None) == 2


def test_a_measure_that_the_task_lacks_is_named_with_those_that_it_has() -> None:
    assert unsupported(Protocol(select="val_accuracy"), Regression()) == (
        "the protocol selects on val_accuracy, which the task regression does not measure; "
        "it has val_loss, val_mse, val_mae, val_r2"
    )
    assert unsupported(Protocol(), Regression()) is None
    assert unsupported(Protocol(select="val_accuracy"), Classification()) is None
