"""What a measurement found out, in tables of its own: its id and that of its trial stand before each row."""

import sqlite3

from orchestrator.store import sql
from results_schema import OF_MEASUREMENTS
from trainables.columns import values_of
from trainables.records import Breakdown


def keep(db: sqlite3.Connection, measurement_id: str, found: Breakdown) -> None:
    """Write the rows, in the place of what an earlier attempt at the same measurement has found."""
    for table in OF_MEASUREMENTS:
        if (rows := getattr(found, table.name, None)) is None:
            continue
        (trial_id,) = db.execute("SELECT parent_id FROM trials WHERE trial_id = ?", (measurement_id,)).fetchone()
        db.execute(f"DELETE FROM {table.name} WHERE measurement_id = ?", (measurement_id,))
        if rows:
            statement = sql.upsert(table.name, ("measurement_id", "trial_id", *values_of(rows[0])))
            values = (sql.row_to_sql(values_of(row).values()) for row in rows)
            db.executemany(statement, ((measurement_id, trial_id, *row) for row in values))
