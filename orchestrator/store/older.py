"""What an older orch has written of trials, as this one has it (ADR 14)."""

import json
from functools import cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from results_schema import EARLIER_TRIALS, TRIALS, TUNING_TRIALS, Table

SPLIT: Final = 5
"""Version of the results from which on trials stand in three tables, and `parameters` counts what does not learn too."""


def learns_in_part(model_config: str | None) -> bool:
    """Whether only a part of a model learns: of such a one an older orch counted that part alone, and not what its
    features took. model_config: JSON; of one that cannot be read nothing is known, as if it were so.
    """
    try:
        config = json.loads(model_config or "")
    except ValueError:  # a table that nothing vouches for; that it is damaged is told by `orch verify`
        return True
    return not isinstance(config, dict) or config.get("tune", "all") != "all"


def holds_every_trial(trials: pa.Table) -> bool:
    """Whether it is a table of before trials stood in three."""
    version = (trials.schema.metadata or {}).get(b"results_version", b"")
    return version.isdigit() and int(version) < SPLIT


def carried_over(trials: pa.Table) -> pa.Table:
    """A table of before with the columns of now; what a model costs is filled in as `migration` does it in a journal."""
    of_part = pa.array(map(cache(learns_in_part), _column(trials, "model_config").to_pylist()), pa.bool_())
    counted, generation = _column(trials, "parameters"), pc.fill_null(_column(trials, "generation_seconds"), 0.0)
    filled = {
        "parameters": pc.if_else(of_part, None, counted),
        "trainable_parameters": counted,
        "total_seconds": pc.if_else(of_part, None, pc.add(_column(trials, "train_seconds"), generation)),
    }
    there = [field for field in TRIALS.schema if field.nullable or field.name in trials.column_names]
    columns = [filled[field.name] if field.name in filled else _column(trials, field.name) for field in there]
    return pa.table(columns, pa.schema(there, trials.schema.metadata))


def part_of(table: Table, trials: pa.Table) -> pa.Table:
    """Those of all trials that stand in one of the three tables."""
    planned = pc.fill_null(_column(trials, "planned"), False)
    if table is EARLIER_TRIALS:
        return trials.filter(pc.invert(planned))
    tunes = pc.fill_null(pc.equal(_column(trials, "purpose"), "tuning"), False)
    return trials.filter(pc.and_(planned, tunes if table is TUNING_TRIALS else pc.invert(tunes)))


def _column(trials: pa.Table, name: str) -> pa.ChunkedArray:
    """Empty where a still older orch did not have it."""
    if name in trials.column_names:
        return trials[name]
    return pa.chunked_array([pa.nulls(trials.num_rows, TRIALS.schema.field(name).type)])
