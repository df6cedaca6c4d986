"""CSV files of all tables, for programs that read no Parquet."""

from collections.abc import Iterator
from filecmp import cmp
from pathlib import Path
from typing import IO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from orchestrator.conversion.ended import Converted, not_writable
from orchestrator.store.files import irregularity
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions.reading import examples_of, predicted_trials, predictions_of
from orchestrator.store.reading import table_of
from results_schema import EXAMPLES, PREDICTIONS, TABLES, Table
from trainables.data.files import durable, unfinished

_FORMULA: Final = r"^[=+\-@\t\r]"
"""What a spreadsheet reads as more than text."""


def write_tables(paths: ResultsPaths, folder: Path) -> Converted:
    """A file for each table that has a row; one that would be the same stays as it is. Raises UserError, DamagedResults."""
    done = [_write(folder / f"{table.name}.csv", _batches(paths, table)) for table in (*TABLES, PREDICTIONS, EXAMPLES)]
    return Converted(done.count("written"), done.count("same"), 0, "table")


def _batches(paths: ResultsPaths, table: Table) -> Iterator[pa.Table]:
    """Those of predictions are many: a trial's at a time, sorted by its id."""
    if table == EXAMPLES:
        yield examples_of(paths)
    elif table == PREDICTIONS:
        for trial_id in sorted(predicted_trials(paths)):
            for trial, answered in predictions_of(paths, [trial_id]):
                rows = trial.examples
                yield pa.table(
                    {
                        "trial_id": pa.array([trial_id] * rows),
                        "split_id": pa.array([trial.split_id] * rows),
                        "position": pa.array(range(rows), pa.int32()),
                        "predicted": pa.array(answered.predicted),
                        "probability": pa.nulls(rows, pa.float32())
                        if answered.probability is None
                        else pa.array(answered.probability),
                    }
                )
    else:
        yield table_of(paths, table)


def _write(path: Path, batches: Iterator[pa.Table]) -> str:
    """Whether it is `written`, the `same`, or `empty` and not there."""
    try:
        with unfinished(path) as file:
            if not _written(file, batches):
                return "empty"
            file.flush()
            new = Path(file.name)
            if irregularity(path) is None and path.exists() and cmp(new, path, shallow=False):
                return "same"
            new.replace(path)
            durable(path.parent)
            return "written"
    except OSError as error:
        raise not_writable(path, error) from error


def _written(file: IO[bytes], batches: Iterator[pa.Table]) -> bool:
    """Whether there is a row."""
    writer: pv.CSVWriter | None = None
    for batch in batches:
        if batch.num_rows:
            writer = writer or pv.CSVWriter(file, batch.schema)
            writer.write(_harmless(batch))
    if writer is not None:
        writer.close()
    return writer is not None


def _harmless(table: pa.Table) -> pa.Table:
    """An apostrophe stands before text that a spreadsheet would compute: names of classes come from folders of others."""
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = table.column(place)
            computes = pc.match_substring_regex(column, _FORMULA)
            shown = pc.if_else(computes, pc.binary_join_element_wise("'", column, ""), column)
            table = table.set_column(place, field, shown)
    return table
