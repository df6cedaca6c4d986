"""Epochs as tests hand them on."""

from trainables.records import EpochRow
from trainables.tasks.classification import ClassificationScores


def epoch_row(
    epoch: int = 1,
    *,
    lr: float = 0.1,
    train_loss: float = 1.0,
    val_loss: float = 1.0,
    train_accuracy: float | None = None,
    accuracy: float | None = None,
    seconds: float = 0.1,
) -> EpochRow:
    """Of classes. accuracy: of validation, and balanced."""
    return EpochRow(
        epoch=epoch,
        lr=lr,
        train_loss=train_loss,
        train_accuracy=train_accuracy,
        val=ClassificationScores(loss=val_loss, accuracy=accuracy, balanced_accuracy=accuracy),
        seconds=seconds,
        eval_seconds=0.1,
    )
