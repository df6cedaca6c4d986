"""What retraining along a stream is worth: a row for each configuration and policy."""

from typing import Final

import pandas as pd

from orchestrator.report.measured.section import CELL, Section, cells_table
from orchestrator.report.page_data import Column
from orchestrator.results.updates import by_block, updates
from orchestrator.store.frames import TablesRead
from trainables import AXES, NOTHING_MADE

_ABOUT: Final = (
    "Accuracy over all pictures of a stream, each answered by the net that its policy had when it came, mean over seeds, and"
    " how often nets were trained again for it. The policy never keeps the first net, periodic trains again whenever so many"
    " blocks have come, on_alarm after each block that alarms, on_alarm doubling also when the blocks since then are twice"
    " as many as at the last time, always after every block. Read off the nets that have seen some blocks of the stream;"
    " seeds are left out that lack a net which a policy asks for."
    " orch results RESULTS --updates has each seed."
)
_BY_BLOCK: Final = (
    "Accuracy on each block of a stream under each policy, mean over seeds: what a shift costs and for how long."
)


def retraining(tables: TablesRead, trials: pd.DataFrame) -> Section | None:
    """trials: completed ones. None where no policy but `never` can be followed."""
    if trials.empty:
        return None
    found = updates(tables)
    rows = _numbered(found[found["accuracy"].notna()])
    if not (rows["policy"] != "never").any():
        return None
    of_all = rows[rows["policy"] == "always"].set_index([CELL, "seed"])["accuracy"]
    beside = rows.set_index([CELL, "seed"])["accuracy"] - of_all.reindex(rows.set_index([CELL, "seed"]).index)
    grouped = rows.assign(beside=beside.to_numpy()).groupby([CELL, "policy"], sort=False)
    figures = pd.DataFrame(
        {
            "policy": grouped["policy"].first(),
            "accuracy": grouped["accuracy"].mean(),
            "beside": grouped["beside"].mean(),
            "retrainings": grouped["retrainings"].mean(),
            "seconds": grouped["train_seconds"].mean(),
            "alarms": grouped["alarms"].mean(),
            "seeds": grouped["seed"].nunique(),
        }
    )
    columns = {
        "policy": Column("policy", "text"),
        "accuracy": Column("accuracy", "number"),
        "beside": Column("less that of always", "number"),
        "retrainings": Column("retrainings", "number"),
        "seconds": Column("their seconds", "number"),
        "alarms": Column("alarms", "number"),
        "seeds": Column("seeds", "count"),
    }
    if of_all.empty:
        del columns["beside"]
    table = cells_table(rows, tuple(columns.values()), figures[[*columns]])
    return Section("updates", "Retraining", _ABOUT, "What retraining is worth", table)


def retraining_by_block(tables: TablesRead, trials: pd.DataFrame) -> Section | None:
    """trials: completed ones. None where no policy but `never` can be followed."""
    if trials.empty:
        return None
    rows = _numbered(by_block(tables))
    if not (rows["policy"] != "never").any():
        return None
    told = list(dict.fromkeys(rows["policy"]))
    figures = rows.groupby([CELL, "block", "policy"])["accuracy"].mean().unstack("policy")[told]
    named = rows.groupby([CELL, "block"]).agg({"block": "first", "shift": "first"}).rename(columns={"block": "number"})
    columns = (Column("block", "count"), Column("shift", "text"), *(Column(policy, "number") for policy in told))
    table = cells_table(rows, columns, named.join(figures))
    return Section("updates-by-block", "Retraining, block by block", _BY_BLOCK, "Accuracy by block and policy", table)


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    """With the numbers of their cells, and of each cell the seeds alone in which every policy was followed: means of
    different seeds are not compared.
    """
    rows = rows.assign(deployment=NOTHING_MADE)
    rows = rows.assign(**{CELL: rows.groupby([*AXES], sort=False).ngroup()})
    followed = rows.groupby(CELL)["policy"].transform("nunique")
    return rows[rows.groupby([CELL, "seed"])["policy"].transform("nunique") == followed]
