"""What a page says of nets that were made of trained ones."""

from typing import cast

import pandas as pd
import pytest

from orchestrator.evidence.selection import Measure
from orchestrator.report.deployed import COLUMNS, deployed
from orchestrator.store.frames import TablesRead

SEEDS = 6
ACCURACY, LOSS = Measure("accuracy", "accuracy", "val_accuracy"), Measure("loss", "cross_entropy", "val_cross_entropy")


class Tables:
    """The measured columns of the variants."""

    def __init__(self, trials: pd.DataFrame) -> None:
        measured = dict.fromkeys([name for name in COLUMNS if name not in trials], 1.0)
        self.rows = trials.assign(**measured)

    def every_trial(self, columns: list[str], filters: object) -> pd.DataFrame:
        return self.rows[columns]


def trials(difference: float, column: str = "test_accuracy", wobble: float = 0.001) -> pd.DataFrame:
    """Six parents, and a variant of each that differs by so much, more or less."""
    kept = {"model": "mlp", "optimizer": "sgd", "regularizer": "none", "dataset": "digits", "status": "completed"}
    rows = []
    for seed in range(SEEDS):
        score = 0.9 + 0.01 * seed
        rows.append({**kept, "trial_id": f"p{seed}", "deployment": "none", column: score})
        made = score + difference + wobble * (-1) ** seed
        rows.append({**kept, "trial_id": f"v{seed}", "parent_id": f"p{seed}", "deployment": "int8", column: made})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("difference", "wobble", "said"),
    [(0.0, 0.001, "yes"), (-0.005, 0.001, "yes"), (-0.05, 0.001, "no"), (-0.01, 0.001, "open"), (0.0, 0.05, "open")],
)
def test_a_variant_is_no_worse_where_its_whole_interval_is(difference: float, wobble: float, said: str) -> None:
    row = shown(trials(difference, wobble=wobble), ACCURACY)
    mean, low, high = cast(tuple[float, float, float], row["difference to its parent"])
    assert mean == pytest.approx(difference, abs=1e-9) and low < mean < high
    assert row["at most a point worse"] == said


def test_a_loss_has_no_points() -> None:
    assert shown(trials(0.5, "test_cross_entropy"), LOSS)["at most a point worse"] == ""


def test_one_seed_leaves_it_open() -> None:
    alone = trials(0.0)
    assert shown(alone[alone["trial_id"].isin(["p0", "v0"])], ACCURACY)["at most a point worse"] == "open"


def test_where_nothing_was_made_there_is_no_table() -> None:
    every = trials(0.0)
    none = every[every["deployment"] == "none"]
    assert deployed(cast(TablesRead, Tables(none)), none, {"digits": ACCURACY}) is None


def shown(every: pd.DataFrame, measure: Measure) -> dict[str, object]:
    tables = cast(TablesRead, Tables(every))  # whose column tells the parents
    table = deployed(tables, every.drop(columns="parent_id"), {"digits": measure})
    assert table is not None
    (row,) = table.rows
    return dict(zip([column.title for column in table.columns], row, strict=True))
