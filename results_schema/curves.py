"""The `curves` table: ROC curves and confusion counts of the test split, and what a learning-rate range test found."""

import pyarrow as pa

from results_schema.column import INT, REAL, TEXT, Table, column

CURVES = Table(
    name="curves",
    about="ROC curves (at most 101 points a class) and the confusion counts that are not zero, on the test split; training"
    " loss over the learning rate (at most 100 points) of a learning-rate range test.",
    key=("trial_id", "curve", "class_index", "point"),
    schema=pa.schema(
        [
            column("trial_id", TEXT, "-", "The trial.", required=True),
            column("curve", TEXT, "-", "`roc`, `confusion` or `lr_range`.", required=True),
            column(
                "class_index",
                INT,
                "-",
                "The class against the rest, or the true class; 0 for `lr_range`.",
                required=True,
            ),
            column("point", INT, "-", "Number of the point within the class, from 0.", required=True),
            column(
                "x",
                REAL,
                "1",
                "False positive rate; `confusion`: the predicted class; `lr_range`: the learning rate.",
                required=True,
            ),
            column(
                "y",
                REAL,
                "1",
                "True positive rate; `confusion`: the count; `lr_range`: the mean training loss.",
                required=True,
            ),
            column("other_index", INT, "-", "For `confusion` the predicted class."),
        ]
    ),
)
