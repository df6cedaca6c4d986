"""The `curves` table: ROC curves and confusion counts of the test split."""

import pyarrow as pa

from results_schema.column import INT, REAL, TEXT, Table, column

CURVES = Table(
    name="curves",
    about="ROC curves (at most 101 points a class) and the confusion counts that are not zero, on the test split.",
    key=("trial_id", "curve", "class_index", "point"),
    schema=pa.schema(
        [
            column("trial_id", TEXT, "-", "The trial.", required=True),
            column("curve", TEXT, "-", "`roc` or `confusion`.", required=True),
            column("class_index", INT, "-", "The class against the rest, or the true class.", required=True),
            column("point", INT, "-", "Number of the point within the class, from 0.", required=True),
            column("x", REAL, "1", "False positive rate; for `confusion` the predicted class.", required=True),
            column("y", REAL, "1", "True positive rate; for `confusion` the count.", required=True),
            column("other_index", INT, "-", "For `confusion` the predicted class."),
        ]
    ),
)
