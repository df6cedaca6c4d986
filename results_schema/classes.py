"""The `classes` table: the test split class by class."""

import pyarrow as pa

from results_schema.column import INT, REAL, TEXT, Table, column

CLASSES = Table(
    name="classes",
    about="One row for each class of each completed trial, measured on the test split.",
    key=("trial_id", "class_index"),
    schema=pa.schema(
        [
            column("trial_id", TEXT, "-", "The trial.", required=True),
            column("class_index", INT, "-", "The label.", required=True),
            column("class_name", TEXT, "-", "What the label stands for.", required=True),
            column("support", INT, "example", "Test examples of this class.", required=True),
            column("precision", REAL, "1", "Share of the predictions of this class that are right."),
            column("recall", REAL, "1", "Share of the examples of this class that are found."),
            column("f1", REAL, "1", "Harmonic mean of precision and recall."),
            column("roc_auc", REAL, "1", "Area under the ROC against the rest, from all scores."),
        ]
    ),
)
