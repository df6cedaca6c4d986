"""The `epochs` table: one row for each epoch of each trial."""

import pyarrow as pa

from results_schema.column import INT, REAL, TEXT, Table, column

EPOCHS = Table(
    name="epochs",
    about="One row for each epoch of each trial's latest attempt.",
    key=("trial_id", "epoch"),
    schema=pa.schema(
        [
            column("trial_id", TEXT, "-", "The trial.", required=True),
            column("epoch", INT, "epoch", "Counts from 1.", required=True),
            column("lr", REAL, "1", "Learning rate of the epoch's last step.", required=True),
            column("train_loss", REAL, "loss", "Mean training loss as it ran, dropout and augmentation on."),
            column(
                "train_accuracy",
                REAL,
                "1",
                "Share right over the batches as they were trained on; of a mixed example the most probable class counts.",
            ),
            column("val_loss", REAL, "loss", "The task's plain loss on the validation split."),
            column("val_accuracy", REAL, "1", "Share of the validation split that is right."),
            column("val_balanced_accuracy", REAL, "1", "Mean recall over the classes of the validation split."),
            column("val_mse", REAL, "target²", "Mean squared error on the validation split."),
            column("val_mae", REAL, "target", "Mean absolute error on the validation split."),
            column("val_r2", REAL, "1", "Coefficient of determination on the validation split."),
            column(
                "gradient_norm",
                REAL,
                "loss",
                "Mean 2-norm of all gradients, before they are clipped, of the first and every eighth step of the epoch.",
            ),
            column("seconds", REAL, "s", "Training time of the epoch.", required=True),
            column("eval_seconds", REAL, "s", "Evaluation time of the epoch.", required=True),
        ]
    ),
)
